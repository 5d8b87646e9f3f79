"""Synthesised training sounds, written to a folder: every kind many times, each with parameters of its own."""

import itertools
import multiprocessing
import zlib
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from clapsearch.demo.signals import finish
from clapsearch.training.synthesis.catalogue import KINDS
from clapsearch.training.synthesis.recording import Make

SEED = 5_077  # not the demo's
SR = 44_100
PEAK_DB = (-12.0, -1.0)


@dataclass(frozen=True)
class Synthesised:
    """One synthesised sound.

    Attributes
    ----------
    path : Path
    caption, label : str
    """

    path: Path
    caption: str
    label: str


def write_sounds(folder: Path, n_each: int, kinds: Mapping[str, Make] = KINDS) -> list[Synthesised]:
    """Synthesise `n_each` sounds of every kind, as FLAC of 16 bit; those that are there already are kept.

    Parameters
    ----------
    folder : Path
        Made if need be.
    n_each : int
    kinds : mapping of label to function
        All there are by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [(folder, label, make, number) for label, make in kinds.items() for number in range(n_each)]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        return (
            list(itertools.starmap(_write, tasks))
            if len(tasks) < 8
            else list(pool.map(_write, *zip(*tasks, strict=True)))
        )


def _write(folder: Path, label: str, make: Make, number: int) -> Synthesised:
    rng = np.random.default_rng([SEED, zlib.crc32(label.encode()), number])
    caption, waveform = make(rng, SR)
    path = folder / f"{label.replace(' ', '_')}_{number:03}.flac"
    if not path.exists():
        soundfile.write(path, finish(waveform, SR, rng.uniform(*PEAK_DB)), SR, subtype="PCM_16")
    return Synthesised(path, caption, label)
