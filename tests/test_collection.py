"""Collections: an evaluation asks on the path that users ask on; other ways are what they are called."""

import csv
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from signals import noise

import clapsearch
from clapsearch.errors import ClapsearchError
from clapsearch.evaluation import choices, prompts, retrieval, treatments
from clapsearch.evaluation.clips import Manifest
from clapsearch.evaluation.collection import Collection, collect
from clapsearch.evaluation.evaluation import located, query_vectors, zero_shot
from clapsearch.evaluation.manifest import read_manifest
from clapsearch.mel import FrontEnd
from clapsearch.settings import Settings
from clapsearch.vocabulary import describe

LABELS = ("rain", "wind", "dog", "rain", "wind", "dog")
DURATIONS_S = (0.5, 1.0, 26.3, 14.0, 0.7, 20.0)


def make_set(folder: Path) -> Path:
    """Write six sounds, three of them long, with captions, labels and the time of what is known in the long ones."""
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "caption", "label", "start_s", "end_s"])
        for i, (label, duration_s) in enumerate(zip(LABELS, DURATIONS_S, strict=True)):
            soundfile.write(folder / f"{i}.wav", noise(duration_s, seed=i), 48_000)
            rows.writerow([f"{i}.wav", f"a {label} number {i % 4}", label, *([2, 4] if duration_s > 10 else ["", ""])])
    soundfile.write(folder / "not in the manifest.wav", noise(1.0, seed=9), 48_000)
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return read_manifest(make_set(tmp_path_factory.mktemp("set")))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def settings(fused_folder: Path, work: Path) -> Settings:
    return Settings(library=work / "unused", checkpoint=str(fused_folder), device="cpu", offline=True)


@pytest.fixture(scope="module")
def collection(manifest: Manifest, settings: Settings, work: Path) -> Iterator[Collection]:
    with collect(manifest, manifest.clips, settings, work) as collected:
        yield collected


def test_only_the_clips_of_the_manifest_are_embedded(collection: Collection) -> None:
    with collection.library.reading() as reading:
        assert reading.counts().sounds == 6
    assert [clip.path for clip in collection.clips] == [f"{i}.wav" for i in range(6)]
    assert [len(rows) for rows in collection.vectors] == [1, 1, 6, 3, 1, 4]
    assert collection.durations_s == pytest.approx(DURATIONS_S)
    assert (collection.missing, collection.failed) == ([], [])


def test_text_to_audio_is_what_a_search_shows(collection: Collection, settings: Settings) -> None:
    texts = retrieval.texts(collection.clips, "caption")
    scores = collection.search(query_vectors(texts, collection))
    with clapsearch.open(collection.library.path, device="cpu") as session:
        for text, row in zip(texts, scores, strict=True):
            hits = session.search(text, mode="sound", top_k=10, collapse=False)
            order = [collection.clips[i].path for i in np.argsort(-row, kind="stable")]
            assert [hit.path.name for hit in hits] == order
            # A search scales the vector of its query to unit norm once more.
            assert [hit.score for hit in hits] == pytest.approx(sorted(row, reverse=True), abs=1e-7)


def test_the_treatment_of_searches_gives_the_scores_of_searches(collection: Collection) -> None:
    vectors = query_vectors(retrieval.texts(collection.clips, "caption"), collection)
    ours = treatments.score(collection.vectors, vectors, treatments.SEARCH)
    assert np.minimum(1, ours) == pytest.approx(collection.search(vectors), abs=1e-12)


def test_audio_to_text_is_what_describe_says(collection: Collection) -> None:
    texts = retrieval.texts(collection.clips, "caption")
    scores = treatments.score(collection.vectors, query_vectors(texts, collection), treatments.DESCRIBE)
    for column, rows in enumerate(collection.vectors):
        said = describe(rows[0], collection.embedder, texts, top_k=len(texts))
        assert [one.text for one in said] == [texts[i] for i in np.argsort(-scores[:, column], kind="stable")]
        assert [one.score for one in said] == pytest.approx(sorted(scores[:, column], reverse=True), abs=1e-6)


def test_treatments_differ_on_long_sounds_only_and_are_what_they_are_called(collection: Collection) -> None:
    vectors = query_vectors(["rain", "wind"], collection)
    by_way = {way: treatments.score(collection.vectors, vectors, way) for way in treatments.TREATMENTS}
    long = collection.vectors[2].astype(float)
    mean = long[1:].mean(axis=0)
    assert by_way[treatments.FUSED][:, 2] == pytest.approx(vectors @ long[0], abs=1e-6)
    assert by_way[treatments.BEST][:, 2] == pytest.approx((vectors @ long[1:].T).max(axis=1), abs=1e-6)
    assert by_way[treatments.MEAN][:, 2] == pytest.approx(vectors @ mean / np.linalg.norm(mean), abs=1e-6)
    assert by_way[treatments.EITHER][:, 2] == pytest.approx((vectors @ long.T).max(axis=1), abs=1e-6)
    for scores in by_way.values():
        assert np.array_equal(scores[:, :2], by_way[treatments.FUSED][:, :2])


def test_zero_shot_takes_the_label_whose_prompt_is_nearest(collection: Collection) -> None:
    found = zero_shot(collection, ("a recording of {}", "{}"))
    assert found.classes == ["dog", "rain", "wind"]
    texts = [f"a recording of {name}" for name in found.classes], list(found.classes)
    mean = sum(collection.embedder.embed_text(some) for some in texts)
    best = [int((mean / np.linalg.norm(mean, axis=1, keepdims=True) @ rows[0]).argmax()) for rows in collection.vectors]
    right = [found.classes[i] == label for i, label in zip(best, LABELS, strict=True)]
    assert found.record()["accuracy"] == pytest.approx(np.mean(right))


def test_averaged_prompts_are_unit_vectors_between(collection: Collection) -> None:
    both = prompts.embed_texts(["rain"], prompts.PROMPTS["averaged"], collection.embedder)[0]
    typed, sound_of = collection.embedder.embed_text(["rain", "This is a sound of rain."])
    assert np.linalg.norm(both) == pytest.approx(1)
    assert both @ typed == pytest.approx(both @ sound_of, abs=1e-6)


def test_the_best_moment_is_where_a_search_says_it_is(collection: Collection) -> None:
    found = located(collection)
    assert found
    with clapsearch.open(collection.library.path, device="cpu") as session:
        hits = {
            (clip.path, text): session.search(text, mode="sound", top_k=6, collapse=False)
            for clip in collection.clips
            for text in clip.captions
        }
    held = [
        hit.start_s < 4 and hit.end_s > 2
        for (path, _), answers in hits.items()
        for hit in answers
        if hit.path.name == path and hit.duration_s > 10
    ]
    assert found.is_found.tolist() == held
    assert found.chance == pytest.approx([1 / 5, 1 / 2, 1 / 3])  # moments start at 0, 5, 10, 15 and, last, at 16.3 s


def test_a_coarser_hop_is_what_embedding_with_it_gives(
    manifest: Manifest, settings: Settings, work: Path, collection: Collection
) -> None:
    with collect(manifest, manifest.clips, settings, work, adapt=finer) as fine:
        assert [len(rows) for rows in fine.vectors] == [1, 1, 9, 4, 1, 6]
        choice = choices.hop(fine)
        for ours, theirs in zip(fine.vectors, collection.vectors, strict=True):
            assert np.array_equal(choices._every(ours, 2), theirs)
        assert choice.n_vectors == {"2.5 s": 22, "5 s": 16, "10 s": 13}
        assert choice.located["5 s"].is_found.tolist() == located(collection).is_found.tolist()
    ours = choice.variants["5 s"]["text_to_audio by_label"]
    assert np.array_equal(
        ours.values, choices.treatment(collection).variants[treatments.SEARCH]["text_to_audio by_label"].values
    )


def finer(front_end: FrontEnd) -> FrontEnd:
    return replace(front_end, max_moment_hop_s=2.5)


def test_front_ends_that_are_measured_never_mix_with_the_one_users_get(
    manifest: Manifest, settings: Settings, work: Path, collection: Collection
) -> None:
    with collect(manifest, manifest.clips, settings, work, adapt=lambda made: replace(made, int16=False)) as off:
        assert off.library.path != collection.library.path
        assert off.embedder.checkpoint.space != collection.embedder.checkpoint.space
        record = choices.int16(collection, off).record()
    assert record["default"] == "on"
    assert set(record["variants"]) == {"on", "off"}
    assert "difference" in record["variants"]["off"]["text_to_audio by_caption"]


def test_a_second_run_finds_the_embeddings_of_the_first(
    manifest: Manifest, settings: Settings, work: Path, collection: Collection
) -> None:
    totals = []
    clips = manifest.clips[:3]
    with collect(
        manifest, clips, settings, work, on_progress=lambda made: totals.append((made.done, made.total))
    ) as again:
        assert [clip.path for clip in again.clips] == ["0.wav", "1.wav", "2.wav"]
        assert totals == []  # nothing to embed
        scores = again.search(query_vectors(["rain"], again))
    assert scores.shape == (1, 3)
    assert np.isfinite(scores).all()


def test_missing_and_broken_files_are_listed_and_the_rest_is_measured(tmp_path: Path, settings: Settings) -> None:
    path = make_set(tmp_path)
    (tmp_path / "0.wav").unlink()
    (tmp_path / "1.wav").write_bytes(b"RIFF no sound")
    os.rename(tmp_path / "4.wav", tmp_path / "4.xyz")
    path.write_text(path.read_text().replace("4.wav", "4.xyz"))
    with collect(read_manifest(path), read_manifest(path).clips, settings, tmp_path / "work") as collected:
        assert [clip.path for clip in collected.clips] == ["2.wav", "3.wav", "5.wav"]
        assert collected.missing == ["0.wav"]
        assert [name for name, _ in collected.failed] == ["1.wav", "4.xyz"]
        assert collected.failed[1][1] == "no sound file by its name"


def test_a_manifest_of_other_places_says_how_to_name_them(tmp_path: Path, settings: Settings) -> None:
    path = make_set(tmp_path)
    (tmp_path / "empty").mkdir()
    manifest = read_manifest(path, tmp_path / "empty")
    where_to = r"none of the 6 sounds of manifest\.csv is there, .*--audio DIR"
    collecting = collect(manifest, manifest.clips, settings, tmp_path / "work")
    with pytest.raises(ClapsearchError, match=where_to), collecting:
        pass
