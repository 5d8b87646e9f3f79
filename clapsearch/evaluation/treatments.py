"""Treatments of long sounds: which of a sound's vectors answer for it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

FUSED = "fused vector"
BEST = "best moment"
MEAN = "mean of moments"
EITHER = "fused or best moment"
TREATMENTS = (FUSED, BEST, MEAN, EITHER)
SEARCH = EITHER  # what `clapsearch.search` does
DESCRIBE = FUSED  # what `clapsearch.vocabulary.describe` does


def score(sounds: Sequence[Vectors], texts: Vectors, treatment: str) -> Scores:
    """Score sounds against texts.

    Parameters
    ----------
    sounds : sequence of np.ndarray, each shape (n, dim)
        One row for a sound of one window; else the whole first, then every moment.
    texts : np.ndarray, shape (n_texts, dim)
    treatment : str
        One of `TREATMENTS`; sounds of one window are treated alike by all.

    Returns
    -------
    np.ndarray, shape (n_texts, n_sounds), float64
    """
    columns = texts.T.astype(np.float64)
    return np.stack([_score_one(sound.astype(np.float64), columns, treatment) for sound in sounds], axis=1)


def _score_one(sound: npt.NDArray[np.float64], texts: npt.NDArray[np.float64], treatment: str) -> Scores:
    scores: Scores = sound @ texts
    if len(sound) == 1:
        return np.asarray(scores[0])
    best: Scores = scores[1:].max(axis=0)
    mean = sound[1:].mean(axis=0)
    by_treatment = {
        FUSED: scores[0],
        BEST: best,
        MEAN: mean @ texts / np.linalg.norm(mean),
        EITHER: np.maximum(scores[0], best),
    }
    return np.asarray(by_treatment[treatment])
