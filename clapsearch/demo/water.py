"""The sea and single drops."""

import numpy as np

from clapsearch.demo.signals import (
    Curve,
    Signal,
    add,
    as_signal,
    convolve,
    decay,
    drops,
    envelope,
    equalise,
    modal,
    noise,
    random_modes,
    silence,
    time_axis,
)


def sea(rng: np.random.Generator, sr: int, *, duration_s: float, period_s: float, pebbles: float) -> Signal:
    """Waves that rise, break and run out; ``pebbles`` is how much the backwash rattles.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    period_s : float
        Mean time between waves.
    pebbles : float
        0 for sand.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    swell, crash, wash = (silence(duration_s, sr) for _ in range(3))
    at_s = 0.0
    while at_s < duration_s:
        size = rng.uniform(0.55, 1.0)
        add(swell, envelope(7, sr, [(0, 0), (2.3, 0.6), (2.8, 1.0), (4.5, 0.2), (6, 0)]), at_s, sr, size)
        add(crash, envelope(7, sr, [(2.1, 0), (2.7, 1.0), (3.3, 0.5), (5, 0.06), (6.5, 0)]), at_s, sr, size**1.5)
        add(wash, envelope(8, sr, [(2.5, 0), (3.8, 0.8), (5.5, 0.4), (8, 0)]), at_s, sr, size)
        at_s += period_s * rng.uniform(0.75, 1.25)
    low = (0.12 + swell) * noise(
        rng, duration_s, sr, [(40, -20), (120, -4), (250, 0), (600, -3), (1500, -16), (6000, -44)]
    )
    mid = (0.02 + crash) * noise(
        rng, duration_s, sr, [(100, -10), (300, 0), (700, -1), (2000, -9), (4000, -15), (8000, -26), (16000, -44)]
    )
    high = (0.02 + wash) * noise(
        rng, duration_s, sr, [(300, -12), (1000, 0), (2500, 0), (5000, -5), (10000, -14), (18000, -34)]
    )
    pebble = modal(0.02, sr, random_modes(rng, 12, (900.0, 7000.0), 0.012))
    rattle = pebbles * wash * convolve(drops(rng, duration_s, sr, 300.0), pebble)
    return as_signal(0.6 * low + mid + 0.35 * high + rattle)


def dripping(rng: np.random.Generator, sr: int, *, duration_s: float, interval_s: float) -> Signal:
    """Drops into still water: each traps a bubble that rings a little higher as it closes.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    interval_s : float
        Mean time between drops.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    track = silence(duration_s, sr)
    at_s, size_hz = 0.3, rng.uniform(800.0, 1300.0)
    while at_s < duration_s:
        add(track, _bubble(rng, sr, size_hz * rng.uniform(0.85, 1.2)), at_s, sr, rng.uniform(0.5, 1.0))
        at_s += interval_s * rng.uniform(0.6, 1.4)
    return track


def _bubble(rng: np.random.Generator, sr: int, ring_hz: float) -> Signal:
    t = time_axis(0.16, sr)
    pitch_hz: Curve = ring_hz * (1.0 + 4.0 * t)
    ring = np.sin(2 * np.pi * np.cumsum(pitch_hz) / sr) * decay(0.16, sr, rng.uniform(0.02, 0.05), attack_s=0.002)
    plop = equalise(rng.standard_normal(t.size) * decay(0.16, sr, 0.008), sr, [(800, -20), (3000, 0), (9000, -6)])
    bubble = silence(0.2, sr)
    add(bubble, plop, 0.0, sr, 0.7)
    add(bubble, 0.3 * ring[::2], 0.055 + 0.05 * rng.random(), sr)
    add(bubble, ring, 0.018, sr)
    return bubble
