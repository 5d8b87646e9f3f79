"""What a run makes of files and folders that are gone, moved, copied, nested, linked or broken."""

import os
import shutil
from pathlib import Path

import numpy as np
import peek
import pytest
from peek import Watched, found
from world import ALL, ONE_WORKER, SHORT, names, write

from clapsearch.errors import ClapsearchError, UsageError
from indexer.pipeline import Options, index
from indexer.worker import hash_content

# What became of files: no content that was embedded is embedded again


def assert_true(world, no_model, *, missing: int = 0) -> None:
    """The library knows every file there is by its content, with vectors; another run has nothing to do."""
    paths = [os.fsencode(path) for path in world.folder.parent.rglob("*.wav") if path.is_file()]
    assert peek.present(world.library) == {path: hash_content(path) for path in paths}
    assert set(peek.present(world.library).values()) <= peek.vectors(world.library).keys()
    report = world.index(no_model)
    assert (report.unchanged, report.missing, report.failed) == (len(paths), 0, ())
    with world.library.reading() as reading:
        assert len(reading.missing()) == missing


def swap(one: Path, other: Path) -> None:
    aside = one.rename(one.parent / "aside")
    other.rename(one)
    aside.rename(other)


def wrap(file: Path) -> None:
    """Put a file into a folder of its own name."""
    aside = file.rename(file.parent / "aside")
    file.mkdir()
    aside.rename(file / file.name)


FREE = {
    "case of a file": lambda r: (r / "rain" / "a.wav").rename(r / "rain" / "A.wav"),
    "case of a folder": lambda r: (r / "rain").rename(r / "Rain"),
    "a folder into another": lambda r: (r / "rain").rename(r / "dogs" / "rain"),
    "two files swapped": lambda r: swap(r / "rain" / "a.wav", r / "dogs" / "c.wav"),
    "two folders swapped": lambda r: swap(r / "rain", r / "dogs"),
    "a file in a folder of its name": lambda r: wrap(r / "rain" / "a.wav"),
    "a folder in a folder of its name": lambda r: wrap(r / "rain"),
    "a hard link": lambda r: os.link(r / "rain" / "a.wav", r / "link.wav"),
    "a hard link instead": lambda r: (os.link(r / "rain" / "a.wav", r / "link.wav"), (r / "rain" / "a.wav").unlink()),
    "a copy": lambda r: shutil.copyfile(r / "long.wav", r / "copy.wav"),
    "a copy as old": lambda r: shutil.copy2(r / "long.wav", r / "copy.wav"),
    "a copy instead": lambda r: (shutil.copyfile(r / "long.wav", r / "copy.wav"), (r / "long.wav").unlink()),
    "a tree of copies instead": lambda r: (shutil.copytree(r / "rain", r / "new"), shutil.rmtree(r / "rain")),
    "an older time": lambda r: os.utime(r / "long.wav", ns=(1, 1)),
}


@pytest.mark.parametrize("what", FREE)
def test_nothing_is_embedded_and_no_sound_lost_by(world, no_model, what):
    contents = sorted(set(peek.present(world.library).values()))
    FREE[what](world.folder)
    assert world.index(no_model).failed == ()
    assert_true(world, no_model)
    assert sorted(set(peek.present(world.library).values())) == contents


def test_a_file_moved_over_another_leaves_that_ones_content_free_to_return(world, no_model):
    kept = shutil.copyfile(world.folder / "rain" / "b.wav", world.folder.parent / "kept")
    world.a.replace(world.folder / "rain" / "b.wav")
    world.index(no_model)
    assert_true(world, no_model, missing=1)
    kept.rename(world.folder / "b is back.wav")
    world.index(no_model)
    assert_true(world, no_model, missing=1)


def test_files_moved_to_another_root_are_moved(world, no_model):
    other = world.folder.parent / "other"
    (world.folder / "rain").rename(other)
    assert world.index(no_model, other).recognised == 2
    assert world.index(no_model).missing == 2
    shutil.move(world.folder / "dogs", other)
    report = world.index(no_model)
    assert (report.moved, report.missing) == (2, 0)
    assert_true(world, no_model, missing=2)


def edit(path: Path, seed: int = 80) -> None:
    """Change a file in place, as an editor that keeps the file does."""
    new = write(path.with_name("aside.wav"), seed)
    path.write_bytes(new.read_bytes())
    new.unlink()


def edit_linked(r: Path) -> None:
    os.link(r / "rain" / "a.wav", r / "link.wav")
    edit(r / "link.wav")


def replace_linked(r: Path) -> None:
    os.link(r / "rain" / "a.wav", r / "link.wav")
    write(r / "new.wav", 80).replace(r / "link.wav")


NEW = {
    "an edit in place": (lambda r: edit(r / "rain" / "a.wav"), 1, 0),
    "an atomic replace": (lambda r: write(r / "new.wav", 80).replace(r / "rain" / "a.wav"), 1, 0),
    "an edit of a hard link, which is one of both": (edit_linked, 1, 0),
    "an atomic replace of a hard link, which parts them": (replace_linked, 1, 0),
    "the same edit of two": (lambda r: (edit(r / "rain" / "a.wav"), edit(r / "dogs" / "c.wav")), 1, 0),
    "a swap and an edit of one": (
        lambda r: (swap(r / "rain" / "a.wav", r / "rain" / "b.wav"), edit(r / "rain" / "a.wav")),
        *(1, 0),
    ),
    "a move and an edit": (lambda r: edit((r / "rain" / "a.wav").rename(r / "moved.wav")), 1, 1),
    "a copy and an edit of the original": (
        lambda r: (shutil.copy2(r / "rain" / "a.wav", r / "copy.wav"), edit(r / "rain" / "a.wav")),
        *(1, 0),
    ),
    "a folder instead of a file": (
        lambda r: ((r / "long.wav").unlink(), write(r / "long.wav" / "x.wav", 80), write(r / "long.wav" / "y.wav", 81)),
        *(2, 1),
    ),
}


@pytest.mark.parametrize("what", NEW)
def test_only_new_contents_are_embedded_after(world, fused, no_model, what):
    change, n_new, n_missing = NEW[what]
    change(world.folder)
    report = world.index(watched := Watched(fused))
    assert (watched.n_embedded, report.missing, report.failed) == (n_new, n_missing, ())
    assert_true(world, no_model, missing=n_missing)


def test_an_edit_taken_back_costs_nothing(world, fused, no_model):
    before = world.a.read_bytes()
    edit(world.a)
    assert world.index(fused).indexed == 1
    world.a.write_bytes(before)
    assert world.index(no_model).recognised == 1
    assert_true(world, no_model)


def test_a_file_that_became_a_folder_and_a_file_again_costs_nothing(world, no_model):
    wrap(world.a)
    world.index(no_model)
    inner = (world.a / "a.wav").rename(world.folder / "aside")
    world.a.rmdir()
    inner.rename(world.a)
    assert world.index(no_model).moved == 1
    assert_true(world, no_model)


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
    assert sorted(os.path.basename(path) for path in peek.present(world.library)) == [os.fsencode(name) for name in ALL]
    assert found(world.library, fused) == []
    if leaves_mount_point:
        world.folder.rmdir()
    away.rename(world.folder)
    assert found(world.library, fused) == ALL
    assert world.index(no_model).unchanged == 5


def test_an_offline_root_does_not_hold_up_the_others(world, fused, tmp_path):
    write(tmp_path / "other" / "x.wav", 53)
    world.folder.rename(world.folder.parent / "away")
    report = world.index(fused, tmp_path / "other")
    assert (report.indexed, report.offline) == (1, ())
    report = world.index(fused)
    assert (report.unchanged, report.offline) == (1, (os.fsencode(world.folder),))
    assert found(world.library, fused) == ["x.wav"]
    assert len(peek.present(world.library)) == 6


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
