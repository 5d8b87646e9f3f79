"""Make an approximate index that does what an exact search does: how many lists that takes, and how well it does it."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clapsearch import approximate
from clapsearch.vectors import Segment, SnapshotSegment

MIN_RECALL = 0.99
GROWTH = 2  # how many times as large a library is when its lists are chosen anew
N_SOUNDS = 200
# recall@10 of what a search asks for first: among 64 candidates nothing is lost to the short vectors.
_DEPTH = 10
_N_CANDIDATES = 64
_N_TIMED = 5
_STEP = 2**0.25
_EQUAL = 1e-5  # brute force scores in float32

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Attempt:
    """An approximate index, and what it gives.

    Attributes
    ----------
    index : faiss index
        See `clapsearch.approximate`.
    n_trained : int
        Vectors there were when the lists were chosen.
    n_probe : int
        How many lists to look into.
    recall_by_sounds, recall_by_texts : float
        Mean recall@10 for stored vectors, and for texts; None where there are none.
    ms : float
        How long a search takes, median.
    """

    index: Any
    n_trained: int
    n_probe: int
    recall_by_sounds: float
    recall_by_texts: float | None
    ms: float

    @property
    def is_good(self) -> bool:
        """Whether it finds enough."""
        recalls = (self.recall_by_sounds, self.recall_by_texts)
        return all(recall is None or recall >= MIN_RECALL for recall in recalls)


@dataclass(frozen=True)
class Tuner:
    """Makes approximate indexes of one snapshot.

    Attributes
    ----------
    exact : SnapshotSegment
    texts : np.ndarray, shape (n, dim), float32, unit norm
        Vectors of texts that people may ask for.
    should_stop : callable
        Asked often; true raises `clapsearch.approximate.StoppedError`.
    """

    exact: SnapshotSegment
    texts: Rows
    should_stop: Callable[[], bool]

    def update(self, path: Path, n_trained: int) -> Attempt | None:
        """Make one from an older one; None if that will not do, or is not good any more."""
        if len(self.exact.labels) >= GROWTH * n_trained:
            return None
        index = approximate.update(path, self.exact, self.should_stop)
        attempt = None if index is None else self.tune(index, n_trained)
        return attempt if attempt and attempt.is_good else None

    def train(self) -> Attempt:
        """Make one anew."""
        return self.tune(approximate.train(self.exact, self.should_stop), len(self.exact.labels))

    def tune(self, index: Any, n_trained: int) -> Attempt:
        """Look into more and more lists until recall is good, or it were too many."""
        sounds = some_rows(self.exact, N_SOUNDS)
        queries = np.concatenate([sounds, self.texts])
        tenths = _tenths(self.exact, queries, self.should_stop)
        n_probe = 1
        while True:
            segment = approximate.ApproximateSegment(self.exact, index, n_probe)
            recalls = _recalls(segment, queries, tenths, self.should_stop)
            by_sounds, by_texts = statistics.mean(recalls[: len(sounds)]), recalls[len(sounds) :]
            ms = median_ms(segment, queries)
            attempt = Attempt(index, n_trained, n_probe, by_sounds, statistics.mean(by_texts) if by_texts else None, ms)
            n_probe = max(n_probe + 1, round(_STEP * n_probe))
            if attempt.is_good or n_probe > approximate.MOST_LISTS * approximate.n_lists(index):
                return attempt


def recall_by_sounds(exact: SnapshotSegment, segment: Segment) -> float:
    """Return the mean recall@10 of a segment for the stored vectors that it was tuned by."""
    sounds = some_rows(exact, N_SOUNDS)
    return statistics.mean(_recalls(segment, sounds, _tenths(exact, sounds, lambda: False), lambda: False))


def _tenths(exact: SnapshotSegment, queries: Rows, should_stop: Callable[[], bool]) -> Rows:
    """Return the lowest score that is among the best, for each query."""
    return approximate.best_scores(exact, queries, min(_DEPTH, len(exact.labels)), should_stop)[:, -1]


def _recalls(segment: Segment, queries: Rows, tenths: Rows, should_stop: Callable[[], bool]) -> list[float]:
    """Return the share of the best that is found, for each query: of equal ones, any."""
    recalls = []
    for query, tenth in zip(queries, tenths, strict=True):
        if should_stop():
            raise approximate.StoppedError
        scores = segment.rows(segment.nearest(query, _N_CANDIDATES)) @ query
        recalls.append(min(1.0, np.count_nonzero(scores >= tenth - _EQUAL) / min(_DEPTH, len(segment.labels))))
    return recalls


def some_rows(exact: Segment, n: int) -> Rows:
    """Return up to n stored vectors, always the same."""
    n_rows = len(exact.labels)
    return exact.rows(np.sort(np.random.default_rng(0).choice(n_rows, min(n, n_rows), replace=False)))


def median_ms(segment: Segment, queries: Rows) -> float:
    """Return how long a search takes, in milliseconds, once the file is in memory."""
    segment.nearest(queries[0], _N_CANDIDATES)
    taken = []
    for query in queries[:_N_TIMED]:
        began = time.perf_counter()
        segment.nearest(query, _N_CANDIDATES)
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)
