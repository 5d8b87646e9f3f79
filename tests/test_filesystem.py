"""What is there, and on what kind of file system."""

import os
from collections import namedtuple

import psutil
import pytest

from clapsearch.errors import LibraryError
from clapsearch.filesystem import is_there, joined, network_type, relative
from clapsearch.store import Library

Partition = namedtuple("Partition", "device mountpoint fstype opts")


@pytest.mark.parametrize(
    ("folder", "relpath"), [(b"/a", b"b/c"), (b"/", b"a"), (b"/", b""), (b"/a", b""), (b"/a\xff", b"\n")]
)
def test_what_is_joined_comes_apart(folder, relpath):
    assert relative(joined(folder, relpath), folder) == relpath


@pytest.mark.parametrize(("path", "folder"), [(b"/ab", b"/a"), (b"/a", b"/a/b"), (b"/", b"/a"), (b"b", b"a")])
def test_what_lies_elsewhere_has_no_relative_path(path, folder):
    assert relative(path, folder) is None


def test_a_folder_with_anything_in_it_is_there(tmp_path):
    (tmp_path / "x").touch()
    assert is_there(os.fsencode(tmp_path))


def test_an_empty_folder_is_the_mount_point_of_an_unplugged_drive(tmp_path):
    assert not is_there(os.fsencode(tmp_path))


@pytest.mark.parametrize("name", ["gone", "file"])
def test_what_is_no_folder_is_not_there(tmp_path, name):
    (tmp_path / "file").touch()
    assert not is_there(os.fsencode(tmp_path / name))


@pytest.fixture
def mounts(monkeypatch):
    """Lay a table of mounts over the machine's own."""

    def lay(*rows):
        partitions = [Partition("none", mountpoint, fstype, opts) for mountpoint, fstype, opts in rows]
        monkeypatch.setattr(psutil, "disk_partitions", lambda **_: partitions)

    return lay


def test_this_machines_temporary_folder_is_local(tmp_path):
    assert network_type(os.fsencode(tmp_path)) is None


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "FUSE.SSHFS", "9p", "davfs"])
def test_network_file_systems_are_known_by_type(mounts, kind):
    mounts(("/", "ext4", "rw"), ("/mnt/nas", kind, "rw"))
    assert network_type(b"/mnt/nas/sounds/not made yet") == kind
    assert network_type(b"/mnt/nasty") is None


@pytest.mark.parametrize(
    "kind", ["fuseblk", "fuse.ntfs-3g", "fuse.gocryptfs", "fuse.exfat", "ext4", "btrfs", "overlay"]
)
def test_other_kinds_of_fuse_are_local(mounts, kind):
    mounts(("/", "ext4", "rw"), ("/media/usb", kind, "rw"))
    assert network_type(b"/media/usb/x") is None


def test_the_innermost_mount_counts_and_the_last_of_those_on_one_place(mounts):
    mounts(("/", "nfs4", "rw"), ("/home", "ext4", "rw"), ("/home/me/nas", "cifs", "rw"), ("/home/me/nas", "ext4", "rw"))
    assert network_type(b"/srv") == "nfs4"
    assert network_type(b"/home/me") is None
    assert network_type(b"/home/me/nas/x") is None


def test_links_lead_to_where_they_lead(mounts, tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    mounts(("/", "ext4", "rw"), (str((tmp_path / "target").resolve()), "nfs", "rw"))
    assert network_type(os.fsencode(tmp_path / "link" / "x")) == "nfs"


def test_windows_says_remote(mounts):
    mounts(("/", "", "rw,remote"))
    assert network_type(b"/x") == "remote"


def test_a_library_on_a_network_drive_is_refused_with_the_way_out(mounts, tmp_path):
    mounts(("/", "cifs", "rw"))
    with pytest.raises(LibraryError, match=r"library\.sqlite3 is on a network drive \(cifs\).*--library FILE"):
        Library.open(tmp_path / "library.sqlite3", create=True)
    assert not (tmp_path / "library.sqlite3").exists()
