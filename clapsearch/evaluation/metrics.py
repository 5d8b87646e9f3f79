"""Measures of ranked lists, one value a query, and what they are worth over all queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

RECALL_AT = (1, 5, 10)
MAP_AT = 10
N_DRAWS = 2_000
_CHUNK = 100  # bootstrap draws at a time

Figures = dict[str, float]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Outcomes:
    """How each query of one task came out.

    Attributes
    ----------
    queries : list of str
        A text, or the path of a clip; each once.
    ranks : np.ndarray, shape (n_queries,), int64
        Rank of the first right answer, from 1.
    average_precision : np.ndarray, shape (n_queries,), float64
        At `MAP_AT`.
    """

    queries: list[str]
    ranks: npt.NDArray[np.int64]
    average_precision: npt.NDArray[np.float64]

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """Shape (n_queries, 5): what `_summary` needs of every query."""
        hits = [self.ranks <= k for k in RECALL_AT]
        return np.column_stack([*hits, self.average_precision, self.ranks]).astype(np.float64)

    def figures(self) -> Figures:
        """Return the measures over all queries, by name."""
        return dict(zip(NAMES, _summary(self.values[None])[0].tolist(), strict=True))

    def intervals(self) -> dict[str, Interval]:
        """Return the 95 % bootstrap interval of each measure: what the choice of queries alone can do."""
        return _intervals(_bootstrap(self.values))

    def records(self) -> list[dict[str, Any]]:
        """Return one record a query, for JSON."""
        rows = zip(self.queries, self.ranks.tolist(), self.average_precision.tolist(), strict=True)
        return [{"query": query, "rank": rank, f"ap@{MAP_AT}": precision} for query, rank, precision in rows]

    @classmethod
    def from_records(cls, records: Sequence[Mapping[str, Any]]) -> Self:
        """Read what `records` wrote; KeyError, TypeError or ValueError if it is something else."""
        ranks = np.array([record["rank"] for record in records], np.int64)
        precision = np.array([record[f"ap@{MAP_AT}"] for record in records], np.float64)
        return cls([str(record["query"]) for record in records], ranks, precision)


NAMES = (*(f"recall@{k}" for k in RECALL_AT), f"map@{MAP_AT}", "median_rank")


def rank(queries: Sequence[str], scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> Outcomes:
    """Rank all candidates for every query; equal scores stand in the order of the candidates.

    With rel(k) = 1 if candidate k is right, AP@10 = sum(precision@k * rel(k) for k in 1..10) / min(n_right, 10).

    Parameters
    ----------
    queries : sequence of str
    scores : np.ndarray, shape (n_queries, n_candidates)
        Higher is better.
    right : np.ndarray, shape (n_queries, n_candidates), bool
        Which candidates are right; queries without any are left out.
    """
    asked = right.any(axis=1)
    order = np.argsort(-scores[asked], axis=1, kind="stable")
    relevance = np.take_along_axis(right[asked], order, axis=1)
    top = relevance[:, :MAP_AT]
    precision = np.cumsum(top, axis=1) / np.arange(1, top.shape[1] + 1)
    average_precision = (precision * top).sum(axis=1) / np.minimum(relevance.sum(axis=1), MAP_AT)
    return Outcomes(
        [queries[i] for i in np.flatnonzero(asked).tolist()],
        relevance.argmax(axis=1) + 1,
        average_precision,
    )


@dataclass(frozen=True)
class Difference:
    """How much higher the measures of one run are than those of another, over the same queries.

    Attributes
    ----------
    n_queries : int
        Queries that both runs asked.
    figures : dict
        Measure to difference.
    intervals : dict
        Measure to the 95 % interval of a paired bootstrap.
    """

    n_queries: int
    figures: Figures
    intervals: dict[str, Interval]


def difference(outcomes: Outcomes, other: Outcomes) -> Difference:
    """Compare two runs, query by query.

    Raises
    ------
    ValueError
        If they have no query in common.
    """
    rows = {query: i for i, query in enumerate(other.queries)}
    pairs = [(i, rows[query]) for i, query in enumerate(outcomes.queries) if query in rows]
    if not pairs:
        raise ValueError("no query in common")
    ours, theirs = (np.array(column) for column in zip(*pairs, strict=True))
    both = np.stack([outcomes.values[ours], other.values[theirs]], axis=1)
    change = _summary(both[:, 0][None])[0] - _summary(both[:, 1][None])[0]
    draws = _bootstrap(both[:, 0]) - _bootstrap(both[:, 1])
    return Difference(len(pairs), dict(zip(NAMES, change.tolist(), strict=True)), _intervals(draws))


def mean_interval(values: npt.NDArray[np.float64]) -> Interval:
    """Return the 95 % bootstrap interval of a mean, values of shape (n,)."""
    rng = np.random.default_rng(0)
    draws = [rng.choice(values, (_CHUNK, len(values))).mean(axis=1) for _ in range(N_DRAWS // _CHUNK)]
    low, high = np.quantile(np.concatenate(draws), [0.025, 0.975])
    return float(low), float(high)


def average_precisions(scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the average precision of every class over all clips, NaN for classes without a clip.

    Equal scores count as one step of the precision-recall curve, sum((R_n - R_n-1) * P_n), as in scikit-learn.

    Parameters
    ----------
    scores, right : np.ndarray, shape (n_clips, n_classes)
    """
    return np.array([_average_precision(scores[:, i], right[:, i]) for i in range(scores.shape[1])], np.float64)


def _average_precision(scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    if not right.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    steps = np.flatnonzero(np.append(np.diff(scores[order]) != 0, [True]))
    found = np.cumsum(right[order])[steps]
    gained = np.diff(found, prepend=0)
    return float((gained * found / (steps + 1)).sum() / found[-1])


def _summary(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the measures of samples of queries: shape (n_samples, n_queries, 5) to (n_samples, 5)."""
    means, medians = values[..., :-1].mean(axis=1), np.median(values[..., -1], axis=1)
    return np.column_stack([means, medians])


def _bootstrap(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Draw queries with replacement, the same ones for every call of one length; shape (N_DRAWS, 5)."""
    rng, n = np.random.default_rng(0), len(values)
    return np.concatenate([_summary(values[rng.integers(0, n, (_CHUNK, n))]) for _ in range(N_DRAWS // _CHUNK)])


def _intervals(draws: npt.NDArray[np.float64]) -> dict[str, Interval]:
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(NAMES)}
