"""Walk a root: every audio file under it, by cheap metadata only."""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from clapsearch.filesystem import joined, relative
from indexer.filters import is_audio, is_hidden, is_left_out

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)  # a pipe that took its place would block


class File(NamedTuple):
    """An audio file as the walk saw it; `relpath` is relative to the root, in bytes."""

    relpath: bytes
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Unreadable:
    """A folder or file that could not be looked at: nothing is known about what is there.

    `is_refused` says that it is there and only permission is lacking.
    """

    relpath: bytes
    reason: str
    is_refused: bool = False

    @classmethod
    def because(cls, relpath: bytes, error: OSError) -> "Unreadable":
        """Say what the system said."""
        return cls(relpath, error.strerror or str(error), isinstance(error, PermissionError))


class LinkedFolderError(Exception):
    """A walk of parts came to a link to a folder: only a walk of everything knows whether that has a real name."""


def walk(
    root: bytes,
    *,
    under: Sequence[bytes] | None = None,
    is_excluded: Callable[[bytes], bool] = lambda relpath: False,
    inner_roots: frozenset[bytes] = frozenset(),
    video: bool = False,
) -> Iterator[File | Unreadable]:
    """Yield the audio files under a folder, in a stable order.

    Links to folders are followed after everything real was seen, and no folder is entered twice, so loops end and a
    file is found by its real name first.

    Parameters
    ----------
    root : bytes
        Absolute path.
    under : sequence of bytes, optional
        Relative paths of files and folders: look only there. What is not there yields nothing.
    is_excluded : callable
        Takes a relative path; true leaves out the file or the whole folder.
    inner_roots : frozenset of bytes
        Absolute paths of folders that are roots of their own: not entered, through links neither.
    video : bool
        Whether video files count as audio files.

    Raises
    ------
    LinkedFolderError
        If a part is, or lies behind, or holds a link to a folder.
    """
    seen = _identities(inner_roots) - _identities([root])
    walker = _Walker(root, is_excluded, inner_roots, video, seen)
    return walker.whole() if under is None else walker.parts(under)


@dataclass
class _Walker:
    root: bytes
    is_excluded: Callable[[bytes], bool]
    inner_roots: frozenset[bytes]
    video: bool
    seen: set[tuple[int, int]]
    links: list[bytes] = field(default_factory=list)

    def whole(self) -> Iterator[File | Unreadable]:
        """Walk everything, links last."""
        yield from self._tree(b"")
        while self.links:
            yield from self._tree(self.links.pop(0))

    def parts(self, under: Sequence[bytes]) -> Iterator[File | Unreadable]:
        """Walk only there; a part inside another is seen once."""
        for relpath in outermost(under):
            if self._is_ours(relpath):
                yield from self._part(relpath)
        if self.links:
            raise LinkedFolderError

    def _is_ours(self, relpath: bytes) -> bool:
        """Whether a walk of everything would come here."""
        names = relpath.split(os.sep.encode())
        ways = [os.path.join(self.root, *names[:depth]) for depth in range(1, len(names) + 1)]
        is_elsewhere = any(is_hidden(name) for name in names) or not self.inner_roots.isdisjoint(ways)
        return not is_elsewhere and not is_left_out(relpath, self.is_excluded)

    def _part(self, relpath: bytes) -> Iterator[File | Unreadable]:
        path, holder = joined(self.root, relpath), os.path.dirname(relpath)
        if os.path.realpath(joined(self.root, holder)) != joined(os.path.realpath(self.root), holder):
            raise LinkedFolderError
        elif not relpath or (os.path.isdir(path) and not os.path.islink(path)):
            yield from self._tree(relpath)
        elif looked := self._look(_Entry(path), relpath, is_audio(relpath, video=self.video), []):
            yield looked

    def _tree(self, top: bytes) -> Iterator[File | Unreadable]:
        folders, is_excluded, video = [top], self.is_excluded, self.video
        while folders:
            relpath = folders.pop()
            prefix, below = os.path.join(relpath, b"") if relpath else b"", list[bytes]()
            try:
                with self._listed(relpath) as entries:
                    for entry in entries:
                        name = os.fsencode(entry.name)
                        inner = prefix + name
                        if is_hidden(name) or is_excluded(inner):
                            continue
                        if (is_sound := is_audio(name, video=video)) or entry.is_symlink():
                            looked = self._look(entry, inner, is_sound, below)
                            if looked is not None:
                                yield looked
                        elif entry.is_dir():
                            below.append(inner)
            except OSError as error:
                yield Unreadable.because(relpath, error)
                continue
            folders += reversed([inner for inner in below if joined(self.root, inner) not in self.inner_roots])

    @contextlib.contextmanager
    def _listed(self, relpath: bytes) -> Iterator[list[os.DirEntry[Any]]]:
        """Give what is in a folder by name; nothing if it was listed before.

        Where the system can, the folder stays open meanwhile: to look at a file then costs a sixth less.
        """
        path = joined(self.root, relpath)
        handle = os.open(path, _FOLDER) if os.scandir in os.supports_fd else None
        folder = path if handle is None else handle
        try:
            status = os.stat(folder)
            identity = (status.st_dev, status.st_ino)
            is_new = identity not in self.seen
            self.seen.add(identity)
            with os.scandir(folder) as listing:
                yield sorted(listing, key=attrgetter("name")) if is_new else []
        finally:
            if handle is not None:
                os.close(handle)

    def _look(
        self, entry: "os.DirEntry[Any] | _Entry", relpath: bytes, is_sound: bool, below: list[bytes]
    ) -> File | Unreadable | None:
        """Look at a file, or at what a link leads to; broken links, pipes and devices are not sounds.

        A folder, which may be named like a sound, is put among those below, or among the links.
        """
        try:
            status = entry.stat()
        except OSError as error:
            is_broken = error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
            return None if is_broken else Unreadable.because(relpath, error)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFREG and is_sound:
            return File(relpath, status.st_size, status.st_mtime_ns)
        if kind == stat.S_IFDIR:
            (self.links if entry.is_symlink() else below).append(relpath)
        return None


def outermost(relpaths: Iterable[bytes]) -> list[bytes]:
    """Drop the relative paths that lie inside another; the rest comes in order."""
    kept: list[bytes] = []
    for relpath in sorted(relpaths, key=lambda each: each.split(os.sep.encode())):
        if not kept or (kept[-1] and relative(relpath, kept[-1]) is None):
            kept.append(relpath)
    return kept


class _Entry(NamedTuple):
    """A path that no listing brought up."""

    path: bytes

    def stat(self) -> os.stat_result:
        return os.stat(self.path)

    def is_symlink(self) -> bool:
        return os.path.islink(self.path)


def _identities(paths: Iterable[bytes]) -> set[tuple[int, int]]:
    found = set()
    for path in paths:
        with contextlib.suppress(OSError):
            status = os.stat(path)
            found.add((status.st_dev, status.st_ino))
    return found
