"""One order out of two: what sounds right and what is called right."""

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Item = TypeVar("Item", bound=Hashable)
# Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009): an item's place counts 1 / (K + rank) in each list. Their
# K of 60 is for lists of equal worth; here it let the many places of poor matches outweigh a few good ones.
K = 5
# What a sound that says all that was asked for counts, where one that sounds so counts 1. Who says half of it counts a
# quarter of that, and teaches a sixteenth: a word or two in common may be chance, or all that a good name has to say.
# K, this weight and the powers were chosen by ``clapsearch eval --choice mode`` and tests/bench/phrases.py;
# docs/evaluation.md has the figures.
WORDS_WEIGHT = 3.0


def fuse(*lists: Mapping[Item, float]) -> dict[Item, float]:
    """Return the fused score of every item of some ranked lists; the higher the better.

    Parameters
    ----------
    lists : mapping
        Items, best first, to what their place in this list is worth.
    """
    scores: dict[Item, float] = {}
    for ranked in lists:
        for rank, (item, weight) in enumerate(ranked.items(), start=1):
            scores[item] = scores.get(item, 0.0) + weight / (K + rank)
    return scores


def words_worth(coverage: float) -> float:
    """Return what a place by words is worth of a sound that says so much of the query, 0 to 1."""
    return WORDS_WEIGHT * coverage**2


def lesson_worth(coverage: float) -> float:
    """Return how much of what sounds are like that say so much of the query, 0 to 1, is added to its unit vector."""
    return coverage**4


def rarity(n_saying: int, n_sounds: int) -> float:
    """Return what a word is worth that some of all sounds say: its inverse document frequency as in BM25, above 0."""
    return math.log1p((n_sounds - n_saying + 0.5) / (n_saying + 0.5))


def percentile(background: npt.NDArray[np.float32], score: float) -> float | None:
    """Return the share of background scores below a score, 0 to 1; None for no number.

    Parameters
    ----------
    background : np.ndarray, shape (n,), ascending, n > 0
    score : float
    """
    return None if math.isnan(score) else float(np.searchsorted(background, score) / len(background))
