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
UNSAID = "no word in the path"
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
    """Add one kind of query, once all of it and once those that no right sound is called."""
    texts, right = retrieval.texts(collection.clips, kind), retrieval.right(collection.clips, kind)
    queries = [Query((Phrase(text),)) for text in texts]
    vectors = query_vectors(texts, collection)
    unsaid = ~(said(collection, queries) & right).any(axis=1)
    for mode, tasks in found.items():
        scores = ranked(collection, queries, vectors, mode)
        tasks[f"text_to_audio by_{kind}, {names}"] = _outcomes(texts, scores, right)
        if unsaid.any():
            task = f"text_to_audio by_{kind}, {names}, {UNSAID}"
            tasks[task] = _outcomes([texts[i] for i in np.flatnonzero(unsaid)], scores[unsaid], right[unsaid])


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
    collection: Collection, queries: Sequence[Query], vectors: npt.NDArray[np.float32], mode: str
) -> npt.NDArray[np.float64]:
    """Search as users do; the first `DEPTH` score by their place, and what is not among them has -inf.

    Returns
    -------
    np.ndarray, shape (n_queries, n_clips)
    """
    scores = np.full((len(queries), len(collection.clips)), -np.inf)
    for row, (query, vector) in enumerate(zip(queries, vectors, strict=True)):
        for hit in search(collection.library, vector, query, mode=mode, top_k=DEPTH, include_offline=True):
            scores[row, collection.paths[os.fsencode(hit.path)]] = -hit.rank
    return scores


def _outcomes(texts: Sequence[str], scores: npt.NDArray[np.float64], right: Table) -> Outcomes:
    """Measure; what was not found comes after `DEPTH` others, however little was."""
    n = len(texts)
    scores = np.hstack([np.full((n, DEPTH), -DEPTH - 1.0), scores])
    return rank(texts, scores, np.hstack([np.zeros((n, DEPTH), np.bool_), right]))
