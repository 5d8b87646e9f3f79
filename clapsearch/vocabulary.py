"""Words for sounds: the built-in vocabulary, label files, and which of them fit a sound."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.embedder import Embedder
from clapsearch.errors import ClapsearchError, UsageError

BUILT_IN = Path(__file__).parent / "data" / "sound_events.txt"


@dataclass(frozen=True)
class Description:
    """One way to describe a sound.

    Attributes
    ----------
    rank : int
        From 1, best first.
    text : str
    score : float
        Cosine of sound and text.
    probability : float
        Softmax over all candidates, at the temperature learnt with the checkpoint.
    """

    rank: int
    text: str
    score: float
    probability: float


def candidates(labels: str | os.PathLike[str] | Sequence[str] | None) -> list[str]:
    """Return the texts to choose from: a label file's, the given ones, or the built-in ones."""
    if labels is None or isinstance(labels, str | os.PathLike):
        return read_labels(Path(labels or BUILT_IN))
    if not labels:
        raise UsageError("no labels to choose from; give at least one")
    return list(labels)


def read_labels(path: Path) -> list[str]:
    """Read candidate texts, one a line; blank lines and lines that start with ``#`` do not count.

    Raises
    ------
    ClapsearchError
        If the file cannot be read as UTF-8 text.
    UsageError
        If there is no label in it.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ClapsearchError(
            f"cannot read labels from {path}: {reason}; give a text file, one label a line"
        ) from error
    labels = [text for line in lines if (text := " ".join(line.split())) and not text.startswith("#")]
    if not labels:
        raise UsageError(f"no label in {path}; write one a line")
    return list(dict.fromkeys(labels))


def describe(
    sound: npt.NDArray[np.float32], embedder: Embedder, labels: Sequence[str], *, top_k: int = 10
) -> list[Description]:
    """Rank texts by how well they fit a sound.

    Parameters
    ----------
    sound : np.ndarray, shape (dim,), float32, unit norm
    labels : sequence of str
    top_k : int
        At least 1.
    """
    scores = (embedder.embed_text(labels) @ sound).astype(np.float64)
    logits = embedder.logit_scale * scores
    weights = np.exp(logits - logits.max())
    probabilities = weights / weights.sum()
    best = np.argsort(-scores, kind="stable")[:top_k]
    return [
        Description(rank, labels[i], float(scores[i]), float(probabilities[i])) for rank, i in enumerate(best, start=1)
    ]
