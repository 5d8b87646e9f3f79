"""Watching folders for real: real events, real files, a real (tiny) model; what a change becomes."""

import errno
import os
import shutil
import sys
import threading
import time

import numpy as np
import peek
import pytest
import soundfile
from peek import found
from signals import noise
from watching import QUIET_S, STILL_S, hurry, watching
from world import ALL, ONE_WORKER, SHORT, write

from clapsearch.errors import ClapsearchError, LibraryBusyError, UsageError
from clapsearch.store import Library
from indexer import observe
from indexer import watch as watch_module
from indexer.health import read_health
from indexer.pipeline import index

pytestmark = [pytest.mark.usefixtures("hurry"), pytest.mark.skipif(sys.platform != "linux", reason="inotify")]
__all__ = ["hurry"]


# Changes


def test_a_new_file_is_found_soon(world, fused):
    with watching(world.library, fused) as it:
        write(world.folder / "new" / "e.wav", 50)
        it.until_told("indexed", "e.wav")
        assert found(world.library, fused) == [*SHORT, "e.wav", "long.wav"]
    assert it.told() == ["e.wav"]
    assert it.embedder.n_embedded == 1


def test_what_changed_before_it_ran_is_caught_up(world, fused):
    world.a.unlink()
    write(world.folder / "e.wav", 50)
    with watching(world.library, fused) as it:
        it.until_told("missing", "a.wav")
        it.until_told("indexed", "e.wav")


def test_a_new_folder_is_made_a_root_and_watched(library, fused, tmp_path):
    write(tmp_path / "sounds" / "a.wav", 1)
    with watching(library, fused, tmp_path / "sounds") as it:
        it.until_told("indexed", "a.wav")
        write(tmp_path / "sounds" / "b.wav", 2)
        it.until_told("indexed", "b.wav")
    assert it.lines[0] == f"watching {tmp_path / 'sounds'} by events"


def test_a_deleted_file_leaves_the_results_and_returns_free(world, fused):
    kept = world.folder.parent / "kept.wav"
    with watching(world.library, fused) as it:
        world.a.rename(kept)
        it.until_told("missing", "a.wav")
        assert found(world.library, fused) == ["b.wav", "c.wav", "d.wav", "long.wav"]
        kept.rename(world.a)
        it.until_told("returned", "a.wav")
        assert found(world.library, fused) == ALL
    assert it.embedder.n_embedded == 0


def test_a_renamed_file_never_leaves_the_results(world, fused):
    with watching(world.library, fused) as it:
        world.a.rename(world.folder / "dogs" / "A.WAV")
        while "A.WAV" not in it.told("moved"):
            assert len(found(world.library, fused)) == 5
    assert [(each.kind, each.detail) for each in it.entries] == [("moved", str(world.a))]
    assert it.embedder.n_embedded == 0


def test_a_renamed_folder_is_one_batch_and_never_leaves_the_results(world, fused, monkeypatch):
    runs = counted_runs(monkeypatch)
    for seed in range(20):
        write(world.folder / "rain" / "more" / f"{seed}.wav", 200 + seed)
    world.index(fused)
    with watching(world.library, fused) as it:
        began = len(runs)
        (world.folder / "rain").rename(world.folder / "wet")
        while len(it.told("moved")) < 22:
            assert len(found(world.library, fused)) == 25
    assert set(it.told()) == set(it.told("moved"))
    assert len(runs) - began == 1
    assert it.embedder.n_embedded == 0


def test_a_move_whose_two_ends_are_seen_apart_never_leaves_the_results(world, fused, monkeypatch):
    real, late = watch_module._Watcher._on_event, []

    def on_event(self, event):
        if b"moved" in event.path:
            late.append((self, event))
        else:
            real(self, event)

    monkeypatch.setattr(watch_module._Watcher, "_on_event", on_event)
    with watching(world.library, fused) as it:
        world.a.rename(world.folder / "moved.wav")
        time.sleep(2 * QUIET_S)
        for watcher, event in late:
            real(watcher, event)
        while "moved.wav" not in it.told():
            assert len(found(world.library, fused)) == 5
    assert it.told("moved") == it.told()


def test_an_atomic_replace_is_one_change(world, fused, monkeypatch):
    runs = counted_runs(monkeypatch)
    with watching(world.library, fused) as it:
        began = len(runs)
        draft = write(world.folder / "rain" / ".a.wav.draft", 51)
        os.replace(draft, world.a)
        it.until_told("indexed", "a.wav")
        it.settled()
    assert it.told() == ["a.wav"]
    assert len(runs) - began <= 2  # a look, and the work once it stood still


def test_a_copied_tree_is_recognised(world, fused):
    with watching(world.library, fused) as it:
        shutil.copytree(world.folder / "rain", world.folder / "copy")
        it.until_told("recognised", "a.wav", "b.wav")
    assert it.embedder.n_embedded == 0


def test_a_hard_link_is_recognised(world, fused):
    with watching(world.library, fused) as it:
        os.link(world.a, world.folder / "same.wav")
        it.until_told("recognised", "same.wav")


def counted_runs(monkeypatch):
    """Count the runs of the pipeline."""
    runs, real = [], watch_module.index

    def run(*args, **how):
        runs.append(how["under"])
        return real(*args, **how)

    monkeypatch.setattr(watch_module, "index", run)
    return runs


def test_our_own_reads_wake_nobody(world, fused, monkeypatch):
    runs = counted_runs(monkeypatch)
    with watching(world.library, fused) as it:
        write(world.folder / "e.wav", 50)
        it.until_told("indexed", "e.wav")
        it.settled()
        began = len(runs)
        for path in world.folder.rglob("*.wav"):
            path.read_bytes()
        list(world.folder.rglob("*"))
        it.settled()
        assert len(runs) == began


def test_what_is_no_sound_wakes_nobody(world, fused, monkeypatch):
    runs = counted_runs(monkeypatch)
    with watching(world.library, fused) as it:
        began = len(runs)
        (world.folder / "notes.txt").write_text("x")
        (world.folder / "._a.wav").write_bytes(b"x")
        write(world.folder / ".Trash" / "t.wav", 52)
        it.settled()
        assert len(runs) == began
    assert it.entries == []


# Half-written files


def in_pieces(path, *, seed=60, pause_s, close_each=False):
    """Write a sound as a slow copy does; returns its bytes."""
    soundfile.write(path.with_suffix(".whole"), noise(1.0, seed=seed), 48_000, format="WAV", subtype="PCM_16")
    whole = path.with_suffix(".whole").read_bytes()
    pieces = [whole[start : start + 20_000] for start in range(0, len(whole), 20_000)]
    file = path.open("wb")
    for piece in pieces:
        file.write(piece)
        file.flush()
        time.sleep(pause_s)
        if close_each:
            file.close()
            file = path.open("ab")
    file.close()
    return whole


def test_a_file_that_is_held_open_is_not_taken_before_it_is_closed(world, fused):
    with watching(world.library, fused) as it:
        in_pieces(world.folder / "slow.wav", pause_s=2 * STILL_S)
        it.until_told("indexed", "slow.wav")
    assert it.told() == ["slow.wav"]
    assert it.embedder.n_embedded == 1


def test_a_file_that_grows_by_and_by_is_not_taken_before_it_stands_still(world, fused):
    with watching(world.library, fused) as it:
        in_pieces(world.folder / "slow.wav", pause_s=STILL_S / 2, close_each=True)
        it.until_told("indexed", "slow.wav")
    assert it.told() == ["slow.wav"]


def test_rescans_too_leave_a_growing_file_alone(world, fused):
    with watching(world.library, fused, rescan_only=True, rescan_s=0.1) as it:
        in_pieces(world.folder / "slow.wav", pause_s=STILL_S / 2)
        it.until_told("indexed", "slow.wav")
    assert it.told() == ["slow.wav"]
    assert it.embedder.n_embedded == 1


def test_a_file_that_changes_while_it_is_read_is_taken_as_it_is_afterwards(world, fused):
    """The read follows the look: what came in between must not be bound to the look."""
    path = write(world.folder / "e.wav", 61)

    def change_once(n):
        if n == 0:
            write(path, 62)

    report = world.index(peek.Watched(fused, change_once))
    assert report.indexed == 0
    assert peek.present(world.library)[os.fsencode(path)] is None
    assert world.index(fused).indexed == 1


def test_a_file_in_progress_does_not_hold_up_the_others(world, fused):
    stop = threading.Event()

    def record():
        with (world.folder / "recording.wav").open("wb") as file:
            while not stop.wait(0.05):
                file.write(bytes(1000))
                file.flush()

    with watching(world.library, fused) as it:
        recorder = threading.Thread(target=record)
        recorder.start()
        try:
            write(world.folder / "e.wav", 50)
            it.until_told("indexed", "e.wav")
        finally:
            stop.set()
            recorder.join()


# Lost events


def test_rescans_find_what_events_do_not(world, fused):
    with watching(world.library, fused, rescan_only=True, rescan_s=0.3) as it:
        assert it.lines == [f"watching {world.folder} by rescans (asked for)"]
        write(world.folder / "e.wav", 50)
        it.until_told("indexed", "e.wav")
        world.a.rename(world.folder / "moved.wav")
        it.until_told("moved", "moved.wav")
        (world.folder / "e.wav").unlink()
        it.until_told("missing", "e.wav")


def test_a_rescan_catches_what_a_link_hides_from_events(world, fused, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (world.folder / "link").symlink_to(tmp_path / "elsewhere")
    with watching(world.library, fused, rescan_s=0.5) as it:
        write(tmp_path / "elsewhere" / "e.wav", 50)
        it.until_told("indexed", "e.wav")
        write(world.folder / "f.wav", 51)
        it.until_told("indexed", "f.wav")
    assert "missing" not in {each.kind for each in it.entries}


def test_an_overflow_of_the_kernels_queue_makes_it_look_at_everything(world, fused, monkeypatch):
    from watchdog.observers.inotify_c import logger

    with watching(world.library, fused) as it:
        monkeypatch.setattr(watch_module._Watcher, "_on_event", lambda self, event: None)
        for _ in range(100):
            logger.warning("Inotify queue overflowed; filesystem events were lost")
        it.until_said("events were lost: looking at everything")
        it.settled(0.3)
    assert len([line for line in it.lines if "lost" in line]) <= 3  # once for each look at everything


# Roots that come and go


def test_a_root_that_goes_is_offline_and_is_followed_when_it_comes_back(world, fused):
    away = world.folder.parent / "away"
    with watching(world.library, fused) as it:
        world.folder.rename(away)
        it.until_told("offline", "sounds")
        with world.library.reading() as reading:
            assert reading.roots()[0].offline_since == pytest.approx(time.time(), abs=60)
        away.rename(world.folder)
        it.until_told("online", "sounds")
        write(world.folder / "e.wav", 50)
        it.until_told("indexed", "e.wav")
    assert {each.kind for each in it.entries} == {"offline", "online", "indexed"}


def test_a_root_that_is_deleted_and_made_again_is_followed(world, fused):
    with watching(world.library, fused) as it:
        shutil.rmtree(world.folder)
        it.until_told("offline", "sounds")
        write(world.folder / "e.wav", 50)
        it.until_told("indexed", "e.wav")
        write(world.folder / "f.wav", 51)
        it.until_told("indexed", "f.wav")


def test_a_root_without_permission_has_failed_until_it_has_it_again(world, fused):
    with peek.permissions_count(), watching(world.library, fused) as it:
        world.folder.chmod(0)
        it.until_told("failed", "sounds")
        world.folder.chmod(0o755)
        write(world.folder / "e.wav", 50)
        it.until_told("indexed", "e.wav")
    assert found(world.library, fused) == sorted([*ALL, "e.wav"])


def test_a_known_root_may_be_offline_when_it_starts(world, fused):
    away = world.folder.rename(world.folder.parent / "away")
    with watching(world.library, fused, world.folder) as it:
        it.until_told("offline", "sounds")
        away.rename(world.folder)
        it.until_told("online", "sounds")


def test_a_root_inside_another_is_looked_at_once(world, fused):
    world.index(fused, world.folder.parent)
    with watching(world.library, fused) as it:
        write(world.folder / "inner.wav", 50)
        write(world.folder.parent / "outer.wav", 51)
        it.until_told("indexed", "inner.wav", "outer.wav")
        it.settled()
    assert sorted(it.told()) == ["inner.wav", "outer.wav"]


def test_roots_that_other_commands_add_are_followed(world, fused, tmp_path):
    write(tmp_path / "other" / "x.wav", 53)
    with watching(world.library, fused) as it:
        it.until(lambda: added(world.library, fused, tmp_path / "other"))
        it.until_said(f"watching {tmp_path / 'other'} by events")
        write(tmp_path / "other" / "y.wav", 54)
        it.until_told("indexed", "y.wav")


def added(library, embedder, folder):
    try:
        index(library, embedder, [folder], ONE_WORKER)
    except LibraryBusyError:
        return False
    return True


def test_a_loop_of_links_and_a_pipe_named_like_a_sound_do_no_harm(world, fused):
    with watching(world.library, fused) as it:
        (world.folder / "rain" / "loop").symlink_to(world.folder)
        os.mkfifo(world.folder / "pipe.wav")
        (world.folder / "broken.wav").symlink_to(world.folder / "nowhere.wav")
        write(world.folder / "e.wav", 50)
        it.until_told("indexed", "e.wav")
        it.settled()
    assert it.told() == ["e.wav"]


# Troubles


def test_a_clock_that_jumps_changes_nothing(world, fused, monkeypatch):
    jumps = iter([0, 4e9, -1e6, 1e12, 5, 2e9] * 1000)
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    with watching(world.library, fused, rescan_s=0.2) as it:
        path = write(world.folder / "e.wav", 50)
        os.utime(path, (4e9, 4e9))
        it.until_told("indexed", "e.wav")
        path.unlink()
        it.until_told("missing", "e.wav")
        write(world.folder / "rain" / "f.wav", 51)
        it.until_told("indexed", "f.wav")
    assert found(world.library, fused) == sorted([*ALL, "f.wav"])


def test_a_bad_file_is_told_once_however_often_it_is_tried(world, fused):
    (world.folder / "locked.wav").write_bytes(world.a.read_bytes())
    (world.folder / "locked.wav").chmod(0)
    with peek.permissions_count(), watching(world.library, fused, rescan_s=0.1) as it:
        it.until_told("failed", "locked.wav")
        it.settled()
    assert it.told() == ["locked.wav"]
    assert it.entries[0].detail == "cannot be read: Permission denied"


def test_whatever_goes_wrong_in_a_batch_is_said_and_tried_again(world, fused, monkeypatch):
    errors = [ClapsearchError("the disk is full"), RuntimeError("boo"), ClapsearchError("the disk is full")]
    monkeypatch.setattr(watch_module, "MAX_RETRY_S", 0.1)
    real = watch_module.index

    def run(*args, **how):
        if it.stop.is_set() or not errors or not any(how["under"].values()):
            return real(*args, **how)
        raise errors.pop()

    with watching(world.library, fused) as it:
        monkeypatch.setattr(watch_module, "index", run)
        write(world.folder / "e.wav", 50)
        it.until_told("indexed", "e.wav")
    assert [line for line in it.lines if "trying again" in line] == [
        "the disk is full; trying again",
        "RuntimeError: boo; trying again",
        "the disk is full; trying again",
    ]
    assert "it works again" in it.lines


def test_another_writer_is_waited_for(world, fused):
    with watching(world.library, fused) as it:
        with world.library.exclusive(wait_s=5):
            write(world.folder / "e.wav", 50)
            it.until_said("is being written by process")
        it.until_told("indexed", "e.wav")


def test_a_full_disk_is_said_and_survived(library, fused, tmp_path, small_disk):
    write(tmp_path / "sounds" / "a.wav", 1)
    lib = Library.open(small_disk / "library.sqlite3", create=True)
    with watching(lib, fused, tmp_path / "sounds") as it:
        it.until_told("indexed", "a.wav")
        with (small_disk / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(4096))
            except OSError:
                pass
        for seed in range(50):
            write(tmp_path / "sounds" / f"b{seed}.wav", 100 + seed, duration_s=0.01)
        it.until_said("disk is full")
        (small_disk / "ballast").unlink()
        it.until_told("indexed", *(f"b{seed}.wav" for seed in range(50)))
    lib.close()


def test_a_second_watcher_is_refused_with_the_first_ones_number(world, fused):
    with watching(world.library, fused), pytest.raises(LibraryBusyError, match=rf"watched by process {os.getpid()} si"):
        watch_module.watch(world.library, lambda: fused, should_stop=lambda: True)


def test_nothing_to_watch_is_refused(library, no_model):
    with pytest.raises(UsageError, match="clapsearch watch FOLDER"):
        watch_module.watch(library, lambda: no_model, should_stop=lambda: True)


def test_an_unknown_folder_that_is_not_there_is_refused(world, no_model, tmp_path):
    with pytest.raises(ClapsearchError, match="does not exist"):
        watch_module.watch(world.library, lambda: no_model, [tmp_path / "gone"], should_stop=lambda: True)


def test_a_change_of_checkpoint_by_another_command_is_followed(world, fused, unfused):
    by_name = {str(each.checkpoint.name): each for each in (fused, unfused)}

    def open_embedder():
        with world.library.reading() as reading:
            return by_name[reading.checkpoint().name]

    with watching(world.library, fused, open_embedder=open_embedder) as it:
        world.index(unfused, full=True, wait_s=5.0)
        write(world.folder / "e.wav", 50)
        it.until_told("indexed", "e.wav")
    assert f"the library has checkpoint {unfused.checkpoint.name} now" in it.lines
    assert found(world.library, unfused) == [*SHORT, "e.wav", "long.wav"]


def test_a_checkpoint_that_does_not_load_is_tried_ever_more_rarely(world, fused, unfused, monkeypatch):
    world.index(unfused, full=True)
    monkeypatch.setattr(watch_module, "TICK_S", 0.0)
    now_s, tries, lines, entries = 0, [], [], []

    def should_stop():  # asked once a tick: no batch may run
        nonlocal now_s
        now_s += 1
        return now_s > 150

    def open_embedder():
        tries.append(now_s)
        if len(tries) > 1:
            raise ClapsearchError("no such checkpoint")
        return fused  # as it was before the change

    hears = {"on_entry": entries.append, "say": lines.append}
    watch_module.watch(world.library, open_embedder, should_stop=should_stop, clock=lambda: now_s, **hears)
    assert np.diff(tries[1:]).tolist() == [2, 4, 8, 16, 32, 60]
    assert sorted(lines) == ["no such checkpoint; trying again", f"watching {world.folder} by events"]
    assert entries == []


def test_it_says_how_it_is_while_it_runs(world, fused):
    with watching(world.library, fused) as it:
        write(world.folder / "e.wav", 50)
        it.until_told("indexed", "e.wav")
        it.until(lambda: (health := read_health(world.library.health)) is not None and health.n_changes == 1)
        health = read_health(world.library.health)
        assert (health.pid, health.problem) == (os.getpid(), "")
        assert health.modes == {str(world.folder): "events"}
    assert read_health(world.library.health) is None


def test_the_word_of_a_dead_watcher_does_not_count(world, fused):
    with watching(world.library, fused):
        said = world.library.health.read_text()
    world.library.health.write_text(said.replace('"began": ', '"began": 1'))
    assert read_health(world.library.health) is None


def limited(monkeypatch, n_watches):
    """Let the system refuse more than so many watched folders."""
    from watchdog.observers.inotify_c import InotifyFD

    real, used = InotifyFD.add_callback, set()

    def add_callback(self, path, *rest):
        if len(used | {path}) > n_watches:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")
        if path != observe._PROBE.encode():
            used.add(path)
        return real(self, path, *rest)

    monkeypatch.setattr(InotifyFD, "add_callback", add_callback)


def test_a_reached_limit_of_the_system_is_told_with_the_line_that_raises_it(world, fused, monkeypatch):
    limited(monkeypatch, 2)  # there are three folders
    with watching(world.library, fused, rescan_s=0.3) as it:
        it.until_said("by rescans (fs.inotify.max_user_watches is ")
        it.until_said("sudo sysctl fs.inotify.max_user_watches=")
        write(world.folder / "e.wav", 50)
        it.until_told("indexed", "e.wav")


def test_a_limit_that_is_reached_later_is_told_too(world, fused, monkeypatch):
    limited(monkeypatch, 5)  # the three folders and two more
    with watching(world.library, fused, rescan_s=0.3) as it:
        for number in range(4):
            write(world.folder / f"new{number}" / f"e{number}.wav", 50 + number)
        it.until_said("new folders are found by rescans only: fs.inotify.max_user_watches is ")
        it.until_told("indexed", "e0.wav", "e1.wav", "e2.wav", "e3.wav")


@pytest.mark.slow
def test_ten_thousand_new_files_at_once_are_one_batch_of_work(world, fused, monkeypatch):
    runs = counted_runs(monkeypatch)
    whole = world.a.read_bytes()
    with watching(world.library, fused) as it:
        began = len(runs)
        (world.folder / "burst").mkdir()
        for number in range(10_000):
            (world.folder / "burst" / f"{number}.wav").write_bytes(whole)
        it.until(lambda: len(it.told("recognised")) == 10_000)
        assert len(runs) - began < 20
    assert it.embedder.n_embedded == 0
    assert np.unique(it.told()).size == 10_000
