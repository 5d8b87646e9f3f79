"""What the user typed, understood."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapsearch.embedder import Embedder
from clapsearch.errors import QueryError, UsageError


@dataclass(frozen=True)
class Query:
    """A question in words."""

    text: str


def parse(text: str) -> Query:
    """Read a query.

    Raises
    ------
    QueryError
        If there are no words in it.
    """
    words = " ".join(text.split())
    if not words:
        raise QueryError('the query is empty; describe a sound, as in: clapsearch search "rain on a tin roof"')
    if "\0" in words or not words.isprintable():
        raise QueryError("the query has control characters in it; type it as plain words")
    return Query(words)


def check_top_k(top_k: int) -> None:
    """Refuse to look for fewer than one result.

    Raises
    ------
    UsageError
    """
    if top_k < 1:
        raise UsageError(f"-k is {top_k}; ask for at least 1 result")


def embed(query: Query, embedder: Embedder) -> npt.NDArray[np.float32]:
    """Return the unit vector of a query, shape (dim,)."""
    vector: npt.NDArray[np.float32] = embedder.embed_text([query.text])[0]
    return vector
