"""Rain, wind, thunder and fire."""

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
    random_modes,
    silence,
)

# Level per hertz: far drops blur into a noise that falls about as pink noise does, steeper above 10 kHz.
WASH_DB: Points = [(50, 0), (120, 2), (300, 4), (1000, 0), (2000, -3), (4000, -6), (8000, -10), (15000, -22)]
RUMBLE_DB: Points = [(18, -12), (35, 0), (90, 0), (200, -6), (500, -16), (1000, -36), (4000, -90)]


def rain(rng: np.random.Generator, sr: int, *, duration_s: float, drop_rate_hz: float, wash_db: float) -> Signal:
    """Drops on the ground, ``drop_rate_hz`` of them a second close by, over the wash of all the far ones.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    drop_rate_hz : float
    wash_db : float
        RMS level of the wash; the near drops have -20 dB.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    splash = equalise(rng.standard_normal(sr // 40), sr, [(200, -14), (700, 0), (3000, 0), (8000, -6), (16000, -18)])
    near = convolve(drops(rng, duration_s, sr, drop_rate_hz, spread=0.9), splash * decay(0.025, sr, 0.012))
    swell = 0.85 + 0.3 * drift(rng, duration_s, sr, 0.4)
    return as_signal(level(near, -20.0) + swell * level(noise(rng, duration_s, sr, WASH_DB), wash_db))


def rain_on_metal(rng: np.random.Generator, sr: int, *, duration_s: float) -> Signal:
    """Drops on a thin metal sheet: each one rings the plate, at one of a few places.

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
    roof = silence(duration_s, sr)
    for _ in range(4):
        plate = modal(0.12, sr, random_modes(rng, 24, (350.0, 7000.0), 0.07, tilt=0.35))
        click = rng.standard_normal(plate.size) * decay(0.12, sr, 0.006)
        roof += convolve(drops(rng, duration_s, sr, 55.0, spread=1.0), plate + 0.6 * click)
    wash = noise(rng, duration_s, sr, WASH_DB)
    return as_signal(level(roof, -18.0) + level(wash, -30.0))


def wind(rng: np.random.Generator, sr: int, *, duration_s: float, howl: float) -> Signal:
    """Gusts of low noise; ``howl`` is the share of the whistle of edges and chimney tops in it.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    howl : float
        0 for none, 1 for as loud as the gusts.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    gust = drift(rng, duration_s, sr, 0.45) ** 1.5 * 0.85 + 0.15
    body = gust * noise(rng, duration_s, sr, [(30, -6), (90, 0), (400, -8), (1200, -24), (6000, -50)])
    air = gust**2 * noise(rng, duration_s, sr, [(200, -40), (700, -6), (1500, 0), (4000, -14), (12000, -40)])
    return as_signal(body + 0.25 * air + howl * _howl(rng, sr, duration_s, gust))


def _howl(rng: np.random.Generator, sr: int, duration_s: float, gust: Signal) -> Signal:
    """Narrow noise whose pitch rises with the gust: slow noise moved up in frequency by a gliding sine."""
    total = np.zeros_like(gust)
    for base_hz in (260.0, 430.0, 690.0):
        wobble = drift(rng, duration_s, sr, 0.6)
        turn = 2 * np.pi * np.cumsum(base_hz * (0.75 + 0.5 * gust + 0.2 * wobble)) / sr
        slow = noise(rng, duration_s, sr, [(1, 0), (12, 0), (60, -40), (200, -90)])
        total += (slow * np.sin(turn) * gust**1.5 * (260.0 / base_hz) ** 0.5).astype(np.float32)
    return total


def thunder(rng: np.random.Generator, sr: int, *, duration_s: float, distance: float) -> Signal:
    """One lightning: claps that run together into a rumble; ``distance`` 0 is near, 1 far away.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    distance : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    roll = envelope(duration_s, sr, [(0, 0), (0.08 + 0.9 * distance, 1), (0.45 * duration_s, 0.3), (duration_s, 0)])
    grumble = 0.2 + 1.2 * drift(rng, duration_s, sr, 5.0) ** 2
    rumble = level(noise(rng, duration_s, sr, RUMBLE_DB), 0.0) * roll * grumble
    far = [(40, 0), (120 + 500 * (1 - distance), 0), (1500 + 3000 * (1 - distance), -36), (9000, -80), (16000, -110)]
    claps = silence(duration_s, sr)
    for _ in range(14):
        at_s = rng.exponential(0.12 * duration_s) * (0.4 + distance) + 0.3 * distance
        burst_s = rng.uniform(0.15, 0.8)
        burst = rng.standard_normal(round(burst_s * sr)) * decay(burst_s, sr, burst_s, attack_s=0.004 + 0.1 * distance)
        add(claps, burst, at_s, sr, gain=rng.uniform(0.2, 1.0) * np.exp(-at_s))
    return as_signal(rumble + (1.6 - distance) * equalise(claps, sr, far))


def thunderstorm(rng: np.random.Generator, sr: int, *, duration_s: float, thunder_at_s: float) -> Signal:
    """A long steady rain in two channels with a single thunder far into it.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    thunder_at_s : float

    Returns
    -------
    np.ndarray, shape (n_samples, 2), float32
    """
    left = 0.4 * rain(rng, sr, duration_s=duration_s, drop_rate_hz=180.0, wash_db=-21.0)
    right = np.roll(left, round(0.37 * duration_s * sr))
    lightning = level(thunder(rng, sr, duration_s=11.0, distance=0.55), -9.0)
    track = np.stack([left, right], axis=1)
    for channel in range(2):
        add(track[:, channel], lightning, thunder_at_s + 0.004 * channel, sr)
    return track


def fire(rng: np.random.Generator, sr: int, *, duration_s: float, crackle_hz: float, roar: float) -> Signal:
    """Crackles of bursting wood, in clusters, over the flutter of the flames.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    crackle_hz : float
        Crackles a second, on average.
    roar : float
        Level of the flames in dB, relative to a small fire.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    lively = 0.15 + drift(rng, duration_s, sr, 1.2) ** 3 * 2.0
    track = silence(duration_s, sr)
    for snap_s, share in ((0.002, 0.7), (0.006, 0.25), (0.02, 0.05)):
        snap = rng.standard_normal(round(0.03 * sr)) * decay(0.03, sr, snap_s, attack_s=0.0002)
        track += convolve(lively * drops(rng, duration_s, sr, crackle_hz * share, spread=1.3), snap)
    sparks = equalise(track, sr, [(150, -18), (900, -4), (3000, 0), (9000, 0), (16000, -10)])
    flutter = 0.5 + 0.5 * drift(rng, duration_s, sr, 7.0)
    flames = flutter * noise(rng, duration_s, sr, [(40, -6), (110, 0), (350, -10), (1500, -26), (8000, -38)])
    return level(sparks, -22.0) + level(flames, -30.0 + roar)
