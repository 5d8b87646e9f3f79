"""The orders that a search fuses: by name, by words, and by a sound that the words of names have a say in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from clapsearch.candidates import Candidates, Scored, Vector
from clapsearch.query import Query, normalised
from clapsearch.ranking import lesson_worth, words_worth
from clapsearch.store import SoundRow

# How many of each order are fused: what none has among so many is no hit.
DEPTH = 200


@dataclass(frozen=True)
class Order:
    """Sounds, best first, and what the place of each is worth, by sound id in the same order."""

    rows: Sequence[SoundRow]
    worth: Mapping[int, float]


@dataclass(frozen=True)
class Orders:
    """The orders of one query.

    Attributes
    ----------
    by : mapping of str to Order
        ``name``, ``words`` and ``sound``, as the mode has them.
    namesakes : np.ndarray, shape (dim,), float32, unit norm, or None
        What the sounds are like that say most of the query, if the order by sound goes by that, too.
    """

    by: Mapping[str, Order]
    namesakes: Vector | None = None


def orders_of(candidates: Candidates, vector: Vector | None, query: Query, mode: str, depth: int) -> Orders:
    """Return the orders of a query, each as deep as asked, if there is so much.

    Parameters
    ----------
    vector : np.ndarray, shape (dim,), float32, unit norm, or None
        What to sound like; without it there is no order by sound.
    mode : str
        One of ``search.MODES``.
    depth : int
        Number of sounds. With a lowest score, the order by sound has all of the so many nearest to `vector`.
    """
    orders = Orders({} if mode == "sound" else _by_words(candidates, query, depth))
    if vector is None or mode == "words":
        return orders
    heard = vector
    if mode == "hybrid" and orders.by["words"].rows:
        orders, heard = _learned(candidates, query, orders, vector)
    nearest = candidates.by_sound(heard, depth)
    if query.min_score is not None and heard is not vector:
        nearest = _with(nearest, candidates, heard, candidates.by_sound(vector, depth))
    return replace(orders, by={**orders.by, "sound": _plain([row for _, row in nearest])})


def _by_words(candidates: Candidates, query: Query, depth: int) -> dict[str, Order]:
    return {"name": _plain(candidates.called(query, depth)), "words": _plain(candidates.by_words(query, depth))}


def _learned(candidates: Candidates, query: Query, orders: Orders, vector: Vector) -> tuple[Orders, Vector]:
    """Return the orders with what words are worth beside a sound, and what to sound like after hearing namesakes."""
    saying = orders.by["words"].rows
    coverage = candidates.coverage(query, saying)
    most = max(coverage[row.sound_id] for row in saying[:DEPTH])  # not of a depth, so that a deeper search adds only
    namesakes = candidates.mean([row for row in saying[:DEPTH] if coverage[row.sound_id] == most])
    by_words = Order(saying, {row.sound_id: words_worth(coverage[row.sound_id]) for row in saying})
    orders = Orders({**orders.by, "words": by_words}, namesakes)
    return orders, vector if namesakes is None else taught(vector, namesakes, most)


def taught(vector: Vector, namesakes: Vector, coverage: float) -> Vector:
    """Return what to listen for after hearing what says so much of the query: names teach what words mean here.

    Relevance feedback (Rocchio 1971), with those relevant that are called so.

    Parameters
    ----------
    vector, namesakes : np.ndarray, shape (dim,), float32, unit norm
        The query, and the mean of the sounds that say most of it.
    coverage : float
        How much of it they say, 0 to 1.

    Returns
    -------
    np.ndarray, shape (dim,), float32, unit norm
        The query itself where the namesakes sound like the opposite.
    """
    both = normalised(vector + np.float32(lesson_worth(coverage)) * namesakes)
    return vector if both is None else both


def _with(nearest: Scored, candidates: Candidates, vector: Vector, others: Scored) -> Scored:
    """Return the sounds nearest to a vector, and some others in their place among them."""
    known = {row.sound_id for _, row in nearest}
    rows = [row for _, row in others if row.sound_id not in known]
    scores = candidates.scores(vector, rows)
    nearest = [*nearest, *((scores[row.embedding_id], row) for row in rows)]
    return sorted(nearest, key=lambda hit: (-hit[0], hit[1].path))


def _plain(rows: Sequence[SoundRow]) -> Order:
    """Return an order whose places are all worth the same."""
    return Order(rows, dict.fromkeys((row.sound_id for row in rows), 1.0))
