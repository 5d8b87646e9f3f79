"""Mix: what a query of a sound and of words finds, of the one and of the other."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.errors import UsageError
from clapsearch.evaluation import retrieval
from clapsearch.evaluation.collection import Collection
from clapsearch.evaluation.evaluation import query_vectors
from clapsearch.evaluation.metrics import Outcomes, rank
from clapsearch.query import Likeness, Phrase, Query, embed
from clapsearch.search import sample

Rows = npt.NDArray[np.float32]
Tasks = dict[str, Outcomes]


def by_balance(collection: Collection) -> dict[str, Tasks]:
    """Ask for the sound of every clip and a label that it does not have, by chance: way to task to outcomes.

    Raises
    ------
    UsageError
        If there are not two labels.
    """
    labels, right = retrieval.texts(collection.clips, "label"), retrieval.right(collection.clips, "label")
    others = _others(right)
    ways: dict[str, Callable[[], Rows]] = {
        "balanced": lambda: sample(collection.library),
        "as they are": lambda: np.zeros((0, 0), np.float32),
    }
    texts = query_vectors(labels, collection)
    by_words = right[others]
    by_sound = (right.T.astype(np.float32) @ right > 0) & ~np.eye(len(others), dtype=np.bool_)
    queries = [f"{clip.path} + {labels[i]}" for clip, i in zip(collection.clips, others, strict=True)]
    found: dict[str, Tasks] = {}
    for way, some in ways.items():
        vectors = [_vector(collection.vectors[i][0], texts[other], some) for i, other in enumerate(others)]
        scores = collection.search(np.stack(vectors))
        np.fill_diagonal(scores, -np.inf)
        found[way] = {
            "mixed right_by_the_sound": rank(queries, scores, by_sound),
            "mixed right_by_the_label": rank(queries, scores, by_words),
        }
    return found


def _others(right: npt.NDArray[np.bool_]) -> list[int]:
    """Return a label for each clip that it does not have, shape of `right`: (n_labels, n_clips)."""
    if len(right) < 2 or right.all(axis=0).any():
        raise UsageError("--choice mix needs sounds of two labels or more, and none that has all of them")
    rng = np.random.default_rng(0)
    return [int(rng.choice(np.flatnonzero(~column))) for column in right.T]


def _vector(sound: Rows, text: Rows, some: Callable[[], Rows]) -> Rows:
    query = Query((Phrase("text"),), (Likeness(Path("sound")),))
    return np.asarray(embed(query, lambda _: text, lambda _: sound, some), np.float32)
