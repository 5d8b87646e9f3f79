"""Birds, crickets, dogs and cats: pitched sources through throats."""

import numpy as np

from clapsearch.demo.signals import (
    Curve,
    Signal,
    add,
    as_signal,
    drift,
    envelope,
    equalise,
    level,
    noise,
    room,
    silence,
    time_axis,
    tone,
)


def birds(rng: np.random.Generator, sr: int, *, duration_s: float, n_birds: int) -> Signal:
    """Songbirds, each with its own few phrases, pitch and pauses.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    n_birds : int

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    track = silence(duration_s, sr)
    for _ in range(n_birds):
        phrases = [_phrase(rng, sr, rng.uniform(2400.0, 5200.0)) for _ in range(3)]
        distance = rng.uniform(0.25, 1.0)
        at_s = rng.uniform(0.1, 2.0)
        while at_s < duration_s:
            phrase = phrases[rng.integers(3)]
            add(track, phrase, at_s, sr, distance * rng.uniform(0.7, 1.0))
            at_s += phrase.size / sr + rng.exponential(1.3) + 0.3
    return track


def _phrase(rng: np.random.Generator, sr: int, base_hz: float) -> Signal:
    """A run of one syllable, repeated fast (a trill) or slowly (a song)."""
    syllable_s = rng.uniform(0.05, 0.16)
    gap_s = rng.uniform(0.02, 0.09)
    n_syllables = int(rng.integers(3, 10))
    phrase = silence(n_syllables * (syllable_s + gap_s) + 0.1, sr)
    shape = rng.integers(3)
    bend, wobble = rng.uniform(-0.35, 0.35), rng.uniform(0.0, 0.06)
    for number in range(n_syllables):
        if rng.random() < 0.25:
            bend, shape = rng.uniform(-0.35, 0.35), rng.integers(3)
        pitch_hz = base_hz * (1.0 + 0.03 * rng.standard_normal())
        chirp = _chirp(sr, syllable_s, pitch_hz, shape=int(shape), bend=bend, wobble=wobble)
        add(phrase, chirp, number * (syllable_s + gap_s), sr, rng.uniform(0.6, 1.0))
    return phrase


def _chirp(sr: int, duration_s: float, base_hz: float, *, shape: int, bend: float, wobble: float) -> Signal:
    x = time_axis(duration_s, sr) / duration_s
    arcs = (x - 0.5, np.sin(np.pi * x) - 0.5, np.cos(3 * np.pi * x) * 0.5)
    pitch_hz = base_hz * (1.0 + bend * arcs[shape] + wobble * np.sin(2 * np.pi * 45.0 * x * duration_s))
    loud = np.sin(np.pi * x) ** 0.7
    return as_signal(tone(pitch_hz, sr, (1.0, 0.12, 0.04)) * loud)


def crickets(rng: np.random.Generator, sr: int, *, duration_s: float, n_crickets: int) -> Signal:
    """Field crickets: three or four wing strokes a chirp, two or three chirps a second, many animals.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    n_crickets : int

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    t = time_axis(duration_s, sr)
    track = silence(duration_s, sr)
    for _ in range(n_crickets):
        pitch_hz, chirp_hz, stroke_hz = rng.uniform(3900, 5100), rng.uniform(1.6, 3.0), rng.uniform(26.0, 36.0)
        stroke = np.maximum(0.0, np.sin(2 * np.pi * stroke_hz * t + rng.uniform(0, 6.28)))
        chirping = ((t * chirp_hz + rng.random() + 0.08 * drift(rng, duration_s, sr, 2.0)) % 1.0) < 0.34
        strength = rng.uniform(0.1, 1.0) ** 1.5 * (0.6 + 0.4 * drift(rng, duration_s, sr, 0.5))
        track += (strength * chirping * stroke * np.sin(2 * np.pi * pitch_hz * t)).astype(np.float32)
    shimmer = noise(rng, duration_s, sr, [(2500, -60), (4300, 0), (5200, 0), (7500, -45)])
    return level(track, -25.0) + level(shimmer, -40.0)


def night(rng: np.random.Generator, sr: int, *, duration_s: float, bark_at_s: float) -> Signal:
    """Crickets for a minute, and one neighbour's dog that barks once, far into it.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    bark_at_s : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    track = level(crickets(rng, sr, duration_s=duration_s, n_crickets=4), -34.0)
    barks = dog(rng, sr, duration_s=4.0, pitch_hz=540.0, n_barks=4)
    add(track, level(room(rng, barks, sr, 0.8, 0.15), -19.0), bark_at_s, sr)
    return track


def dog(rng: np.random.Generator, sr: int, *, duration_s: float, pitch_hz: float, n_barks: int) -> Signal:
    """Barks: a rough tone that jumps up and falls, opened and closed by the jaw; small dogs are higher.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    pitch_hz : float
        About 450 for a large dog, 800 for a small one.
    n_barks : int

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    track = silence(duration_s, sr)
    at_s = 0.15
    for _ in range(n_barks):
        bark = _bark(rng, sr, pitch_hz * rng.uniform(0.92, 1.08))
        add(track, bark, at_s, sr, rng.uniform(0.7, 1.0))
        at_s += bark.size / sr + rng.uniform(0.12, 0.6)
    return track


def _bark(rng: np.random.Generator, sr: int, pitch_hz: float) -> Signal:
    duration_s = 0.14 + 50.0 / pitch_hz
    bend = envelope(duration_s, sr, [(0, 0.72), (0.3 * duration_s, 1.02), (0.6 * duration_s, 1.1), (duration_s, 0.8)])
    rough = 1.0 + 0.01 * noise(rng, duration_s, sr, [(30, 0), (120, 0), (400, -40)])
    voice = tone(pitch_hz * bend * rough, sr, [1.0 / k**0.9 for k in range(1, 13)])
    breath = noise(rng, duration_s, sr, [(300, -20), (900, 0), (2500, -4), (8000, -26)])
    size = (pitch_hz / 600.0) ** 0.5
    throat = [(150, -14), (450 * size, -2), (800 * size, 0), (1300 * size, -4), (2400 * size, -14), (6000, -34)]
    jaw = envelope(
        duration_s, sr, [(0, 0), (0.025, 0.9), (0.4 * duration_s, 1), (0.65 * duration_s, 0.3), (duration_s, 0)]
    )
    onset = envelope(duration_s, sr, [(0, 1.0), (0.4 * duration_s, 0.4), (duration_s, 0.1)])
    return as_signal(equalise(level(voice, -12.0) + onset * level(breath, -20.0), sr, throat) * jaw)


def cat(rng: np.random.Generator, sr: int, *, duration_s: float, pitch_hz: float, n_meows: int) -> Signal:
    """Meows: the mouth opens from "ee" to "ow" and closes again while the pitch arches.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    pitch_hz : float
    n_meows : int

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    track = silence(duration_s, sr)
    for number in range(n_meows):
        at_s = 0.2 + number * (duration_s - 0.4) / n_meows
        add(track, _meow(rng, sr, pitch_hz * rng.uniform(0.93, 1.1), rng.uniform(0.6, 1.0)), at_s, sr)
    return track


def _meow(rng: np.random.Generator, sr: int, pitch_hz: float, duration_s: float) -> Signal:
    bend: Curve = envelope(
        duration_s, sr, [(0, 0.8), (0.3 * duration_s, 1.15), (0.7 * duration_s, 1.0), (duration_s, 0.75)]
    )
    voice = tone(
        pitch_hz * bend * (1 + 0.01 * drift(rng, duration_s, sr, 20.0)), sr, [1.0 / k**0.7 for k in range(1, 20)]
    )
    vowels = (
        [(400, -8), (700, 0), (1200, -18), (2600, -4), (3500, -8), (8000, -40)],
        [(400, -10), (900, 0), (1500, 0), (2200, -10), (3800, -14), (8000, -40)],
        [(350, -4), (600, 0), (1000, -6), (2000, -24), (4000, -34), (8000, -50)],
    )
    mouth = time_axis(duration_s, sr) / duration_s
    opened = [np.maximum(0.0, 1.0 - np.abs(mouth - place) / 0.4) for place in (0.0, 0.4, 0.9)]
    meow = sum((equalise(voice, sr, vowel) * share for vowel, share in zip(vowels, opened, strict=True)), np.zeros(1))
    loud = envelope(duration_s, sr, [(0, 0), (0.12, 0.8), (0.4 * duration_s, 1), (duration_s, 0)])
    return as_signal(meow * loud)
