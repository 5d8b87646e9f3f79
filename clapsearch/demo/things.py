"""Clocks, glass, a radio and a toy ray gun."""

import numpy as np

from clapsearch.demo.signals import (
    Signal,
    add,
    decay,
    drift,
    drops,
    equalise,
    length,
    level,
    modal,
    noise,
    random_modes,
    silence,
    time_axis,
    tone,
)


def clock(rng: np.random.Generator, sr: int, *, duration_s: float, ticks_hz: float, body_hz: float) -> Signal:
    """Tick and tock: the escapement clicks twice in a case that resonates from ``body_hz`` up.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    ticks_hz : float
    body_hz : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    sides = []
    for pitch in (1.0, 0.86):
        wheel = modal(0.12, sr, random_modes(rng, 16, (1500.0 * pitch, 9000.0), 0.03, tilt=0.2))
        case = modal(0.12, sr, random_modes(rng, 8, (body_hz * pitch, 6 * body_hz), 0.08))
        sides.append(wheel + 0.6 * case)
    track = silence(duration_s, sr)
    for number in range(int(duration_s * ticks_hz)):
        at_s = 0.1 + number / ticks_hz
        add(track, sides[number % 2], at_s, sr, rng.uniform(0.9, 1.0))
        add(track, sides[number % 2], at_s + 0.018, sr, 0.3)
    return track


def toast(rng: np.random.Generator, sr: int, *, duration_s: float, n_clinks: int) -> Signal:
    """Wine glasses that touch: two bowls ring, each at its own pitch.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    n_clinks : int

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    track = silence(duration_s, sr)
    for number in range(n_clinks):
        at_s = 0.2 + number * (duration_s - 1.0) / n_clinks + 0.2 * rng.random()
        for base_hz in rng.uniform(1700.0, 3000.0, 2):
            modes = [(base_hz * r, 0.5 / r**0.7, a) for r, a in ((1.0, 0.7), (2.32, 1.0), (4.25, 0.7), (6.63, 0.4))]
            add(track, modal(1.4, sr, modes), at_s + 0.003 * rng.random(), sr, rng.uniform(0.5, 1.0))
    return track


def breaking_glass(rng: np.random.Generator, sr: int, *, duration_s: float) -> Signal:
    """A pane bursts, and its pieces ring and fall for a second or two, ever fewer.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    track = silence(duration_s, sr)
    burst = rng.standard_normal(length(0.4, sr)) * decay(0.4, sr, 0.25)
    add(track, equalise(burst, sr, [(200, -14), (1500, -3), (5000, 0), (14000, -6)]), 0.15, sr, 1.2)
    for _ in range(110):
        at_s = 0.15 + min(rng.exponential(0.35), duration_s - 0.5)
        piece_hz = rng.uniform(1800.0, 7000.0)
        ring = modal(0.25, sr, random_modes(rng, 5, (piece_hz, 2.5 * piece_hz), rng.uniform(0.05, 0.25)))
        add(track, ring, at_s, sr, rng.uniform(0.1, 0.6))
    return track


def laser(
    rng: np.random.Generator, sr: int, *, duration_s: float, shots: int, top_hz: float, shot_s: float, fading: float
) -> Signal:
    """Toy ray gun: every shot dives from ``top_hz`` by five octaves; each shot is ``fading`` times the one before.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    shots : int
    top_hz : float
    shot_s : float
    fading : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    track = silence(duration_s, sr)
    for number in range(shots):
        t = time_axis(shot_s, sr)
        pitch_hz = top_hz * rng.uniform(0.9, 1.1) * 2.0 ** (-5.0 * (t / shot_s) ** 0.7)
        zap = np.tanh(2.5 * tone(pitch_hz, sr, (1.0, 0.6, 0.4, 0.3))) * decay(shot_s, sr, 2.5 * shot_s, attack_s=0.002)
        add(track, zap, 0.1 + number * (duration_s - 0.2) / shots, sr, fading**number)
    return track


def radio(rng: np.random.Generator, sr: int, *, duration_s: float, whistle: float) -> Signal:
    """Short-wave static: band-limited hiss, crackles, and the ``whistle`` of a carrier being tuned past.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    whistle : float
        Level of the carrier in dB; 0 is too soft to hear.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    flutter = 0.6 + 0.6 * drift(rng, duration_s, sr, 4.0)
    hiss = flutter * noise(rng, duration_s, sr, [(120, -30), (350, 0), (3000, 0), (5000, -20), (10000, -60)])
    crackles = equalise(
        drops(rng, duration_s, sr, 14.0, spread=1.4), sr, [(150, -10), (800, 0), (3500, 0), (6000, -40)]
    )
    pitch_hz = 150.0 + 2600.0 * np.abs(2.0 * drift(rng, duration_s, sr, 0.5) - 1.0) ** 1.5
    return level(hiss, -20.0) + level(crackles, -27.0) + level(tone(pitch_hz, sr), -60.0 + whistle)
