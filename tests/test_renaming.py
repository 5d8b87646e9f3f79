"""Collections with neutral names: the same sounds, nothing embedded again, nothing left that tells what they are."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from signals import noise

from clapsearch.errors import ClapsearchError
from clapsearch.evaluation.clips import Manifest
from clapsearch.evaluation.collection import Collection, collect
from clapsearch.evaluation.manifest import read_manifest
from clapsearch.evaluation.renaming import FIRST_NUMBER, renamed
from clapsearch.query import parse
from clapsearch.search import search
from clapsearch.settings import Settings

LABELS = ("rain", "wind", "dog", "bell", "rain", "wind", "dog", "bell")


def make_set(folder: Path) -> Manifest:
    """Write eight sounds with telling names and titles, two folders deep, a copy of one, and a manifest."""
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "caption", "label"])
        for i, label in enumerate(LABELS):
            path = folder / "takes" / f"day {i % 2}" / f"{label}_{i}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            with soundfile.SoundFile(path, "w", 48_000, 1) as sound:
                sound.title = f"thunder {label}"
                sound.write(noise(0.3, seed=i))
            rows.writerow([path.relative_to(folder), f"a {label} of day {i % 2}", label])
    return read_manifest(folder / "manifest.csv")


@pytest.fixture(scope="module")
def settings(fused_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    unused = tmp_path_factory.mktemp("unused")
    return Settings(library=unused / "unused", checkpoint=str(fused_folder), device="cpu", offline=True)


@pytest.fixture(scope="module")
def collection(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    manifest = make_set(tmp_path_factory.mktemp("set"))
    with collect(manifest, manifest.clips, settings, tmp_path_factory.mktemp("work")) as collected:
        yield collected


def names(collection: Collection) -> dict[str, str]:
    """Return, by the path of the manifest, what each clip is called now, below its root."""
    with collection.library.reading() as reading:
        roots = [root.path for root in reading.roots()]
    paths = {
        collection.clips[i].path: os.fsdecode(next(path[len(r) + 1 :] for r in roots if path.startswith(r)))
        for path, i in collection.paths.items()
    }
    return dict(sorted(paths.items()))


def said(collection: Collection, query: str) -> list[str]:
    hits = search(collection.library, None, parse(query), mode="words", top_k=100)
    return [hit.path.name for hit in hits]


def is_neutral(name: str) -> bool:
    return name.endswith(".wav") and name.removesuffix(".wav").isdigit() and int(name[:-4]) >= FIRST_NUMBER


def test_all_half_or_none_have_neutral_names_and_the_others_keep_theirs(collection: Collection) -> None:
    for share, n in ((0.0, 0), (0.5, 4), (1.0, 8)):
        with renamed(collection, share) as changed:
            found = names(changed)
            neutral = {path for path, name in found.items() if is_neutral(name)}
            assert len(neutral) == n
            assert {path: name for path, name in found.items() if path not in neutral} == {
                path: path for path in found if path not in neutral
            }
            assert len(set(found.values())) == 8
            with changed.library.reading() as reading:
                assert reading.counts().sounds == reading.counts().contents == 8


def test_the_seed_decides_and_more_includes_less(collection: Collection) -> None:
    def neutral(share: float, **how: int) -> dict[str, str]:
        with renamed(collection, share, **how) as changed:
            return {path: name for path, name in names(changed).items() if is_neutral(name)}

    half = neutral(0.5)
    assert half == neutral(0.5, seed=0)
    assert half.items() <= neutral(1.0).items()
    assert half.keys() != neutral(0.5, seed=1).keys()


def test_nothing_is_embedded_again_and_every_sound_scores_as_before(collection: Collection) -> None:
    query = collection.embedder.embed_text(["rain"])
    before = dict(zip([clip.path for clip in collection.clips], collection.search(query)[0], strict=True))
    with collection.library.reading() as reading:
        ids = {stored.id for stored in reading.embeddings()}
    with renamed(collection, 0.5) as changed:
        scores = changed.search(query)[0]
        assert dict(zip([clip.path for clip in changed.clips], scores, strict=True)) == before
        assert list(changed.paths) == sorted(changed.paths)
        assert list(changed.paths.values()) == list(range(8))
        with changed.library.reading() as reading:
            assert {stored.id for stored in reading.embeddings()} == ids
        for clip, rows in zip(changed.clips, changed.vectors, strict=True):
            old = next(i for i, other in enumerate(collection.clips) if other.path == clip.path)
            assert np.array_equal(rows, collection.vectors[old])


def test_no_title_tells_what_a_name_hides(collection: Collection) -> None:
    assert len(said(collection, "thunder")) == 8
    with renamed(collection, 1.0) as changed:
        assert said(changed, "thunder") == said(changed, "rain") == said(changed, "takes") == []
    with renamed(collection, 0.0) as changed:
        assert said(changed, "thunder") == []
        assert sorted(said(changed, "rain")) == ["rain_0.wav", "rain_4.wav"]
    assert len(said(collection, "thunder")) == 8  # the collection itself is as it was


def test_the_scratch_folder_goes_and_the_sounds_stay(collection: Collection, tmp_path: Path) -> None:
    with renamed(collection, 0.5, work=tmp_path) as changed:
        (copy, *_) = changed.paths
        assert os.stat(copy).st_nlink == 2
        assert os.fsencode(tmp_path) in copy
    assert list(tmp_path.iterdir()) == []
    assert all(os.path.isfile(path) for path in collection.paths)


def test_on_another_disk_the_sounds_are_copied(collection: Collection, small_disk: Path) -> None:
    with renamed(collection, 0.5, work=small_disk) as changed:
        assert {os.stat(path).st_nlink for path in changed.paths} == {1}
        assert len(changed.clips) == 8


def test_a_file_that_is_gone_meanwhile_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    manifest = make_set(tmp_path / "set")
    with collect(manifest, manifest.clips, settings, tmp_path / "work") as collected:
        manifest.file(manifest.clips[0]).unlink()
        renaming = renamed(collected, 0.5)
        with pytest.raises(ClapsearchError, match=r"cannot copy .*rain_0\.wav .*No such file.*--work"), renaming:
            pass
