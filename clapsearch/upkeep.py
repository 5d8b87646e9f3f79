"""Looking after a library: forget, relocate, back up."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from clapsearch import migrate
from clapsearch.errors import ClapsearchError, LibraryError, UsageError
from clapsearch.filesystem import joined, relative
from clapsearch.present import plural, printable
from clapsearch.store import Library, Reading, Root, Writing

WAIT_S = 10.0
_MAX_PROBES = 1000

# What a folder is called: as the library has it, or with links resolved.
_Naming = Callable[[bytes], bytes]


def forget(library: Library, path: Path, *, dry_run: bool = False) -> int:
    """Delete what the library knows of a root, or of a folder or file in one; returns how many sounds that are.

    The vectors of contents that no other sound holds go too, and so do the roots in it. Files that failed are no
    sounds.

    Raises
    ------
    UsageError
        If there are roots below the path, and it is or lies in none.
    ClapsearchError
        If the library knows nothing there.
    """
    place = os.fsencode(path)
    with library.exclusive(wait_s=WAIT_S), library.writing() as writing:
        n_before = _n_sounds(writing)
        # A link may lead to what is known by another name.
        if not (_forget(writing, place, _as_is) or _forget(writing, place, os.path.realpath)):
            raise ClapsearchError(
                f"the library knows no sound at or under {printable(path)}; clapsearch status lists its folders"
            )
        n_sounds = n_before - _n_sounds(writing)
        if dry_run:
            writing.undo()
    return n_sounds


def relocate(library: Library, old: Path, new: Path) -> int:
    """Say that a root, or a folder that holds roots, is at another path now; returns how many sounds moved along.

    Where the new path is a root already, the two become one; where roots lie in each other then, a sound belongs to the
    innermost. Of two sounds at one place, the one that was known there stays.

    Raises
    ------
    UsageError
        If OLD is NEW.
    ClapsearchError
        If OLD is or holds no root, or its sounds are not in NEW.
    """
    before, after = os.fsencode(old), os.fsencode(new)
    if before == after:
        raise UsageError(f"{printable(old)} is where it was; name the old and the new place")
    with library.exclusive(wait_s=WAIT_S), library.writing() as writing:
        roots = writing.roots()
        moving = _at_or_below(before, roots, _as_is) or _at_or_below(before, roots, os.path.realpath)
        if not moving:
            known = ", ".join(printable(root.path) for root in roots) or "none"
            raise ClapsearchError(f"{printable(old)} is no folder of the library; it has {known}")
        staying = [root for root in roots if root not in moving]
        # If NEW is in OLD, a root may go where a deeper one still is: that one first.
        moves = sorted(moving.items(), key=lambda move: move[0].path, reverse=relative(after, before) is not None)
        n_each = [_relocate(writing, root, _known_as(joined(after, rest), staying)) for root, rest in moves]
        _settle(writing)
    return sum(n_each)


def back_up(library: Library, file: Path, *, force: bool = False) -> int:
    """Copy the library to a file, whole and as of one moment, while others write; returns its size in bytes.

    Raises
    ------
    LibraryError
        If the file is there and `force` is false, is the library itself, or cannot be written; or if the library is
        damaged: then an earlier file stays.
    """
    draft = file.parent / f"{file.name}.draft-{os.getpid()}"
    try:
        _check_target(library, file, force=force)
        draft.touch()
        migrate.checked_backup(library.path, draft)
        for log in _parts(file)[1:]:  # what an earlier file of this name left behind would be read as a part of ours
            log.unlink(missing_ok=True)
        draft.replace(file)
        return file.stat().st_size
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise LibraryError(
            f"cannot back up the library to {printable(file)} ({reason}); check free disk space and permissions "
            "there, or choose another place"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _forget(writing: Writing, path: bytes, named: _Naming) -> bool:
    """Forget what is at or below a path; returns whether anything was known there."""
    roots = writing.roots()
    inside = _at_or_below(named(path), roots, named)
    parts = {root: part for root in roots if (part := relative(named(path), named(root.path))) is not None}
    if inside and not parts:  # most likely a slip, and nothing brings back what was deleted
        folders = ", ".join(printable(root.path) for root in inside)
        raise UsageError(f"{printable(path)} is no known folder, but holds {folders}; name one of them")
    parts |= dict.fromkeys(inside, b"")
    n_files = sum(writing.forget(root.id, part) for root, part in parts.items())
    for root in inside:
        writing.drop_root(root.id)
    return bool(inside or n_files)


def _relocate(writing: Writing, root: Root, path: bytes) -> int:
    """Move one root; returns the number of its sounds."""
    known = writing.known(root.id, ())
    _check_is_there(root, path, [relpath for relpath, *_, missing in known.values() if not missing])
    n_sounds = _n_sounds(writing, root)
    writing.relocate(root.id, path)
    return n_sounds


def _n_sounds(reading: Reading, root: Root | None = None) -> int:
    """Count the sounds of one root or of all as `status` does, the missing ones too."""
    counts = reading.counts(root_id=root.id if root else None)
    return counts.sounds + counts.missing


def _settle(writing: Writing) -> None:
    """Let every sound belong to the innermost root that holds it."""
    roots = writing.roots()  # by path: the outer ones first
    for outer in roots:
        for inner in roots:
            if relpath := relative(inner.path, outer.path):
                writing.hand_over(outer.id, relpath, inner.id)


def _check_is_there(root: Root, path: bytes, relpaths: Sequence[bytes]) -> None:
    """Refuse a place that has none of the sounds: a slip of the keyboard would send all of them missing."""
    if not os.path.isdir(path):
        raise ClapsearchError(f"{printable(path)} is no folder that can be read; plug it in first")
    probes = relpaths[:: 1 + len(relpaths) // _MAX_PROBES]
    if probes and not any(os.path.lexists(os.path.join(path, relpath)) for relpath in probes):
        raise ClapsearchError(
            f"{printable(path)} has none of the {plural(len(relpaths), 'sound')} of "
            f"{printable(root.path)}; to add it: clapsearch index; to drop the old: clapsearch forget"
        )


def _check_target(library: Library, file: Path, *, force: bool) -> None:
    name = printable(file)
    if any(file.exists() and part.exists() and file.samefile(part) for part in _parts(library.path.resolve())):
        raise LibraryError(f"{name} is the library itself; choose another name")
    if os.path.lexists(file) and not force:
        raise LibraryError(f"{name} is there already; choose another name, or replace it with --force")


def _parts(file: Path) -> list[Path]:
    """Return the files that make up a database."""
    return [file.parent / (file.name + suffix) for suffix in ("", "-wal", "-shm", "-journal")]


def _at_or_below(path: bytes, roots: Sequence[Root], named: _Naming) -> dict[Root, bytes]:
    """Return the roots at or below a path, and where they are in it."""
    places = ((root, relative(named(root.path), named(path))) for root in roots)
    return {root: relpath for root, relpath in places if relpath is not None}


def _known_as(path: bytes, roots: Sequence[Root]) -> bytes:
    """Return a path, or that of the root it is a link to."""
    real = os.path.realpath(path)
    return next((root.path for root in roots if os.path.realpath(root.path) == real), path)


def _as_is(path: bytes) -> bytes:
    return path
