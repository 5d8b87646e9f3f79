"""Looking after a library: forget, relocate, back up."""

import itertools
import os
from pathlib import Path

from clapsearch import migrate
from clapsearch.errors import ClapsearchError, LibraryError
from clapsearch.present import plural, printable
from clapsearch.store import Library, Root

WAIT_S = 10.0


def forget(library: Library, path: Path, *, dry_run: bool = False) -> int:
    """Delete what the library knows of a root, or of a folder or file in one; returns how many sounds that are.

    The vectors of contents that no other sound holds go too.

    Raises
    ------
    ClapsearchError
        If the library knows nothing there.
    """
    raw = os.fsencode(path)
    with library.exclusive(wait_s=WAIT_S), library.writing() as writing:
        roots = writing.roots()
        inside = [root for root in roots if _relative(root.path, raw) is not None]
        holder = max((root for root in roots if _relative(raw, root.path) is not None), key=_depth, default=None)
        if not inside and holder is None:
            raise ClapsearchError(
                f"{printable(str(path))} is not in the library's folders: clapsearch status lists them"
            )
        n_sounds = 0
        if holder is not None and holder not in inside:
            n_sounds += writing.forget(holder.id, _relative(raw, holder.path) or b"")
        for root in inside:
            n_sounds += writing.forget(root.id, b"")
            writing.drop_root(root.id)
        if not n_sounds and not inside:
            raise ClapsearchError(f"the library knows no sound at or under {printable(str(path))}")
        if dry_run:
            writing.undo()
    return n_sounds


def relocate(library: Library, old: Path, new: Path) -> int:
    """Say that a root, or a folder that holds roots, is at another path now; returns how many sounds moved along.

    Where the new path is a root already, the two become one.

    Raises
    ------
    ClapsearchError
        If OLD is or holds no root, or its sounds are not in NEW.
    """
    before, after = os.fsencode(old), os.fsencode(new)
    if before == after:
        raise ClapsearchError(f"{printable(str(old))} is where it was; name the old and the new place")
    with library.exclusive(wait_s=WAIT_S), library.writing() as writing:
        moves = [(root, _relative(root.path, before)) for root in writing.roots()]
        wanted = [(root, os.path.join(after, rest) if rest else after) for root, rest in moves if rest is not None]
        if not wanted:
            known = ", ".join(printable(os.fsdecode(root.path)) for root, _ in moves) or "none"
            raise ClapsearchError(f"{printable(str(old))} is no folder of the library; it has {known}")
        n_sounds = 0
        for root, path in wanted:
            known_files = writing.known(root.id, ())
            _check_is_there(root, path, list(known_files))
            n_sounds += len(known_files)
            writing.relocate(root.id, path)
    return n_sounds


def back_up(library: Library, file: Path, *, force: bool = False) -> int:
    """Copy the library to a file, whole and as of one moment, while others write; returns its size in bytes.

    Raises
    ------
    LibraryError
        If the file is there and `force` is false, or cannot be written.
    """
    if file.exists() and (not force or file.samefile(library.path)):
        raise LibraryError(f"{printable(str(file))} is there already; choose another name, or replace it with --force")
    draft = file.with_name(f"{file.name}.draft-{os.getpid()}")
    try:
        with library.translated("back up"):
            migrate.backup(library.path, draft)
        draft.replace(file)
    except OSError as error:
        raise LibraryError(f"cannot write the backup {printable(str(file))} ({error.strerror})") from error
    finally:
        draft.unlink(missing_ok=True)
    return file.stat().st_size


def _relative(path: bytes, folder: bytes) -> bytes | None:
    """Return a path relative to a folder that is or holds it, b"" for the folder itself; else None."""
    if path == folder:
        return b""
    below = os.path.join(folder, b"")
    return path[len(below) :] if path.startswith(below) else None


def _depth(root: Root) -> int:
    return len(root.path)


def _check_is_there(root: Root, path: bytes, relpaths: list[bytes]) -> None:
    """Refuse a place that has none of the sounds: a slip of the keyboard would send all of them missing."""
    if not os.path.isdir(path):
        raise ClapsearchError(f"{printable(os.fsdecode(path))} is no folder that can be read; plug it in first")
    looked = itertools.islice(relpaths, 1000)
    if relpaths and not any(os.path.lexists(os.path.join(path, relpath)) for relpath in looked):
        raise ClapsearchError(
            f"{printable(os.fsdecode(path))} has none of the {plural(len(relpaths), 'sound')} of "
            f"{printable(os.fsdecode(root.path))}; to add it: clapsearch index; to drop the old: clapsearch forget"
        )
