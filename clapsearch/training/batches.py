"""What one step of training reads: a pure function of a seed and the step's number, so that a run can be resumed."""

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from clapsearch import mel
from clapsearch.training.augmentation import LogMelChances, alter, mix, roll
from clapsearch.training.features import Features

NO_PARTNER = -1
# Joined to the fused input, a short clip lasts so many windows: 15 to 30 s.
JOINED_WINDOWS = (1.5, 3.0)
_ORDER, _STEP = 0, 1  # which random numbers a generator is for


@dataclass(frozen=True)
class BatchOptions:
    """How batches are drawn.

    Attributes
    ----------
    batch_size : int
    seed : int
    p_mix : float
        Of a clip to be mixed with another.
    p_fused : float
        Of a batch to go through the fused input; 0 for checkpoints without fusion.
    balanced : bool
        Draw a clip in proportion to 1 / sqrt(clips with its label), so that frequent labels do not dominate.
    changes : LogMelChances
    """

    batch_size: int = 32
    seed: int = 0
    p_mix: float = 0.3
    p_fused: float = 0.1
    balanced: bool = True
    changes: LogMelChances = field(default_factory=LogMelChances)


@dataclass(frozen=True)
class Batch:
    """One batch of clips.

    Attributes
    ----------
    inputs : np.ndarray, shape (batch_size, channels, window frames, n_mels), float32, dB
        One channel, or four of the fused input.
    is_longer : np.ndarray, shape (batch_size,), bool
        All of them or none: whether this is the fused input.
    indices : np.ndarray, shape (batch_size,), int64
        Of the clips, in the features.
    variants : np.ndarray, shape (batch_size,), int64
    partners : np.ndarray, shape (batch_size,), int64
        The clip mixed into each; -1 for none.
    shares : np.ndarray, shape (batch_size,), float32
        Of the first clip in the power of both, 1 where there is no partner.
    """

    inputs: npt.NDArray[np.float32]
    is_longer: npt.NDArray[np.bool_]
    indices: npt.NDArray[np.int64]
    variants: npt.NDArray[np.int64]
    partners: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float32]


def make_batch(features: Features, step: int, options: BatchOptions) -> Batch:
    """Make the batch of one step, the same whenever it is made; any thread may.

    Parameters
    ----------
    features : Features
    step : int
        From 0; an epoch draws as many clips as there are.
    options : BatchOptions

    Returns
    -------
    Batch
    """
    rng = np.random.default_rng([options.seed, _STEP, step])
    is_fused = bool(rng.random() < options.p_fused)
    positions = step * options.batch_size + np.arange(options.batch_size)
    indices = _draw(features, positions, options)
    others = _draw(features, positions + rng.integers(len(features), size=len(positions)), options)
    is_mixed = (rng.random(options.batch_size) < options.p_mix) & (others != indices)
    partners = np.where(is_mixed, others, NO_PARTNER)
    variants = rng.integers(features.n_variants, size=options.batch_size)
    chosen = zip(indices.tolist(), variants.tolist(), partners.tolist(), strict=True)
    rows = [_row(features, *each, is_fused, options.changes, rng) for each in chosen]
    inputs, shares = zip(*rows, strict=True)
    return Batch(
        inputs=np.stack(inputs),
        is_longer=np.full(len(rows), is_fused),
        indices=indices,
        variants=variants,
        partners=partners,
        shares=np.array(shares, np.float32),
    )


def stream(features: Features, options: BatchOptions, *, start: int = 0, n_threads: int = 1) -> Iterator[Batch]:
    """Yield the batches from step `start` on, without end; threads make the next ones while the caller computes."""
    with ThreadPoolExecutor(n_threads) as pool:
        coming: deque[Future[Batch]] = deque()
        for step in itertools.count(start):
            coming.append(pool.submit(make_batch, features, step, options))
            if len(coming) > 2 * n_threads:
                yield coming.popleft().result()


def _draw(features: Features, positions: npt.NDArray[np.int64], options: BatchOptions) -> npt.NDArray[np.int64]:
    """Return the clips at some positions of the endless sequence of epochs."""
    epochs, places = np.divmod(positions, len(features))
    orders = {epoch: _order(features, epoch, options) for epoch in set(epochs.tolist())}
    return np.array([orders[epoch][place] for epoch, place in zip(epochs.tolist(), places.tolist(), strict=True)])


def _order(features: Features, epoch: int, options: BatchOptions) -> npt.NDArray[np.int64]:
    """Return one epoch: a permutation, or, balanced, every clip as often as its weight says, rounded up or down."""
    rng = np.random.default_rng([options.seed, _ORDER, epoch])
    order = rng.permutation(len(features))
    if not options.balanced:
        return order
    edges = np.cumsum(features.weights[order])
    marks = (rng.random() + np.arange(len(order))) * (edges[-1] / len(order))
    return rng.permutation(order[np.searchsorted(edges[:-1], marks, side="right")])


def _row(
    features: Features,
    index: int,
    variant: int,
    partner: int,
    is_fused: bool,
    changes: LogMelChances,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float32], float]:
    """Return one clip's input, shape (channels, window frames, n_mels), and its share of the power."""
    window = features.front_end.n_frames
    n_stored = features.n_frames(index, variant)
    n_joined = round(window * rng.uniform(*JOINED_WINDOWS))
    n_frames = window if not is_fused else n_stored if n_stored > window else n_joined
    log_mel, share = _excerpt(features, index, variant, n_frames, rng), 1.0
    if partner != NO_PARTNER:
        behind = _excerpt(features, partner, int(rng.integers(features.n_variants)), n_frames, rng)
        log_mel, share = mix(log_mel, behind, rng)
    altered = alter(log_mel, rng, changes)
    return (mel.fuse(altered, features.front_end) if is_fused else altered[None]), share


def _excerpt(
    features: Features, index: int, variant: int, n_frames: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Read so many frames of a clip: a random stretch of a longer one, a shorter one rolled anew each time round."""
    n_stored = features.n_frames(index, variant)
    if n_stored > n_frames:
        start = int(rng.integers(n_stored - n_frames + 1))
        return features.log_mel(index, variant, start, start + n_frames)
    log_mel = features.log_mel(index, variant)
    return np.concatenate([roll(log_mel, rng) for _ in range(0, n_frames, n_stored)])[:n_frames]
