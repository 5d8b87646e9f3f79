"""The write arrow as a whole: real files, real workers, a real (tiny) model, a real library."""

import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import threading

import numpy as np
import peek
import pytest
from peek import Watched, found
from world import ALL, ONE_WORKER, POSIX_ONLY, SHORT, write

from clapsearch import store
from clapsearch.embedder import DeferredEmbedder
from clapsearch.errors import ClapsearchError, LibraryBusyError, LibraryError
from clapsearch.store import Library
from indexer import plan
from indexer.decode import Unwanted
from indexer.embed import Embedded
from indexer.ledger import Ledger
from indexer.pipeline import Options, index
from indexer.report import STAGES, Report
from indexer.worker import hash_content

# What every run does


def test_indexed_sounds_are_found_with_their_vectors(world, fused):
    assert found(world.library, fused) == ALL
    assert set(peek.vectors(world.library)) == set(peek.present(world.library).values())
    n = dict(
        peek.rows(world.library.path, "SELECT c.duration_s, e.n FROM embedding e JOIN content c ON c.id = e.content_id")
    )
    assert n == {0.3: 1, 22.0: 1 + 4}  # the whole, then moments at 0, 5, 10 and 12 s


def test_a_second_run_embeds_nothing_and_loads_no_model(world, no_model):
    before = world.library.path.read_bytes()
    report = world.index(no_model)
    assert (report.unchanged, report.indexed, report.recognised) == (5, 0, 0)
    assert world.library.path.read_bytes() == before


def test_a_run_with_nothing_to_do_takes_no_turn_to_write(world, no_model, monkeypatch):
    monkeypatch.setattr(store.library, "BUSY_TIMEOUT_MS", 100)
    hurried = Library.open(world.library.path)
    with world.library.writing():
        assert index(hurried, no_model, options=ONE_WORKER).unchanged == 5
    hurried.close()


def test_a_new_file_is_embedded_alone(world, fused):
    write(world.folder / "new" / "e.wav", 50)
    watched = Watched(fused)
    report = world.index(watched, world.folder)
    assert (report.indexed, report.unchanged, watched.n_embedded) == (1, 5, 1)
    assert found(world.library, fused) == [*SHORT, "e.wav", "long.wav"]


def test_an_edited_file_gets_new_vectors(world, fused):
    before = peek.present(world.library)
    write(world.a, 51)
    report = world.index(fused)
    after = peek.present(world.library)
    assert (report.indexed, report.unchanged) == (1, 4)
    assert {path for path in after if after[path] != before[path]} == {os.fsencode(world.a)}
    assert after[os.fsencode(world.a)] == hash_content(os.fsencode(world.a))
    assert found(world.library, fused) == ALL


def test_a_touched_file_is_recognised_without_the_model(world, no_model):
    before = peek.embedding_ids(world.library)
    os.utime(world.a, ns=(1, 1))
    report = world.index(no_model)
    assert (report.recognised, report.unchanged, report.indexed) == (1, 4, 0)
    assert peek.embedding_ids(world.library) == before
    assert world.index(no_model).unchanged == 5


def test_a_renamed_file_is_moved_and_keeps_its_vectors(world, fused, no_model):
    before = peek.embedding_ids(world.library)
    world.a.rename(world.folder / "renamed.wav")
    report = world.index(no_model)
    assert (report.moved, report.indexed, report.recognised) == (1, 0, 0)
    assert peek.embedding_ids(world.library) == before
    assert found(world.library, fused) == ["b.wav", "c.wav", "d.wav", "long.wav", "renamed.wav"]
    assert peek.rows(world.library.path, "SELECT count(*) FROM sound") == [(5,)]


def test_a_renamed_folder_is_moved_and_keeps_its_vectors(world, fused, no_model):
    before = peek.embedding_ids(world.library)
    (world.folder / "rain").rename(world.folder / "storm")
    report = world.index(no_model)
    assert (report.moved, report.unchanged) == (2, 3)
    assert peek.embedding_ids(world.library) == before
    assert found(world.library, fused) == ALL
    assert os.fsencode(world.folder / "storm" / "a.wav") in peek.present(world.library)


def test_a_file_moved_to_another_root_is_moved(world, fused, no_model, tmp_path):
    write(tmp_path / "other" / "x.wav", 52)
    world.index(fused, tmp_path / "other")
    world.a.rename(tmp_path / "other" / "a.wav")
    report = world.index(no_model)
    assert (report.moved, report.missing) == (1, 0)
    assert found(world.library, fused) == [*SHORT, "long.wav", "x.wav"]


def test_copies_and_links_are_not_embedded_again(world, fused, no_model):
    shutil.copyfile(world.a, world.folder / "copy.wav")
    os.link(world.a, world.folder / "hard.wav")
    (world.folder / "soft.wav").symlink_to(world.a)
    report = world.index(no_model)
    assert (report.recognised, report.moved, report.indexed) == (3, 0, 0)
    assert found(world.library, fused) == sorted([*ALL, "copy.wav", "hard.wav", "soft.wav"])
    assert len(peek.vectors(world.library)) == 5


@pytest.mark.parametrize("n_workers", [1, 3])
def test_copies_in_one_first_run_are_embedded_once(library, fused, tmp_path, n_workers):
    for name in ("one.wav", "two.wav", "x/three.wav"):
        write(tmp_path / "sounds" / name, 1)
    watched = Watched(fused)
    report = index(library, watched, [tmp_path / "sounds"], Options(n_workers=n_workers))
    assert watched.n_embedded == 1
    assert (report.indexed, report.recognised) == (1, 2)
    assert found(library, fused) == ["one.wav", "three.wav", "two.wav"]


def test_a_content_is_not_decoded_again_between_its_embedding_and_its_storing(library, fused):
    ledger = Ledger(library, [], is_fresh=False)
    assert ledger.wants(b"one.wav", b"hash")
    assert ledger.settle(Embedded(b"one.wav", b"hash", None, np.zeros((1, 32)), 0.0, 0.0)) == [b"one.wav"]
    assert not ledger.wants(b"two.wav", b"hash")
    assert ledger.settle(Unwanted(b"two.wav", b"hash", 0.0)) == [b"two.wav"]
    ledger.saved()
    assert ledger.wants(b"three.wav", b"hash")  # the library, asked now, does not know it


def test_names_that_are_not_text_are_indexed(library, fused, tmp_path):
    raw = os.path.join(os.fsencode(tmp_path), b"sounds", b"\xff\n.wav")
    write(tmp_path / "sounds" / "a.wav", 1).rename(os.fsdecode(raw))
    assert index(library, fused, [tmp_path / "sounds"], ONE_WORKER).failed == ()
    assert list(peek.present(library)) == [raw]


# Progress and interruption


@pytest.fixture
def tell_each(monkeypatch):
    """Report every file that a walk finds."""
    monkeypatch.setattr(plan, "TELL_EVERY", 1)


def test_progress_starts_at_what_is_done_and_ends_at_the_total(more, commit_each, tell_each, fused):
    seen = []
    index(more.library, fused, options=ONE_WORKER, on_progress=seen.append)
    walking = [progress for progress in seen if progress.total is None]
    assert [progress.done for progress in walking] == list(range(1, 12))
    working = [progress for progress in seen if progress.total is not None]
    assert {progress.total for progress in working} == {11}
    assert [progress.done for progress in working] == [5, 6, 7, 8, 9, 10, 11, 11]


def test_a_stopped_run_keeps_finished_work_and_the_next_completes_it(more, fused):
    watched = Watched(fused)
    report = index(more.library, watched, options=ONE_WORKER, should_stop=lambda: watched.n_embedded >= 3)
    assert report.cancelled
    assert 3 <= report.indexed < 6
    assert len(found(more.library, fused)) == 5 + report.indexed
    rest = more.index(fused)
    assert (rest.indexed, rest.unchanged, rest.cancelled) == (6 - report.indexed, 5 + report.indexed, False)
    assert len(found(more.library, fused)) == 11


def test_a_walk_that_was_stopped_marks_nothing_missing(more, tell_each, fused):
    more.a.unlink()
    seen = []
    stopped = index(
        more.library, fused, options=ONE_WORKER, on_progress=seen.append, should_stop=lambda: len(seen) >= 3
    )
    assert (stopped.cancelled, stopped.missing, stopped.indexed) == (True, 0, 0)
    assert [progress.done for progress in seen] == [1, 2, 3]
    assert found(more.library, fused) == ALL
    assert more.index(fused).indexed == 6


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("the device fell off"), ClapsearchError("no")])
def test_whatever_ends_a_run_finished_work_is_kept(more, fused, error):
    def fail(n):
        if n == 4:
            raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        more.index(Watched(fused, fail))
    assert len(peek.vectors(more.library)) == 5 + 4
    assert more.index(fused).indexed == 2
    assert len(found(more.library, fused)) == 11


def test_a_model_that_does_not_load_is_its_own_error(more, fused):
    def load():
        raise ClapsearchError("no such model")

    threads = threading.enumerate()
    with pytest.raises(ClapsearchError, match="no such model"):
        more.index(DeferredEmbedder(fused.front_end, load))
    assert threading.enumerate() == threads
    assert not multiprocessing.active_children()


# The same input gives the same vectors


def test_order_and_company_do_not_matter(world, fused, tmp_path):
    """The same five sounds under other names, in two roots, among others, with other workers."""
    files = sorted(world.folder.rglob("*.wav"))
    for number, file in enumerate(reversed(files)):
        target = tmp_path / ("one" if number % 2 else "two") / f"{number}.wav"
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, target)
        write(tmp_path / "two" / f"x{number}.wav", 80 + number)
    other = Library.open(tmp_path / "other.sqlite3", create=True)
    index(other, fused, [tmp_path / "two", tmp_path / "one"], Options(n_workers=3))
    other.close()
    ours, theirs = peek.vectors(world.library), peek.vectors(tmp_path / "other.sqlite3")
    assert len(theirs) == 10
    assert {content_hash: theirs[content_hash] for content_hash in ours} == ours


# The report


def test_a_run_accounts_for_its_time(more, fused):
    report = more.index(fused)
    assert set(report.seconds) == {"walk", "decode", "embed", "store", "snapshot"}
    assert all(report.seconds[stage] > 0 for stage in ("walk", "decode", "embed", "store"))
    assert report.wall_s > report.seconds["embed"] + report.seconds["store"]
    assert report.audio_s == pytest.approx(6 * 0.3)
    assert report.bottleneck in report.seconds


def test_hashing_known_content_counts_as_decode_time(world, no_model):
    (world.folder / "rain").rename(world.folder / "storm")
    assert world.index(no_model).seconds["decode"] > 0


def test_the_bottleneck_is_the_stage_with_most_time_a_worker():
    seconds = dict.fromkeys(STAGES, 0.0) | {"decode": 8.0, "embed": 3.0}
    report = Report(n_workers=4, seconds=seconds)
    assert report.bottleneck == "embed"
    seconds["decode"] = 13.0
    assert report.bottleneck == "decode"


def test_no_more_workers_than_files(world, fused):
    write(world.folder / "e.wav", 59)
    assert world.index(fused, n_workers=8).n_workers == 1


# Trouble with the library


def test_two_runs_at_once_are_refused_with_the_pid(world, no_model):
    script = f"""
import sys
from pathlib import Path
from clapsearch.store import Library
with Library(Path({str(world.library.path)!r})).exclusive():
    print("locked", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(LibraryBusyError, match=rf"process {other.pid} since 20\d\d"):
            world.index(no_model)
        other.communicate()
    assert world.index(no_model).unchanged == 5


def assert_one_line(error, path):
    assert "\n" not in str(error)
    assert str(path) in str(error)
    assert "finished work is kept" in str(error)
    assert "--library" in str(error)


def limit_pages(library, n_more):
    """SQLite's own page limit fails as a full disk does."""
    with library.writing() as writing:
        n = writing._connection.exec_driver_sql("PRAGMA page_count").scalar()
        writing._connection.exec_driver_sql(f"PRAGMA max_page_count = {n + n_more}")


def test_a_full_disk_is_one_line_and_keeps_finished_work(more, fused, commit_each):
    class Bulky(Watched):
        def embed_audio(self, log_mels):
            return [np.repeat(rows, 100, axis=0) for rows in super().embed_audio(log_mels)]

    limit_pages(more.library, 0)
    with pytest.raises(LibraryError, match="disk is full") as caught:
        more.index(Bulky(fused))
    assert_one_line(caught.value, more.library.path)
    done = len(peek.vectors(more.library))
    assert 5 < done < 11
    limit_pages(more.library, 1_000_000)
    assert more.index(fused).indexed == 11 - done
    assert len(found(more.library, fused)) == 11


@POSIX_ONLY
def test_a_file_size_limit_is_one_line_and_keeps_finished_work(more, fused, commit_each):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))  # of the write-ahead log, a few commits
    try:
        with pytest.raises(LibraryError) as caught:
            more.index(fused)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_one_line(caught.value, more.library.path)
    done = len(peek.vectors(more.library))
    assert 5 < done < 11
    assert more.index(fused).indexed == 11 - done
    assert len(found(more.library, fused)) == 11
