"""Gathering what events said into batches."""

import pytest

from indexer.dirty import LATEST_S, MAX_PARTS, QUIET_S, Dirty

ROOT, OTHER = b"/sounds", b"/more"


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def dirty(clock):
    return Dirty(clock)


def test_nothing_is_never_due(dirty):
    assert dirty.due_s() is None
    assert dirty.take() == {}


def test_a_batch_is_due_when_events_are_quiet(dirty, clock):
    dirty.add(ROOT, b"a.wav")
    assert dirty.due_s() == pytest.approx(QUIET_S)
    clock.now += QUIET_S / 2
    dirty.add(ROOT, b"b.wav")
    assert dirty.due_s() == pytest.approx(QUIET_S)
    clock.now += QUIET_S
    assert dirty.due_s() == 0
    assert dirty.take() == {ROOT: [b"a.wav", b"b.wav"]}
    assert dirty.due_s() is None


def test_events_without_end_do_not_put_a_batch_off_for_ever(dirty, clock):
    began = clock.now
    while clock.now < began + LATEST_S:
        dirty.add(ROOT, b"recording.wav")
        clock.now += QUIET_S / 4
    assert dirty.due_s() == 0


def test_what_is_known_to_be_due_does_not_wait_for_quiet(dirty):
    dirty.add(ROOT, b"a.wav", is_event=False)
    assert dirty.due_s() == 0


def test_what_is_known_to_be_due_does_not_hold_up_events(dirty, clock):
    dirty.add(ROOT, b"a.wav")
    clock.now += QUIET_S * 0.9
    dirty.add(ROOT, b"b.wav", is_event=False)
    assert dirty.due_s() == pytest.approx(QUIET_S * 0.1)


def test_ten_thousand_events_are_one_look_at_the_whole_root(dirty):
    for number in range(10_000):
        dirty.add(ROOT, b"%d.wav" % number)
    dirty.add(OTHER, b"a.wav")
    assert dirty.take() == {ROOT: None, OTHER: [b"a.wav"]}


def test_as_many_parts_as_are_allowed_stay_parts(dirty):
    for number in range(MAX_PARTS):
        dirty.add(ROOT, b"%05d.wav" % number)
        dirty.add(ROOT, b"%05d.wav" % number)
    parts = dirty.take()[ROOT]
    assert parts is not None
    assert len(parts) == MAX_PARTS


def test_the_whole_root_swallows_its_parts(dirty):
    dirty.add(ROOT, b"a.wav")
    dirty.add(ROOT)
    dirty.add(ROOT, b"b.wav")
    assert dirty.take() == {ROOT: None}


def test_what_lies_in_a_dirty_folder_is_not_named_again(dirty):
    for relpath in (b"x/a.wav", b"x", b"x/y/b.wav", b"x.wav", b"x-1/c.wav"):
        dirty.add(ROOT, relpath)
    assert sorted(dirty.take()[ROOT] or []) == [b"x", b"x-1/c.wav", b"x.wav"]


def test_what_could_not_be_done_is_due_again(dirty):
    dirty.add(ROOT, b"a.wav")
    dirty.add(OTHER)
    taken = dirty.take()
    dirty.put_back(taken)
    assert dirty.due_s() == 0
    assert dirty.take() == taken


def test_the_first_event_wakes_who_waits(dirty):
    assert not dirty.changed.is_set()
    dirty.add(ROOT, b"a.wav")
    assert dirty.changed.is_set()
