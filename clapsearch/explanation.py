"""Why a hit came up: which part of the query, which moment, which words."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clapsearch.candidates import Vector, expression
from clapsearch.query import UNWANTED, Query
from clapsearch.search import Hit, open_index
from clapsearch.store import Library


@dataclass(frozen=True)
class Reason:
    """Why one hit came up.

    Attributes
    ----------
    parts : tuple of (str, float)
        Each part of the query, and its cosine to the moment, or whole, that is nearest to it; not a number for a
        sound that is no longer there.
    places : mapping of str to int
        Its rank by ``sound``, by ``words``, and, called what was asked for, by ``name``.
    words : mapping of str to str
        What of its name, folder and tags (metadata) has words of the query, those in brackets.
    namesakes : float or None
        Its cosine to the mean of the sounds that say most of the query, where these had a say in the order by sound.
    """

    parts: tuple[tuple[str, float], ...]
    places: Mapping[str, int]
    words: Mapping[str, str]
    namesakes: float | None = None


def explain(
    library: Library,
    query: Query,
    hits: Sequence[Hit],
    embed_text: Callable[[str], Vector],
    embed_file: Callable[[Path], Vector],
) -> list[Reason]:
    """Return the reason for each hit of a query; its parts are compared only where the hits have scores."""
    is_heard = any(not np.isnan(hit.score) for hit in hits)
    vectors = [(_name(each.text, each.weight), embed_text(each.text)) for each in query.phrases if is_heard]
    vectors += [
        (_name(f"like:{each.file.name}", each.weight), embed_file(each.file)) for each in query.likenesses if is_heard
    ]
    with library.reading() as reading:
        index = open_index(reading, library.snapshots)
        ids = np.array([hit.embedding_id for hit in hits], np.int64)
        scores = [
            (name, dict(zip(*map(np.ndarray.tolist, index.of(vector, ids)), strict=True))) for name, vector in vectors
        ]
        words = reading.extracts(expression(query), [hit.sound_id for hit in hits])
    return [
        Reason(
            # A writer may have replaced it since the search.
            parts=tuple((name, of.get(hit.embedding_id, math.nan)) for name, of in scores),
            places=hit.places,
            words=words.get(hit.sound_id, {}),
            namesakes=hit.namesakes,
        )
        for hit in hits
    ]


def _name(text: str, weight: float) -> str:
    """Return a part as it would be typed."""
    sign, usual = ("-", UNWANTED) if weight < 0 else ("", 1.0)
    return f"{sign}{text}" if abs(weight) == usual else f"{sign}{abs(weight):g}:{text}"
