"""The write arrow as a whole: real files, real workers, a real (tiny) model, a real library."""

import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import peek
import pytest
import soundfile
import torch
from conftest import noise
from peek import Watched, found, unloadable

from clapsearch.embedder import DeferredEmbedder
from clapsearch.errors import ClapsearchError, LibraryBusyError, LibraryError, UsageError
from clapsearch.store import Library
from indexer import pipeline
from indexer.decode import Unwanted
from indexer.embed import Embedded
from indexer.ledger import Ledger
from indexer.pipeline import Options, index
from indexer.report import STAGES, Report
from indexer.worker import hash_content

ONE_WORKER = Options(n_workers=1)
SHORT = ["a.wav", "b.wav", "c.wav", "d.wav"]
ALL = [*SHORT, "long.wav"]
POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="POSIX")


def write(path: Path, seed: int, *, duration_s: float = 0.3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(os.fsencode(path), noise(duration_s, seed=seed), 48_000, format="WAV", subtype="PCM_16")
    return path


@dataclass
class World:
    """A folder of sounds and a library that knows it."""

    folder: Path
    library: Library

    def index(self, embedder, *folders, **options):
        return index(self.library, embedder, folders, replace(ONE_WORKER, **options))

    @property
    def a(self) -> Path:
        return self.folder / "rain" / "a.wav"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Leave the cores to the workers: several times faster for a tiny model."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def template(tmp_path_factory, fused):
    """Four short sounds and a long one, indexed once."""
    home = tmp_path_factory.mktemp("template")
    for seed, name in enumerate(SHORT):
        write(home / "world" / "sounds" / ("rain" if seed < 2 else "dogs") / name, seed)
    write(home / "world" / "sounds" / "long.wav", 9, duration_s=22)
    library = Library.open(home / "world" / "library.sqlite3", create=True)
    report = index(library, fused, [home / "world" / "sounds"], Options(n_workers=2))
    library.close()
    assert (report.indexed, report.failed) == (5, ())
    (home / "world").rename(home / "kept")
    return home


@pytest.fixture
def world(template):
    """The indexed folder, fresh for every test at the path where it was indexed."""
    shutil.copytree(template / "kept", template / "world")
    library = Library.open(template / "world" / "library.sqlite3")
    yield World(template / "world" / "sounds", library)
    library.close()
    shutil.rmtree(template / "world")


@pytest.fixture
def no_model(fused):
    return unloadable(fused.front_end)


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


# What is gone, and what only seems to be


def test_a_deleted_file_leaves_the_results_and_returns_free(world, fused, no_model):
    kept, ids = world.a.rename(world.folder.parent / "kept.wav"), peek.embedding_ids(world.library)
    assert world.index(no_model).missing == 1
    assert found(world.library, fused) == ["b.wav", "c.wav", "d.wav", "long.wav"]
    assert peek.embedding_ids(world.library) == ids
    assert world.index(no_model).missing == 0
    kept.rename(world.a)
    report = world.index(no_model)
    assert (report.returned, report.unchanged, report.indexed, report.recognised) == (1, 4, 0, 0)
    assert found(world.library, fused) == ALL


def test_a_deleted_file_returns_free_though_its_mtime_is_new(world, fused, no_model):
    content = world.a.read_bytes()
    world.a.unlink()
    world.index(no_model)
    world.a.write_bytes(content)
    assert world.index(no_model).recognised == 1
    assert found(world.library, fused) == ALL


@pytest.mark.parametrize("leaves_mount_point", [False, True])
def test_an_unplugged_root_is_offline_and_forgets_nothing(world, fused, no_model, leaves_mount_point):
    away = world.folder.rename(world.folder.parent / "away")
    if leaves_mount_point:
        world.folder.mkdir()
    report = world.index(no_model)
    assert report.offline == (os.fsencode(world.folder),)
    assert (report.missing, report.failed) == (0, ())
    assert found(world.library, fused) == ALL
    if leaves_mount_point:
        world.folder.rmdir()
    away.rename(world.folder)
    assert world.index(no_model).unchanged == 5


def test_an_offline_root_does_not_hold_up_the_others(world, fused, tmp_path):
    write(tmp_path / "other" / "x.wav", 53)
    world.folder.rename(world.folder.parent / "away")
    report = world.index(fused, tmp_path / "other")
    assert (report.indexed, report.offline) == (1, ())
    report = world.index(fused)
    assert (report.unchanged, report.offline) == (1, (os.fsencode(world.folder),))
    assert found(world.library, fused) == [*ALL, "x.wav"]


def test_nothing_is_marked_missing_under_a_folder_without_permission(world, fused, no_model):
    (world.folder / "rain").chmod(0)
    (world.folder / "dogs" / "c.wav").unlink()
    with peek.permissions_count():
        report = world.index(no_model)
    (world.folder / "rain").chmod(0o755)
    assert report.failed == ((os.fsencode(world.folder / "rain"), "cannot be read: Permission denied"),)
    assert report.missing == 1
    assert found(world.library, fused) == ["a.wav", "b.wav", "d.wav", "long.wav"]


def test_a_file_without_permission_keeps_its_vectors_and_is_tried_again(world, fused, no_model):
    os.utime(world.a, ns=(1, 1))
    world.a.chmod(0)
    for _ in range(2):
        with peek.permissions_count():
            report = world.index(no_model)
        assert report.failed == ((os.fsencode(world.a), "cannot be read: Permission denied"),)
        assert found(world.library, fused) == ALL
    world.a.chmod(0o644)
    report = world.index(no_model)
    assert (report.recognised, report.failed) == (1, ())
    assert peek.reasons(world.library) == {}


def test_excluded_sounds_leave_the_results_and_come_back_free(world, fused, no_model):
    assert world.index(no_model, world.folder, exclude=["rain", "d.*"]).missing == 3
    assert found(world.library, fused) == ["c.wav", "long.wav"]
    assert world.index(no_model).unchanged == 2  # the globs are remembered
    assert world.index(no_model, world.folder, exclude=[]).returned == 3
    assert found(world.library, fused) == ALL


def test_globs_without_a_folder_are_refused(world, no_model):
    with pytest.raises(UsageError, match="--exclude"):
        world.index(no_model, exclude=["rain"])


def test_globs_that_hide_every_known_sound_take_them_out_of_the_results(world, fused, no_model):
    world.index(fused)
    report = index(world.library, no_model, [world.folder], Options(n_workers=1, exclude=["*.wav"]))
    assert (report.missing, report.offline) == (5, ())
    assert peek.present(world.library) == {}
    report = index(world.library, no_model, [world.folder], Options(n_workers=1, exclude=[]))
    assert (report.returned, report.indexed) == (5, 0)


def test_globs_for_a_part_of_a_root_are_refused(world, no_model):
    world.index(no_model, world.folder, exclude=["dogs"])
    with pytest.raises(UsageError, match=r"is inside .*/sounds, and --exclude"):
        world.index(no_model, world.folder / "rain", exclude=["a.*"])
    assert world.index(no_model).unchanged == 3


# Roots


def test_an_outer_root_does_not_hold_what_an_inner_one_holds(world, fused):
    write(world.folder.parent / "more" / "e.wav", 54)
    report = world.index(fused, world.folder.parent)
    assert (report.indexed, report.unchanged, report.recognised) == (1, 5, 0)
    assert found(world.library, fused) == [*SHORT, "e.wav", "long.wav"]
    assert peek.rows(world.library.path, "SELECT count(*) FROM sound") == [(6,)]
    assert world.index(fused).unchanged == 6


def test_a_folder_inside_a_root_is_no_root_of_its_own(world, fused):
    write(world.folder / "rain" / "e.wav", 55)
    report = world.index(fused, world.folder / "rain")
    assert (report.indexed, report.unchanged) == (1, 5)
    assert peek.rows(world.library.path, "SELECT path FROM root") == [(os.fsencode(world.folder),)]


def test_the_same_folder_named_twice_is_one_root(library, fused, tmp_path, monkeypatch):
    write(tmp_path / "sounds" / "a.wav", 1)
    monkeypatch.chdir(tmp_path)
    index(library, fused, [Path("sounds"), tmp_path / "sounds", tmp_path / "sounds" / ".." / "sounds"], ONE_WORKER)
    assert peek.rows(library.path, "SELECT path FROM root") == [(os.fsencode(tmp_path / "sounds"),)]
    assert found(library, fused) == ["a.wav"]


def test_nested_folders_named_together_hold_a_file_once(library, fused, tmp_path):
    for relpath in ("a.wav", "inner/b.wav"):
        write(tmp_path / "sounds" / relpath, 1)
    index(library, fused, [tmp_path / "sounds", tmp_path / "sounds" / "inner"], ONE_WORKER)
    assert found(library, fused) == ["a.wav", "b.wav"]
    assert index(library, fused, options=ONE_WORKER).unchanged == 2


def test_a_folder_out_of_reach_is_refused(library, no_model, tmp_path):
    write(tmp_path / "locked" / "sounds" / "a.wav", 1)
    (tmp_path / "locked").chmod(0)
    with peek.permissions_count(), pytest.raises(ClapsearchError, match=r"cannot be read \(Permission denied\)"):
        index(library, no_model, [tmp_path / "locked" / "sounds"], ONE_WORKER)
    (tmp_path / "locked").chmod(0o755)


@pytest.mark.parametrize(("name", "problem"), [("gone", "does not exist"), ("file.wav", "is a file")])
def test_what_is_no_folder_is_refused_before_anything_changes(library, no_model, tmp_path, name, problem):
    write(tmp_path / "sounds" / "a.wav", 1)
    write(tmp_path / "file.wav", 2)
    before = library.path.read_bytes()
    with pytest.raises(ClapsearchError, match=problem):
        index(library, no_model, [tmp_path / "sounds", tmp_path / name], ONE_WORKER)
    assert library.path.read_bytes() == before
    assert peek.rows(library.path, "SELECT * FROM root") == peek.rows(library.path, "SELECT * FROM checkpoint") == []


def test_nothing_to_index_is_refused_without_the_model(library, no_model):
    with pytest.raises(UsageError, match="no folders yet"):
        index(library, no_model)
    assert peek.rows(library.path, "SELECT * FROM checkpoint") == []


# Failures


@pytest.fixture
def bad(world):
    """Three files that do not decode, one of them twice."""
    (world.folder / "text.wav").write_bytes(b"no sound at all\n" * 100)
    shutil.copyfile(world.folder / "text.wav", world.folder / "text_copy.wav")
    (world.folder / "empty.wav").write_bytes(b"")
    soundfile.write(world.folder / "silence.wav", np.zeros(48_000, np.float32), 48_000)
    return {
        "empty.wav": "empty file (0 bytes)",
        "silence.wav": "digital silence: no sample above the 16-bit floor",
        "text.wav": "not a sound file that can be decoded (Format not recognised.)",
        "text_copy.wav": "not a sound file that can be decoded (Format not recognised.)",
    }


def names(report):
    return sorted(os.fsdecode(os.path.basename(path)) for path, _ in report.failed)


def test_failures_are_recorded_with_their_reason(world, bad, fused, no_model):
    report = world.index(no_model, n_workers=2)
    assert {os.fsdecode(os.path.basename(path)): reason for path, reason in report.failed} == bad
    assert peek.reasons(world.library) == bad
    assert found(world.library, fused) == ALL


def test_failures_are_not_tried_again_while_nothing_changed(world, bad, no_model):
    world.index(no_model)
    report = world.index(no_model)
    assert (report.failed, report.unchanged, report.still_failed) == ((), 5, 4)
    assert peek.reasons(world.library) == bad


def test_failures_are_tried_again_when_asked_for(world, bad, no_model):
    world.index(no_model)
    report = world.index(no_model, retry_failed=True)
    assert names(report) == sorted(bad)
    assert report.unchanged == 5


def test_a_failed_file_that_was_repaired_is_indexed(world, bad, fused):
    world.index(fused)
    write(world.folder / "text.wav", 56)
    report = world.index(fused)
    assert (report.indexed, report.failed) == (1, ())
    assert sorted(peek.reasons(world.library)) == ["empty.wav", "silence.wav", "text_copy.wav"]
    assert found(world.library, fused) == [*ALL, "text.wav"]


def test_a_file_edited_into_garbage_leaves_the_results(world, fused, no_model):
    world.a.write_bytes(b"no sound at all")
    assert names(world.index(no_model)) == ["a.wav"]
    assert found(world.library, fused) == ["b.wav", "c.wav", "d.wav", "long.wav"]


def test_a_sound_that_fails_when_embedded_again_keeps_its_vectors(world, fused):
    class Broken(Watched):
        def embed_audio(self, log_mels):
            return [np.full_like(rows, np.nan) for rows in super().embed_audio(log_mels)]

    before = peek.vectors(world.library)
    report = world.index(Broken(fused), full=True)
    assert names(report) == ALL
    assert peek.vectors(world.library) == before
    assert found(world.library, fused) == ALL


# Progress and interruption


@pytest.fixture
def commit_each(monkeypatch):
    """Write every result at once, so that runs of a few sounds have a middle."""
    monkeypatch.setattr(pipeline, "COMMIT_FILES", 1)


@pytest.fixture
def more(world):
    """Six new sounds beside the five known ones."""
    for seed in range(6):
        write(world.folder / "more" / f"m{seed}.wav", 60 + seed)
    return world


def test_progress_starts_at_what_is_done_and_ends_at_the_total(more, commit_each, fused):
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


def test_a_walk_that_was_stopped_marks_nothing_missing(more, fused):
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


# Embedding everything again


def test_a_full_run_embeds_everything_again_to_the_same_vectors(world, fused):
    vectors, ids = peek.vectors(world.library), peek.embedding_ids(world.library)
    shutil.copyfile(world.a, world.folder / "copy.wav")
    watched = Watched(fused)
    report = world.index(watched, full=True)
    assert (report.indexed, report.recognised, watched.n_embedded) == (5, 1, 5)
    assert peek.vectors(world.library) == vectors
    assert min(peek.embedding_ids(world.library).values()) > max(ids.values())
    assert found(world.library, fused) == sorted([*ALL, "copy.wav"])


def with_backend(embedder, backend="torch-elsewhere"):
    other = Watched(embedder)
    other.checkpoint = replace(embedder.checkpoint, backend=backend)
    return other


def all_embeddings(library):
    query = "SELECT p.backend, count(*) FROM embedding e JOIN checkpoint p ON p.id = e.checkpoint_id GROUP BY 1"
    return dict(peek.rows(library.path, query))


def test_a_full_run_on_another_backend_replaces_every_vector(world, fused):
    other = with_backend(fused)
    assert world.index(other, full=True).indexed == 5
    assert other.n_embedded == 5
    assert all_embeddings(world.library) == {"torch-elsewhere": 5}
    assert found(world.library, fused) == ALL


def test_backends_mix_in_one_library(world, fused, commit_each):
    """A copy read after its original was stored is known, whichever backend embedded it."""
    for name in ("m1.wav", "m2.wav", "m3.wav"):
        write(world.folder / name, 70)
    write(world.folder / "m0.wav", 71)
    other = with_backend(fused)
    report = world.index(other)
    assert (report.indexed, report.recognised, other.n_embedded) == (2, 2, 2)
    assert all_embeddings(world.library) == {"torch-cpu": 5, "torch-elsewhere": 2}
    assert found(world.library, fused) == [*ALL, "m0.wav", "m1.wav", "m2.wav", "m3.wav"]


# Changing the checkpoint


def checkpoints(library):
    """Return how many embeddings each checkpoint has, by folder name."""
    query = "SELECT p.name, count(*) FROM embedding e JOIN checkpoint p ON p.id = e.checkpoint_id GROUP BY 1"
    return {Path(name).name: n for name, n in peek.rows(library.path, query)}


def active(library):
    with library.reading() as reading:
        return Path(reading.checkpoint().name).name


def test_a_new_checkpoint_takes_over_when_it_is_complete(world, unfused):
    report = world.index(unfused, full=True)
    assert (report.indexed, report.left_behind) == (5, 0)
    assert active(world.library) == "unfused"
    assert checkpoints(world.library) == {"unfused": 5}
    assert found(world.library, unfused) == ALL


def test_until_a_new_checkpoint_is_complete_the_old_one_answers(world, fused, unfused, commit_each):
    before = peek.vectors(world.library)
    watched = Watched(unfused)
    options = replace(ONE_WORKER, full=True)
    index(world.library, watched, options=options, should_stop=lambda: watched.n_embedded >= 2)
    assert 2 <= watched.n_embedded < 5
    assert active(world.library) == "fused"
    assert peek.vectors(world.library) == before
    assert found(world.library, fused) == ALL
    rest = Watched(unfused)
    report = world.index(rest, full=True)
    assert rest.n_embedded == 5 - watched.n_embedded
    assert report.left_behind == 0
    assert active(world.library) == "unfused"
    assert checkpoints(world.library) == {"unfused": 5}
    assert found(world.library, unfused) == ALL


def test_a_killed_change_of_checkpoint_leaves_the_old_one_in_charge(world, fused, unfused, commit_each):
    def interrupt(n):
        if n == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.index(Watched(unfused, interrupt), full=True)
    assert checkpoints(world.library) == {"fused": 5, "unfused": 3}
    assert active(world.library) == "fused"
    assert found(world.library, fused) == ALL


def test_an_offline_root_holds_up_a_change_of_checkpoint(world, fused, unfused, tmp_path):
    write(tmp_path / "other" / "x.wav", 57)
    world.index(fused, tmp_path / "other")
    away = world.folder.rename(world.folder.parent / "away")
    report = world.index(unfused, full=True)
    assert report.left_behind == 5
    assert active(world.library) == "fused"
    assert found(world.library, fused) == [*ALL, "x.wav"]
    away.rename(world.folder)
    assert world.index(unfused, full=True).left_behind == 0
    assert active(world.library) == "unfused"
    assert found(world.library, unfused) == [*ALL, "x.wav"]


def test_a_change_of_checkpoint_takes_all_roots_whichever_is_named(world, fused, unfused, tmp_path):
    write(tmp_path / "other" / "x.wav", 58)
    report = world.index(unfused, tmp_path / "other", full=True)
    assert (report.indexed, report.left_behind) == (6, 0)
    assert found(world.library, unfused) == [*ALL, "x.wav"]


def test_a_missing_sound_comes_back_after_a_change_of_checkpoint(world, unfused, no_model):
    kept = world.a.rename(world.folder.parent / "kept.wav")
    world.index(no_model)
    world.index(unfused, full=True)
    kept.rename(world.a)
    report = world.index(unfused)
    assert report.indexed == 1
    assert found(world.library, unfused) == ALL


def test_failed_files_do_not_hold_up_a_change_of_checkpoint(world, bad, fused, unfused):
    world.index(fused)
    report = world.index(unfused, full=True)
    assert names(report) == sorted(bad)
    assert report.left_behind == 0
    assert active(world.library) == "unfused"


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
