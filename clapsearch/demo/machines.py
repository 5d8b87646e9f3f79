"""Engines and helicopters: what beats at the rate of cylinders and blades."""

import numpy as np

from clapsearch.demo.signals import (
    Points,
    Signal,
    convolve,
    decay,
    drift,
    envelope,
    equalise,
    level,
    modal,
    noise,
    phase,
    pulses,
    random_modes,
    time_axis,
    tone,
)


def engine(rng: np.random.Generator, sr: int, *, duration_s: float, firing_hz: Points, diesel: float) -> Signal:
    """A combustion engine whose cylinders fire at ``firing_hz``, points of (time in s, rate in Hz).

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    firing_hz : sequence of (time in s, rate in Hz)
        Ignitions a second, all cylinders together.
    diesel : float
        Level of the valve clatter in dB, relative to a petrol engine.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    rate_hz = envelope(duration_s, sr, firing_hz) * (0.98 + 0.04 * drift(rng, duration_s, sr, 3.0))
    bang = rng.standard_normal(round(0.06 * sr)) * decay(0.06, sr, 0.03, attack_s=0.002)
    exhaust = modal(0.15, sr, [(62, 0.12, 1.0), (118, 0.1, 0.8), (205, 0.06, 0.5), (390, 0.04, 0.3), (820, 0.02, 0.15)])
    firing = pulses(rng, rate_hz, sr, jitter=0.18)
    pipe = convolve(firing, exhaust) + 0.25 * convolve(firing, equalise(bang, sr, [(80, 0), (900, -10), (4000, -30)]))
    clatter = convolve(pulses(rng, rate_hz, sr, jitter=0.5), modal(0.02, sr, random_modes(rng, 8, (700, 5000), 0.01)))
    load = 0.4 + 0.6 * rate_hz / float(rate_hz.max())
    air = noise(rng, duration_s, sr, [(100, -4), (300, 0), (1000, -6), (2500, -14), (6000, -22), (14000, -40)])
    breath = 0.4 + 0.6 * np.sin(np.pi * (phase(rate_hz, sr) % 1.0))
    return level(load * pipe, -16.0) + level(load * clatter, -30.0 + diesel) + level(load * breath * air, -19.0)


def helicopter(rng: np.random.Generator, sr: int, *, duration_s: float, blade_hz: float, passing: bool) -> Signal:
    """Blade slaps over the wash of the rotor and the whine of the turbine; ``passing`` flies over and away.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    blade_hz : float
        Blades that pass a second.
    passing : bool

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    beat = 0.5 + 0.5 * np.cos(2 * np.pi * blade_hz * time_axis(duration_s, sr))
    slap = beat**6 * noise(rng, duration_s, sr, [(40, -8), (110, 0), (450, 0), (900, -12), (2500, -34), (8000, -70)])
    wash = (0.2 + 0.8 * beat) * noise(rng, duration_s, sr, [(50, -4), (150, 0), (500, -8), (1500, -30), (6000, -70)])
    whine = tone(1720.0 + 8.0 * drift(rng, duration_s, sr, 1.0), sr, (1.0, 0.3))
    gusty = 0.7 + 0.6 * drift(rng, duration_s, sr, 6.0)
    total = gusty * level(slap, -16.0) + level(wash, -26.0) + level(whine, -56.0)
    if not passing:
        return total
    fly_over = [(0, 0.08), (0.45 * duration_s, 1.0), (0.6 * duration_s, 0.8), (duration_s, 0.04)]
    return total * envelope(duration_s, sr, fly_over)
