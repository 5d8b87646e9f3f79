"""Pieces that the synthesised training sounds share: draws, bursts, blows, passing by and recording."""

from collections.abc import Callable

import numpy as np

from clapsearch.demo.places import INDOOR_NOISE_DB, OUTDOOR_NOISE_DB, Place
from clapsearch.demo.signals import (
    Curve,
    Points,
    Signal,
    add,
    as_signal,
    decay,
    finish,
    level,
    modal,
    noise,
    random_modes,
    silence,
    time_axis,
)

WHITE_DB: Points = [(150, -12), (500, 0), (12000, 0), (18000, -12)]
SPEED_OF_SOUND = 340.0


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A log-uniform draw, both limits above 0."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def burst(rng: np.random.Generator, sr: int, t60_s: float, points_db: Points, attack_s: float = 0.001) -> Signal:
    """Coloured noise that dies away."""
    duration_s = max(1.1 * t60_s + attack_s, 0.02)
    return noise(rng, duration_s, sr, points_db) * decay(duration_s, sr, t60_s, attack_s)


def band(centre_hz: float, octaves: float = 1.0, floor_db: float = -40.0) -> Points:
    """Spectrum of a hill around ``centre_hz``."""
    wide = 2.0**octaves
    return [
        (centre_hz / wide**3, floor_db),
        (centre_hz / wide, -6),
        (centre_hz, 0),
        (centre_hz * wide, -6),
        (centre_hz * wide**3, floor_db),
    ]


def blow(
    rng: np.random.Generator, sr: int, band_hz: tuple[float, float], t60_s: float, click: float = 0.4, n_modes: int = 14
) -> Signal:
    """A struck body: its modes and the click of the contact, with a peak of 1."""
    body = modal(1.3 * t60_s + 0.02, sr, random_modes(rng, n_modes, band_hz, t60_s, tilt=rng.uniform(0.1, 0.6)))
    body /= max(float(np.abs(body).max()), 1e-9)
    contact = burst(rng, sr, rng.uniform(0.004, 0.015), [(200, -12), (1000, 0), (7000, -3), (15000, -15)])
    add(body, contact / np.abs(contact).max(), 0.0, sr, click)
    return body


def repeat(
    rng: np.random.Generator, sr: int, make: Callable[[], Signal], count: int, every_s: float, uneven: float = 0.05
) -> Signal:
    """``count`` events of ``make``, one each ``every_s`` seconds, ``uneven`` in time and strength."""
    at_s = np.cumsum(every_s * np.clip(1.0 + uneven * rng.standard_normal(count), 0.3, 2.5))
    events = [make() for _ in range(count)]
    at_s += 0.03 - at_s[0]
    track = silence(float(at_s[-1]) + events[-1].size / sr + 0.1, sr)
    for start_s, event in zip(at_s, events, strict=True):
        add(track, event, float(start_s), sr, 1.0 - min(0.6, 3.0 * uneven) * rng.random())
    return track


def swell(duration_s: float, sr: int, peak_at: float, sharp: float = 1.0) -> Signal:
    """A hill from 0 to 1 and back whose top lies at the share ``peak_at`` of the time."""
    x = time_axis(duration_s, sr) / duration_s
    rise = np.where(x < peak_at, 0.5 * x / peak_at, 0.5 + 0.5 * (x - peak_at) / (1.0 - peak_at))
    return as_signal(np.sin(np.pi * np.clip(rise, 0.0, 1.0)) ** (2.0 * sharp))


def pass_by(duration_s: float, sr: int, at_s: float, speed: float, distance: float) -> tuple[Signal, Signal]:
    """Loudness and Doppler ratio of what moves past at ``speed`` m/s, ``distance`` metres away, nearest at ``at_s``."""
    along = speed * (time_axis(duration_s, sr) - at_s)
    far = np.sqrt(np.square(along) + distance**2)
    return as_signal(distance / far), as_signal(1.0 / (1.0 + speed * along / far / SPEED_OF_SOUND))


def recorded(rng: np.random.Generator, waveform: Curve, sr: int, *, outdoors: bool, quiet_db: float = -44.0) -> Signal:
    """``waveform`` in a random place, or dry one time in three, at a random level."""
    dry = as_signal(waveform)
    if rng.random() < 0.67:
        t60_s = between(rng, 0.3, 2.0) if outdoors else between(rng, 0.2, 0.9)
        colour = OUTDOOR_NOISE_DB if outdoors else INDOOR_NOISE_DB
        wet, bright_hz = rng.uniform(0.02, 0.2), between(rng, 1500.0, 6000.0)
        place = Place(t60_s, wet, bright_hz, quiet_db + rng.uniform(-16.0, 6.0), colour)
        padded = np.concatenate([dry, silence(min(0.4, 0.5 * t60_s), sr)])
        dry = place.around(rng, padded, sr)
    return finish(dry, sr, rng.uniform(-9.0, -0.5))


def mixed(*layers: tuple[Curve, float]) -> Signal:
    """The sum of ``layers`` of one length, each (waveform, RMS level in dB)."""
    return as_signal(np.sum([level(waveform, rms_db) for waveform, rms_db in layers], axis=0))
