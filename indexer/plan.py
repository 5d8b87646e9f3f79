"""What one run has to do: which roots, and which of their files need a look."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.present import printable
from clapsearch.store import Library, Place, Root
from indexer.changes import Changes, compare
from indexer.filters import excluder
from indexer.walk import File, Unreadable, walk


@dataclass
class Plan:
    """The work of a run: `places` maps the absolute path of every candidate to its place."""

    places: dict[bytes, Place] = field(default_factory=dict)
    unchanged: int = 0
    still_failed: int = 0
    returned: list[int] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    offline: list[bytes] = field(default_factory=list)
    unreadable: list[tuple[bytes, str]] = field(default_factory=list)

    def add(self, root: Root, changes: Changes) -> None:
        """Take up what one root needs."""
        for file in changes.candidates:
            place = Place(root.id, file.relpath, file.size, file.mtime_ns)
            self.places[os.path.join(root.path, file.relpath)] = place
        self.unchanged += changes.unchanged
        self.still_failed += changes.still_failed
        self.returned += changes.returned
        self.gone += changes.gone
        if changes.is_offline:
            self.offline.append(root.path)
        else:
            self.unreadable += [(os.path.join(root.path, bad.relpath), bad.reason) for bad in changes.unreadable]


def check(library: Library, folders: Sequence[Path], exclude: Sequence[str] | None) -> None:
    """Refuse a run that cannot start, before anything is changed.

    Raises
    ------
    ClapsearchError
        If a folder is not there.
    UsageError
        If there is nothing to index, or no root that globs could belong to.
    """
    check_folders(folders)
    with library.reading() as reading:
        roots = reading.roots()
    if exclude is not None:
        _check_globs(folders, roots)
    if not folders and not roots:
        raise UsageError("the library has no folders yet; name one: clapsearch index FOLDER")


def check_folders(folders: Sequence[Path]) -> None:
    """Refuse folders that are not there, before anything is changed.

    Raises
    ------
    ClapsearchError
    """
    for folder in folders:
        if not os.path.isdir(folder):
            raise ClapsearchError(f"cannot index {printable(str(folder))}: {_problem(folder)}")


def _problem(folder: Path) -> str:
    try:
        os.stat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return "it does not exist"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return "it is a file; give the folder that holds it"


def _check_globs(folders: Sequence[Path], roots: Sequence[Root]) -> None:
    """Globs belong to roots: refuse them where they would be lost, or change more than was named."""
    if not folders:
        raise UsageError("--exclude belongs to a folder; name it: clapsearch index FOLDER --exclude GLOB")
    for folder in folders:
        path = _absolute(folder)
        holder = _holder(path, roots)
        if holder not in {None, path}:
            root = printable(os.fsdecode(holder or b""))
            raise UsageError(
                f"{printable(str(folder))} is inside {root}, and --exclude belongs to that; name it instead"
            )


def choose_roots(library: Library, folders: Sequence[Path], exclude: Sequence[str] | None) -> list[Root]:
    """Return the roots to walk: all of them without `folders`, else those that hold the folders, made if new."""
    with library.writing() as writing:
        known = writing.roots()
        if not folders:
            return known
        holders = [_holder(path, known) or path for path in map(_absolute, folders)]
        chosen = [writing.add_root(path, exclude) for path in dict.fromkeys(holders)]
        inner = [root for root in known if any(_is_inside(root.path, path) for path in holders)]
        return list({root.id: root for root in [*inner, *chosen]}.values())


def make_plan(
    library: Library,
    roots: Sequence[Root],
    space: Sequence[int],
    *,
    everything: bool = False,
    retry_failed: bool = False,
    on_file: Callable[[int], None] = lambda n_files: None,
) -> Plan:
    """Walk the roots and compare them with the library; reads only. `on_file` hears how many files were found."""
    plan, numbers = Plan(), itertools.count(1)
    with library.reading() as reading:
        all_paths = {root.path for root in reading.roots()}
        for root in roots:
            inner = frozenset(path for path in all_paths if path != root.path and _is_inside(path, root.path))
            is_excluded = excluder(root.exclude)
            found = _counted(walk(root.path, is_excluded=is_excluded, inner_roots=inner), numbers, on_file)
            known = reading.known(root.id, space)
            changes = compare(found, known, everything=everything, retry_failed=retry_failed, is_excluded=is_excluded)
            plan.add(root, changes)
    return plan


def _counted(
    found: Iterable[File | Unreadable], numbers: Iterator[int], on_file: Callable[[int], None]
) -> Iterator[File | Unreadable]:
    for item in found:
        on_file(next(numbers))
        yield item


def _absolute(folder: Path) -> bytes:
    return os.fsencode(os.path.abspath(folder))


def _holder(path: bytes, roots: Sequence[Root]) -> bytes | None:
    """Return the innermost root that is or holds a folder; a link to a root is that root."""
    real = os.path.realpath(path)
    holders = [root.path for root in roots if _is_inside(path, root.path) or real == os.path.realpath(root.path)]
    return max(holders, key=len, default=None)


def _is_inside(path: bytes, folder: bytes) -> bool:
    return path != folder and path.startswith(os.path.join(folder, b""))
