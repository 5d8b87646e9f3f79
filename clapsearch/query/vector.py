"""A query to one unit vector: the weighted sum of what it wants, less what it does not."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.errors import QueryError, UsageError
from clapsearch.query.model import Query

Vector = npt.NDArray[np.float32]
Rows = npt.NDArray[np.float32]
# A sum shorter than this is noise: what is wanted and what is not cancel each other.
_MIN_NORM = 1e-3
_MIN_SAMPLE = 20  # vectors; the spread of fewer is chance
_MIN_SPREAD = 1e-3


def check_top_k(top_k: int) -> None:
    """Refuse to look for fewer than one result.

    Raises
    ------
    UsageError
    """
    if top_k < 1:
        raise UsageError(f"-k is {top_k}; ask for at least 1 result")


def embed(
    query: Query,
    embed_text: Callable[[str], Vector],
    embed_file: Callable[[Path], Vector],
    sample: Callable[[], Rows] = lambda: np.zeros((0, 0), np.float32),
) -> Vector | None:
    """Return the unit vector of a query, shape (dim,); None if it is filters only.

    Parameters
    ----------
    embed_text, embed_file : callable
        A text, or a sound file, to its unit vector.
    sample : callable
        Returns vectors of the library, shape (n, dim), float32; called only for a query of both words and sounds. With
        too few, its parts are not balanced.

    Raises
    ------
    QueryError
        If only unwanted things are named, or they cancel the wanted ones.
    """
    if not query.is_sounding:
        return None
    if not query.wanted and all(each.weight < 0 for each in query.likenesses):
        raise QueryError('only what is unwanted is named; say what is wanted, too: "rain -thunder"')
    vectors = [embed_text(phrase.text) for phrase in query.phrases]
    vectors += [embed_file(each.file) for each in query.likenesses]
    if len(vectors) == 1:
        return vectors[0]  # to the bit what the model gives
    weights = np.array([*(phrase.weight for phrase in query.phrases), *(each.weight for each in query.likenesses)])
    if query.phrases and query.likenesses:
        weights = weights * _balance(vectors, sample())
    unit = normalised(np.sum([weight * vector for weight, vector in zip(weights, vectors, strict=True)], axis=0))
    if unit is None:
        raise QueryError(
            "what is wanted and what is not cancel each other; give one more weight, as in 2:rain -thunder"
        )
    return unit


def _balance(vectors: Sequence[Vector], sample: Rows) -> npt.NDArray[np.float64]:
    """Return what to multiply each part with, so that each tells the sounds of a library apart as much as the others.

    The cosines of a text to all sounds are much alike, and those of a sound are not: added as they are, words would
    hardly count (``clapsearch eval --choice mix``).
    """
    if len(sample) < _MIN_SAMPLE:
        return np.ones(len(vectors))
    spreads = np.asarray((sample @ np.stack(vectors, axis=1)).std(axis=0, dtype=np.float64))
    spreads = np.maximum(spreads, _MIN_SPREAD)
    return np.asarray(spreads.mean() / spreads)


def normalised(total: npt.NDArray[np.float32]) -> Vector | None:
    """Return a sum of unit vectors as a unit vector, shape (dim,); None if they cancel each other."""
    norm = float(np.linalg.norm(total))
    return (total / norm).astype(np.float32) if norm >= _MIN_NORM else None
