"""Walk a root: every audio file under it, by cheap metadata only."""

import os
import stat
from collections.abc import Callable, Iterator
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
        Absolute paths of folders that are roots of their own: not entered.
    """
    folders, seen = [b""], set[tuple[int, int]]()
    links: list[bytes] = []
    while folders or links:
        relpath = folders.pop() if folders else links.pop(0)
        path = os.path.join(root, relpath) if relpath else root
        try:
            identity = os.stat(path)
            if (identity.st_dev, identity.st_ino) in seen:
                continue
            seen.add((identity.st_dev, identity.st_ino))
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
            elif entry.is_symlink() and entry.is_dir():
                links.append(inner)
            elif is_audio(entry.name):
                yield from _look(entry, inner)
        folders += reversed(below)


def _look(entry: os.DirEntry[bytes], relpath: bytes) -> Iterator[File | Unreadable]:
    """Yield a regular file; broken links, pipes and devices are not sounds."""
    try:
        status = entry.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        yield Unreadable(relpath, error.strerror or str(error))
        return
    if stat.S_ISREG(status.st_mode):
        yield File(relpath, status.st_size, status.st_mtime_ns)
