"""Moments: whether the best moment of a long recording is where its known sound is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clapsearch.evaluation.clips import Clip
from clapsearch.evaluation.metrics import mean_interval


@dataclass(frozen=True)
class Located:
    """How often the best moment held the known sound.

    Attributes
    ----------
    is_found : np.ndarray, shape (n_queries,), bool
        One query a caption, or a label where there is no caption, of each long sound whose known time is given.
    chance : np.ndarray, shape (n_queries,)
        Share of the sound's moments that hold it.
    """

    is_found: npt.NDArray[np.bool_]
    chance: npt.NDArray[np.float64]

    def record(self) -> dict[str, Any]:
        """Return the figures, with a 95 % bootstrap interval."""
        found = self.is_found.astype(np.float64)
        return {
            "n_queries": len(found),
            "found": float(found.mean()),
            "chance": float(self.chance.mean()),
            "interval": {"found": mean_interval(found)},
        }


def starts(n_moments: int, duration_s: float, *, hop_s: float, window_s: float) -> npt.NDArray[np.float64]:
    """Return when each moment begins, in seconds: every hop, the last one right-aligned (see `mel.moment_starts`)."""
    return np.asarray(np.minimum(np.arange(n_moments) * hop_s, max(0.0, duration_s - window_s)), np.float64)


def known_time(clip: Clip) -> tuple[float, float] | None:
    """Return the columns start_s and end_s, or None without them."""
    try:
        return float(clip.columns["start_s"]), float(clip.columns["end_s"])
    except (KeyError, ValueError):
        return None


def locate(
    clips: Sequence[Clip],
    vectors: Sequence[npt.NDArray[np.float32]],
    durations_s: Sequence[float],
    texts: dict[str, npt.NDArray[np.float32]],
    *,
    hop_s: float,
    window_s: float,
) -> Located | None:
    """Look for the known sound of each long recording by its own words; None if there is none.

    Parameters
    ----------
    vectors : sequence of np.ndarray, each shape (n, dim)
        The whole first, then the moments.
    texts : dict
        Caption or label to unit vector, shape (dim,).
    """
    found, chance = [], []
    for clip, rows, duration_s in zip(clips, vectors, durations_s, strict=True):
        known = known_time(clip)
        if known is None or len(rows) == 1:
            continue
        begins = starts(len(rows) - 1, duration_s, hop_s=hop_s, window_s=window_s)
        holds = (begins < known[1]) & (begins + window_s > known[0])
        for text in clip.captions or clip.labels:
            best = int((rows[1:].astype(np.float64) @ texts[text]).argmax())
            found.append(holds[best])
            chance.append(holds.mean())
    return Located(np.array(found, np.bool_), np.array(chance)) if found else None
