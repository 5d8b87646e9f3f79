"""A sound file to the log-mels of its variants: clean, and augmented."""

import contextlib
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapsearch.audio import decode
from clapsearch.errors import AudioError
from clapsearch.mel import FLOOR_DB, FrontEnd, log_mel
from clapsearch.training.augmentation import augment

BACKGROUND_S = 10.0
RECORDED_BACKGROUNDS = 0.5  # the others are noise


@dataclass(frozen=True)
class Recipe:
    """What decides the variants of a file.

    Attributes
    ----------
    front_end : FrontEnd
    n_variants : int
        Variant 0 is clean, the others are augmented.
    seed : int
    max_duration_s : float
        Of a longer recording, only the beginning is used.
    """

    front_end: FrontEnd
    n_variants: int
    seed: int
    max_duration_s: float

    def rng(self, path: str, variant: int) -> np.random.Generator:
        """Return the generator of one variant; that of variant 0 chooses the background."""
        return np.random.default_rng([self.seed, zlib.crc32(os.fsencode(path)), variant])


@dataclass(frozen=True)
class Item:
    """One clip: its path in the manifest, which seeds its variants, its file, and one to put behind it."""

    path: str
    file: str
    background: str


@dataclass(frozen=True)
class Outcome:
    """The log-mels of all variants, each shape (n_frames, n_mels), float16, dB; or why there are none."""

    log_mels: Sequence[npt.NDArray[np.float16]] = ()
    failure: str = ""


def variants(item: Item, recipe: Recipe) -> Outcome:
    """Compute all variants of one clip."""
    try:
        waveform = _beginning(item.file, recipe.front_end.sr, recipe.max_duration_s)
        return Outcome(list(_variants(item, waveform, recipe)))
    except AudioError as error:
        return Outcome(failure=str(error))
    except MemoryError:
        return Outcome(failure="it needs more memory than there is; split the file")


def _variants(item: Item, waveform: npt.NDArray[np.float32], recipe: Recipe) -> Iterator[npt.NDArray[np.float16]]:
    front_end = recipe.front_end
    clean = log_mel([waveform], front_end)
    if clean.max() <= FLOOR_DB:
        raise AudioError("digital silence: no sample above the 16-bit floor")
    yield clean.astype(np.float16)
    recording = None
    if recipe.n_variants > 1:
        with contextlib.suppress(AudioError):
            recording = _beginning(item.background, front_end.sr, BACKGROUND_S)
    for variant in range(1, recipe.n_variants):
        rng = recipe.rng(item.path, variant)
        background = recording if rng.random() < RECORDED_BACKGROUNDS else None
        augmented = augment(waveform, rng, background, sr=front_end.sr)
        yield log_mel([augmented[: round(recipe.max_duration_s * front_end.sr)]], front_end).astype(np.float16)


def _beginning(file: str, sr: int, duration_s: float) -> npt.NDArray[np.float32]:
    """Decode the beginning of a file, shape (n_samples,), in constant memory."""

    def consume(blocks: Iterator[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        kept, n_left = [], round(duration_s * sr)
        for block in blocks:
            if n_left > 0:
                kept.append(block[:n_left])
                n_left -= len(block)
        return np.concatenate(kept)

    return decode(file, consume, sr=sr)[1]
