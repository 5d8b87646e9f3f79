"""What people do with feet and hands: walk, clap and knock."""

import numpy as np

from clapsearch.demo.signals import (
    Signal,
    add,
    as_signal,
    convolve,
    decay,
    drift,
    drops,
    envelope,
    equalise,
    length,
    level,
    modal,
    random_modes,
    silence,
    tone,
)


def footsteps(rng: np.random.Generator, sr: int, *, duration_s: float, steps_hz: float, ground: str) -> Signal:
    """Somebody walking: heel, then toe, on ``gravel`` (many small stones) or on ``wood`` (one hollow board).

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    steps_hz : float
    ground : str
        ``gravel`` or ``wood``.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    track = silence(duration_s, sr)
    at_s = 0.2
    while at_s < duration_s - 0.4:
        step = _gravel_step(rng, sr) if ground == "gravel" else _wood_step(rng, sr)
        add(track, step, at_s, sr, rng.uniform(0.7, 1.0))
        at_s += rng.uniform(0.94, 1.06) / steps_hz
    return track


def _gravel_step(rng: np.random.Generator, sr: int) -> Signal:
    """The foot rolls from heel to toe, and stones grind and click all the while."""
    duration_s, toe_s = 0.6, rng.uniform(0.2, 0.26)
    heel_toe = [(0, 0), (0.03, 0.9), (0.12, 0.4), (toe_s, 1.0), (toe_s + 0.12, 0.4), (duration_s, 0)]
    roll = envelope(duration_s, sr, heel_toe)
    grains = silence(duration_s, sr)
    for stone_s in (0.004, 0.008, 0.015, 0.03):
        stone = rng.standard_normal(round(0.03 * sr)) * decay(0.03, sr, stone_s, attack_s=0.0003)
        grains += convolve(drops(rng, duration_s, sr, 120.0, spread=1.3), stone)
    crunch = equalise(grains, sr, [(100, -12), (400, -2), (800, 0), (2000, -9), (5000, -18), (9000, -24), (14000, -36)])
    thump = rng.standard_normal(crunch.size) * decay(duration_s, sr, 0.08, attack_s=0.01)
    return as_signal(roll * level(crunch, -12.0) + level(equalise(thump, sr, [(60, 0), (160, -6), (500, -40)]), -26.0))


def _wood_step(rng: np.random.Generator, sr: int) -> Signal:
    step = silence(0.4, sr)
    for at_s, strength in ((0.0, 1.0), (0.11 + 0.03 * rng.random(), 0.4)):
        board = modal(0.25, sr, random_modes(rng, 14, (90.0, 1800.0), 0.13, tilt=0.6))
        tap = equalise(
            rng.standard_normal(length(0.25, sr)) * decay(0.25, sr, 0.015), sr, [(300, -10), (1500, 0), (6000, -18)]
        )
        add(step, board + 0.5 * tap, at_s, sr, strength)
    return step


def applause(rng: np.random.Generator, sr: int, *, duration_s: float, n_people: int, n_cheers: int) -> Signal:
    """Many people clap, each at a rate and with a pair of hands of their own; some also cheer.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    n_people : int
    n_cheers : int

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    loud = envelope(duration_s, sr, [(0, 0.1), (0.12 * duration_s, 1), (0.75 * duration_s, 0.9), (duration_s, 0.1)])
    track = silence(duration_s, sr)
    for _ in range(n_people):
        clap = _clap(rng, sr)
        at_s, rate_hz, near = rng.uniform(0, 0.6), rng.uniform(3.0, 5.2), rng.uniform(0.15, 1.0)
        while at_s < duration_s:
            add(track, clap, at_s, sr, near * rng.uniform(0.6, 1.0))
            at_s += rng.uniform(0.9, 1.1) / rate_hz
    for _ in range(n_cheers):
        add(track, _cheer(rng, sr), rng.uniform(0.8, 0.7 * duration_s), sr, rng.uniform(0.08, 0.22))
    return track * loud


def _cheer(rng: np.random.Generator, sr: int) -> Signal:
    """A long "woo": a voice that jumps up, holds and slides down, through rounded lips."""
    duration_s, pitch_hz = rng.uniform(0.8, 1.8), rng.uniform(320.0, 620.0)
    slide = envelope(duration_s, sr, [(0, 0.7), (0.25, 1.15), (0.7 * duration_s, 1.05), (duration_s, 0.7)])
    voice = tone(pitch_hz * slide * (1 + 0.02 * drift(rng, duration_s, sr, 8.0)), sr, [1.0 / k for k in range(1, 14)])
    lips = equalise(voice, sr, [(250, -4), (600, 0), (1100, -4), (2400, -16), (4000, -24), (9000, -50)])
    return lips * envelope(duration_s, sr, [(0, 0), (0.15, 1), (0.6 * duration_s, 0.9), (duration_s, 0)])


def _clap(rng: np.random.Generator, sr: int) -> Signal:
    palm_hz = rng.uniform(700.0, 1700.0)
    burst = rng.standard_normal(round(0.06 * sr)) * decay(0.06, sr, rng.uniform(0.02, 0.06), attack_s=0.001)
    return equalise(burst, sr, [(200, -24), (palm_hz, 0), (2.2 * palm_hz, -7), (6000, -16), (14000, -34)])


def knocking(
    rng: np.random.Generator, sr: int, *, duration_s: float, rounds: int, n_knocks: int, every_s: float
) -> Signal:
    """Knuckles on a door: a short blow, the panel's low modes and the latch that rattles a little.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    rounds : int
        Groups of knocks.
    n_knocks : int
        Knocks in a group.
    every_s : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    track = silence(duration_s, sr)
    for turn in range(rounds):
        for number in range(n_knocks):
            at_s = 0.3 + turn * duration_s / rounds + number * every_s * rng.uniform(0.95, 1.05)
            panel = modal(0.3, sr, random_modes(rng, 16, (150.0, 1800.0), 0.12, tilt=0.15))
            blow = rng.standard_normal(panel.size) * decay(0.3, sr, 0.012, attack_s=0.0006)
            add(
                track,
                panel + 0.5 * equalise(blow, sr, [(150, -6), (500, 0), (1500, -4), (5000, -26)]),
                at_s,
                sr,
                rng.uniform(0.7, 1.0),
            )
    return track
