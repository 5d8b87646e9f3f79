"""Building blocks of the demo sounds: noise, oscillators, resonators, envelopes and rooms; numpy only."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Signal: TypeAlias = npt.NDArray[np.float32]
Curve: TypeAlias = npt.NDArray[np.floating[Any]]
Points: TypeAlias = Sequence[tuple[float, float]]
Mode: TypeAlias = tuple[float, float, float]

# Longer noise repeats: the loop has no seam, and behind envelopes that do not repeat nobody hears the period.
NOISE_LOOP_S = 12.0
SILENCE_DB = -120.0


def length(duration_s: float, sr: int) -> int:
    """Number of samples in ``duration_s`` seconds at ``sr`` Hz.

    Parameters
    ----------
    duration_s : float
    sr : int
        Sample rate in Hz.

    Returns
    -------
    int
    """
    return round(duration_s * sr)


def as_signal(samples: npt.ArrayLike) -> Signal:
    """``samples`` as float32.

    Parameters
    ----------
    samples : array_like

    Returns
    -------
    np.ndarray, float32
    """
    return np.asarray(samples, dtype=np.float32)


def time_axis(duration_s: float, sr: int) -> npt.NDArray[np.float64]:
    """Time of every sample in seconds, shape (n_samples,).

    Parameters
    ----------
    duration_s : float
    sr : int
        Sample rate in Hz.

    Returns
    -------
    np.ndarray, shape (n_samples,), float64
    """
    return np.arange(length(duration_s, sr)) / sr


def silence(duration_s: float, sr: int) -> Signal:
    """Zeros, shape (n_samples,): the track that events are added to.

    Parameters
    ----------
    duration_s : float
    sr : int
        Sample rate in Hz.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    return np.zeros(length(duration_s, sr), dtype=np.float32)


def gains(freqs_hz: Curve, points_db: Points) -> Signal:
    """Amplitude at each frequency, from corner points joined by straight lines in dB over log frequency.

    Parameters
    ----------
    freqs_hz : np.ndarray, shape (n_freqs,)
    points_db : sequence of (frequency in Hz, level in dB)
        Outside the first and last point the level stays what it is there.
    """
    corners = np.log([hz for hz, _ in points_db])
    levels_db = np.interp(np.log(np.maximum(freqs_hz, 1.0)), corners, [db for _, db in points_db])
    return (10.0 ** (levels_db / 20.0)).astype(np.float32)


def noise(rng: np.random.Generator, duration_s: float, sr: int, points_db: Points) -> Signal:
    """Gaussian noise of unit RMS whose spectrum follows ``points_db``; periodic after ``NOISE_LOOP_S``.

    Parameters
    ----------
    rng : np.random.Generator
    duration_s : float
    sr : int
        Sample rate in Hz.
    points_db : sequence of (frequency in Hz, level in dB per hertz)
        Only its shape counts.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    n_loop = _fast_size(length(min(duration_s, NOISE_LOOP_S), sr))
    freqs_hz = np.fft.rfftfreq(n_loop, 1.0 / sr)
    bins = rng.standard_normal(2 * freqs_hz.size, dtype=np.float32).view(np.complex64)
    loop = np.fft.irfft(bins * gains(freqs_hz, points_db), n_loop).astype(np.float32)
    loop /= np.sqrt(np.mean(np.square(loop)))
    return np.resize(loop, length(duration_s, sr))


def equalise(waveform: Curve, sr: int, points_db: Points) -> Signal:
    """``waveform`` through a minimum-phase filter that follows ``points_db``: no event begins before its cause.

    Parameters
    ----------
    waveform : np.ndarray, shape (n_samples,)
    sr : int
        Sample rate in Hz.
    points_db : sequence of (frequency in Hz, level in dB)

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    n_taps = 8192
    nepers = np.log(gains(np.fft.rfftfreq(n_taps, 1.0 / sr), points_db).astype(np.float64))
    cepstrum = np.fft.irfft(nepers, n_taps)
    cepstrum[1 : n_taps // 2] *= 2.0
    cepstrum[n_taps // 2 + 1 :] = 0.0
    response = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), n_taps)
    return convolve(waveform, response[: n_taps // 2])


def convolve(waveform: Curve, response: Curve) -> Signal:
    """``waveform`` through the impulse ``response``, cut to the length of ``waveform``.

    Parameters
    ----------
    waveform : np.ndarray, shape (n_samples,)
    response : np.ndarray, shape (n_taps,)

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    size = _fast_size(waveform.size + response.size)
    spectrum = np.fft.rfft(waveform.astype(np.float32), size) * np.fft.rfft(response.astype(np.float32), size)
    return np.fft.irfft(spectrum, size)[: waveform.size].astype(np.float32)


def drift(rng: np.random.Generator, duration_s: float, sr: int, rate_hz: float) -> Signal:
    """A slow random curve in [0, 1] that takes about ``rate_hz`` new directions a second.

    Parameters
    ----------
    rng : np.random.Generator
    duration_s : float
    sr : int
        Sample rate in Hz.
    rate_hz : float
        New directions a second.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    knots = rng.random(int(duration_s * rate_hz) + 4)
    position = np.linspace(0.0, duration_s * rate_hz + 1.0, max(2, int(duration_s * rate_hz * 16)))
    whole = position.astype(int)
    blend = 0.5 - 0.5 * np.cos(np.pi * (position - whole))
    curve = knots[whole] * (1.0 - blend) + knots[whole + 1] * blend
    return _stretch(curve, length(duration_s, sr))


def envelope(duration_s: float, sr: int, points: Points) -> Signal:
    """Straight lines through ``points`` of (time in s, value), held after the last one.

    Parameters
    ----------
    duration_s : float
    sr : int
        Sample rate in Hz.
    points : sequence of (time in s, value)

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    times_s = [at for at, _ in points]
    return np.interp(time_axis(duration_s, sr), times_s, [value for _, value in points]).astype(np.float32)


def decay(duration_s: float, sr: int, t60_s: float, attack_s: float = 0.001) -> Signal:
    """Exponential decay by 60 dB in ``t60_s`` after a linear attack.

    Parameters
    ----------
    duration_s : float
    sr : int
        Sample rate in Hz.
    t60_s : float
    attack_s : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    t = time_axis(duration_s, sr)
    return (np.minimum(t / attack_s, 1.0) * np.exp(-6.9 * t / t60_s)).astype(np.float32)


def phase(freq_hz: Curve, sr: int) -> npt.NDArray[np.float64]:
    """Phase in cycles of an oscillator that follows ``freq_hz`` sample by sample.

    Parameters
    ----------
    freq_hz : np.ndarray, shape (n_samples,)
    sr : int
        Sample rate in Hz.

    Returns
    -------
    np.ndarray, shape (n_samples,), float64
    """
    return np.cumsum(freq_hz.astype(np.float64)) / sr


def tone(freq_hz: Curve, sr: int, partials: Iterable[float] = (1.0,)) -> Signal:
    """Harmonic tone over a frequency track; ``partials`` are the amplitudes of harmonics 1, 2, 3 and on.

    Parameters
    ----------
    freq_hz : np.ndarray, shape (n_samples,)
    sr : int
        Sample rate in Hz.
    partials : iterable of float
        Harmonics above 0.45 ``sr`` are left out, for they would fold back.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    turn = 2.0 * np.pi * (phase(freq_hz, sr) % 1.0)
    wave = np.zeros(freq_hz.size, dtype=np.float32)
    for number, amplitude in enumerate(partials, start=1):
        audible = number * freq_hz < 0.45 * sr
        wave += (amplitude * np.sin(number * turn) * audible).astype(np.float32)
    return wave


def pulses(rng: np.random.Generator, freq_hz: Curve, sr: int, jitter: float = 0.0) -> Signal:
    """One unit impulse a cycle of ``freq_hz``; ``jitter`` is the relative spread of their strength.

    Parameters
    ----------
    rng : np.random.Generator
    freq_hz : np.ndarray, shape (n_samples,)
    sr : int
        Sample rate in Hz.
    jitter : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    cycles = np.floor(phase(freq_hz, sr)).astype(np.int64)
    at = np.flatnonzero(np.diff(cycles, prepend=cycles[:1]))
    train = np.zeros(freq_hz.size, dtype=np.float32)
    train[at] = 1.0 + jitter * rng.standard_normal(at.size)
    return train


def drops(rng: np.random.Generator, duration_s: float, sr: int, rate_hz: float, spread: float = 1.0) -> Signal:
    """Poisson impulses, ``rate_hz`` of them a second, log-normal in strength with ``spread`` in nepers.

    Parameters
    ----------
    rng : np.random.Generator
    duration_s : float
    sr : int
        Sample rate in Hz.
    rate_hz : float
    spread : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    track = silence(duration_s, sr)
    n_drops = int(rng.poisson(duration_s * rate_hz))
    # Clipped, for one drop far above all others would set the level of the whole file.
    strengths = np.exp(spread * np.clip(rng.standard_normal(n_drops), -3.0, 1.8)) * rng.choice((-1.0, 1.0), n_drops)
    np.add.at(track, rng.integers(0, track.size, n_drops), strengths.astype(np.float32))
    return track


def modal(duration_s: float, sr: int, modes: Iterable[Mode]) -> Signal:
    """Ringing of a struck body: decaying sines given as (frequency in Hz, T60 in s, amplitude).

    Parameters
    ----------
    duration_s : float
    sr : int
        Sample rate in Hz.
    modes : iterable of (frequency in Hz, T60 in s, amplitude)

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    t = time_axis(duration_s, sr)
    ringing = np.zeros(t.size, dtype=np.float32)
    for freq_hz, t60_s, amplitude in modes:
        heard = t[: length(min(duration_s, 1.2 * t60_s), sr)]
        ringing[: heard.size] += (
            amplitude * np.exp(-6.9 * heard / t60_s) * np.sin(2 * np.pi * freq_hz * heard)
        ).astype(np.float32)
    return ringing


def random_modes(
    rng: np.random.Generator, n_modes: int, band_hz: tuple[float, float], t60_s: float, tilt: float = 0.5
) -> list[Mode]:
    """Modes of an irregular plate: log-uniform in ``band_hz``, higher ones shorter and weaker by ``tilt``.

    Parameters
    ----------
    rng : np.random.Generator
    n_modes : int
    band_hz : tuple of float
        Lowest and highest frequency.
    t60_s : float
        Decay of the lowest mode.
    tilt : float
        Exponent of the fall with frequency, 0 for none.

    Returns
    -------
    list of (frequency in Hz, T60 in s, amplitude)
    """
    freqs_hz = np.sort(np.exp(rng.uniform(np.log(band_hz[0]), np.log(band_hz[1]), n_modes)))
    relative = (freqs_hz / band_hz[0]) ** -tilt
    strengths = relative * rng.uniform(0.3, 1.0, n_modes)
    return list(zip(freqs_hz, t60_s * relative * rng.uniform(0.6, 1.4, n_modes), strengths, strict=True))


def add(track: Signal, event: Curve, at_s: float, sr: int, gain: float = 1.0) -> None:
    """Mix ``event`` into ``track`` in place from ``at_s`` seconds on; what reaches past the end is cut.

    Parameters
    ----------
    track : np.ndarray, shape (n_samples,), float32
        Changed in place.
    event : np.ndarray, shape (n_event_samples,)
    at_s : float
    sr : int
        Sample rate in Hz.
    gain : float
    """
    start = length(at_s, sr)
    heard = event[: max(0, track.size - start)]
    track[start : start + heard.size] += (gain * heard).astype(np.float32)


def room(
    rng: np.random.Generator, waveform: Curve, sr: int, t60_s: float, wet: float, bright_hz: float = 4000
) -> Signal:
    """``waveform`` with the diffuse tail of a room or a landscape; ``wet`` is the tail's share of the energy.

    Parameters
    ----------
    rng : np.random.Generator
    waveform : np.ndarray, shape (n_samples,)
    sr : int
        Sample rate in Hz.
    t60_s : float
    wet : float
        0 to 1.
    bright_hz : float
        Above it the tail is dull.

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    colour = [(60.0, -12.0), (200.0, 0.0), (bright_hz, 0.0), (2.5 * bright_hz, -24.0)]
    tail = noise(rng, min(t60_s, 3.0), sr, colour) * decay(min(t60_s, 3.0), sr, t60_s, attack_s=0.01)
    reflected = convolve(waveform, tail / np.sqrt(np.sum(np.square(tail))))
    return as_signal(np.sqrt(1.0 - wet) * waveform + np.sqrt(wet) * reflected)


def level(waveform: Curve, rms_db: float) -> Signal:
    """``waveform`` scaled to an RMS of ``rms_db`` dB.

    Parameters
    ----------
    waveform : np.ndarray, shape (n_samples,)
    rms_db : float

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    rms = max(float(np.sqrt(np.mean(np.square(waveform)))), 1e-9)
    return as_signal(waveform * (10.0 ** (rms_db / 20.0) / rms))


def finish(waveform: Curve, sr: int, peak_db: float) -> Signal:
    """``waveform`` without offset, with short fades at both ends and its largest sample at ``peak_db`` dBFS.

    Parameters
    ----------
    waveform : np.ndarray, shape (n_samples,) or (n_samples, n_channels)
    sr : int
        Sample rate in Hz.
    peak_db : float

    Returns
    -------
    np.ndarray, shape of ``waveform``, float32
    """
    n_fade = min(length(0.01, sr), waveform.shape[0] // 2)
    faded = as_signal(waveform - waveform.mean(axis=0, keepdims=True))
    ramp = np.linspace(0.0, 1.0, n_fade, dtype=np.float32).reshape(-1, *[1] * (waveform.ndim - 1))
    faded[:n_fade] *= ramp
    faded[-n_fade:] *= ramp[::-1]
    return faded * np.float32(10.0 ** (peak_db / 20.0) / max(float(np.abs(faded).max()), 1e-9))


def _stretch(curve: Curve, n_samples: int) -> Signal:
    return np.interp(np.linspace(0.0, curve.size - 1.0, n_samples), np.arange(curve.size), curve).astype(np.float32)


def _fast_size(n_samples: int) -> int:
    """Smallest multiple of a large power of two that holds ``n_samples``: sizes with big primes are slow."""
    step = 1 << max(0, n_samples.bit_length() - 5)
    return -(-n_samples // step) * step
