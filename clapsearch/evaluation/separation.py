"""How well the classes lie apart in the embedding space, without learning anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clapsearch.evaluation.probe import Truth, class_matrix

_ROWS = 256  # compared with all clips at a time: about 50 MB with 10,000 clips, where n x n would take gigabytes


@dataclass(frozen=True)
class Separation:
    """Measures of separation; None where there is nothing to take one on.

    Attributes
    ----------
    silhouette : float or None
        Mean of (b - a) / max(a, b), where a is the mean cosine distance (1 - cosine) of a clip to the others of its
        class and b that to the clips of the nearest other class; -1 to 1, higher is better. Over the clips that have
        one label alone, of classes with two such clips or more; it takes two such classes.
    within : float or None
        Mean cosine of all pairs of clips that share a label.
    between : float or None
        Mean cosine of all pairs of clips that share none.
    nearest_neighbour : float or None
        Leave-one-out accuracy: the share of clips whose nearest neighbour by cosine has one of their labels. Clips of
        the same group are no neighbours. Over the clips that share a label with a clip of another group.
    """

    silhouette: float | None
    within: float | None
    between: float | None
    nearest_neighbour: float | None


def separation(
    vectors: npt.NDArray[np.float32], labels: Sequence[tuple[str, ...]], groups: Sequence[str] | None = None
) -> Separation:
    """Measure on all pairs, none sampled: memory grows with n, time with its square.

    Parameters
    ----------
    vectors : np.ndarray, shape (n, dim), float32, unit norm
    labels : sequence of n tuples of str
        At least one label each.
    groups : sequence of n str, optional
        What belongs together, such as the takes of one recording; by default each clip is alone.
    """
    _, truth = class_matrix(labels)
    group = np.arange(len(truth)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    tallies = [_tally(vectors, truth, group, start) for start in range(0, len(truth), _ROWS)]
    within, n_within, between, n_between, n_right, n_asked = np.sum(tallies, axis=0) if tallies else np.zeros(6)
    return Separation(
        _silhouette(vectors, truth), _ratio(within, n_within), _ratio(between, n_between), _ratio(n_right, n_asked)
    )


def _tally(
    vectors: npt.NDArray[np.float32], truth: Truth, group: npt.NDArray[np.int64], start: int
) -> npt.NDArray[np.float64]:
    """Compare some clips with all: sum and number of cosines within and between classes; right and asked neighbours."""
    rows = slice(start, start + _ROWS)
    own = np.arange(len(vectors))[rows]
    cosines = vectors[rows] @ vectors.T
    is_like = truth[rows].astype(np.float32) @ truth.T.astype(np.float32) > 0
    is_within = is_like & (own[:, None] != np.arange(len(vectors)))
    is_kin = group[rows, None] == group
    nearest = np.where(is_kin, -np.inf, cosines).argmax(axis=1)
    is_asked = (is_like & ~is_kin).any(axis=1)
    is_right = is_like[np.arange(len(own)), nearest] & is_asked
    return np.array([*_sum(cosines, is_within), *_sum(cosines, ~is_like), is_right.sum(), is_asked.sum()])


def _sum(cosines: npt.NDArray[np.float32], where: npt.NDArray[np.bool_]) -> tuple[Any, Any]:
    return np.sum(cosines, where=where, dtype=np.float64), np.count_nonzero(where)


def _silhouette(vectors: npt.NDArray[np.float32], truth: Truth) -> float | None:
    """Return the mean silhouette; exact from the sum of each class, as mean cosines are linear in the vectors."""
    is_single = truth.sum(axis=1) == 1
    classes = np.flatnonzero(truth[is_single].sum(axis=0) >= 2)
    if len(classes) < 2:
        return None
    chosen = is_single & truth[:, classes].any(axis=1)
    unit, own = vectors[chosen].astype(np.float64), truth[chosen][:, classes]
    n_clips = own.sum(axis=0)
    distances = 1 - unit @ (own.T.astype(np.float64) @ unit).T / n_clips  # to each class, itself included in its own
    within = distances[own] * (n_clips / (n_clips - 1))[own.argmax(axis=1)]  # it is at distance 0 from itself
    nearest = np.where(own, np.inf, distances).min(axis=1)
    larger = np.maximum(within, nearest)
    return float(np.mean(np.divide(nearest - within, larger, out=np.zeros_like(larger), where=larger > 0)))


def _ratio(total: float, n: float) -> float | None:
    return float(total / n) if n else None
