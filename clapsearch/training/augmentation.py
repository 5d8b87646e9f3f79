"""Changes to a sound that leave what it is: to waveforms ahead of training, to log-mels at every step of it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from clapsearch.mel import FLOOR_DB

Array = npt.NDArray[np.float32]

PITCH_SEMITONES = (-3.0, 3.0)
SPEED = (0.85, 1.18)
RT60_S = (0.1, 1.2)
DIRECT_TO_REVERBERANT_DB = (-3.0, 12.0)
GAIN_DB = (-12.0, 6.0)
SNR_DB = (5.0, 25.0)
NOISE_EXPONENT = (0.0, 2.0)  # white to brown
MIX_DB = (-6.0, 6.0)
LOG_MEL_GAIN_DB = (-6.0, 6.0)
MAX_SHIFT_BINS = 2
N_MASKS = 2
MAX_MASK_FRAMES, MAX_MASK_BINS = 64, 8

_NOISE_SAMPLES = 1 << 18  # beyond that it repeats
_PER_DB = np.float32(np.log(10) / 10)  # exp(_PER_DB * dB) is a power
_FLOOR_POWER = np.exp(np.float32(FLOOR_DB) * _PER_DB)
_PITCH_FFT = 2048


@dataclass(frozen=True)
class WaveformChances:
    """How probable each change to a waveform is, from 0 to 1."""

    pitch: float = 0.35
    speed: float = 0.35
    reverberation: float = 0.35
    background: float = 0.4
    gain: float = 0.7


@dataclass(frozen=True)
class LogMelChances:
    """How probable each change to a log-mel is, from 0 to 1."""

    gain: float = 0.5
    shift: float = 0.5
    time_masks: float = 0.5
    band_masks: float = 0.5


def augment(
    waveform: Array,
    rng: np.random.Generator,
    background: Array | None = None,
    *,
    sr: int = 48_000,
    chances: WaveformChances = WaveformChances(),
) -> Array:
    """Apply a random subset of the changes to a waveform.

    Parameters
    ----------
    waveform : np.ndarray, shape (n_samples,), float32 in [-1, 1]
    rng : np.random.Generator
    background : np.ndarray, shape (n,), float32, optional
        Another recording to put behind it; coloured noise by default.
    sr : int
        Sample rate of both in Hz.
    chances : WaveformChances

    Returns
    -------
    np.ndarray, shape (n,), float32 in [-1, 1]
        Longer or shorter where speed or reverberation changed; made softer, never clipped, where it came out too loud.
    """
    if rng.random() < chances.pitch:
        waveform = change_pitch(waveform, rng, sr)
    if rng.random() < chances.speed:
        waveform = change_speed(waveform, rng, sr)
    if rng.random() < chances.reverberation:
        waveform = reverberate(waveform, rng, sr)
    if rng.random() < chances.background:
        waveform = put_behind(waveform, coloured_noise(rng) if background is None else background, rng)
    if rng.random() < chances.gain:
        waveform = waveform * _amplitude(rng.uniform(*GAIN_DB))
    peak = np.abs(waveform).max()
    return np.asarray(waveform / max(peak, np.float32(1)), np.float32)


def change_pitch(waveform: Array, rng: np.random.Generator, sr: int) -> Array:
    """Move the pitch by up to three semitones; the length stays."""
    from librosa.effects import pitch_shift

    filled = np.pad(waveform, (0, max(0, _PITCH_FFT - len(waveform))))  # librosa warns of less than one FFT
    shifted = pitch_shift(filled, sr=sr, n_steps=rng.uniform(*PITCH_SEMITONES), n_fft=_PITCH_FFT)
    return np.asarray(shifted[: len(waveform)], np.float32)


def change_speed(waveform: Array, rng: np.random.Generator, sr: int) -> Array:
    """Play slower or faster, as a tape does: pitch and length change together."""
    return np.asarray(soxr.resample(waveform, sr * rng.uniform(*SPEED), sr, quality="HQ"), np.float32)


def reverberate(waveform: Array, rng: np.random.Generator, sr: int) -> Array:
    """Convolve with a synthetic room: the direct sound, then noise that decays by 60 dB in 0.1 to 1.2 s."""
    from scipy.signal import oaconvolve  # type: ignore[import-untyped]

    n_tail = round(rng.uniform(*RT60_S) * sr)
    room = rng.standard_normal(n_tail, np.float32) * _amplitude(np.linspace(0, -60, n_tail))
    room /= np.linalg.norm(room) * _amplitude(rng.uniform(*DIRECT_TO_REVERBERANT_DB))
    room[0] = 1
    return np.asarray(oaconvolve(waveform, room / np.linalg.norm(room)), np.float32)


def put_behind(waveform: Array, background: Array, rng: np.random.Generator) -> Array:
    """Add another sound, repeated or cut to the same length, at a signal-to-noise ratio of 5 to 25 dB."""
    behind = np.resize(np.roll(background, rng.integers(len(background))), len(waveform))
    power, power_behind = np.square(waveform).mean(), np.square(behind).mean()
    if power_behind == 0:
        return waveform
    level = np.sqrt(power / power_behind) * _amplitude(-rng.uniform(*SNR_DB))
    return np.asarray(waveform + level * behind, np.float32)


def coloured_noise(rng: np.random.Generator) -> Array:
    """Return noise of a few seconds, its spectrum between white and brown."""
    spectrum = np.fft.rfft(rng.standard_normal(_NOISE_SAMPLES, np.float32))
    slope = np.arange(1, len(spectrum) + 1) ** (-rng.uniform(*NOISE_EXPONENT) / 2)
    return np.asarray(np.fft.irfft(spectrum * slope), np.float32)


def alter(log_mel: Array, rng: np.random.Generator, chances: LogMelChances = LogMelChances()) -> Array:
    """Apply a random subset of the changes that cost next to nothing to a log-mel: gain, shift, masks.

    Parameters
    ----------
    log_mel : np.ndarray, shape (n_frames, n_mels), float32, dB
    rng : np.random.Generator
    chances : LogMelChances

    Returns
    -------
    np.ndarray, shape (n_frames, n_mels), float32, dB
        A new array; what was silent stays so.
    """
    altered = log_mel.copy()
    if rng.random() < chances.gain:
        altered = change_level(altered, rng.uniform(*LOG_MEL_GAIN_DB))
    if rng.random() < chances.shift:
        altered = shift_bands(altered, int(rng.integers(-MAX_SHIFT_BINS, MAX_SHIFT_BINS + 1)))
    fill = FLOOR_DB if rng.random() < 0.5 else float(altered.mean())
    if rng.random() < chances.time_masks:
        mask(altered, rng, MAX_MASK_FRAMES, fill)
    if rng.random() < chances.band_masks:
        mask(altered.T, rng, MAX_MASK_BINS, fill)
    return altered


def roll(log_mel: Array, rng: np.random.Generator) -> Array:
    """Begin a log-mel at a random frame; what was before comes last."""
    return np.roll(log_mel, int(rng.integers(len(log_mel))), axis=0)


def change_level(log_mel: Array, gain_db: float) -> Array:
    """Add a gain in dB to all that is not silent."""
    floor, gain = np.float32(FLOOR_DB), np.float32(gain_db)
    return np.where(log_mel > floor, np.maximum(log_mel + gain, floor), floor)


def shift_bands(log_mel: Array, n_bins: int) -> Array:
    """Move everything up by some mel bands, down if negative; the outermost band fills what is left."""
    bands = np.arange(log_mel.shape[1]) - n_bins
    return np.take(log_mel, bands.clip(0, len(bands) - 1), axis=1)


def mask(rows: Array, rng: np.random.Generator, max_width: int, fill: float) -> None:
    """Overwrite two random stretches of rows, each at most `max_width` long, in place."""
    for _ in range(N_MASKS):
        width = int(rng.integers(min(max_width, len(rows)) + 1))
        start = int(rng.integers(len(rows) - width + 1))
        rows[start : start + width] = fill


def mix(a: Array, b: Array, rng: np.random.Generator) -> tuple[Array, float]:
    """Mix two log-mels in the power domain; `b` is brought to within 6 dB of `a` first.

    Parameters
    ----------
    a, b : np.ndarray, shape (n_frames, n_mels), float32, dB
    rng : np.random.Generator

    Returns
    -------
    log_mel : np.ndarray, shape (n_frames, n_mels), float32, dB
    share : float
        Of `a` in the power of both, 0.2 to 0.8; 1 where either is silent, for then there is nothing to mix.
    """
    power_a, power_b = _power(a), _power(b)
    mean_a, mean_b = float(power_a.mean()), float(power_b.mean())
    ratio = 10 ** (rng.uniform(*MIX_DB) / 10)
    if not mean_a or not mean_b:
        return a, 1.0
    power = power_a + power_b * np.float32(mean_a / mean_b / ratio)
    mixed = np.log(np.maximum(power, _FLOOR_POWER)) / _PER_DB
    return np.asarray(mixed, np.float32), ratio / (1 + ratio)


def _power(log_mel: Array) -> Array:
    """Return mel powers; the floor stands for none."""
    return np.where(log_mel > np.float32(FLOOR_DB), np.exp(log_mel * _PER_DB), np.float32(0))


def _amplitude(level_db: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return np.asarray(10 ** (np.asarray(level_db) / 20), np.float32)
