"""Retrieval both ways, by label and by caption, from one table of scores."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from clapsearch.evaluation.clips import Clip
from clapsearch.evaluation.metrics import Outcomes, rank

KINDS = ("label", "caption")
Tasks = dict[str, dict[str, Outcomes]]


def texts(clips: Sequence[Clip], kind: str) -> list[str]:
    """Return the labels or captions of clips, sorted, each once."""
    return sorted({text for clip in clips for text in answers(clip, kind)})


def answers(clip: Clip, kind: str) -> tuple[str, ...]:
    """Return the texts that are right for a clip."""
    return clip.labels if kind == "label" else clip.captions


def right(clips: Sequence[Clip], kind: str) -> npt.NDArray[np.bool_]:
    """Return which text of `texts` fits which clip, shape (n_texts, n_clips): every clip that shares it."""
    row = {text: i for i, text in enumerate(texts(clips, kind))}
    fits = np.zeros((len(row), len(clips)), np.bool_)
    for column, clip in enumerate(clips):
        fits[[row[text] for text in answers(clip, kind)], column] = True
    return fits


def text_to_audio(clips: Sequence[Clip], scores: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, Outcomes]:
    """Ask for every text.

    Parameters
    ----------
    clips : sequence of Clip
        In the order in which a search shows equal scores.
    scores : mapping
        ``label`` and ``caption`` to scores of shape (n_texts, n_clips); kinds that are absent are left out.
    """
    return {f"by_{kind}": rank(texts(clips, kind), table, right(clips, kind)) for kind, table in scores.items()}


def audio_to_text(clips: Sequence[Clip], scores: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, Outcomes]:
    """Ask for the texts of every clip; `scores` as for `text_to_audio`. The best of several captions counts."""
    paths = [clip.path for clip in clips]
    return {f"by_{kind}": rank(paths, table.T, right(clips, kind).T) for kind, table in scores.items()}
