"""Timeline: how well a query fits each stretch of one sound, and where it fits best."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapsearch.embedder import Embedder
from clapsearch.mel import FLOOR_DB, FrontEnd, LogMel

# Measured on assembled recordings (tests/bench/moments.py): no fixed window of 3 to 10 s put the right moment first
# more often, within the intervals; and a stretch is a whole take, which a window is not.
PAUSE_S = 0.2  # a shorter one belongs to the sound
PAUSE_DB = 40.0  # under the loudest of the seconds around
WINDOW_S = 3.0  # of a sound that goes on for longer than one window of the front end
N_TEXTS = 128
_AROUND_S = 5
_MIN_STRETCH_S = 0.05
_SILENCE_DB = 3.0  # above the floor
_LEVEL_FRAMES = 4096
_BATCH = 64  # windows in memory at a time: 16 MB
Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]
Frames = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Peak:
    """A moment that fits the query better than what is around it; `rank` from 1, best first."""

    rank: int
    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class Timeline:
    """Score over time; where there is no stretch, there is a pause.

    Attributes
    ----------
    start_s, end_s : np.ndarray, shape (n,), float64
        Of each stretch, by start; they may overlap.
    scores : np.ndarray, shape (n,), float64
        Higher is better: standard deviations above what any text scores there (see `standardised`).
    duration_s : float
        Of the sound.
    """

    start_s: Scores
    end_s: Scores
    scores: Scores
    duration_s: float

    @property
    def middle_s(self) -> Scores:
        """The middle of each stretch, shape (n,)."""
        return np.asarray((self.start_s + self.end_s) / 2, np.float64)

    def peaks(self, top_k: int = 10) -> list[Peak]:
        """Return the best stretches, none of which overlaps a better one; at least one, best first, early ones first.

        A peak scores no less than the stretches just before and after it.
        """
        rises = np.diff(self.scores, prepend=-np.inf) >= 0
        falls = np.diff(self.scores, append=-np.inf) <= 0
        chosen: list[int] = []
        for i in sorted(np.flatnonzero(rises & falls).tolist(), key=lambda i: (-self.scores[i], i)):
            if len(chosen) < top_k and not any(self._overlap(i, other) for other in chosen):
                chosen.append(i)
        return [self._peak(rank, i) for rank, i in enumerate(chosen, start=1)]

    def _overlap(self, i: int, j: int) -> bool:
        common_s = min(self.end_s[i], self.end_s[j]) - max(self.start_s[i], self.start_s[j])
        return bool(common_s > 1e-6)

    def _peak(self, rank: int, i: int) -> Peak:
        return Peak(rank, float(self.start_s[i]), float(self.end_s[i]), float(self.scores[i]))


def of_sound(
    log_mel: LogMel, embedder: Embedder, query: Vectors, *, duration_s: float, texts: Sequence[str]
) -> Timeline:
    """Score a sound over time.

    Parameters
    ----------
    log_mel : LogMel, shape (n_frames, n_mels), dB
        The whole sound by the embedder's front end; a short one has been repeated to fill a window.
    embedder : Embedder
    query : np.ndarray, shape (dim,), float32, unit
    duration_s : float
        Of the sound; 0 if only its frames tell.
    texts : sequence of str
        At least two of all kinds, to compare the query with; `N_TEXTS` of them, evenly spread, are used.
    """
    frame_s = embedder.front_end.hop_length / embedder.front_end.sr
    duration_s = duration_s or (len(log_mel) - 1) * frame_s
    is_filled = len(log_mel) == embedder.front_end.n_frames
    heard = log_mel[: max(1, round(duration_s / frame_s))] if is_filled else log_mel
    frames = stretches(heard, embedder.front_end)
    background = embedder.embed_text(texts[:: max(1, len(texts) // N_TEXTS)])
    scores = standardised(embed_stretches(heard, frames, embedder), query, background)
    start_s, end_s = np.minimum(frames.T * frame_s, duration_s)
    return Timeline(start_s, end_s, scores, duration_s)


def stretches(log_mel: LogMel, front_end: FrontEnd) -> Frames:
    """Cut a sound at its pauses, and what goes on for longer than one window in windows of `WINDOW_S`.

    Returns
    -------
    np.ndarray, shape (n, 2), int64
        First frame and end of each stretch, by time; one at least. The windows begin each half of one after the other,
        the last one is right-aligned.
    """
    frames_per_s = front_end.sr / front_end.hop_length
    n_window = round(WINDOW_S * frames_per_s)
    found: list[tuple[int, int]] = []
    for start, end in _sounding(_level_db(log_mel), front_end):
        if end - start <= front_end.n_frames:
            found.append((start, end))
        else:
            starts = [*range(start, end - n_window, n_window // 2), end - n_window]
            found += [(each, each + n_window) for each in starts]
    return np.array(found or [(0, min(len(log_mel), front_end.n_frames))], np.int64)


def embed_stretches(log_mel: LogMel, frames: Frames, embedder: Embedder) -> Vectors:
    """Embed stretches of a sound, each as the short sound that it is; shape (n, dim), unit rows."""
    clips = (filled(log_mel[start:end], embedder.front_end) for start, end in frames.tolist())
    return np.stack([rows[0] for batch in _batches(clips) for rows in embedder.embed_audio(batch)])


def filled(log_mel: npt.NDArray[np.float32], front_end: FrontEnd) -> npt.NDArray[np.float32]:
    """Repeat the frames of a stretch up to one window of the front end, as its padding repeats samples."""
    n = front_end.n_frames
    if len(log_mel) >= n:
        return log_mel[:n]
    if front_end.padding == "repeat":
        return np.tile(log_mel, (n // len(log_mel) + 1, 1))[:n]
    times = n // len(log_mel) if front_end.padding == "repeatpad" else 1
    rest = n - times * len(log_mel)
    return np.pad(np.tile(log_mel, (times, 1)), ((0, rest), (0, 0)), constant_values=FLOOR_DB)


def standardised(vectors: Vectors, query: Vectors, background: Vectors) -> Scores:
    """Score windows by how far a query is above what other texts score in the same window.

    Some windows are near to every text; their mean and spread over many texts take that away.

    Parameters
    ----------
    vectors : np.ndarray, shape (n, dim), unit rows
    query : np.ndarray, shape (dim,), unit
    background : np.ndarray, shape (m, dim), unit rows
        Vectors of m texts of all kinds, at least 2.

    Returns
    -------
    np.ndarray, shape (n,), float64
        In standard deviations.
    """
    rows = vectors.astype(np.float64)
    others = rows @ background.T.astype(np.float64)
    spread = np.maximum(others.std(axis=1), 1e-9)
    return np.asarray((rows @ query.astype(np.float64) - others.mean(axis=1)) / spread, np.float64)


def _level_db(log_mel: LogMel) -> Scores:
    """Return the power of each frame over all bands, shape (n_frames,), dB."""
    pieces = (log_mel[start : start + _LEVEL_FRAMES] for start in range(0, len(log_mel), _LEVEL_FRAMES))
    return np.concatenate([10 * np.log10((10 ** (piece.astype(np.float64) / 10)).sum(axis=1)) for piece in pieces])


def _sounding(level_db: Scores, front_end: FrontEnd) -> list[tuple[int, int]]:
    """Return the first frame and the end of each stretch between pauses."""
    frames_per_s = front_end.sr / front_end.hop_length
    silent_db = FLOOR_DB + 10 * np.log10(front_end.n_mels) + _SILENCE_DB
    is_loud = level_db > np.maximum(_loudest_around(level_db, round(frames_per_s)) - PAUSE_DB, silent_db)
    edges = np.flatnonzero(np.diff(is_loud, prepend=False, append=False))
    # The first of a stretch and the end of another alternate; a short pause between two of them goes.
    is_pause = np.diff(edges)[1::2] >= PAUSE_S * frames_per_s
    bounds = edges[np.concatenate([[True], np.repeat(is_pause, 2), [True]])] if len(edges) else edges
    spans = zip(bounds[::2].tolist(), bounds[1::2].tolist(), strict=True)
    return [(start, end) for start, end in spans if end - start >= _MIN_STRETCH_S * frames_per_s]


def _loudest_around(level_db: Scores, frames_per_s: int) -> Scores:
    """Return, for each frame, the highest level of its second and the `_AROUND_S` seconds on each side."""
    n_s = -(-len(level_db) // frames_per_s)
    padded = np.pad(level_db, (0, n_s * frames_per_s - len(level_db)), constant_values=-np.inf)
    loudest = np.pad(padded.reshape(n_s, frames_per_s).max(axis=1), _AROUND_S, constant_values=-np.inf)
    around = np.lib.stride_tricks.sliding_window_view(loudest, 2 * _AROUND_S + 1).max(axis=1)
    return np.asarray(np.repeat(around, frames_per_s)[: len(level_db)], np.float64)


def _batches(clips: Iterable[npt.NDArray[np.float32]]) -> Iterator[list[npt.NDArray[np.float32]]]:
    rest = iter(clips)
    while batch := list(itertools.islice(rest, _BATCH)):
        yield batch
