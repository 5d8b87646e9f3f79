"""An approximate index beside a snapshot: lists of near vectors, of which a search looks into a few (IVF).

It only proposes candidates, from vectors of one byte a number; their scores come from the snapshot. Its ids are labels,
not positions, so the next snapshot's index is made from it.
"""

import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from clapsearch.vectors import Segment, SnapshotSegment

_N_LISTS = 4.0  # times the root of the number of vectors
# Vectors for each list that are looked at to choose the lists, and how often. Four times the work found little more.
_N_EACH = 40
_N_ROUNDS = 6
# Lists are chosen in the space of so many main axes: several times faster, and as good.
_N_AXES = 64
_CHUNK = 8_192  # vectors as float32 at a time
# A query looks into lists that hold so many times the vectors that it asks for; past this share of them, exact search
# is as fast.
_WIDTH = 4
MOST_LISTS = 0.25

Rows = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]


class StoppedError(Exception):
    """Whoever asked for a long computation does not want it any more."""


class ApproximateSegment:
    """A snapshot that is searched by way of lists.

    Parameters
    ----------
    exact : SnapshotSegment
        Has the vectors themselves, and answers what the lists cannot.
    lists : faiss index
        By label.
    n_probe : int
        How many lists to look into, at least.
    """

    def __init__(self, exact: SnapshotSegment, lists: Any, n_probe: int) -> None:
        self.labels, self._exact, self._lists, self._n_probe = exact.labels, exact, lists, n_probe

    def nearest(self, query: Rows, n: int) -> Positions:
        """Return the positions of the n best rows, nearly all of them right."""
        n_lists = self._lists.nlist
        n_probe = max(self._n_probe, math.ceil(_WIDTH * n * n_lists / len(self.labels)))
        if n_probe <= MOST_LISTS * n_lists:
            how: Any = faiss.SearchParametersIVF(nprobe=n_probe)  # type: ignore[call-arg]
            labels = self._lists.search(query[None], n, params=how)[1][0]
            positions: Positions = np.minimum(np.searchsorted(self.labels, labels), len(self.labels) - 1)
            if (self.labels[positions] == labels).all():
                return positions
        return self._exact.nearest(query, n)

    def rows(self, positions: Positions) -> Rows:
        """Return rows by position, shape (n, dim)."""
        return self._exact.rows(positions)


def open_approximate(path: Path, exact: SnapshotSegment, *, n_bytes: int, n_probe: int) -> ApproximateSegment | None:
    """Map an approximate index; None if it is missing, short, or not what was published."""
    try:
        look = path.stat()
        if look.st_size != n_bytes:
            return None
        lists = _mapped(path, look.st_ino, look.st_mtime_ns)
        is_whole = lists.nlist > 0 and lists.ntotal == len(exact.labels)
    except (OSError, RuntimeError, AttributeError, MemoryError):  # as a damaged snapshot
        return None
    return ApproximateSegment(exact, lists, n_probe) if is_whole else None


@functools.lru_cache(maxsize=2)
def _mapped(path: Path, *_look: int) -> Any:
    """Keep the last files mapped, as those of snapshots are."""
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)


def train(exact: SnapshotSegment, should_stop: Callable[[], bool]) -> Any:
    """Make an index of all vectors of a snapshot; memory is bounded by the sample and what is written.

    Raises
    ------
    StoppedError
    """
    n = len(exact.labels)
    n_lists = max(1, min(n, round(_N_LISTS * math.sqrt(n))))
    sample = exact.rows(np.sort(np.random.default_rng(0).choice(n, min(n, _N_EACH * n_lists), replace=False)))
    axes = np.linalg.eigh(sample.T @ sample)[1][:, -_N_AXES:].astype(np.float32)
    projected = sample @ axes
    centres = _centres(projected, n_lists, should_stop)
    # Texts are far off the main axes of sounds: a query is compared with whole centres.
    lists: Any = _empty(_means(sample, _nearest(centres, projected), n_lists), sample)
    del sample, projected
    chunks = _chunks(np.arange(n), should_stop)
    _fill(lists, exact, np.concatenate([_nearest(centres, exact.rows(some) @ axes) for some in chunks]), should_stop)
    return lists


def update(path: Path, exact: SnapshotSegment, should_stop: Callable[[], bool]) -> Any | None:
    """Make an index from an older one; None if that cannot be read, or has less than half of what is there now.

    Raises
    ------
    StoppedError
    """
    try:
        lists: Any = faiss.read_index(str(path))
        held = _labels(lists)
    except (OSError, RuntimeError, AttributeError, MemoryError):
        return None
    is_new = ~np.isin(exact.labels, held)
    if 2 * np.count_nonzero(is_new) > len(is_new):
        return None
    lists.remove_ids(np.setdiff1d(held, exact.labels))
    for positions in _chunks(np.flatnonzero(is_new), should_stop):
        lists.add_with_ids(exact.rows(positions), exact.labels[positions])
    return lists


def write(lists: Any, path: Path) -> None:
    """Write an index to a file.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    try:
        faiss.write_index(lists, str(path))
    except RuntimeError as error:
        raise OSError(f"cannot write {path}") from error


def best_scores(exact: Segment, queries: Rows, n: int, should_stop: Callable[[], bool]) -> Rows:
    """Return the n best cosines of each of many queries, by brute force, shape (n_queries, n), best first.

    Raises
    ------
    StoppedError
    """
    best = np.full((len(queries), n), -np.inf, np.float32)
    for positions in _chunks(np.arange(len(exact.labels)), should_stop):
        scores = np.hstack([best, queries @ exact.rows(positions).T])
        scores.partition(scores.shape[1] - n, axis=1)
        best = scores[:, -n:]
    return np.sort(best, axis=1)[:, ::-1]


def _centres(rows: Rows, n_lists: int, should_stop: Callable[[], bool]) -> Rows:
    """Return the centres of spherical k-means, shape (n_lists, n_axes)."""
    centres = _unit(rows[np.random.default_rng(0).choice(len(rows), n_lists, replace=False)])
    for _ in range(_N_ROUNDS):
        nearest = [_nearest(centres, rows[some]) for some in _chunks(np.arange(len(rows)), should_stop)]
        centres = _means(rows, np.concatenate(nearest), n_lists)
    return centres


def _nearest(centres: Rows, rows: Rows) -> Positions:
    """Return the centre nearest to each row, shape (n,)."""
    index = faiss.IndexFlatIP(centres.shape[1])
    index.add(centres)
    found: Positions = index.search(rows, 1)[1][:, 0]
    return np.ascontiguousarray(found)


def _means(rows: Rows, groups: Positions, n_groups: int) -> Rows:
    """Return the direction of each group of rows, shape (n_groups, dim); zeros for an empty one."""
    sums = np.zeros((n_groups, rows.shape[1]), np.float32)
    order = np.argsort(groups, kind="stable")
    there, starts = np.unique(groups[order], return_index=True)
    for group, some in zip(there, np.split(order, starts[1:]), strict=True):
        sums[group] = rows[some].sum(axis=0)
    return _unit(sums)


def _unit(rows: Rows) -> Rows:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-9), np.float32)


def _empty(centres: Rows, sample: Rows) -> Any:
    """Return an index without vectors that knows its centres, and from a sample how far each number goes."""
    n_lists, dim = centres.shape
    coarse = faiss.IndexFlatIP(dim)
    coarse.add(centres)
    eight_bits = faiss.ScalarQuantizer.QT_8bit
    lists = faiss.IndexIVFScalarQuantizer(coarse, dim, n_lists, eight_bits, faiss.METRIC_INNER_PRODUCT)
    lists.by_residual = False
    lists.train(sample)
    return lists


def _fill(lists: Any, exact: SnapshotSegment, where: Positions, should_stop: Callable[[], bool]) -> None:
    """Add each vector to its list; the lists get their lengths first, because one that grows takes twice its memory."""
    counts = np.bincount(where, minlength=lists.nlist)
    for i, count in enumerate(counts.tolist()):
        lists.invlists.resize(i, count)
    n_done = np.zeros_like(counts)
    for positions in _chunks(np.arange(len(where)), should_stop):
        ordered = positions[np.argsort(where[positions], kind="stable")]
        labels, codes = exact.labels[ordered], _codes(lists, exact.rows(ordered), where[ordered])
        there, starts = np.unique(where[ordered], return_index=True)
        for i, start, end in zip(there.tolist(), starts, [*starts[1:], len(ordered)], strict=True):
            pieces = faiss.swig_ptr(labels[start:end]), faiss.swig_ptr(codes[start:end])
            lists.invlists.update_entries(i, int(n_done[i]), int(end - start), *pieces)
            n_done[i] += end - start
    lists.ntotal = len(where)


def _codes(lists: Any, rows: Rows, where: Positions) -> npt.NDArray[np.uint8]:
    """Return the short vectors of rows, shape (n, dim)."""
    codes = np.empty((len(rows), lists.code_size), np.uint8)
    lists.encode_vectors(len(rows), faiss.swig_ptr(rows), faiss.swig_ptr(where), faiss.swig_ptr(codes))
    return codes


def _labels(lists: Any) -> Positions:
    """Return the labels in an index, in no order."""
    inverted = lists.invlists
    pointers = ((inverted.get_ids(i), inverted.list_size(i)) for i in range(lists.nlist))
    return np.concatenate([faiss.rev_swig_ptr(ids, n).copy() for ids, n in pointers if n])


def _chunks(positions: Positions, should_stop: Callable[[], bool]) -> Iterator[Positions]:
    """Cut positions into pieces, and raise once nobody wants more."""
    for start in range(0, len(positions), _CHUNK):
        if should_stop():
            raise StoppedError
        yield positions[start : start + _CHUNK]
