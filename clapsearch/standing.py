"""What a score is worth here: how many ordinary texts find nothing that fits them as well."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from clapsearch.search import open_index
from clapsearch.store import Library
from clapsearch.vectors import VectorIndex
from clapsearch.vocabulary import BUILT_IN, read_labels

# Below, the best scores of texts say little about each other.
MIN_SOUNDS = 100
N_TEXTS = 100
Vector = npt.NDArray[np.float32]


def refresh(library: Library, embed_text: Callable[[Sequence[str]], Vector]) -> None:
    """Store the best score of each background text; call it as the one writer, when there is a new snapshot."""
    with library.reading() as reading:
        if reading.counts().sounds < MIN_SOUNDS:
            return
        index = open_index(reading, library.snapshots, exact=True)
        if not len(index):  # all damaged
            return
        scores = np.sort([best(index, vector) for vector in vectors(embed_text)]).astype("<f4")
    with library.writing() as writing:
        writing.set_background(scores.tobytes())


def vectors(embed_text: Callable[[Sequence[str]], Vector]) -> Vector:
    """Return the vectors of the background texts, shape (n, dim), float32."""
    return np.asarray(embed_text(texts()), np.float32)


def texts() -> list[str]:
    """Return the background texts: ordinary sounds, spread over the built-in vocabulary."""
    labels = read_labels(BUILT_IN)
    return labels[:: max(1, len(labels) // N_TEXTS)][:N_TEXTS]


def best(index: VectorIndex, vector: Vector) -> float:
    """Return the best cosine of a text here."""
    return float(index.top(vector, 1)[1][0])
