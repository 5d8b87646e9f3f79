"""An approximate index beside a snapshot: lists of near vectors, of which a search looks into a few (IVF).

It only proposes candidates, from what vectors are along their main axes, one byte a number; their scores come from the
snapshot. Its ids are labels, not positions, so the next snapshot's index is made from it.
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
# Of 512 dimensions of a million vectors, so many hold .994 of what there is: a fourth of the bytes to read, and 20 s
# less to build. Fewer need more candidates than they save.
_N_AXES = 127
# The best of a list is so many standard deviations better than its centre: lists that are wide are looked into earlier.
# Texts, which are far from all sounds, then need to look into half as many.
_DEVIATIONS = 3.5
# Candidates beyond those asked for, so that hardly any is lost to the short vectors: of more vectors, more are as near.
_N_MORE = 128
_MORE_SHARE = 1 / 8_000
_CHUNK = 16_384  # vectors as float32 at a time
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
    index : faiss index
        By label; see `train`.
    n_probe : int
        How many lists to look into, at least.
    """

    def __init__(self, exact: SnapshotSegment, index: Any, n_probe: int) -> None:
        self.labels, self._exact, self.index, self._n_probe = exact.labels, exact, index, n_probe
        self._n_lists = n_lists(index)
        self._n_more = max(_N_MORE, round(_MORE_SHARE * len(self.labels)))

    def nearest(self, query: Rows, n: int) -> Positions:
        """Return the positions of the n best rows, nearly all of them right."""
        n_probe = max(self._n_probe, math.ceil(_WIDTH * n * self._n_lists / len(self.labels)))
        if n_probe <= MOST_LISTS * self._n_lists:
            labels = _search(self.index, query, min(n + self._n_more, len(self.labels)), n_probe)
            positions: Positions = np.minimum(np.searchsorted(self.labels, labels), len(self.labels) - 1)
            if len(labels) >= min(n, len(self.labels)) and (self.labels[positions] == labels).all():
                return positions[np.argsort(-(self._exact.rows(positions) @ query))[:n]]
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
        index = _mapped(path, look.st_ino, look.st_mtime_ns)
        is_whole = n_lists(index) > 0 and index.ntotal == len(exact.labels)
    except (OSError, RuntimeError, AttributeError, MemoryError):  # as a damaged snapshot
        return None
    return ApproximateSegment(exact, index, n_probe) if is_whole else None


@functools.lru_cache(maxsize=2)
def _mapped(path: Path, *_look: int) -> Any:
    """Keep the last files mapped, as those of snapshots are."""
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)


def n_lists(index: Any) -> int:
    """Return how many lists an index has."""
    return int(_inverted(index).nlist)


def train(exact: SnapshotSegment, should_stop: Callable[[], bool]) -> Any:
    """Make an index of all vectors of a snapshot; memory is bounded by the sample and what is written.

    Raises
    ------
    StoppedError
    """
    n = len(exact.labels)
    n_centres = max(1, min(n, round(_N_LISTS * math.sqrt(n))))
    sample = exact.rows(np.sort(np.random.default_rng(0).choice(n, min(n, _N_EACH * n_centres), replace=False)))
    axes = np.linalg.eigh(sample.T @ sample)[1][:, -_N_AXES:].astype(np.float32)
    projected = sample @ axes
    del sample
    centres = _centres(projected, n_centres, should_stop)
    index = _empty(axes, centres, _deviations(centres, projected, should_stop), projected)
    _add(index, exact, np.arange(n), should_stop)
    return index


def update(path: Path, exact: SnapshotSegment, should_stop: Callable[[], bool]) -> Any | None:
    """Make an index from an older one; None if that cannot be read, or has less than half of what is there now.

    Raises
    ------
    StoppedError
    """
    try:
        index: Any = faiss.read_index(str(path))
        held = labels_of(index)
    except (OSError, RuntimeError, AttributeError, MemoryError):
        return None
    is_new = ~np.isin(exact.labels, held)
    if 2 * np.count_nonzero(is_new) > len(is_new):
        return None
    index.remove_ids(np.setdiff1d(held, exact.labels))
    _add(index, exact, np.flatnonzero(is_new), should_stop)
    return index


def write(index: Any, path: Path) -> None:
    """Write an index to a file.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    try:
        faiss.write_index(index, str(path))
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


def _centres(rows: Rows, n_centres: int, should_stop: Callable[[], bool]) -> Rows:
    """Return the centres of spherical k-means, shape (n_centres, n_axes)."""
    centres = _unit(rows[np.random.default_rng(0).choice(len(rows), n_centres, replace=False)])
    for _ in range(_N_ROUNDS):
        centres = _unit(_means(rows, _groups(centres, rows, should_stop), n_centres))
    return centres


def _deviations(centres: Rows, rows: Rows, should_stop: Callable[[], bool]) -> Rows:
    """Return how far the rows of each centre spread, shape (n_centres,): the standard deviation in one direction."""
    groups = _groups(centres, rows, should_stop)
    squares = _means(np.square(rows).sum(axis=1, keepdims=True), groups, len(centres))[:, 0]
    variances = squares - np.square(_means(rows, groups, len(centres))).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(variances, 0) / rows.shape[1]), np.float32)


def _groups(centres: Rows, rows: Rows, should_stop: Callable[[], bool]) -> Positions:
    """Return the centre nearest to each of many rows, shape (n,)."""
    return np.concatenate([_nearest(centres, rows[some]) for some in _chunks(np.arange(len(rows)), should_stop)])


def _nearest(centres: Rows, rows: Rows) -> Positions:
    """Return the centre nearest to each row, shape (n,)."""
    index = faiss.IndexFlatIP(centres.shape[1])
    index.add(centres)
    found: Positions = index.search(rows, 1)[1][:, 0]
    return np.ascontiguousarray(found)


def _means(rows: Rows, groups: Positions, n_groups: int) -> Rows:
    """Return the mean of each group of rows, shape (n_groups, dim); zeros for an empty one."""
    means = np.zeros((n_groups, rows.shape[1]), np.float32)
    order = np.argsort(groups, kind="stable")
    there, starts = np.unique(groups[order], return_index=True)
    for group, some in zip(there, np.split(order, starts[1:]), strict=True):
        means[group] = rows[some].mean(axis=0)
    return means


def _unit(rows: Rows) -> Rows:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-9), np.float32)


def _empty(axes: Rows, centres: Rows, deviations: Rows, sample: Rows) -> Any:
    """Return an index without vectors that knows axes and centres, and from a sample how far the numbers go.

    Vectors are nothing along one more axis; centres have their deviations there, and queries what these count.
    """
    onto: Any = faiss.LinearTransform(len(axes), axes.shape[1] + 1)
    faiss.copy_array_to_vector(_with_last(axes, np.zeros(len(axes), np.float32)).T.ravel(), onto.A)
    onto.is_trained = True
    coarse = faiss.IndexFlatIP(onto.d_out)
    coarse.add(_with_last(centres, deviations))
    eight_bits, inner = faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    inverted: Any = faiss.IndexIVFScalarQuantizer(coarse, onto.d_out, len(centres), eight_bits, inner)
    inverted.by_residual = False
    inverted.train(_with_last(sample, np.zeros(len(sample), np.float32)))
    return faiss.IndexPreTransform(onto, inverted)


def _with_last(rows: Rows, last: Rows) -> Rows:
    return np.column_stack([rows, last])


def _add(index: Any, exact: SnapshotSegment, positions: Positions, should_stop: Callable[[], bool]) -> None:
    for some in _chunks(positions, should_stop):
        index.add_with_ids(exact.rows(some), exact.labels[some])


def _search(index: Any, query: Rows, n: int, n_probe: int) -> Positions:
    """Return the labels of at most n candidates, ascending: so they are looked up, and their rows read, in one go."""
    along: Rows = index.chain.at(0).apply(query[None])
    along[0, -1] = _DEVIATIONS * np.linalg.norm(along)
    how: Any = faiss.SearchParametersIVF(nprobe=n_probe)  # type: ignore[call-arg]
    labels: Positions = _inverted(index).search(along, n, params=how)[1][0]
    return np.sort(labels[labels >= 0])


def _inverted(index: Any) -> Any:
    return faiss.downcast_index(index.index)


def labels_of(index: Any) -> Positions:
    """Return the labels in an index, in no order."""
    inverted = _inverted(index)
    pointers = ((inverted.invlists.get_ids(i), inverted.invlists.list_size(i)) for i in range(inverted.nlist))
    return np.concatenate([np.zeros(0, np.int64), *(faiss.rev_swig_ptr(ids, n).copy() for ids, n in pointers if n)])


def _chunks(positions: Positions, should_stop: Callable[[], bool]) -> Iterator[Positions]:
    """Cut positions into pieces, and raise once nobody wants more."""
    for start in range(0, len(positions), _CHUNK):
        if should_stop():
            raise StoppedError
        yield positions[start : start + _CHUNK]
