"""A query to one unit vector: the weighted sum of what it wants, less what it does not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.errors import QueryError, UsageError
from clapsearch.query.model import Query

Vector = npt.NDArray[np.float32]
# A sum shorter than this is noise: what is wanted and what is not cancel each other.
_MIN_NORM = 1e-3


def check_top_k(top_k: int) -> None:
    """Refuse to look for fewer than one result.

    Raises
    ------
    UsageError
    """
    if top_k < 1:
        raise UsageError(f"-k is {top_k}; ask for at least 1 result")


def embed(query: Query, embed_text: Callable[[str], Vector], embed_file: Callable[[Path], Vector]) -> Vector | None:
    """Return the unit vector of a query, shape (dim,); None if it is filters only.

    Parameters
    ----------
    embed_text, embed_file : callable
        A text, or a sound file, to its unit vector.

    Raises
    ------
    QueryError
        If only unwanted things are named, or they cancel the wanted ones.
    """
    if not query.is_sounding:
        return None
    if not query.wanted and all(each.weight < 0 for each in query.likenesses):
        raise QueryError('only what is unwanted is named; say what is wanted, too: "rain -thunder"')
    parts = [(phrase.weight, embed_text(phrase.text)) for phrase in query.phrases]
    parts += [(each.weight, embed_file(each.file)) for each in query.likenesses]
    if len(parts) == 1:
        return parts[0][1]  # to the bit what the model gives
    unit = normalised(np.sum([weight * vector for weight, vector in parts], axis=0))
    if unit is None:
        raise QueryError(
            "what is wanted and what is not cancel each other; give one more weight, as in 2:rain -thunder"
        )
    return unit


def normalised(total: npt.NDArray[np.float32]) -> Vector | None:
    """Return a sum of unit vectors as a unit vector, shape (dim,); None if they cancel each other."""
    norm = float(np.linalg.norm(total))
    return (total / norm).astype(np.float32) if norm >= _MIN_NORM else None
