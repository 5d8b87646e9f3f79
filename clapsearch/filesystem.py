"""Where a path lies; whether a folder is there, and on what kind of file system. Paths are bytes."""

import os

# Where SQLite's write-ahead log cannot work, and no event tells of changes made elsewhere. Other kinds of FUSE (NTFS,
# exFAT, encrypted folders) are local.
_NETWORK = """9p afpfs afs beegfs ceph cifs coda davfs drvfs glusterfs gpfs lustre ncpfs nfs nfs3 nfs4 smb2 smb3 smbfs
    vboxsf vmhgfs webdav"""
_NETWORK_FUSE = """ceph curlftpfs davfs2 dropbox gcsfuse glusterfs goofys google-drive-ocamlfuse gvfsd-fuse juicefs mfs
    moosefs onedriver rclone s3fs seaweedfs smbnetfs sshfs vmhgfs-fuse"""
NETWORK_TYPES = frozenset(_NETWORK.split()) | {f"fuse.{name}" for name in _NETWORK_FUSE.split()}


def relative(path: bytes, folder: bytes) -> bytes | None:
    """Return a path relative to a folder that is or holds it, b"" for the folder itself; else None."""
    if path == folder:
        return b""
    below = os.path.join(folder, b"")
    return path[len(below) :] if path.startswith(below) else None


def joined(folder: bytes, relpath: bytes) -> bytes:
    """Return the path that `relative` takes apart: that of the folder itself has no separator at its end."""
    return os.path.join(folder, relpath) if relpath else folder


def is_there(folder: bytes) -> bool:
    """Whether a folder can be listed and holds something: the mount point of an unplugged drive is an empty folder."""
    try:
        with os.scandir(folder) as listing:
            return any(True for _ in listing)
    except OSError:
        return False


def refusal(folder: bytes) -> str | None:
    """Return why the system does not let us list a folder that is there; None if it does, or there is no folder."""
    try:
        with os.scandir(folder):
            return None
    except PermissionError as error:
        return error.strerror
    except OSError:
        return None


def network_type(path: bytes) -> str | None:
    """Return the type of the network file system that holds a path, such as ``nfs4``; None for a local one.

    The path itself need not exist.
    """
    import psutil

    real = os.path.realpath(path)
    mounts = [
        each for each in psutil.disk_partitions(all=True) if relative(real, os.fsencode(each.mountpoint)) is not None
    ]
    # The last of equal length lies on top of the others.
    innermost = max(reversed(mounts), key=lambda each: len(each.mountpoint), default=None)
    if innermost is None:
        return None
    is_remote = innermost.fstype.lower() in NETWORK_TYPES or "remote" in innermost.opts.split(",")  # Windows says so
    return innermost.fstype or "remote" if is_remote else None
