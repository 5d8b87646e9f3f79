"""Telling complete files from those that are still written."""

import os

import pytest
from test_dirty import Clock

from indexer.stillness import OPEN_S, STILL_S, Stillness
from indexer.walk import File

PATH = b"/sounds/a.wav"
SMALL, BIG = File(b"a.wav", 10, 1), File(b"a.wav", 20, 1)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stillness(clock):
    return Stillness(clock)


def test_a_file_is_ready_when_it_stood_still_between_two_looks(stillness, clock):
    assert not stillness.is_ready(PATH, SMALL)
    assert stillness.due_s() == pytest.approx(STILL_S)
    clock.now += STILL_S
    assert stillness.due() == [PATH]
    assert stillness.is_ready(PATH, SMALL)


@pytest.mark.parametrize("changed", [BIG, File(b"a.wav", 10, 2), File(b"a.wav", 9, 1)])
def test_a_change_of_size_or_mtime_begins_the_wait_anew(stillness, clock, changed):
    stillness.is_ready(PATH, SMALL)
    clock.now += STILL_S
    assert not stillness.is_ready(PATH, changed)
    clock.now += STILL_S * 0.9
    assert not stillness.is_ready(PATH, changed)
    clock.now += STILL_S * 0.1
    assert stillness.is_ready(PATH, changed)


@pytest.mark.parametrize("mtime_ns", [0, -(10**18), 4 * 10**18])
def test_time_stamps_of_another_clock_do_not_matter(stillness, clock, mtime_ns):
    file = File(b"a.wav", 10, mtime_ns)
    assert not stillness.is_ready(PATH, file)
    clock.now += STILL_S
    assert stillness.is_ready(PATH, file)


def noted(stillness, path, **how):
    stillness.note(os.fsencode(path), **how)
    status = path.stat()
    return os.fsencode(path), File(b"a.wav", status.st_size, status.st_mtime_ns)


def test_an_event_is_a_look_too(stillness, clock, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"12345")
    path, file = noted(stillness, tmp_path / "a.wav")
    clock.now += STILL_S
    assert stillness.is_ready(path, file)


def test_a_file_held_open_after_writing_waits_much_longer(stillness, clock, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"12345")
    path, file = noted(stillness, tmp_path / "a.wav", is_open=True)
    clock.now += OPEN_S - 1
    assert not stillness.is_ready(path, file)
    noted(stillness, tmp_path / "a.wav", is_open=False)
    assert stillness.is_ready(path, file)


def test_a_program_that_never_closes_its_file_is_not_waited_for_for_ever(stillness, clock, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"12345")
    path, file = noted(stillness, tmp_path / "a.wav", is_open=True)
    clock.now += OPEN_S
    assert stillness.is_ready(path, file)


def test_an_empty_file_is_waited_for(stillness, clock, tmp_path):
    (tmp_path / "a.wav").touch()
    path, file = noted(stillness, tmp_path / "a.wav", is_open=False)
    clock.now += STILL_S
    assert not stillness.is_ready(path, file)
    clock.now += OPEN_S
    assert stillness.is_ready(path, file)


def test_events_of_vanished_files_and_folders_are_no_looks(stillness, tmp_path):
    stillness.note(os.fsencode(tmp_path / "gone.wav"))
    stillness.note(os.fsencode(tmp_path))
    assert stillness.due_s() is None


def test_only_what_was_looked_at_is_forgotten(stillness, clock):
    for path in (b"/s/a.wav", b"/s/x/b.wav", b"/s/x/waits.wav", b"/s/y/c.wav"):
        stillness.is_ready(path, SMALL)
    clock.now += 1
    stillness.is_ready(b"/s/x/new.wav", SMALL)
    stillness.settle([b"/s/x", b"/s/a.wav"], waiting=[b"/s/x/waits.wav"], before=clock.now)
    clock.now += STILL_S
    assert sorted(stillness.due()) == [b"/s/x/new.wav", b"/s/x/waits.wav", b"/s/y/c.wav"]


def test_what_is_gone_is_given_time_to_turn_up_elsewhere(stillness, clock):
    assert not stillness.is_ready(PATH, None)
    clock.now += STILL_S
    assert stillness.is_ready(PATH, None)


def test_what_comes_back_begins_the_wait_anew(stillness, clock):
    stillness.is_ready(PATH, None)
    clock.now += STILL_S
    assert not stillness.is_ready(PATH, SMALL)
