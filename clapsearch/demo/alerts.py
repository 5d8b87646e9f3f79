"""Sirens, bells, telephones and alarms: sounds made to be noticed."""

from collections.abc import Sequence

import numpy as np

from clapsearch.demo.signals import (
    Curve,
    Mode,
    Signal,
    add,
    as_signal,
    decay,
    drift,
    envelope,
    equalise,
    modal,
    random_modes,
    silence,
    time_axis,
    tone,
)

# Horn loudspeakers pass the voice band and resonate in the middle of it.
HORN_DB = [(200.0, -24.0), (600.0, -4.0), (1200.0, 0.0), (2500.0, -2.0), (5000.0, -16.0), (10000.0, -40.0)]
# Partials of a tuned bell relative to its strike note: hum, prime, tierce, quint, nominal and what is above.
BELL_PARTIALS: tuple[tuple[float, float, float], ...] = (
    (0.5, 1.0, 0.7),
    (1.0, 0.6, 0.8),
    (1.19, 0.5, 0.9),
    (1.5, 0.3, 0.35),
    (2.0, 0.35, 1.0),
    (2.51, 0.18, 0.45),
    (2.66, 0.16, 0.4),
    (3.01, 0.12, 0.4),
    (4.17, 0.08, 0.3),
    (5.43, 0.05, 0.22),
    (6.79, 0.04, 0.15),
)


def siren(rng: np.random.Generator, sr: int, *, duration_s: float, pattern: str) -> Signal:
    """An emergency vehicle: a slow wail, a fast yelp, or two tones in turn.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    pattern : str
        ``wail``, ``yelp`` or ``hilo``.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    t = time_axis(duration_s, sr)
    pitch_hz = _siren_pitch(t, pattern) * np.float32(rng.uniform(0.97, 1.03))
    horn = equalise(np.tanh(2.0 * tone(pitch_hz, sr, (1.0, 0.5, 0.4, 0.2))), sr, HORN_DB)
    nearer = envelope(duration_s, sr, [(0, 0.45), (0.6 * duration_s, 1.0), (duration_s, 0.6)])
    return nearer * horn


def _siren_pitch(t: Curve, pattern: str) -> Signal:
    if pattern == "hilo":
        return as_signal(np.where((t % 1.1) < 0.55, 440.0, 585.0))
    period_s, low_hz, high_hz = (4.6, 560.0, 1350.0) if pattern == "wail" else (0.32, 650.0, 1400.0)
    swing = 0.5 - 0.5 * np.cos(2 * np.pi * t / period_s)
    return as_signal(low_hz + (high_hz - low_hz) * swing**0.8)


def bell(
    rng: np.random.Generator, sr: int, *, duration_s: float, strike_hz: float, ring_s: float, every_s: float
) -> Signal:
    """A cast bell struck every ``every_s`` seconds; each partial is a pair that beats, as no bell is round.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    strike_hz : float
        The note that is heard.
    ring_s : float
        T60 of the lowest partial.
    every_s : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    modes: list[Mode] = []
    for ratio, t60, strength in BELL_PARTIALS:
        split = rng.uniform(0.0004, 0.0016)
        modes.append((strike_hz * ratio * (1 - split), ring_s * t60, 0.6 * strength))
        modes.append((strike_hz * ratio * (1 + split), ring_s * t60 * 0.9, 0.4 * strength))
    ringing = modal(min(duration_s, ring_s), sr, modes)
    clapper = rng.standard_normal(round(0.05 * sr)) * decay(0.05, sr, 0.02, attack_s=0.0005)
    track = silence(duration_s, sr)
    at_s = 0.2
    while at_s < duration_s:
        strength = rng.uniform(0.75, 1.0)
        add(track, ringing, at_s, sr, strength)
        add(track, equalise(clapper, sr, [(500, -20), (2500, 0), (6000, -12)]), at_s, sr, 0.6 * strength)
        at_s += every_s * rng.uniform(0.97, 1.03)
    return track


def bell_telephone(rng: np.random.Generator, sr: int, *, duration_s: float, on_s: float, off_s: float) -> Signal:
    """A dial telephone: a hammer between two brass gongs, 22 strokes a second, in bursts.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    on_s : float
    off_s : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    # A brass cup of this size rings at about 1, 2.7, 5, 8 and 11 kHz; the low part is the case it is screwed to.
    cup = ((1.0, 0.5), (2.7, 0.35), (4.95, 0.2), (7.6, 0.4), (10.6, 0.12))
    gongs = [modal(1.6, sr, [(base * r, 2.0 / r**0.4, a) for r, a in cup]) for base in (1020.0, 1085.0)]
    case = modal(0.5, sr, random_modes(rng, 40, (200.0, 2500.0), 0.08, tilt=0.6))
    knock = 0.5 * rng.standard_normal(case.size) * decay(0.5, sr, 0.05)
    track = silence(duration_s, sr)
    at_s = 0.2
    while at_s < duration_s:
        for stroke in range(int(on_s * 22)):
            add(track, gongs[stroke % 2], at_s + stroke / 22.0, sr, rng.uniform(0.4, 1.0))
            add(track, case + knock, at_s + stroke / 22.0, sr, rng.uniform(0.8, 1.6))
        at_s += on_s + off_s
    return track


def electronic_telephone(rng: np.random.Generator, sr: int, *, duration_s: float, notes_hz: Sequence[float]) -> Signal:
    """A desk telephone of the eighties: notes in quick turn through a small sounder, in bursts.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    notes_hz : sequence of float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    t = time_axis(duration_s, sr)
    detune = rng.uniform(0.98, 1.02)
    pitch_hz = detune * np.asarray(notes_hz)[(t * 16.0).astype(int) % len(notes_hz)]
    ringing = (t % 3.0) < 1.4
    buzz = np.tanh(4.0 * tone(pitch_hz, sr)) * ringing
    return equalise(buzz, sr, [(500, -20), (1200, 0), (3500, 0), (9000, -24)])


def beeping_alarm(
    rng: np.random.Generator,
    sr: int,
    *,
    duration_s: float,
    pitch_hz: float,
    n_beeps: int,
    beep_s: float,
    pause_s: float,
) -> Signal:
    """Groups of ``n_beeps`` beeps of a piezo sounder with a pause between groups.

    Parameters
    ----------
    rng : np.random.Generator
    sr : int
        Sample rate in Hz.
    duration_s : float
    pitch_hz : float
    n_beeps : int
    beep_s : float
        Length of a beep, and of the gap after it.
    pause_s : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    t = time_axis(duration_s, sr)
    within = t % (n_beeps * 2 * beep_s + pause_s)
    sounding = (within < n_beeps * 2 * beep_s) & ((within % (2 * beep_s)) < beep_s)
    square = tone(np.full(t.size, pitch_hz * rng.uniform(0.98, 1.02)), sr, (1.0, 0.0, 0.33, 0.0, 0.2))
    gate = np.convolve(sounding, np.ones(64) / 64.0, mode="same")
    return as_signal(square * gate)


def bell_alarm(rng: np.random.Generator, sr: int, *, duration_s: float) -> Signal:
    """A wind-up alarm clock: one small gong hammered fast by a spring that runs down.

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
    gong = modal(0.25, sr, [(2150, 0.2, 1.0), (3420, 0.15, 0.8), (5610, 0.1, 0.6), (7900, 0.07, 0.4), (880, 0.1, 0.2)])
    rattle = modal(0.25, sr, random_modes(rng, 12, (400.0, 6000.0), 0.02))
    track = silence(duration_s, sr)
    at_s = 0.15
    while at_s < duration_s - 0.3:
        add(track, gong + 0.5 * rattle, at_s, sr, rng.uniform(0.7, 1.0))
        at_s += (0.042 + 0.03 * at_s / duration_s) * rng.uniform(0.95, 1.05)
    slow = 0.9 + 0.1 * drift(rng, duration_s, sr, 2.0)
    return track * slow
