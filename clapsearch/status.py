"""The state of a library: roots, counts, sizes, failures."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clapsearch.embedder import Checkpoint
from clapsearch.filesystem import is_there, refusal
from clapsearch.store import Approximation, Counts, Failure, Library, Missing, Root

if TYPE_CHECKING:
    from indexer.health import Health


@dataclass(frozen=True)
class RootStatus:
    """One root.

    Attributes
    ----------
    path : bytes
    is_there : bool
        Its folder is there now, and can be read.
    refusal : str or None
        Why it cannot be read, though it is there.
    offline_since : float or None
        When a run first found it gone, in unix seconds.
    exclude : tuple of str
        Its globs.
    video : bool
        It takes the sound of video files.
    counts : Counts
        Its sounds.
    """

    path: bytes
    is_there: bool
    refusal: str | None
    offline_since: float | None
    exclude: tuple[str, ...]
    video: bool
    counts: Counts


@dataclass(frozen=True)
class Status:
    """The state of a library; sizes in bytes.

    `approximation` is what was tried to make searches faster, None where searches did not need to be; `watcher` is None
    unless one runs now.
    """

    library: Path
    checkpoint: Checkpoint | None
    roots: tuple[RootStatus, ...]
    counts: Counts
    missing: tuple[Missing, ...]
    failures: tuple[Failure, ...]
    watcher: "Health | None"
    library_bytes: int
    snapshot_bytes: int
    approximation: Approximation | None


def read_status(library: Library, watcher: "Health | None") -> Status:
    """Read the state of a library.

    Parameters
    ----------
    watcher : Health or None
        Of the process that watches its folders now.
    """
    with library.reading() as reading:
        roots = tuple(_root_status(root, reading.counts(root_id=root.id)) for root in reading.roots())
        checkpoint, counts = reading.checkpoint(), reading.counts()
        missing, failures = tuple(reading.missing()), tuple(reading.failures())
        published, tried = reading.newest_snapshot(), reading.approximation()
    is_used = tried is not None and published is not None and tried.snapshot == published.name
    return Status(
        library=library.path,
        checkpoint=checkpoint,
        roots=roots,
        counts=counts,
        missing=missing,
        failures=failures,
        watcher=watcher,
        library_bytes=sum(_n_bytes(library.path.with_name(library.path.name + suffix)) for suffix in ("", "-wal")),
        snapshot_bytes=sum(path.stat().st_size for path in library.snapshots.glob("*.faiss")),
        approximation=tried if is_used else None,
    )


def _root_status(root: Root, counts: Counts) -> RootStatus:
    refused = refusal(root.path)
    is_new = counts.sounds == 0 and os.path.isdir(root.path)  # and still empty
    is_here = is_there(root.path) or (is_new and refused is None)
    return RootStatus(root.path, is_here, refused, root.offline_since, root.exclude, root.video, counts)


def _n_bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
