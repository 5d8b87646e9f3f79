"""Files put into a folder by copy or link: each whole or not at all, and never over another."""

import contextlib
import errno
import hashlib
import itertools
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clapsearch.errors import ClapsearchError
from clapsearch.present import printable

_BLOCK_BYTES = 1 << 20
# What a file system answers that cannot link so: another disk, no such links at all, too many, not of another's file.
_NO_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
)


class SourceError(Exception):
    """A source that cannot be read, or no longer."""


@dataclass(frozen=True)
class Placed:
    """What was done.

    Attributes
    ----------
    how : str
        ``copy``, ``hard link`` or ``symbolic link``.
    size_bytes : int
    sha256 : str
        Of a copy, in hex; empty for a link, for which no bytes are read.
    """

    how: str
    size_bytes: int
    sha256: str = ""


def names(name: str) -> Iterator[str]:
    """Yield names for a file, the best first: ``a.wav``, ``a-2.wav``, without end."""
    stem, suffix = os.path.splitext(name)
    return itertools.chain([name], (f"{stem}-{n}{suffix}" for n in itertools.count(2)))


def copy(source: Path, place: Path) -> Placed:
    """Copy a file, with its time.

    Raises
    ------
    FileExistsError
        If there is something at `place`.
    SourceError
        If `source` cannot be read.
    OSError
        If the copy cannot be written.
    """
    digest = hashlib.sha256()
    with part(place.parent) as (unfinished, file):
        for block in _blocks(source):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())  # some disks say only now that they are full
        n_bytes = file.tell()
        with contextlib.suppress(OSError):  # no reason to go without the file
            os.utime(unfinished, ns=(os.stat(source).st_atime_ns, os.stat(source).st_mtime_ns))
        publish(unfinished, place)
    return Placed("copy", n_bytes, digest.hexdigest())


def link(source: Path, place: Path) -> Placed:
    """Make a hard link, or a symbolic one where the disk allows no other; errors as `copy`.

    Raises
    ------
    ClapsearchError
        If the disk has no links.
    """
    try:
        n_bytes = os.stat(source).st_size
    except OSError as error:
        raise SourceError(error.strerror or str(error)) from error
    for how, make in (("hard link", _hard_link), ("symbolic link", os.symlink)):
        try:
            make(source, place)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            return Placed(how, n_bytes)
    raise ClapsearchError(f"{printable(place.parent)}: its disk has no links; leave out --link to copy")


@contextlib.contextmanager
def part(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a new file under a name that nobody else uses; unless it was published, it is gone afterwards."""
    path = folder / f".clapsearch-{uuid.uuid4().hex}.part"
    try:
        with open(path, "xb") as file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def publish(unfinished: Path, place: Path) -> None:
    """Give a finished file its name; FileExistsError if that is taken."""
    try:
        os.link(unfinished, place)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        if os.path.lexists(place):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(place)) from error
        os.rename(unfinished, place)


def _hard_link(source: Path, place: Path) -> None:
    os.link(os.path.realpath(source), place)  # of the file, where the source is a symbolic link itself


def _blocks(source: Path) -> Iterator[bytes]:
    """Read a file; its errors are told from those of writing."""
    try:
        with open(source, "rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except OSError as error:
        raise SourceError(error.strerror or str(error)) from error
