"""Modes: what sound and words find, each alone and together, the more files are called nothing."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import numpy.typing as npt

from clapsearch.candidates import expression
from clapsearch.criteria import Criteria
from clapsearch.evaluation import retrieval
from clapsearch.evaluation.collection import Collection
from clapsearch.evaluation.evaluation import measurable, query_vectors
from clapsearch.evaluation.metrics import MAP_AT, RECALL_AT, Outcomes, rank
from clapsearch.query import Phrase, Query
from clapsearch.search import MODES, search

SHARES = {"names kept": 0.0, "half are numbers": 0.5, "all are numbers": 1.0}
UNSAID = "no word in a right path"
UNNAMED = "named ones left out"
DEPTH = max(MAP_AT, *RECALL_AT)  # what the measures look at
Table = npt.NDArray[np.bool_]
Tasks = dict[str, Outcomes]


def by_mode(
    collection: Collection, renamed: Callable[[Collection, float], AbstractContextManager[Collection]]
) -> dict[str, Tasks]:
    """Ask every label and caption in every mode: mode to task to outcomes.

    Parameters
    ----------
    renamed : callable
        Takes a share of the files, and gives the collection in which they have neutral names.
    """
    found: dict[str, Tasks] = {mode: {} for mode in MODES}
    for names, share in SHARES.items():
        with renamed(collection, share) as changed:
            for kind in measurable(changed.clips)[0]:
                _ask(found, changed, kind, names)
    return found


def _ask(found: dict[str, Tasks], collection: Collection, kind: str, names: str) -> None:
    """Add one kind of query: all of it, those that no right sound is called, and what of the right ones is not."""
    texts, right = retrieval.texts(collection.clips, kind), retrieval.right(collection.clips, kind)
    queries = [Query((Phrase(text),)) for text in texts]
    vectors = query_vectors(texts, collection)
    named = said(collection, queries) & right
    unsaid = np.flatnonzero(~named.any(axis=1))
    for mode, tasks in found.items():
        scores = ranked(collection, queries, vectors, mode, depths=DEPTH + named.sum(axis=1))
        task = f"text_to_audio by_{kind}, {names}"
        tasks[task] = _outcomes(texts, scores, right)
        if len(unsaid):
            tasks[f"{task}, {UNSAID}"] = _outcomes([texts[i] for i in unsaid], scores[unsaid], right[unsaid])
        if (right & ~named).any():
            tasks[f"{task}, {UNNAMED}"] = _outcomes(texts, _without(scores, named), right & ~named)


def said(collection: Collection, queries: Sequence[Query]) -> Table:
    """Return which sound has a word of which query in its path, alike but for endings, shape (n_queries, n_clips)."""
    table = np.zeros((len(queries), len(collection.clips)), np.bool_)
    with collection.library.reading() as reading:
        scope = reading.scope(Criteria())
        for row, query in enumerate(queries):
            for found in reading.said(expression(query), scope, len(collection.clips)):
                table[row, collection.paths[found.path]] = True
    return table


def ranked(
    collection: Collection,
    queries: Sequence[Query],
    vectors: npt.NDArray[np.float32],
    mode: str,
    depths: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Search as users do; the first of each query, as many as its depth, score by their place, and the others -inf.

    Returns
    -------
    np.ndarray, shape (n_queries, n_clips)
    """
    scores = np.full((len(queries), len(collection.clips)), -np.inf)
    for row, (query, vector, depth) in enumerate(zip(queries, vectors, depths.tolist(), strict=True)):
        for hit in search(collection.library, vector, query, mode=mode, top_k=depth, include_offline=True):
            scores[row, collection.paths[os.fsencode(hit.path)]] = -hit.rank
    return scores


def _without(scores: npt.NDArray[np.float64], left_out: Table) -> npt.NDArray[np.float64]:
    """Return the places there would be if some sounds were not there."""
    kept = np.where(left_out, -np.inf, scores)
    places = np.argsort(np.argsort(-kept, axis=1, kind="stable"), axis=1) + 1
    return np.where(np.isfinite(kept), -places, -np.inf)


def _outcomes(texts: Sequence[str], scores: npt.NDArray[np.float64], right: Table) -> Outcomes:
    """Measure; what is not among the first `DEPTH` comes after as many others, however little was found."""
    n = len(texts)
    scores = np.hstack([np.full((n, DEPTH), -DEPTH - 1.0), scores])
    return rank(texts, scores, np.hstack([np.zeros((n, DEPTH), np.bool_), right]))
