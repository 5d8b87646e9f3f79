"""Approximate search: measured against brute force, made beside a snapshot, and never the only way to an answer."""

import dataclasses
import os
import random
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import faiss
import numpy as np
import pytest
from clusters import clusters, unit
from stories import kill, start
from test_out import wait_for
from test_store import CHECKPOINT, INFO
from world import World

from clapsearch import approximate, search, snapshot, standing, tuning
from clapsearch.api import Session
from clapsearch.clap import ClapEmbedder
from clapsearch.cli.app import run
from clapsearch.query import parse
from clapsearch.store import Approximation, Library, Place
from clapsearch.vectors import SnapshotSegment, VectorIndex, open_snapshot
from indexer.integrity import compare_snapshot, repair
from indexer.pipeline import index

DIM = 32
SOUNDS, _ = clusters(60, 50, dim=DIM, noise=0.5)
SOUNDS = np.random.default_rng(1).permutation(SOUNDS).astype(np.float16)
TEXTS = unit(SOUNDS[::30] + 0.15 * np.random.default_rng(5).standard_normal((len(SOUNDS[::30]), DIM)))


def add(library: Library, numbers: Iterable[int]) -> None:
    """Add sounds ``00000.wav`` and so on, each with its row of `SOUNDS`."""
    with library.writing() as writing:
        checkpoint_id = writing.add_checkpoint(dataclasses.replace(CHECKPOINT, dim=DIM))
        writing.activate(checkpoint_id)
        root_id = writing.add_root(b"/sounds", None).id
        for number in numbers:
            content_id = writing.add_content(number.to_bytes(16, "big"), INFO)
            writing.add_embedding(content_id, checkpoint_id, SOUNDS[number, None], replaces=[])
            writing.place_sound(Place(root_id, b"%05d.wav" % number, 10, 1), content_id)


def drop(library: Library, numbers: range) -> None:
    """Replace what these sounds are like by the opposite of the first one."""
    with library.writing() as writing:
        for number in numbers:
            content_id = writing.add_content(number.to_bytes(16, "big"), INFO)
            writing.add_embedding(content_id, 1, -SOUNDS[:1].astype(np.float32), replaces=[1])


def brute_force(query: np.ndarray, rows: np.ndarray = SOUNDS, n: int = 10) -> list[str]:
    scores = (rows.astype(np.float64) * query).sum(axis=1)
    return [f"{number:05}.wav" for number in np.argsort(-scores, kind="stable")[:n]]


def found(library: Library, query: np.ndarray, text: str = "", **how) -> list[str]:
    asked = parse(text) if text else search.ANYTHING
    return [hit.path.name for hit in search.search(library, query, asked, mode="sound", include_offline=True, **how)]


def tried(library: Library) -> Approximation | None:
    with library.reading() as reading:
        return reading.approximation()


def file(library: Library) -> Path:
    return library.snapshots / tried(library).tuned.name


def names(library: Library) -> set[str]:
    return {path.name for path in library.snapshots.iterdir()}


def published(library: Library) -> SnapshotSegment:
    with library.reading() as reading:
        newest = reading.newest_snapshot()
    path = library.snapshots / newest.name
    return open_snapshot(path, n_vectors=newest.n_vectors, n_bytes=newest.n_bytes)


def is_used(library: Library) -> bool:
    with library.reading() as reading:
        base = search.open_index(reading, library.snapshots)._segments[0]
    return isinstance(base, approximate.ApproximateSegment)


def find_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find every exact search slow, a small one too, and look no deeper than for ten sounds."""
    monkeypatch.setattr(snapshot, "SLOW_MS", -1.0)
    monkeypatch.setattr(snapshot, "MIN_NEW_VECTORS", 10)
    monkeypatch.setattr(snapshot, "_why_not", lambda attempt, exact_ms: None if attempt.is_good else "not good")
    monkeypatch.setattr(tuning, "MIN_RECALL", 1.0)  # so that every text is answered as by brute force
    monkeypatch.setattr(search, "DEPTH", 10)


@pytest.fixture(autouse=True)
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    find_slow(monkeypatch)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory, empty: Path) -> Path:
    """Libraries of 3,000 sounds in a snapshot: one without an approximate index, one with."""
    home = tmp_path_factory.mktemp("templates")
    for name in ("plain", "full"):
        (home / name).mkdir()
    plain = Library(Path(shutil.copy(empty, home / "plain" / "library.sqlite3")))
    add(plain, range(3000))
    assert snapshot.refresh(plain)
    plain.close()
    shutil.copytree(home / "plain", home / "full", dirs_exist_ok=True)
    full = Library(home / "full" / "library.sqlite3")
    with pytest.MonkeyPatch.context() as monkeypatch:
        find_slow(monkeypatch)
        assert snapshot.hasten(full, lambda: TEXTS)
    full.close()
    return home


def copied(template: Path, tmp_path: Path) -> Iterator[Library]:
    opened = Library(shutil.copytree(template, tmp_path / template.name) / "library.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def plain(templates: Path, tmp_path: Path) -> Iterator[Library]:
    """3,000 sounds in a snapshot."""
    yield from copied(templates / "plain", tmp_path)


@pytest.fixture
def full(templates: Path, tmp_path: Path) -> Iterator[Library]:
    """3,000 sounds in a snapshot, and an approximate index."""
    yield from copied(templates / "full", tmp_path)


def forget_codes(library: Library) -> None:
    """Let a tenth of the approximate index's lists hold zeros."""
    index, path = faiss.read_index(str(file(library))), file(library)
    lists = faiss.downcast_index(index.index)
    for i in range(0, lists.nlist, 10):
        if n := lists.invlists.list_size(i):
            faiss.rev_swig_ptr(lists.invlists.get_codes(i), n * lists.code_size)[:] = 0
    path.unlink()
    faiss.write_index(index, str(path))


def lie(library: Library) -> None:
    """Let the approximate index mistake every vector for another."""
    index, path = faiss.read_index(str(file(library))), file(library)
    lists = faiss.downcast_index(index.index)
    for i in range(lists.nlist):
        if n := lists.invlists.list_size(i):
            ids = faiss.rev_swig_ptr(lists.invlists.get_ids(i), n)
            ids[:] = ((ids >> 16) % 3000 + 1) << 16
    path.unlink()
    faiss.write_index(index, str(path))


def test_it_finds_what_brute_force_finds(full: Library) -> None:
    assert is_used(full)
    for query in TEXTS:
        assert found(full, query) == brute_force(query)


def test_recall_is_measured_for_sounds_and_texts_and_kept(full: Library) -> None:
    tuned = tried(full).tuned
    assert (tuned.n_sounds, tuned.n_texts, tuned.n_lists, tuned.n_trained) == (200, len(TEXTS), 219, 3000)
    assert tuned.n_bytes == file(full).stat().st_size
    exact = published(full)
    segment = approximate.open_approximate(file(full), exact, n_bytes=tuned.n_bytes, n_probe=tuned.n_probe)
    recalls = []
    for query in TEXTS:
        best = VectorIndex([exact]).top(query, 10)[0]
        recalls.append(np.isin(best, VectorIndex([segment]).top(query, 64)[0][:10]).mean())
    assert tuned.recall_by_texts == np.mean(recalls) == 1.0
    assert tuned.recall_by_sounds == 1.0


def test_more_lists_are_looked_into_until_recall_is_good(plain: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "_N_LISTS", 2.0)
    monkeypatch.setattr(approximate, "_WIDTH", 0)
    monkeypatch.setattr(approximate, "_N_MORE", 0)
    monkeypatch.setattr(approximate, "MOST_LISTS", 1.0)
    monkeypatch.setattr(tuning, "_N_CANDIDATES", 10)
    monkeypatch.setattr(tuning, "MIN_RECALL", 0.95)
    monkeypatch.setattr(tuning, "N_SOUNDS", 50)
    rows = SOUNDS.astype(np.float32)
    stray = unit(rows[:100] + rows[100:200] + rows[200:300])  # between sounds
    attempts = [tuning.Tuner(published(plain), texts, lambda: False).train() for texts in (rows[:100], stray)]
    assert 1 <= attempts[0].n_probe < attempts[1].n_probe
    assert all(attempt.is_good for attempt in attempts)
    monkeypatch.setattr(approximate, "MOST_LISTS", (attempts[1].n_probe - 1) / approximate.n_lists(attempts[1].index))
    worse = tuning.Tuner(published(plain), stray, lambda: False).train()
    assert worse.recall_by_texts < 0.95 <= worse.recall_by_sounds
    assert not worse.is_good


def test_it_is_not_published_unless_it_finds_enough(plain: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "MOST_LISTS", 0.0)
    monkeypatch.setattr(tuning, "MIN_RECALL", 1.1)
    asked = []
    assert not snapshot.hasten(plain, lambda: asked.append(1) or TEXTS)
    assert not snapshot.hasten(plain, lambda: asked.append(1) or TEXTS)  # not again for the same snapshot
    assert len(asked) == 1
    assert tried(plain).why_not == "not good"
    assert len(names(plain)) == 1
    assert not is_used(plain)


@pytest.mark.parametrize(("recall", "ms", "why_not"), [
    (0.98, 1.0, "recall@10 is 0.995 by sounds, 0.980 by texts even at n_probe 8"),
    (0.99, 60.0, "a search takes 60.0 ms with it"),
    (0.99, 59.0, None),
])  # fmt: skip
def test_why_there_is_none(monkeypatch: pytest.MonkeyPatch, recall: float, ms: float, why_not: str | None) -> None:
    monkeypatch.undo()
    assert snapshot._why_not(tuning.Attempt(None, 100, 8, 0.995, recall, ms), 60.0) == why_not


def test_a_fast_library_gets_none(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "SLOW_MS", 1000.0)
    add(library, range(100))
    snapshot.refresh(library)
    assert not snapshot.hasten(library, lambda: pytest.fail("texts were embedded for nothing"))
    assert tried(library).tuned is None
    assert len(names(library)) == 1


def test_without_a_snapshot_there_is_nothing_to_hasten(library: Library) -> None:
    assert not snapshot.hasten(library, lambda: pytest.fail("texts were embedded for nothing"))
    add(library, range(30))
    assert not snapshot.hasten(library, lambda: pytest.fail("texts were embedded for nothing"))


def test_the_next_snapshot_has_it_updated_not_made_anew(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    add(library, range(2000))
    snapshot.refresh(library)
    snapshot.hasten(library, lambda: TEXTS)
    before = names(library)
    add(library, range(2000, 3000))
    drop(library, range(100))
    assert snapshot.refresh(library)
    assert file(library).exists()  # the next one is made from it
    assert not is_used(library)
    rows = np.concatenate([np.repeat(-SOUNDS[:1], 100, axis=0), SOUNDS[100:]])
    assert all(found(library, query) == brute_force(query, rows) for query in TEXTS)
    monkeypatch.setattr(approximate, "train", lambda *_: pytest.fail("trained anew"))
    assert snapshot.hasten(library, lambda: TEXTS)
    assert is_used(library)
    assert tried(library).tuned.n_trained == 2000
    assert len(names(library)) == 2
    assert names(library).isdisjoint(before)
    np.testing.assert_array_equal(np.sort(approximate.labels_of(faiss.read_index(str(file(library))))), labels(library))
    assert all(found(library, query) == brute_force(query, rows) for query in TEXTS)


def labels(library: Library) -> np.ndarray:
    with library.reading() as reading:
        return np.array([stored.id for stored in reading.embeddings()]) << 16


@pytest.mark.parametrize("n_before", [1500, 1501])
def test_the_lists_are_chosen_anew_once_the_library_has_doubled(library: Library, n_before: int) -> None:
    add(library, range(n_before))
    snapshot.refresh(library)
    snapshot.hasten(library, lambda: TEXTS)
    add(library, range(n_before, 3000))
    snapshot.refresh(library)
    assert snapshot.hasten(library, lambda: TEXTS)
    assert tried(library).tuned.n_trained == (3000 if n_before == 1500 else n_before)


def test_the_lists_are_chosen_anew_when_most_of_the_library_is_new(full: Library) -> None:
    drop(full, range(1501))
    snapshot.refresh(full)
    assert approximate.update(file(full), published(full), lambda: False) is None


def test_the_lists_are_chosen_anew_when_they_do_not_fit_any_more(library: Library, monkeypatch) -> None:
    monkeypatch.setattr(tuning, "MIN_RECALL", 0.99)
    order = np.argsort(SOUNDS[:, 0], kind="stable")  # what comes later is of another kind
    add(library, order[:1600].tolist())
    snapshot.refresh(library)
    snapshot.hasten(library, lambda: TEXTS)
    add(library, order[1600:].tolist())
    snapshot.refresh(library)
    before = tried(library).tuned
    update = tuning.Tuner(published(library), TEXTS, lambda: False).update(file(library), before.n_trained)
    assert snapshot.hasten(library, lambda: TEXTS)
    assert (update is None) == (tried(library).tuned.n_trained == 3000)


def test_newer_sounds_are_found_at_once(library: Library) -> None:
    add(library, range(2990))
    snapshot.refresh(library)
    snapshot.hasten(library, lambda: TEXTS)
    add(library, range(2990, 3000))
    assert is_used(library)
    assert all(found(library, query) == brute_force(query) for query in TEXTS)
    assert found(library, SOUNDS[2995].astype(np.float32), top_k=1) == ["02995.wav"]


@pytest.mark.parametrize("damage", ["missing", "short", "junk", "another", "empty"])
def test_a_damaged_file_means_exact_search_until_the_next_run(full: Library, damage: str) -> None:
    path = file(full)
    whole = path.read_bytes()
    other = next(each for each in full.snapshots.iterdir() if each != path).read_bytes()
    path.unlink()
    if damage != "missing":
        kinds = {"short": whole[:-100], "junk": b"x" * len(whole), "another": other.ljust(len(whole))[: len(whole)]}
        path.write_bytes(kinds.get(damage, b""))
    assert not is_used(full)
    assert all(found(full, query) == brute_force(query) for query in TEXTS)
    assert snapshot.hasten(full, lambda: TEXTS)
    assert is_used(full)
    assert len(names(full)) == 2


def test_an_old_file_that_cannot_be_read_is_made_anew(full: Library) -> None:
    file(full).write_bytes(b"junk")
    assert approximate.update(file(full), published(full), lambda: False) is None


def test_exact_searches_and_filters_do_without_it(full: Library) -> None:
    lie(full)
    assert is_used(full)
    query = TEXTS[0]
    assert found(full, query) != brute_force(query)
    assert all(found(full, query, exact=True) == brute_force(query) for query in TEXTS)
    assert all(found(full, query, "ext:wav") == brute_force(query) for query in TEXTS)


def test_deep_searches_are_exact(full: Library) -> None:
    for query in TEXTS[:10]:
        assert found(full, query, top_k=2000) == brute_force(query, n=2000)


def test_labels_that_are_not_there_lead_to_exact_search(full: Library) -> None:
    index, path = faiss.read_index(str(file(full))), file(full)
    lists = faiss.downcast_index(index.index)
    for i in range(lists.nlist):
        faiss.rev_swig_ptr(lists.invlists.get_ids(i), lists.invlists.list_size(i))[:] += 1
    path.unlink()
    faiss.write_index(index, str(path))
    assert is_used(full)
    assert all(found(full, query) == brute_force(query) for query in TEXTS)


def test_a_file_in_memory_and_a_mapped_one_agree(full: Library) -> None:
    loaded = faiss.read_index(str(file(full)))
    mapped = faiss.read_index(str(file(full)), faiss.IO_FLAG_MMAP_IFC)
    for query in TEXTS:
        answers = [approximate._search(index, query, 64, 7) for index in (loaded, mapped)]
        np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("n_asked", [0, 1, 2, 3, 5, 8])
def test_a_build_that_is_stopped_leaves_exact_search(plain: Library, n_asked: int) -> None:
    before, times = names(plain), 0

    def should_stop() -> bool:
        nonlocal times
        times += 1
        return times > n_asked

    assert not snapshot.hasten(plain, lambda: TEXTS, should_stop)
    assert times == n_asked + 1  # and nothing is done after that
    assert (names(plain), tried(plain)) == (before, None)
    assert all(found(plain, query) == brute_force(query) for query in TEXTS[:10])
    assert snapshot.hasten(plain, lambda: TEXTS)


def swap(library: Library) -> None:
    """Let the approximate index list one vector twice, and another not at all."""
    index, path = faiss.read_index(str(file(library))), file(library)
    lists = faiss.downcast_index(index.index)
    i = next(i for i in range(lists.nlist) if lists.invlists.list_size(i) > 1)
    ids = faiss.rev_swig_ptr(lists.invlists.get_ids(i), 2)
    ids[0] = ids[1]
    path.unlink()
    faiss.write_index(index, str(path))


def crop(library: Library) -> None:
    os.truncate(file(library), 1000)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda library: None, None),
        (crop, "does not open as an approximate index of 3,000 vectors"),
        (lambda library: file(library).unlink(), "does not open as an approximate index of 3,000 vectors"),
        (swap, "lists other vectors than the snapshot has"),
        (lie, r"has recall@10 0\.0\d+, \d\.\d+ when made"),
        (forget_codes, r"has recall@10 0\.[89]\d+, \d\.\d+ when made"),
    ],
)
def test_a_damaged_one_is_a_fault_and_made_anew(full: Library, damage, message: str | None) -> None:
    damage(full)
    problems = compare_snapshot(full).problems
    assert len(problems) == (message is not None)
    if message:
        assert re.search(message, problems[0])
        repair(full)
        assert snapshot.refresh(full)
        assert snapshot.hasten(full, lambda: TEXTS)
        assert compare_snapshot(full).problems == ()


def test_a_repair_makes_it_anew(full: Library) -> None:
    with full.writing() as writing:
        writing.withdraw()
    repair(full)
    assert tried(full) is None
    assert not is_used(full)


def test_a_full_disk_is_a_warning(plain: Library, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    before = names(plain)
    monkeypatch.setattr(approximate, "write", lambda index, path: (_ for _ in ()).throw(OSError("no space")))
    assert not snapshot.hasten(plain, lambda: TEXTS)
    assert "no space" in caplog.text
    assert (names(plain), tried(plain)) == (before, None)


def keep_publishing(started, path: Path) -> None:
    """Publish a snapshot and an approximate index, again and again."""
    snapshot.SLOW_MS = -1.0
    snapshot.MIN_NEW_VECTORS = snapshot.NEW_SHARE = -1
    snapshot._why_not = lambda *_: None  # one that takes no time to find
    tuning.MIN_RECALL = 1.0
    library = Library.open(path)
    started.send(None)
    while True:
        with library.exclusive(wait_s=10):
            snapshot.refresh(library)
            snapshot.hasten(library, lambda: TEXTS)
        time.sleep(0.5)


def test_kills_leave_a_library_that_answers(full: Library) -> None:
    chance, seen = random.Random(0), set()
    while seen < {False, True}:  # while one is made, and while one is there
        process = start(keep_publishing, full.path)
        wait_for(lambda: is_used(full) not in seen, limit_s=30)
        time.sleep(chance.uniform(0.0, 0.1))
        assert kill(process)
        seen.add(is_used(full))
        assert all(found(full, query) == brute_force(query) for query in TEXTS[::10])
    snapshot.refresh(full)
    snapshot.hasten(full, lambda: TEXTS)
    assert is_used(full)


def status(library: Library, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert run(["status", "--library", str(library.path), *flags]) == 0
    return capsys.readouterr().out


def note(library: Library, **changes) -> None:
    with library.writing() as writing:
        writing.note(dataclasses.replace(tried(library), **changes))


def test_status_tells_of_it(full: Library, capsys: pytest.CaptureFixture[str]) -> None:
    tuned = dataclasses.replace(tried(full).tuned, recall_by_sounds=0.994, recall_by_texts=0.9912, n_probe=16)
    note(full, tuned=tuned)
    line = "approximate recall@10 0.994 by sounds, 0.991 by texts (n_probe 16 of 219 lists)"
    assert line in status(full, capsys).splitlines()
    assert '"recall_by_texts": 0.9912' in status(full, capsys, "--json")
    both = sum(path.stat().st_size for path in full.snapshots.iterdir())
    assert f'"snapshot_bytes": {both},' in status(full, capsys, "--json")
    note(full, tuned=dataclasses.replace(tuned, recall_by_texts=None))
    assert "approximate recall@10 0.994 by sounds (n_probe 16 of 219 lists)" in status(full, capsys)
    note(full, tuned=None, why_not="it is too slow", exact_ms=61.4)
    assert "approximate no, it is too slow; exact searches take 61 ms" in status(full, capsys)
    note(full, tuned=None, why_not=None)
    assert "approximate" not in status(full, capsys)
    note(full, snapshot="another", tuned=tuned)
    assert "approximate" not in status(full, capsys)


def test_a_run_makes_one_by_ordinary_texts(world: World, fused: ClapEmbedder, monkeypatch) -> None:
    monkeypatch.setattr(snapshot, "MIN_NEW_VECTORS", -1)
    monkeypatch.setattr(snapshot, "NEW_SHARE", -1)
    said = []
    index(world.library, fused, [world.folder], on_progress=said.append)
    assert said[-1].doing == "making an approximate index for faster searches"
    assert not any(progress.doing for progress in said[:-1])
    tuned = tried(world.library).tuned
    assert (tuned.n_sounds, tuned.n_texts) == (9, len(standing.texts()))
    assert is_used(world.library)


def test_a_cancelled_run_makes_none(world: World, fused: ClapEmbedder, monkeypatch) -> None:
    monkeypatch.setattr(snapshot, "MIN_NEW_VECTORS", -1)
    monkeypatch.setattr(snapshot, "NEW_SHARE", -1)
    index(world.library, fused, should_stop=lambda: True)
    assert not is_used(world.library)


def test_the_command_line_can_ask_exactly(full: Library, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    lie(full)
    text = TEXTS[0].astype(np.float32)
    monkeypatch.setattr(Session, "_embed_text", lambda self, said: text)
    monkeypatch.setattr(Session, "_embed_file", lambda self, path: text)
    how = ["--paths", "--include-offline", "--library", str(full.path)]
    for verb in (["search", "--mode", "sound", "rain"], ["similar", str(full.path)]):
        shown = []
        for flags in ([], ["--exact"]):
            assert run([*verb, *how, *flags, "--all"]) == 0
            shown.append([Path(line).name for line in capsys.readouterr().out.splitlines()])
        assert shown[0] != shown[1] == brute_force(text)
