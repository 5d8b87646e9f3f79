"""Walk a root: every audio file under it, by cheap metadata only."""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from indexer.filters import is_audio, is_hidden


@dataclass(frozen=True)
class File:
    """An audio file as the walk saw it; `relpath` is relative to the root, in bytes."""

    relpath: bytes
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Unreadable:
    """A folder or file that could not be looked at: nothing is known about what is there."""

    relpath: bytes
    reason: str


def walk(
    root: bytes,
    *,
    is_excluded: Callable[[bytes], bool] = lambda relpath: False,
    inner_roots: frozenset[bytes] = frozenset(),
) -> Iterator[File | Unreadable]:
    """Yield the audio files under a folder, in a stable order.

    Links to folders are followed after everything real was seen, and no folder is entered twice, so loops end and a
    file is found by its real name first.

    Parameters
    ----------
    root : bytes
        Absolute path.
    is_excluded : callable
        Takes a relative path; true leaves out the file or the whole folder.
    inner_roots : frozenset of bytes
        Absolute paths of folders that are roots of their own: not entered, through links neither.
    """
    seen = _identities(inner_roots) - _identities([root])
    folders, links = [b""], list[bytes]()
    while folders or links:
        relpath = folders.pop() if folders else links.pop(0)
        path = os.path.join(root, relpath) if relpath else root
        try:
            identity = _identity(path)
            if identity in seen:
                continue
            seen.add(identity)
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield Unreadable(relpath, error.strerror or str(error))
            continue
        below = []
        for entry in entries:
            inner = os.path.join(relpath, entry.name)
            if is_hidden(entry.name) or is_excluded(inner):
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.path not in inner_roots:
                    below.append(inner)
            elif entry.is_symlink() or is_audio(entry.name):
                looked = _look(entry, inner)
                if isinstance(looked, _LinkedFolder):
                    links.append(inner)
                elif looked is not None:
                    yield looked
        folders += reversed(below)


class _LinkedFolder:
    """A link that leads to a folder."""


def _look(entry: os.DirEntry[bytes], relpath: bytes) -> File | Unreadable | _LinkedFolder | None:
    """Look at a file, or at what a link leads to; broken links, pipes and devices are not sounds."""
    try:
        status = entry.stat()
    except OSError as error:
        is_broken = error.errno in {errno.ENOENT, errno.ELOOP}
        return None if is_broken else Unreadable(relpath, error.strerror or str(error))
    if stat.S_ISDIR(status.st_mode):
        return _LinkedFolder()
    if stat.S_ISREG(status.st_mode) and is_audio(entry.name):
        return File(relpath, status.st_size, status.st_mtime_ns)
    return None


def _identities(paths: Iterable[bytes]) -> set[tuple[int, int]]:
    found = set()
    for path in paths:
        with contextlib.suppress(OSError):
            found.add(_identity(path))
    return found


def _identity(path: bytes) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino
