"""Comparing a walk with the library: a pure function."""

import pytest

from indexer import changes
from indexer.walk import File, Unreadable

FILE = File(b"a.wav", size=10, mtime_ns=100)


def compare(found, before, **how):
    return changes.compare(found, {relpath: (relpath, *rest) for relpath, rest in before.items()}, **how)


def known(sound_id=1, *, size=10, mtime_ns=100, settled=True, failed=False, missing=False):
    return sound_id, size, mtime_ns, settled, failed, missing


def test_a_new_file_is_a_candidate():
    result = compare([FILE], {})
    assert result.candidates == [FILE]
    assert (result.unchanged, result.returned, result.gone, result.is_offline) == (0, {}, {}, False)


def test_a_file_as_it_was_needs_nothing():
    result = compare([FILE], {b"a.wav": known()})
    assert result.unchanged == 1
    assert (result.candidates, result.returned, result.gone) == ([], {}, {})


@pytest.mark.parametrize("before", [known(size=9), known(mtime_ns=101), known(size=9, mtime_ns=99, missing=True)])
def test_another_size_or_mtime_makes_a_candidate(before):
    result = compare([FILE], {b"a.wav": before})
    assert result.candidates == [FILE]
    assert result.unchanged == 0
    assert result.returned == {}


def test_an_older_mtime_counts_too():
    assert compare([File(b"a.wav", 10, 50)], {b"a.wav": known()}).candidates == [File(b"a.wav", 10, 50)]


def test_a_missing_file_that_is_back_as_it_was_returns():
    result = compare([FILE], {b"a.wav": known(7, missing=True)})
    assert result.returned == {7: FILE}
    assert result.candidates == []
    assert result.unchanged == 0


def test_a_file_that_is_not_found_is_gone():
    result = compare([FILE], {b"a.wav": known(1), b"b.wav": known(2)})
    assert list(result.gone) == [2]


def test_what_is_missing_already_is_not_gone_again():
    assert compare([FILE], {b"a.wav": known(1), b"b.wav": known(2, missing=True)}).gone == {}


def test_unsettled_files_are_candidates_though_unchanged():
    assert compare([FILE], {b"a.wav": known(settled=False, failed=True)}).candidates == [FILE]


def test_failed_files_are_left_while_unchanged():
    result = compare([FILE], {b"a.wav": known(failed=True)})
    assert result.candidates == []
    assert (result.unchanged, result.still_failed) == (0, 1)


def test_failed_files_are_candidates_when_asked_for():
    failed, sound = File(b"bad.wav", 10, 100), FILE
    result = compare([failed, sound], {b"bad.wav": known(1, failed=True), b"a.wav": known(2)}, retry_failed=True)
    assert result.candidates == [failed]
    assert result.unchanged == 1


def test_everything_makes_all_files_candidates():
    files = [FILE, File(b"b.wav", 10, 100), File(b"c.wav", 1, 1)]
    result = compare(files, {b"a.wav": known(1), b"b.wav": known(2, missing=True)}, everything=True)
    assert result.candidates == files
    assert result.unchanged == 0
    assert result.returned == {}


def test_an_unreadable_root_is_offline_and_nothing_is_gone():
    bad = Unreadable(b"", "No such file or directory")
    result = compare([bad], {b"a.wav": known()})
    assert result.is_offline
    assert result.gone == {}
    assert result.unreadable == [bad]


def test_a_suddenly_empty_root_is_offline_and_nothing_is_gone():
    result = compare([], {b"a.wav": known()})
    assert result.is_offline
    assert result.gone == {}


@pytest.mark.parametrize("before", [{}, {b"a.wav": known(missing=True)}])
def test_a_root_that_was_empty_before_is_not_offline(before):
    assert not compare([], before).is_offline


def test_one_file_left_is_enough_to_be_online():
    result = compare([FILE], {b"b.wav": known(2), b"c.wav": known(3)})
    assert not result.is_offline
    assert list(result.gone) == [2, 3]


def test_nothing_under_an_unreadable_folder_is_gone():
    before = {b"a.wav": known(1), b"x/b.wav": known(2), b"x/y/c.wav": known(3), b"xy/d.wav": known(4)}
    result = compare([FILE, Unreadable(b"x", "Permission denied")], before)
    assert list(result.gone) == [4]
    assert result.unreadable == [Unreadable(b"x", "Permission denied")]
    assert not result.is_offline


def test_an_unreadable_file_is_not_gone():
    assert compare([FILE, Unreadable(b"b.wav", "Permission denied")], {b"b.wav": known(2)}).gone == {}


def test_a_root_whose_every_known_file_is_excluded_is_not_suddenly_empty():
    before = {b"old/a.wav": known(1), b"old/deep/b.wav": known(2)}
    result = compare([], before, is_excluded=lambda relpath: relpath == b"old")
    assert (result.is_offline, list(result.gone)) == (False, [1, 2])
    assert compare([], before, is_excluded=lambda relpath: relpath == b"old/deep").is_offline
