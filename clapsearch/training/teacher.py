"""A teacher's opinion of the training sounds: which classes it hears, and how surely."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.errors import ClapsearchError
from clapsearch.evaluation.clips import Clip
from clapsearch.present import printable


class Teacher:
    """Class posteriors of many recordings, read from an npz file.

    Parameters
    ----------
    path : Path
        With the arrays ``paths`` (n_recordings,), ``classes`` (n_classes,) and ``mean`` and ``max`` over time, each
        (n_recordings, n_classes).

    Raises
    ------
    ClapsearchError
        If it is something else.
    """

    def __init__(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                self.classes = [str(name) for name in arrays["classes"]]
                posteriors = (arrays["mean"].astype(np.float32) + arrays["max"].astype(np.float32)) / 2
                paths = [os.path.normpath(str(name)) for name in arrays["paths"]]
        except (OSError, ValueError, KeyError) as error:
            raise ClapsearchError(
                f"cannot read --teacher {printable(path)} ({error}); it is an npz with paths, classes, mean and max"
            ) from error
        self._posteriors = dict(zip(paths, posteriors, strict=True))

    def opinions(self, clips: Sequence[Clip]) -> npt.NDArray[np.float32]:
        """Return how its belief in each clip is spread over the classes, shape (n_clips, n_classes).

        Rows sum to 1, or to 0 for clips that it did not hear.
        """
        nothing = np.zeros(len(self.classes), np.float32)
        found = np.stack([self._posteriors.get(os.path.normpath(clip.path), nothing) for clip in clips])
        total = found.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(found, total, out=np.zeros_like(found), where=total > 0), np.float32)
