"""The read path: one unit vector in, the best sounds out. It never writes."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.filesystem import is_there
from clapsearch.mel import moment_hop_s
from clapsearch.store import Library, Reading, SoundRow
from clapsearch.vectors import MemorySegment, VectorIndex, Vectors, open_snapshot

# Candidates are proposed in float32; a cut-off this far under the last hit cannot have dropped an equal score.
_MARGIN = 1e-5
_MIN_CANDIDATES = 64


@dataclass(frozen=True)
class Hit:
    """One search result.

    Attributes
    ----------
    rank : int
        From 1, the order shown.
    score : float
        Cosine, higher is better.
    path : Path
        Absolute.
    start_s, end_s : float
        The best moment; the whole sound if it is no longer than one window.
    duration_s : float
    is_offline : bool
        The folder that holds it is not there now.
    """

    rank: int
    score: float
    path: Path
    start_s: float
    end_s: float
    duration_s: float
    is_offline: bool = False


def search(
    library: Library,
    query: npt.NDArray[np.float32],
    *,
    top_k: int = 10,
    exclude: Path | None = None,
    include_offline: bool = False,
) -> list[Hit]:
    """Find the sounds nearest to a unit vector, shape (dim,).

    Parameters
    ----------
    top_k : int
        Number of sounds, at least 1; equal scores are ordered by path.
    exclude : Path, optional
        A file that is not to be its own result.
    include_offline : bool
        Find sounds in folders that are not there now, too.

    Raises
    ------
    LibraryError
        If the library cannot be read.
    """
    with library.reading() as reading:
        checkpoint = reading.checkpoint()
        if checkpoint is None:
            return []
        index = _open_index(reading, library.snapshots)
        offline = frozenset(root.id for root in reading.roots() if not is_there(root.path))

        def candidates(embedding_ids: Sequence[int]) -> list[SoundRow]:
            rows = reading.sounds(embedding_ids, without_roots=() if include_offline else tuple(offline))
            return [row for row in rows if exclude is None or not _is_same(row.path, os.fsencode(exclude))]

        return [
            _hit(rank, score, sound, index.moment_scores(query, sound.embedding_id), checkpoint.window_s, offline)
            for rank, (score, sound) in enumerate(_sounds(candidates, index, query, top_k), start=1)
        ]


def _open_index(reading: Reading, folder: Path) -> VectorIndex:
    """Open the newest snapshot and what is newer; without a usable snapshot, everything comes from the database."""
    published, base = reading.newest_snapshot(), None
    if published:
        path = folder / published.name
        base = open_snapshot(path, n_vectors=published.n_vectors, n_bytes=published.n_bytes)
    after_id = published.max_embedding_id if published and base else 0
    newer = MemorySegment(Vectors(stored.id, stored.vectors) for stored in reading.embeddings(after_id=after_id))
    return VectorIndex([base, newer] if base else [newer])


def _sounds(
    candidates: Callable[[Sequence[int]], list[SoundRow]],
    index: VectorIndex,
    query: npt.NDArray[np.float32],
    top_k: int,
) -> list[tuple[float, SoundRow]]:
    """Take more vectors until there are enough distinct sounds and no tie is cut."""
    n = max(_MIN_CANDIDATES, 4 * top_k)
    while True:
        embedding_ids, scores = index.top(query, n)
        best: dict[int, float] = {}
        for embedding_id, score in zip(embedding_ids.tolist(), scores.tolist(), strict=True):
            best.setdefault(embedding_id, score)
        rows = candidates(list(best))
        ranked = sorted(((best[row.embedding_id], row) for row in rows), key=lambda hit: (-hit[0], hit[1].path))
        is_enough = len(ranked) >= top_k and scores[-1] < ranked[top_k - 1][0] - _MARGIN
        if is_enough or n >= len(index):
            return ranked[:top_k]
        n *= 4


def _hit(
    rank: int,
    score: float,
    sound: SoundRow,
    moment_scores: npt.NDArray[np.float64],
    window_s: float,
    offline: frozenset[int],
) -> Hit:
    start_s, end_s = 0.0, sound.duration_s
    if len(moment_scores):
        # The last moment is right-aligned, see mel.moment_starts.
        start_s = int(moment_scores.argmax()) * moment_hop_s(window_s)
        start_s = min(start_s, max(0.0, sound.duration_s - window_s))
        end_s = min(start_s + window_s, sound.duration_s)
    score = min(1.0, score)  # float16 vectors are a little more or less than unit
    path, is_offline = Path(os.fsdecode(sound.path)), sound.root_id in offline
    return Hit(rank, score, path, start_s, end_s, sound.duration_s, is_offline)


def _is_same(path: bytes, other: bytes) -> bool:
    """Whether two paths name one file, links resolved; cheap unless the names agree."""
    if path == other:
        return True
    return os.path.basename(path) == os.path.basename(other) and os.path.realpath(path) == os.path.realpath(other)
