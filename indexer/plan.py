"""What one run has to do: which roots, and which of their files need a look."""

import contextlib
import gc
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.filesystem import is_there, joined, relative
from clapsearch.present import printable
from clapsearch.store import Library, Place, Root
from indexer.changes import Changes, compare
from indexer.filters import excluder
from indexer.walk import File, LinkedFolderError, Unreadable, walk

TELL_EVERY = 100  # files
IsReady = Callable[[bytes, File | None], bool]


@dataclass
class Plan:
    """The work of a run, by absolute paths.

    Attributes
    ----------
    n_found : int
        Files that the walk found.
    places : dict
        Every candidate and its place.
    returned, gone : dict
        Sounds that are back as they were, and those whose file is not there, by id.
    looks : dict
        Gone sounds by size and mtime: a candidate that looks the same may be where they moved.
    lingering : set
        Gone sounds that are not taken for missing yet.
    waiting : list
        Paths that need another look: candidates that may still be written, and sounds that linger.
    """

    n_found: int = 0
    places: dict[bytes, Place] = field(default_factory=dict)
    unchanged: int = 0
    still_failed: int = 0
    returned: dict[int, bytes] = field(default_factory=dict)
    gone: dict[int, bytes] = field(default_factory=dict)
    looks: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    lingering: set[int] = field(default_factory=set)
    waiting: list[bytes] = field(default_factory=list)
    offline: list[Root] = field(default_factory=list)
    online: list[Root] = field(default_factory=list)
    unreadable: list[tuple[bytes, str]] = field(default_factory=list)

    def add(self, root: Root, changes: Changes) -> None:
        """Take up what one root needs."""
        self.n_found += changes.n_found
        if changes.is_offline:
            self.offline.append(root)
            return
        self.online.append(root)
        for file in changes.candidates:
            self.places[os.path.join(root.path, file.relpath)] = Place(root.id, *file)
        self.unchanged += changes.unchanged
        self.still_failed += changes.still_failed
        self.returned |= {id_: os.path.join(root.path, file.relpath) for id_, file in changes.returned.items()}
        self.unreadable += [(joined(root.path, bad.relpath), bad.reason) for bad in changes.unreadable]
        for sound_id, (relpath, *look) in changes.gone.items():
            self.gone[sound_id] = os.path.join(root.path, relpath)
            self.looks.setdefault((look[0], look[1]), []).append(sound_id)

    def hold_back(self, is_ready: IsReady) -> None:
        """Leave what is not ready to a later run, but for candidates that look like a move: they are whole."""
        for path, place in list(self.places.items()):
            file = File(place.relpath, place.size, place.mtime_ns)
            if (place.size, place.mtime_ns) not in self.looks and not is_ready(path, file):
                self.waiting.append(path)
                del self.places[path]
        self.lingering = {sound_id for sound_id, path in self.gone.items() if not is_ready(path, None)}
        self.waiting += [self.gone[sound_id] for sound_id in self.lingering]

    def leaving(self) -> dict[int, bytes]:
        """Return the gone sounds that look like a candidate, by id."""
        looks = {(place.size, place.mtime_ns) for place in self.places.values()}
        ids = (id_ for look in looks for id_ in self.looks.get(look, ()))
        return {id_: self.gone[id_] for id_ in ids}

    def in_order(self) -> list[bytes]:
        """Return the candidates by path, first those that look like a move: they cost a hash and are back at once."""

        def is_new(path: bytes) -> bool:
            place = self.places[path]
            return (place.size, place.mtime_ns) not in self.looks

        return sorted(self.places, key=lambda path: (is_new(path), path))


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
            raise ClapsearchError(f"cannot index {printable(folder)}: {_problem(folder)}")


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
        held_by = _holder(path, roots)
        if held_by not in {None, path}:
            root = printable(held_by or b"")
            raise UsageError(f"{printable(folder)} is inside {root}, and --exclude belongs to that; name it instead")


def choose_roots(
    library: Library, folders: Sequence[Path], exclude: Sequence[str] | None, video: bool | None = None
) -> list[Root]:
    """Return the roots to walk: all of them without `folders`, else those that hold the folders, made if new."""
    if not folders:
        with library.reading() as reading:
            return reading.roots()
    with library.writing() as writing:
        known = writing.roots()
        holders = [_holder(path, known) or path for path in map(_absolute, folders)]
        chosen = [writing.add_root(path, exclude, video) for path in dict.fromkeys(holders)]
        inner = [root for root in known if any(relative(root.path, path) for path in holders)]
        return list({root.id: root for root in [*inner, *chosen]}.values())


def make_plan(
    library: Library,
    roots: Sequence[Root],
    space: Sequence[int],
    *,
    under: Mapping[bytes, Sequence[bytes] | None] | None = None,
    is_ready: IsReady = lambda path, file: True,
    everything: bool = False,
    retry_failed: bool = False,
    on_file: Callable[[int], None] = lambda n_files: None,
) -> Plan:
    """Walk the roots and compare them with the library; reads only.

    Parameters
    ----------
    under : mapping, optional
        By the path of a root, the relative paths to look at, or None for all of it; roots not in it are left alone.
    is_ready : callable
        Takes the absolute path of a candidate and the file, or of a sound that is gone and None; false leaves it for a
        later run.
    on_file : callable
        Hears now and then how many files were found.
    """
    plan = Plan()
    with library.reading() as reading, _no_garbage():
        all_paths = {root.path for root in reading.roots()}
        for root in roots:
            if under is not None and root.path not in under:
                continue
            # Of a folder that is not there, or empty, only a walk of everything can say what that means.
            parts = under[root.path] if under is not None and is_there(root.path) else None
            parts, found = _find(root, parts, all_paths)
            changes = compare(
                _counted(found, plan.n_found, on_file),
                reading.known(root.id, space, under=parts),
                is_whole=parts is None,
                everything=everything,
                retry_failed=retry_failed,
                is_excluded=excluder(root.exclude),
            )
            plan.add(root, changes)
    plan.hold_back(is_ready)
    return plan


def _find(
    root: Root, parts: Sequence[bytes] | None, all_paths: set[bytes]
) -> tuple[Sequence[bytes] | None, Iterable[File | Unreadable]]:
    """Walk parts of a root, or all of it; parts that have to do with links to folders take a walk of everything."""
    inner = frozenset(path for path in all_paths if relative(path, root.path))
    look = partial(walk, root.path, is_excluded=excluder(root.exclude), inner_roots=inner, video=root.video)
    if parts is not None:
        with contextlib.suppress(LinkedFolderError):
            return parts, list(look(under=parts))
    return None, look()


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """Hold the garbage collector: a rescan makes a tuple or two for every file and no cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _counted(
    found: Iterable[File | Unreadable], n_before: int, on_file: Callable[[int], None]
) -> Iterator[File | Unreadable]:
    for n_files, item in enumerate(found, n_before + 1):
        if not n_files % TELL_EVERY:
            on_file(n_files)
        yield item


def _absolute(folder: Path) -> bytes:
    return os.fsencode(os.path.abspath(folder))


def holder_of(folder: Path, roots: Sequence[Root]) -> bytes | None:
    """Return the path of the innermost root that is or holds a folder, if there is one."""
    return _holder(_absolute(folder), roots)


def _holder(path: bytes, roots: Sequence[Root]) -> bytes | None:
    """Return the innermost root that is or holds a folder; a link to a root is that root."""
    real = os.path.realpath(path)
    holders = [root.path for root in roots if relative(path, root.path) or real == os.path.realpath(root.path)]
    return max(holders, key=len, default=None)
