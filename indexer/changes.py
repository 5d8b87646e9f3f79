"""Compare what a walk found with what the library knows: what is the same, what needs a look, what is gone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from clapsearch.filesystem import relative
from clapsearch.store import KnownRow
from indexer.filters import is_left_out
from indexer.walk import File, Unreadable


@dataclass
class Changes:
    """The work that one root needs.

    Attributes
    ----------
    n_found : int
        Files that the walk found.
    unchanged, still_failed : int
        Files that need nothing: in the results, or not because their bytes failed before.
    returned : dict of int to File
        Sounds that were missing and are back as they were, by id.
    candidates : list of File
        New or different by size or mtime, or without vectors: their bytes decide.
    gone : dict of int to File
        Sounds whose file is no longer there, by id, as they were last seen.
    unreadable : list of Unreadable
        Places that could not be looked at; what is under them is left alone.
    is_offline : bool
        The root is not there, or suddenly empty, as an unmounted drive is: nothing is said about its sounds. One that
        is there, and that permission is lacking for, is unreadable instead.
    """

    n_found: int = 0
    unchanged: int = 0
    still_failed: int = 0
    returned: dict[int, File] = field(default_factory=dict)
    candidates: list[File] = field(default_factory=list)
    gone: dict[int, File] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    is_offline: bool = False


def compare(
    found: Iterable[File | Unreadable],
    known: Mapping[bytes, KnownRow],
    *,
    is_whole: bool = True,
    everything: bool = False,
    retry_failed: bool = False,
    is_excluded: Callable[[bytes], bool] = lambda relpath: False,
) -> Changes:
    """Sort files by what they need.

    Parameters
    ----------
    found : iterable
        A walk of the whole root, or of parts.
    known : mapping of relative path to KnownRow
        All that the library knows of what was walked.
    is_whole : bool
        The walk was of the whole root: if it found nothing of what was expected, the root is offline. What lies where
        it could not look is not expected.
    everything : bool
        Treat every file as a candidate.
    retry_failed : bool
        Treat files that failed as candidates even if their bytes did not change.
    is_excluded : callable
        What the walk left out on purpose: that these are not there does not make a root suddenly empty.
    """
    changes, unseen, n_found = Changes(), dict(known), 0
    for item in found:
        if isinstance(item, Unreadable):
            changes.unreadable.append(item)
            continue
        n_found += 1
        before = unseen.pop(item[0], None)
        if before is None or everything:
            changes.candidates.append(item)
            continue
        relpath, sound_id, size, mtime_ns, settled, failed, missing = before
        if item != (relpath, size, mtime_ns) or not settled or (retry_failed and failed):
            changes.candidates.append(item)
        elif missing:
            changes.returned[sound_id] = item
        elif failed:
            changes.still_failed += 1
        else:
            changes.unchanged += 1
    changes.n_found = n_found
    lost = {
        sound_id: File(relpath, size, mtime_ns)
        for relpath, sound_id, size, mtime_ns, _, _, missing in unseen.values()
        if not missing
    }
    blind = tuple(item.relpath for item in changes.unreadable)
    changes.gone = {sound_id: file for sound_id, file in lost.items() if not _is_under(file.relpath, blind)}
    expected = (file for file in changes.gone.values() if not is_left_out(file.relpath, is_excluded))
    is_away = any(not item.relpath and not item.is_refused for item in changes.unreadable)
    if is_away or (is_whole and not n_found and any(True for _ in expected)):
        return Changes(unreadable=changes.unreadable, is_offline=True)
    return changes


def _is_under(relpath: bytes, folders: tuple[bytes, ...]) -> bool:
    return any(relative(relpath, folder) is not None for folder in folders)
