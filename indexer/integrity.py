"""Whether a library's vectors are what was written, and its snapshot and what makes that faster what they are.

Both can be mended from the files.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapsearch.approximate import labels_of, open_approximate
from clapsearch.present import plural
from clapsearch.store import Blob, Checking, Library, Snapshot, Tuned
from clapsearch.tuning import recall_by_sounds
from clapsearch.vectors import NUMBER_BITS, Segment, SnapshotSegment, Vectors, open_snapshot

logger = logging.getLogger(__name__)

_BATCH = 8_192  # vectors compared at a time
# Other processors round otherwise, so that a candidate in a thousand may be another one. A damaged list costs more.
_LESS_RECALL = 0.01


@dataclass(frozen=True)
class SnapshotState:
    """How the newest snapshot compares with the library.

    Attributes
    ----------
    published : Snapshot or None
    n_newer : int
        How many vectors the library has beyond it.
    is_missing : bool
        Whether its file is not there: no fault, a backup has none, and the next run makes it anew.
    problems : tuple of str
        What is wrong with it, in words.
    """

    published: Snapshot | None
    n_newer: int = 0
    is_missing: bool = False
    problems: tuple[str, ...] = ()


def repair(library: Library) -> None:
    """Drop damaged embeddings and a snapshot that is not what it should be. Call it as the one writer, before a run."""
    with library.checking() as checking:
        damaged = [blob.id for blob in checking.blobs() if blob.damage()]
    if damaged:
        with library.writing() as writing:
            writing.drop_embeddings(damaged)
        logger.warning("%s dropped: the sounds are embedded again", plural(len(damaged), "damaged embedding"))
    state = compare_snapshot(library)
    if state.problems:
        with library.writing() as writing:
            writing.withdraw()
        logger.warning("the snapshot is made anew: %s", "; ".join(state.problems))


def compare_snapshot(library: Library) -> SnapshotState:
    """Compare the newest snapshot with the library, vector by vector."""
    while True:
        with library.checking() as checking:
            published = checking.newest_snapshot()
            state = _compared(library, checking, published) if published else SnapshotState(None)
        with library.reading() as reading:
            if not (state.problems or state.is_missing) or reading.newest_snapshot() == published:
                return state
        # A writer has published another one meanwhile, and removed this.


def _compared(library: Library, checking: Checking, published: Snapshot) -> SnapshotState:
    n_newer = checking.n_vectors(after_id=published.max_embedding_id)
    if not os.path.lexists(library.snapshots / published.name):
        return SnapshotState(published, n_newer, is_missing=True)
    return SnapshotState(published, n_newer, problems=tuple(_problems(library, checking, published)))


def _problems(library: Library, checking: Checking, published: Snapshot) -> Iterator[str]:
    path = library.snapshots / published.name
    try:
        n_bytes = path.stat().st_size
    except OSError as error:
        yield f"{path.name} cannot be read: {error.strerror}"
        return
    if n_bytes != published.n_bytes:
        yield f"{path.name} has {n_bytes:,} bytes, {published.n_bytes:,} were written"
        return
    segment = open_snapshot(path, n_vectors=published.n_vectors, n_bytes=published.n_bytes)
    if segment is None:
        yield f"{path.name} does not open as an index of {published.n_vectors:,} vectors"
    elif (np.diff(segment.labels) <= 0).any():
        yield f"{path.name} has its vectors out of order"
    else:
        yield from _Comparison(segment, checking.dead_ids()).problems(
            path.name, checking.blobs(up_to_id=published.max_embedding_id)
        )
        approximation = checking.approximation()
        if approximation and approximation.tuned and approximation.snapshot == published.name:
            yield from _approximate_problems(library, segment, approximation.tuned)


def _approximate_problems(library: Library, exact: SnapshotSegment, tuned: Tuned) -> Iterator[str]:
    """Compare the approximate index with its snapshot, and with what it found when it was made."""
    path = library.snapshots / tuned.name
    segment = open_approximate(path, exact, n_bytes=tuned.n_bytes, n_probe=tuned.n_probe)
    if segment is None:
        yield f"{tuned.name} does not open as an approximate index of {len(exact.labels):,} vectors"
    elif not np.array_equal(np.sort(labels_of(segment.index)), exact.labels):
        yield f"{tuned.name}, an approximate index, lists other vectors than the snapshot has"
    elif (recall := recall_by_sounds(exact, segment)) < tuned.recall_by_sounds - _LESS_RECALL:
        yield f"{tuned.name}, an approximate index, has recall@10 {recall:.3f}, {tuned.recall_by_sounds:.3f} when made"


class _Comparison:
    """Finds each of the library's vectors in a segment, and what the segment holds beyond them."""

    def __init__(self, segment: Segment, dead_ids: npt.NDArray[np.int64]) -> None:
        self._segment = segment
        self._is_known = np.isin(segment.labels >> NUMBER_BITS, dead_ids)
        self._n_absent = self._n_different = 0

    def problems(self, name: str, blobs: Iterable[Blob]) -> Iterator[str]:
        for batch in _batches(blobs):
            self._compare(batch)
        n_unknown = int((~self._is_known).sum())
        if self._n_absent:
            yield f"{name} lacks {plural(self._n_absent, 'vector')} of the database"
        if n_unknown:
            yield f"{name} holds {plural(n_unknown, 'vector')} that the database does not"
        if self._n_different:
            yield f"{name} differs from the database in {plural(self._n_different, 'vector')}"

    def _compare(self, batch: list[Blob]) -> None:
        whole = []
        for blob in batch:
            if blob.damage():  # a fault of its own, wherever the snapshot has it from
                first, end = np.searchsorted(self._segment.labels, [blob.id << NUMBER_BITS, blob.id + 1 << NUMBER_BITS])
                self._is_known[first:end] = True
            else:
                whole.append(Vectors(blob.id, blob.vectors))
        if not whole:
            return
        labels = np.concatenate([vectors.labels for vectors in whole])
        at = np.searchsorted(self._segment.labels, labels)
        is_here = at < len(self._segment.labels)
        is_here[is_here] = self._segment.labels[at[is_here]] == labels[is_here]
        self._n_absent += int((~is_here).sum())
        self._is_known[at[is_here]] = True
        rows = np.concatenate([vectors.rows for vectors in whole])[is_here]
        theirs = self._segment.rows(at[is_here])
        is_comparable = rows.shape == theirs.shape
        self._n_different += int((rows != theirs).any(axis=1).sum()) if is_comparable else len(rows)


def _batches(blobs: Iterable[Blob]) -> Iterator[list[Blob]]:
    batch, n_vectors = list[Blob](), 0
    for blob in blobs:
        batch.append(blob)
        n_vectors += blob.n
        if n_vectors >= _BATCH:
            yield batch
            batch, n_vectors = [], 0
    yield batch
