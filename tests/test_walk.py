"""What a walk finds, on folders as hostile as they come."""

import os

import peek
import pytest

from indexer.filters import excluder
from indexer.walk import File, LinkedFolderError, Unreadable, walk


def touch(folder, *relpaths: bytes):
    for relpath in relpaths:
        path = os.path.join(os.fsencode(folder), relpath)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"12345")


def names(folder, **how):
    return [item.relpath for item in walk(os.fsencode(folder), **how)]


def test_files_come_with_size_and_mtime(tmp_path):
    touch(tmp_path, b"a.wav")
    os.utime(tmp_path / "a.wav", ns=(1, 1_700_000_000_123_456_789))
    assert list(walk(os.fsencode(tmp_path))) == [File(b"a.wav", 5, 1_700_000_000_123_456_789)]


def test_only_sound_files_are_found(tmp_path):
    touch(tmp_path, b"a.wav", b"a.txt", b"cover.png", b"b.FLAC", b"wav")
    assert names(tmp_path) == [b"a.wav", b"b.FLAC"]


def test_hidden_files_and_folders_are_skipped(tmp_path):
    touch(tmp_path, b"a.wav", b"._a.wav", b".hidden.wav", b".cache/b.wav", b"x/._b.wav")
    assert names(tmp_path) == [b"a.wav"]


def test_order_does_not_depend_on_creation(tmp_path):
    relpaths = [b"z.wav", b"b/y.wav", b"a/x.wav", b"b/c/w.wav", b"a.wav", b"B.wav"]
    touch(tmp_path / "one", *relpaths)
    touch(tmp_path / "two", *reversed(relpaths))
    expected = [b"B.wav", b"a.wav", b"z.wav", b"a/x.wav", b"b/y.wav", b"b/c/w.wav"]
    assert names(tmp_path / "one") == expected
    assert names(tmp_path / "two") == expected


def test_a_folder_may_be_named_like_a_sound(tmp_path):
    touch(tmp_path, b"album.wav/a.wav")
    assert names(tmp_path) == [b"album.wav/a.wav"]


def test_names_that_are_not_text_stay_bytes(tmp_path):
    touch(tmp_path, b"\xff\xfe.wav", b"caf\xe9/a.wav")
    assert names(tmp_path) == [b"\xff\xfe.wav", b"caf\xe9/a.wav"]


def test_names_may_hold_newlines_and_control_characters(tmp_path):
    touch(tmp_path, b"two\nlines.wav", b"\x1b[31m/red.wav")
    assert names(tmp_path) == [b"two\nlines.wav", b"\x1b[31m/red.wav"]


def test_linked_files_and_folders_are_followed(tmp_path):
    touch(tmp_path / "elsewhere", b"a.wav", b"deep/b.wav")
    root = tmp_path / "root"
    root.mkdir()
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "file.wav").symlink_to(tmp_path / "elsewhere" / "a.wav")
    assert names(root) == [b"file.wav", b"folder/a.wav", b"folder/deep/b.wav"]


def test_a_linked_folder_inside_the_root_is_found_by_its_real_name_only(tmp_path):
    touch(tmp_path, b"z/real/a.wav")
    (tmp_path / "a_link").symlink_to(tmp_path / "z" / "real")
    assert names(tmp_path) == [b"z/real/a.wav"]


def test_link_loops_end(tmp_path):
    touch(tmp_path, b"a/b/c.wav")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "here").symlink_to(".")
    assert names(tmp_path) == [b"a/b/c.wav"]


def test_a_link_to_itself_is_no_sound_and_stops_nothing(tmp_path):
    touch(tmp_path, b"z.wav")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    found = list(walk(os.fsencode(tmp_path)))
    assert [item.relpath for item in found if isinstance(item, File)] == [b"z.wav"]


def test_broken_links_are_no_sounds(tmp_path):
    touch(tmp_path, b"a.wav")
    (tmp_path / "broken.wav").symlink_to("nowhere.wav")
    (tmp_path / "broken").symlink_to("nowhere")
    assert list(walk(os.fsencode(tmp_path))) == [File(b"a.wav", 5, os.stat(tmp_path / "a.wav").st_mtime_ns)]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_named_like_a_sound_is_left_alone(tmp_path):
    touch(tmp_path, b"b.wav")
    os.mkfifo(tmp_path / "a.wav")
    (tmp_path / "link.wav").symlink_to("a.wav")
    assert names(tmp_path) == [b"b.wav"]


def test_excluded_names_and_folders_are_not_entered(tmp_path):
    touch(tmp_path, b"a.wav", b"a.mp3", b"old/b.wav", b"x/old/c.wav", b"x/d.wav")
    assert names(tmp_path, is_excluded=excluder(["*.mp3", "old"])) == [b"a.wav", b"x/d.wav"]


def test_inner_roots_are_not_entered(tmp_path):
    touch(tmp_path, b"a.wav", b"inner/b.wav", b"inner2/c.wav")
    inner = frozenset([os.fsencode(tmp_path / "inner")])
    assert names(tmp_path, inner_roots=inner) == [b"a.wav", b"inner2/c.wav"]


def test_inner_roots_are_not_entered_through_a_link(tmp_path):
    touch(tmp_path, b"a.wav", b"inner/b.wav")
    (tmp_path / "link").symlink_to("inner")
    assert names(tmp_path, inner_roots=frozenset([os.fsencode(tmp_path / "inner")])) == [b"a.wav"]


def test_a_root_that_is_not_there_is_unreadable(tmp_path):
    assert list(walk(os.fsencode(tmp_path / "gone"))) == [Unreadable(b"", "No such file or directory")]


def test_a_folder_without_permission_is_unreadable_and_the_rest_is_found(tmp_path):
    touch(tmp_path, b"a.wav", b"locked/b.wav", b"locked/deep/c.wav", b"z/d.wav")
    (tmp_path / "locked").chmod(0)
    with peek.permissions_count():
        found = list(walk(os.fsencode(tmp_path)))
    (tmp_path / "locked").chmod(0o755)
    assert [item.relpath for item in found] == [b"a.wav", b"locked", b"z/d.wav"]
    assert found[1] == Unreadable(b"locked", "Permission denied", is_refused=True)


def test_a_root_without_permission_is_refused_not_gone(tmp_path):
    touch(tmp_path / "root", b"a.wav")
    (tmp_path / "root").chmod(0)
    with peek.permissions_count():
        found = list(walk(os.fsencode(tmp_path / "root")))
    (tmp_path / "root").chmod(0o755)
    assert found == [Unreadable(b"", "Permission denied", is_refused=True)]


def test_links_into_a_folder_without_permission_are_unreadable(tmp_path):
    touch(tmp_path / "locked", b"a.wav", b"deep/b.wav")
    touch(tmp_path / "root", b"z.wav")
    (tmp_path / "root" / "file.wav").symlink_to(tmp_path / "locked" / "a.wav")
    (tmp_path / "root" / "folder").symlink_to(tmp_path / "locked" / "deep")
    (tmp_path / "locked").chmod(0)
    with peek.permissions_count():
        found = list(walk(os.fsencode(tmp_path / "root")))
    (tmp_path / "locked").chmod(0o755)
    assert {item.relpath for item in found if isinstance(item, File)} == {b"z.wav"}
    assert {item.relpath for item in found if isinstance(item, Unreadable)} == {b"file.wav", b"folder"}


# Walks of parts


def tree(folder):
    touch(folder, b"a.wav", b"rain/b.wav", b"rain/deep/c.wav", b"rainy/d.wav", b"rain.wav")
    return folder


@pytest.mark.parametrize(
    ("under", "found"),
    [
        ([], []),
        ([b"rain"], [b"rain/b.wav", b"rain/deep/c.wav"]),
        ([b"rain/b.wav"], [b"rain/b.wav"]),
        ([b"rainy", b"a.wav"], [b"a.wav", b"rainy/d.wav"]),
        ([b"rain.wav", b"rain/deep"], [b"rain/deep/c.wav", b"rain.wav"]),
        ([b""], [b"a.wav", b"rain.wav", b"rain/b.wav", b"rain/deep/c.wav", b"rainy/d.wav"]),
    ],
)
def test_a_walk_of_parts_looks_only_there(tmp_path, under, found):
    tree(tmp_path)
    assert names(tmp_path, under=under) == found


@pytest.mark.parametrize(
    "under",
    [
        [b"rain", b"rain"],
        [b"rain/deep", b"rain"],
        [b"rain", b"rain/b.wav"],
        [b"rain/deep/c.wav", b"rain/deep", b"rain"],
    ],
)
def test_a_part_in_another_is_seen_once(tmp_path, under):
    tree(tmp_path)
    assert sorted(names(tmp_path, under=under)) == [b"rain/b.wav", b"rain/deep/c.wav"]


@pytest.mark.parametrize("part", [b"gone.wav", b"gone", b"gone/x.wav", b"a.wav/x.wav"])
def test_a_part_that_is_not_there_yields_nothing(tmp_path, part):
    tree(tmp_path)
    assert names(tmp_path, under=[part]) == []


def test_parts_come_with_size_and_mtime_as_in_a_whole_walk(tmp_path):
    tree(tmp_path)
    whole = {item.relpath: item for item in walk(os.fsencode(tmp_path))}
    assert list(walk(os.fsencode(tmp_path), under=[b"rain", b"a.wav"])) == [
        whole[name] for name in (b"a.wav", b"rain/b.wav", b"rain/deep/c.wav")
    ]


@pytest.mark.parametrize(
    "part", [b".hidden", b".hidden/x/y.wav", b"old", b"old/deep/x.wav", b"inner", b"inner/deep/x.wav", b"x.txt"]
)
def test_what_a_whole_walk_leaves_out_is_no_part(tmp_path, part):
    touch(tmp_path, b".hidden/x/y.wav", b"old/deep/x.wav", b"inner/deep/x.wav", b"x.txt", b"x.wav")
    how = {"is_excluded": excluder(["old"]), "inner_roots": frozenset([os.fsencode(tmp_path / "inner")])}
    assert names(tmp_path, under=[part], **how) == []
    assert names(tmp_path, under=[b"x.wav"], **how) == [b"x.wav"]


def test_an_inner_root_below_a_part_is_not_entered(tmp_path):
    touch(tmp_path, b"a/inner/x.wav", b"a/y.wav")
    assert names(tmp_path, under=[b"a"], inner_roots=frozenset([os.fsencode(tmp_path / "a" / "inner")])) == [b"a/y.wav"]


@pytest.mark.parametrize("part", [b"link", b"link/b.wav", b"link/deep", b"holds"])
def test_a_part_that_has_to_do_with_a_linked_folder_is_refused(tmp_path, part):
    tree(tmp_path)
    (tmp_path / "link").symlink_to("rain")
    (tmp_path / "holds").mkdir()
    (tmp_path / "holds" / "link").symlink_to("../rainy")
    with pytest.raises(LinkedFolderError):
        names(tmp_path, under=[b"a.wav", part])
    assert names(tmp_path, under=[b"a.wav", b"rain.wav"]) == [b"a.wav", b"rain.wav"]


def test_a_root_that_is_reached_through_a_link_is_walked_in_parts(tmp_path):
    tree(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    assert names(tmp_path / "link", under=[b"rain/deep", b"a.wav"]) == [b"a.wav", b"rain/deep/c.wav"]


def test_a_linked_file_is_a_part_and_a_broken_link_is_none(tmp_path):
    touch(tmp_path, b"a.wav")
    (tmp_path / "link.wav").symlink_to("a.wav")
    (tmp_path / "broken.wav").symlink_to("gone.wav")
    assert names(tmp_path, under=[b"link.wav", b"broken.wav"]) == [b"link.wav"]


def test_a_part_without_permission_is_unreadable(tmp_path):
    touch(tmp_path, b"locked/a.wav", b"locked/deep/b.wav", b"z.wav")
    (tmp_path / "locked").chmod(0)
    with peek.permissions_count():
        found = list(walk(os.fsencode(tmp_path), under=[b"locked/a.wav", b"locked/deep", b"z.wav"]))
        folder = list(walk(os.fsencode(tmp_path), under=[b"locked"]))
    (tmp_path / "locked").chmod(0o755)
    assert found[:2] == [
        Unreadable(b"locked/a.wav", "Permission denied", is_refused=True),
        Unreadable(b"locked/deep", "Permission denied", is_refused=True),
    ]
    assert found[2].relpath == b"z.wav"
    assert folder == [Unreadable(b"locked", "Permission denied", is_refused=True)]


def test_a_pipe_is_no_part(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    assert names(tmp_path, under=[b"a.wav"]) == []


def test_names_that_are_not_text_are_parts(tmp_path):
    touch(tmp_path, b"caf\xe9/a.wav", b"\xff.wav", b"\xffx.wav")
    assert names(tmp_path, under=[b"caf\xe9", b"\xff.wav"]) == [b"caf\xe9/a.wav", b"\xff.wav"]
