"""VectorIndex: exact search over a snapshot file plus the embeddings newer than it. One of two modules with faiss."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
import numpy.typing as npt

# A label is embedding id << 16 | vector number, so labels ascend and no id map can disagree with the database.
NUMBER_BITS = 16
_CHUNK = 65_536  # vectors converted to float32 at a time


@dataclass(frozen=True)
class Vectors:
    """The vectors of one embedding, shape (n, dim), float16 or float32, the whole first."""

    embedding_id: int
    rows: npt.NDArray[np.float16] | npt.NDArray[np.float32]

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """One label a row."""
        return (self.embedding_id << NUMBER_BITS) + np.arange(len(self.rows), dtype=np.int64)


class Segment(Protocol):
    """Some vectors that can be searched; `labels` ascend."""

    labels: npt.NDArray[np.int64]

    def nearest(self, query: npt.NDArray[np.float32], n: int) -> npt.NDArray[np.int64]:
        """Return the positions of the n best rows, in any order."""

    def rows(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return rows by position, shape (n, dim)."""


class SnapshotSegment:
    """A FAISS file, mapped read-only and shared between processes."""

    def __init__(self, path: Path) -> None:
        faiss.omp_set_num_threads(1)  # one query on several threads is slower
        mapped: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        self._mapped = mapped  # owns what `_flat` looks into
        self._flat: Any = faiss.downcast_index(mapped.index)
        self.labels: npt.NDArray[np.int64] = faiss.vector_to_array(mapped.id_map)

    def nearest(self, query: npt.NDArray[np.float32], n: int) -> npt.NDArray[np.int64]:
        """Return the positions of the n best rows."""
        positions: npt.NDArray[np.int64] = self._flat.search(query[None], min(n, len(self.labels)))[1][0]
        return positions[positions >= 0]

    def rows(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return rows by position, shape (n, dim)."""
        rows: npt.NDArray[np.float32] = self._flat.reconstruct_batch(positions)
        return rows


class MemorySegment:
    """Embeddings read from the database."""

    def __init__(self, embeddings: Iterable[Vectors]) -> None:
        some = list(embeddings)
        self.labels = np.concatenate([np.zeros(0, np.int64), *(vectors.labels for vectors in some)])
        self._rows = np.concatenate([vectors.rows for vectors in some]) if some else np.zeros((0, 1), np.float16)

    def nearest(self, query: npt.NDArray[np.float32], n: int) -> npt.NDArray[np.int64]:
        """Return the positions of the n best rows."""
        chunks = (self._rows[start : start + _CHUNK] for start in range(0, len(self._rows), _CHUNK))
        scores = np.concatenate([np.zeros(0, np.float32), *(chunk.astype(np.float32) @ query for chunk in chunks)])
        if n >= len(scores):
            return np.arange(len(scores))
        return np.argpartition(-scores, n)[:n]

    def rows(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return rows by position, shape (n, dim)."""
        return self._rows[positions].astype(np.float32)


class VectorIndex:
    """Searches all segments as one.

    Segments only propose candidates; scores are computed here, the same way for all, so that an answer does not
    depend on whether a vector came from a snapshot or from the database.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = [segment for segment in segments if len(segment.labels)]

    def __len__(self) -> int:
        return sum(len(segment.labels) for segment in self._segments)

    def top(self, query: npt.NDArray[np.float32], n: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return embedding ids and scores of the n best vectors, best first.

        Parameters
        ----------
        query : np.ndarray, shape (dim,), float32, unit norm
        n : int

        Returns
        -------
        embedding_ids : np.ndarray, shape (m,), int64
            An embedding stands once for each of its vectors among the best; m is n, or all there are.
        scores : np.ndarray, shape (m,), float64
            Cosines.
        """
        labels, scores = [np.zeros(0, np.int64)], [np.zeros(0)]
        for segment in self._segments:
            positions = segment.nearest(query, n)
            labels.append(segment.labels[positions])
            scores.append(_cosines(segment.rows(positions), query))
        all_scores = np.concatenate(scores)
        order = np.argsort(-all_scores, kind="stable")[:n]
        return np.concatenate(labels)[order] >> NUMBER_BITS, all_scores[order]

    def of(
        self, query: npt.NDArray[np.float32], embedding_ids: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return the best score of each of some embeddings.

        Parameters
        ----------
        query : np.ndarray, shape (dim,), float32, unit norm
        embedding_ids : np.ndarray, shape (n,), int64
            In any order.

        Returns
        -------
        embedding_ids : np.ndarray, shape (m,), int64
            Those that have vectors here, ascending.
        scores : np.ndarray, shape (m,), float64
            Cosines of the best vector of each.
        """
        wanted = np.sort(embedding_ids)
        wanted = wanted[np.diff(wanted, prepend=-1) > 0]  # np.unique imports more than a search takes
        ids, scores = [np.zeros(0, np.int64)], [np.zeros(0)]
        for segment in self._segments:
            lows = np.searchsorted(segment.labels, wanted << NUMBER_BITS)
            highs = np.searchsorted(segment.labels, (wanted + 1) << NUMBER_BITS)
            here, starts, counts = wanted[highs > lows], lows[highs > lows], (highs - lows)[highs > lows]
            if len(here):
                firsts = np.cumsum(counts) - counts
                positions = np.repeat(starts - firsts, counts) + np.arange(counts.sum())
                ids.append(here)
                scores.append(np.maximum.reduceat(self._scores(segment, positions, query), firsts))
        order = np.argsort(np.concatenate(ids), kind="stable")
        return np.concatenate(ids)[order], np.concatenate(scores)[order]

    def wholes(self, embedding_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the vectors of whole sounds, shape (n, dim), by embedding id; zeros for one that is not there."""
        found: npt.NDArray[np.float32] | None = None
        for segment in self._segments:
            positions = np.searchsorted(segment.labels, embedding_ids << NUMBER_BITS)
            positions = np.minimum(positions, len(segment.labels) - 1)
            is_here = segment.labels[positions] == embedding_ids << NUMBER_BITS
            rows = segment.rows(positions[is_here])
            found = np.zeros((len(embedding_ids), rows.shape[1]), np.float32) if found is None else found
            found[is_here] = rows
        return np.zeros((len(embedding_ids), 1), np.float32) if found is None else found

    def sample(self, n: int) -> npt.NDArray[np.float32]:
        """Return some vectors, evenly from all, shape (at most n, dim); always the same ones."""
        n_all, rows, start = len(self), [], 0
        positions = np.arange(min(n, n_all)) * n_all // max(1, min(n, n_all))
        for segment in self._segments:
            end = start + len(segment.labels)
            rows.append(segment.rows(positions[(positions >= start) & (positions < end)] - start))
            start = end
        return np.concatenate(rows) if rows else np.zeros((0, 1), np.float32)

    @staticmethod
    def _scores(
        segment: Segment, positions: npt.NDArray[np.int64], query: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float64]:
        """Score many rows, some at a time."""
        some = (positions[start : start + _CHUNK] for start in range(0, len(positions), _CHUNK))
        return np.concatenate([np.zeros(0), *(_cosines(segment.rows(each), query) for each in some)])

    def moment_scores(self, query: npt.NDArray[np.float32], embedding_id: int) -> npt.NDArray[np.float64]:
        """Return the cosines of all moments of one embedding, shape (n_moments,); empty for a short sound."""
        first, end = embedding_id << NUMBER_BITS, (embedding_id + 1) << NUMBER_BITS
        for segment in self._segments:
            low, high = np.searchsorted(segment.labels, [first + 1, end])
            if high > low:
                return _cosines(segment.rows(np.arange(low, high)), query)
        return np.zeros(0)


def open_snapshot(path: Path, *, n_vectors: int, n_bytes: int) -> SnapshotSegment | None:
    """Map a snapshot; None if it is missing, short, or not what was published."""
    try:
        look = path.stat()
        if look.st_size != n_bytes:
            return None
        segment = _mapped(path, look.st_ino, look.st_mtime_ns)
        segment.rows(np.arange(min(1, len(segment.labels))))  # some kinds of index open, but hold no rows
    except (OSError, RuntimeError, AttributeError, MemoryError):  # a damaged length asks for too much memory
        return None
    return segment if len(segment.labels) == n_vectors else None


@functools.lru_cache(maxsize=2)
def _mapped(path: Path, *_look: int) -> SnapshotSegment:
    """Keep the last files mapped: to map one of a gigabyte again takes as long as to search it."""
    return SnapshotSegment(path)


def write_snapshot(path: Path, embeddings: Iterable[Vectors], *, dim: int) -> tuple[int, int]:
    """Write a FAISS file of float16 vectors.

    Returns
    -------
    n_vectors, max_embedding_id : int

    Raises
    ------
    OSError
        If it cannot be written.
    """
    flat = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index, max_embedding_id = faiss.IndexIDMap(flat), 0
    for vectors in embeddings:
        index.add_with_ids(vectors.rows.astype(np.float32), vectors.labels)
        max_embedding_id = vectors.embedding_id
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        raise OSError(f"cannot write {path}") from error
    return index.ntotal, max_embedding_id


def _cosines(rows: npt.NDArray[np.float32], query: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Row by row in float64: equal rows get equal scores wherever they stand, which BLAS does not promise."""
    return np.asarray((rows.astype(np.float64) * query).sum(axis=1), np.float64)
