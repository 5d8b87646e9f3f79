"""A goods train that passes and a steam engine that starts."""

from collections.abc import Sequence

import numpy as np

from clapsearch.demo.signals import (
    Points,
    Signal,
    add,
    as_signal,
    convolve,
    decay,
    drift,
    drops,
    envelope,
    equalise,
    level,
    modal,
    noise,
    pulses,
    random_modes,
    silence,
    tone,
)


def train_passing(rng: np.random.Generator, sr: int, *, duration_s: float, wheels_hz: float) -> Signal:
    """A goods train on jointed track comes, sounds its horn twice, passes and goes.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    wheels_hz : float
        Pairs of axles a second.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    track = silence(duration_s, sr)
    knock = modal(0.3, sr, random_modes(rng, 18, (90.0, 2400.0), 0.2, tilt=0.5)) + _thud(rng, sr)
    at_s = 0.2
    while at_s < duration_s:
        for axle_s in (0.0, 0.16):
            add(track, knock, at_s + axle_s, sr, rng.uniform(0.6, 1.0))
        at_s += 1.0 / wheels_hz * rng.uniform(0.93, 1.07)
    roll = noise(rng, duration_s, sr, [(40, -8), (120, 0), (300, -1), (600, -9), (2000, -18), (8000, -40)])
    squeal = _squeal(rng, sr, duration_s)
    horn = _whistle(rng, sr, (277.0, 330.0, 415.0, 494.0), 2.6)
    coming = [(0, 0.03), (0.3 * duration_s, 0.5), (0.42 * duration_s, 1), (0.7 * duration_s, 1), (duration_s, 0.04)]
    near = envelope(duration_s, sr, coming)
    wobble = 0.7 + 0.6 * drift(rng, duration_s, sr, 2.0)
    passing = as_signal(near * (level(track, -16.0) + wobble * level(roll, -23.0) + level(squeal, -38.0)))
    for blast_s in (0.24 * duration_s, 0.24 * duration_s + 3.1):
        add(passing, horn, blast_s, sr, 0.5)
    return passing


def _thud(rng: np.random.Generator, sr: int) -> Signal:
    return 0.8 * equalise(
        rng.standard_normal(round(0.3 * sr)) * decay(0.3, sr, 0.12), sr, [(40, 0), (200, 0), (1200, -24)]
    )


def _squeal(rng: np.random.Generator, sr: int, duration_s: float) -> Signal:
    """Wheel flanges on a curve: now and then a narrow, shaky tone."""
    shy = np.maximum(0.0, drift(rng, duration_s, sr, 0.8) - 0.55)
    pitch_hz = 2300.0 + 60.0 * drift(rng, duration_s, sr, 6.0)
    return as_signal(tone(pitch_hz, sr, (1.0, 0.5, 0.3)) * shy)


def steam_train(
    rng: np.random.Generator, sr: int, *, duration_s: float, chuff_hz: Points, whistle_at_s: float
) -> Signal:
    """Exhaust beats of a steam engine that gathers speed, and its three-note whistle.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    chuff_hz : sequence of (time in s, rate in Hz)
    whistle_at_s : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    rate_hz = envelope(duration_s, sr, chuff_hz)
    puff = noise(rng, 0.3, sr, [(60, -10), (250, -2), (900, 0), (3000, -8), (9000, -26)])
    beats = convolve(pulses(rng, rate_hz, sr, jitter=0.2), puff * decay(0.3, sr, 0.28, attack_s=0.03))
    hiss = noise(rng, duration_s, sr, [(300, -30), (2000, -8), (6000, 0), (14000, -14)])
    clank = convolve(drops(rng, duration_s, sr, 3.0), modal(0.2, sr, random_modes(rng, 12, (500, 4000), 0.12)))
    track = level(beats, -18.0) + level(hiss, -42.0) + level(clank, -44.0)
    add(track, _whistle(rng, sr, (311.0, 392.0, 470.0), 2.2), whistle_at_s, sr)
    return track


def _whistle(rng: np.random.Generator, sr: int, notes_hz: Sequence[float], duration_s: float) -> Signal:
    """A chord blown by steam or air: the notes rise as the pressure does, and sag at the end."""
    rise = envelope(duration_s, sr, [(0, 0.94), (0.2, 1.0), (duration_s - 0.4, 1.0), (duration_s, 0.93)])
    chord = sum((tone(hz * rise, sr, (1.0, 0.35, 0.2, 0.1)) for hz in notes_hz), np.zeros(1))
    steam = noise(rng, duration_s, sr, [(200, -20), (900, 0), (5000, -4), (12000, -20)])
    loud = envelope(duration_s, sr, [(0, 0), (0.12, 1), (duration_s - 0.3, 0.9), (duration_s, 0)])
    return (level(chord, -17.0) + level(steam, -32.0)) * loud
