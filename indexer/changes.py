"""Compare what a walk found with what the library knows: what is the same, what needs a look, what is gone."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from clapsearch.store import Known
from indexer.filters import is_left_out
from indexer.walk import File, Unreadable


@dataclass
class Changes:
    """The work that one root needs.

    Attributes
    ----------
    unchanged, still_failed : int
        Files that need nothing: in the results, or not because their bytes failed before.
    returned : list of int
        Ids of sounds that were missing and are back as they were.
    candidates : list of File
        New or different by size or mtime, or without vectors: their bytes decide.
    gone : list of int
        Ids of sounds whose file is no longer there.
    unreadable : list of Unreadable
        Places that could not be looked at; what is under them is left alone.
    is_offline : bool
        The root is not there, or suddenly empty, as an unmounted drive is: nothing is said about its sounds.
    """

    unchanged: int = 0
    still_failed: int = 0
    returned: list[int] = field(default_factory=list)
    candidates: list[File] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    is_offline: bool = False


def compare(
    found: Iterable[File | Unreadable],
    known: Mapping[bytes, Known],
    *,
    everything: bool = False,
    retry_failed: bool = False,
    is_excluded: Callable[[bytes], bool] = lambda relpath: False,
) -> Changes:
    """Sort files by what they need.

    Parameters
    ----------
    found : iterable
        A walk of the whole root.
    known : mapping of relative path to Known
    everything : bool
        Treat every file as a candidate.
    retry_failed : bool
        Treat files that failed as candidates even if their bytes did not change.
    is_excluded : callable
        What the walk left out on purpose: that these are not there does not make a root suddenly empty.
    """
    changes, seen = Changes(), set[bytes]()
    for item in found:
        if isinstance(item, Unreadable):
            changes.unreadable.append(item)
            continue
        seen.add(item.relpath)
        before = known.get(item.relpath)
        if everything or before is None or _needs_look(item, before, retry_failed):
            changes.candidates.append(item)
        elif before.missing:
            changes.returned.append(before.sound_id)
        elif before.failed:
            changes.still_failed += 1
        else:
            changes.unchanged += 1
    present = {relpath: item for relpath, item in known.items() if not item.missing}
    expected = (relpath for relpath in present if not is_left_out(relpath, is_excluded))
    if _is_offline(changes, seen, expected):
        return Changes(unreadable=changes.unreadable, is_offline=True)
    blind = tuple(item.relpath for item in changes.unreadable)
    lost = (relpath for relpath in present if relpath not in seen)
    changes.gone = [present[relpath].sound_id for relpath in lost if not _is_under(relpath, blind)]
    return changes


def _needs_look(file: File, before: Known, retry_failed: bool) -> bool:
    is_different = (file.size, file.mtime_ns) != (before.size, before.mtime_ns)
    return is_different or not before.settled or (retry_failed and before.failed)


def _is_offline(changes: Changes, seen: set[bytes], expected: Iterator[bytes]) -> bool:
    is_root_unreadable = any(item.relpath == b"" for item in changes.unreadable)
    return is_root_unreadable or (not seen and any(True for _ in expected))


def _is_under(relpath: bytes, folders: tuple[bytes, ...]) -> bool:
    sep = os.sep.encode()
    return any(relpath == folder or relpath.startswith(folder + sep) for folder in folders)
