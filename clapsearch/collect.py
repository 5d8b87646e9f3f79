"""Hits put together in a folder, by copy or link, with a manifest; what is there is never overwritten."""

import contextlib
import errno
import filecmp
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.outputs import path_cells, table
from clapsearch.placement import Placed, SourceError, copy, link, names, part, publish
from clapsearch.present import hit_record, plural, printable, size

if TYPE_CHECKING:
    from clapsearch.search import Hit

MANIFEST = "manifest.csv"
_COLUMNS = ["rank", "score", "path", "path_b64", "name", "name_b64", "start_s", "end_s", "duration_s"]
_COLUMNS += ["size_bytes", "sha256", "how"]
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# A name or a size that this disk does not take; others it may.
_REFUSED = frozenset({errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG, errno.EFBIG})


@dataclass(frozen=True)
class Collected:
    """One hit in the folder.

    Attributes
    ----------
    hit : Hit
    path : Path
        Where it is now.
    placed : Placed
        How it came there, with the SHA-256 of every file, links too: an archive checks what it gets against them. Its
        `how` is ``was there`` if the folder had the same file already.
    """

    hit: "Hit"
    path: Path
    placed: Placed


@dataclass(frozen=True)
class Collection:
    """What came of it.

    Attributes
    ----------
    files : tuple of Collected
    manifest : Path or None
        The csv file that lists them; None if there are none.
    notices : tuple of str
        One line for each hit that was left out, and why.
    """

    files: tuple[Collected, ...]
    manifest: Path | None
    notices: tuple[str, ...]


def collect(hits: "Sequence[Hit]", folder: str | os.PathLike[str], *, linked: bool = False) -> Collection:
    """Put the files of hits into a folder, each whole or not at all.

    Files of one name get a number. One that an earlier run has put there is not put there again, so that the same call
    goes on after a full disk.

    Parameters
    ----------
    hits : sequence of Hit
    folder : path-like
        Made if it is not there.
    linked : bool
        Make hard links, or symbolic ones where a disk has no others, instead of copies: to edit one is to edit the
        original.

    Raises
    ------
    UsageError
        If `folder` is a file, or empty.
    ClapsearchError
        If there is not enough room, or the folder cannot be written. What was finished stays, and is in the manifest.
    """
    if os.fspath(folder) == "":  # it would be the current folder: nobody means that
        raise UsageError("the folder to collect in is empty; an unset variable?")
    target = Path(os.path.abspath(folder))
    if os.path.lexists(target) and not target.is_dir():
        raise UsageError(f"{printable(target)} is not a folder; name a folder, or a new one")
    notices: list[str] = []
    present = _present(hits, notices)
    if not linked:
        _check_room(present, target)
    if not present:
        return Collection((), None, tuple(notices))
    run = _Run(target, linked, notices)
    with _explained(target), _folder_made(target):
        manifest = _collect(present, run)
    return Collection(tuple(run.files), manifest, tuple(notices))


@dataclass
class _Run:
    folder: Path
    linked: bool
    notices: list[str]
    files: list[Collected] = field(default_factory=list)

    def places(self, name: str) -> Iterator[Path]:
        """Yield where a file of a name can go, the best first; never where this run has put another."""
        taken = {each.path for each in self.files}
        return (place for each in names(name) if (place := self.folder / each) not in taken)


def _collect(hits: "Sequence[Hit]", run: _Run) -> Path | None:
    """Collect all that can be; whatever ends it, the manifest lists what is there: its room is taken before."""
    with part(run.folder) as (unfinished, file):
        file.write(bytes(_room_of_manifest(hits)))
        file.flush()
        try:
            for hit in hits:
                _add(hit, run)
        except BaseException as error:
            manifest = _publish(unfinished, file, run)
            if isinstance(error, OSError) and error.errno in _FULL:
                raise ClapsearchError(_full(run, len(hits), manifest)) from error
            raise
        return _publish(unfinished, file, run)


def _add(hit: "Hit", run: _Run) -> None:
    try:
        run.files.append(_put(hit, run))
    except SourceError as error:
        run.notices.append(_left_out(hit, f"it cannot be read ({error})"))
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        run.notices.append(_left_out(hit, f"the folder's disk does not take it ({error.strerror})"))


def _put(hit: "Hit", run: _Run) -> Collected:
    place_by = _link if run.linked else copy
    for place in run.places(hit.path.name):
        if os.path.lexists(place):
            if _is_same(hit.path, place):
                return Collected(hit, place, Placed("was there", place.stat().st_size, _sha256(place)))
            continue
        with contextlib.suppress(FileExistsError):  # another process was first
            return Collected(hit, place, place_by(hit.path, place))
    raise AssertionError  # there is always another name


def _link(source: Path, place: Path) -> Placed:
    sha256 = _sha256(source)  # first: what cannot be read is not linked, as it is not copied
    return replace(link(source, place), sha256=sha256)


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(error.strerror or str(error)) from error


def _publish(unfinished: Path, file: BinaryIO, run: _Run) -> Path | None:
    """Write the manifest over the room that it has, and name it; None if there is nothing to list."""
    if not run.files:
        return None
    file.seek(0)
    file.write(_manifest(run.files))
    file.truncate()
    file.flush()
    for place in run.places(MANIFEST):
        with contextlib.suppress(FileExistsError):
            publish(unfinished, place)
            return place
    raise AssertionError


def _manifest(files: Sequence[Collected]) -> bytes:
    return table(_COLUMNS, [_row(each) for each in files]).encode()


def _row(each: Collected) -> dict[str, object]:
    paths = {**path_cells(each.hit.path), **path_cells(each.path.name, "name")}
    return {**hit_record(each.hit), **paths, **asdict(each.placed)}


def _room_of_manifest(hits: "Sequence[Hit]") -> int:
    """Return the most bytes that the manifest can take: nine more in every name, and the longest of all words."""
    placed = Placed("symbolic link", 1 << 60, "0" * 64)
    return len(_manifest([Collected(hit, hit.path.with_name(f"{hit.path.name}-99999999"), placed) for hit in hits]))


def _present(hits: "Sequence[Hit]", notices: list[str]) -> "list[Hit]":
    """Return the hits whose files are there, and add a notice for each of the others."""
    present = [hit for hit in hits if os.path.isfile(hit.path)]
    for hit in hits:
        if hit not in present:
            notices.append(_left_out(hit, "its folder is offline" if hit.is_offline else "the file is gone"))
    return present


def _left_out(hit: "Hit", reason: str) -> str:
    return f"left out {printable(hit.path)}: {reason}"


def _check_room(hits: "Sequence[Hit]", folder: Path) -> None:
    """Compare what is still to be copied with what is free, before anything is made."""
    sizes = [_n_bytes(hit.path) for hit in hits if _n_bytes(hit.path) != _n_bytes(folder / hit.path.name)]
    there = next((each for each in (folder, *folder.parents) if each.is_dir()), folder)
    with _explained(there):
        free = shutil.disk_usage(there).free
    if sum(sizes) > free:
        what = f"{plural(len(sizes), 'sound')} of {size(sum(sizes))} to copy, {printable(there)} has {size(free)} free"
        raise ClapsearchError(f"{what}: free some space, take fewer (-k), or --link them")


def _n_bytes(path: Path) -> int:
    return os.path.getsize(path) if os.path.isfile(path) else 0


def _is_same(path: Path, place: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.path.isfile(place) and filecmp.cmp(path, place, shallow=False)
    return False


def _full(run: _Run, n_hits: int, manifest: Path | None) -> str:
    listed = f"{manifest.name} lists what is there" if manifest else "nothing was written"
    done = f"the disk is full after {len(run.files)} of {plural(n_hits, 'sound')}; {listed}"
    return f"{printable(run.folder)}: {done}; free some space, and the same command goes on"


@contextlib.contextmanager
def _folder_made(folder: Path) -> Iterator[None]:
    """Make a folder; one that was made for nothing is gone afterwards."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it holds something
                folder.rmdir()


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno in _FULL else error.strerror or str(error)
        raise ClapsearchError(f"{printable(folder)}: cannot be written ({reason}); name another folder") from error
