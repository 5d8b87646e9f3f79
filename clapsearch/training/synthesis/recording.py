"""How a synthesised training sound is recorded: at a random speed, in a random place, at a random level."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from clapsearch.demo.places import INDOOR_NOISE_DB, OUTDOOR_NOISE_DB, Place
from clapsearch.demo.signals import Points, Signal, equalise, finish

Captioned: TypeAlias = tuple[str, Signal]
# Takes a generator and a sample rate in Hz; returns a caption and a waveform, shape (n_samples,), float32.
Make: TypeAlias = Callable[[np.random.Generator, int], Captioned]
Kinds: TypeAlias = Mapping[str, Make]

DRY_SHARE = 0.15
COLOURED_SHARE = 0.5
# Played faster or slower by up to this factor; it moves the pitches that the generators have fixed.
SPEED = 1.18
# The generators cut some events to parts of a second that must be whole numbers of samples.
RATE_STEP_HZ = 200


@dataclass(frozen=True)
class Surroundings:
    """The range that places are drawn from.

    Parameters
    ----------
    t60_s : tuple of float
        Shortest and longest echo.
    wet : tuple of float
        Least and largest share of the echo in the energy.
    spectrum_db : sequence of (frequency in Hz, level in dB)
        Colour of the background noise.
    """

    t60_s: tuple[float, float]
    wet: tuple[float, float]
    spectrum_db: Points


INDOORS = Surroundings((0.2, 1.1), (0.02, 0.25), INDOOR_NOISE_DB)
OUTDOORS = Surroundings((0.2, 1.8), (0.0, 0.2), OUTDOOR_NOISE_DB)
HALL = Surroundings((0.9, 2.6), (0.1, 0.4), INDOOR_NOISE_DB)
VALLEYS = Surroundings((1.5, 3.0), (0.1, 0.4), OUTDOOR_NOISE_DB)


def pick(rng: np.random.Generator, *texts: str) -> str:
    """One of ``texts``, each as likely as the others."""
    return texts[int(rng.integers(len(texts)))]


def somewhere(rng: np.random.Generator, sr: int, dry: Signal, around: Surroundings) -> Signal:
    """``dry``, shape (n_samples,), in a place drawn from ``around``, or as it is, with a random colour and level."""
    heard = dry
    if rng.random() > DRY_SHARE:
        bright_hz, noise_db = rng.uniform(1500.0, 8000.0), rng.uniform(-64.0, -34.0)
        place = Place(rng.uniform(*around.t60_s), rng.uniform(*around.wet), bright_hz, noise_db, around.spectrum_db)
        heard = place.around(rng, dry, sr)
    if rng.random() < COLOURED_SHARE:
        corners_hz = (80.0, 500.0, 2500.0, 9000.0)
        heard = equalise(heard, sr, [(hz, rng.uniform(-6.0, 6.0)) for hz in corners_hz])
    return finish(heard, sr, rng.uniform(-14.0, -0.5))


def record(
    rng: np.random.Generator, sr: int, make: Callable[..., Signal], around: Surroundings, **options: Any
) -> Signal:
    """What ``make`` synthesises with ``options``, played a little faster or slower, somewhere.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    make : callable
        A generator of the demo.
    around : Surroundings
    **options
        Passed to ``make``.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    rate_hz = RATE_STEP_HZ * round(sr * SPEED ** rng.uniform(-1.0, 1.0) / RATE_STEP_HZ)
    return somewhere(rng, sr, make(rng, rate_hz, **options), around)
