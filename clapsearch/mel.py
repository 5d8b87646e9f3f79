"""The CLAP front end: waveform to log-mel to the windows and the fused input that the audio tower reads.

numpy only, deterministic, streamed. It replaces the random crops and the random ``is_longer`` flag of the stock
extractor by fixed choices inside the training distribution (LAION-AI/CLAP, Wu et al. 2023, section 3.2).
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from clapsearch.errors import CheckpointError

# Raise when any number that `log_mel`, `fuse` or `moments` returns can change for the same samples.
FRONT_END_VERSION = 1
MAX_MOMENT_HOP_S = 5.0
FLOOR_DB = -100.0
_BLOCK_FRAMES = 256  # 2 MB of float64 frames: stays in the cache
_TRUNCATIONS = ("fusion", "rand_trunc")
_PADDINGS = ("repeatpad", "repeat", "pad")


class LogMel(Protocol):
    """A log-mel whose rows need not be in memory; an array is one too."""

    def __len__(self) -> int:
        """Return the number of frames."""

    def __getitem__(self, frames: slice, /) -> npt.NDArray[np.float32]:
        """Return the rows of a stretch of frames, shape (n, n_mels), dB."""


@dataclass(frozen=True)
class FrontEnd:
    """The numbers of one checkpoint's front end, all from its own preprocessor configuration.

    Attributes
    ----------
    sr : int
        Sample rate in Hz.
    n_fft, hop_length : int
        STFT window and hop in samples.
    n_mels : int
        Mel bands between `fmin` and `fmax` Hz.
    n_samples : int
        Samples in the longest clip that one forward pass reads whole (10 s).
    mel_scale : str
        ``htk`` (fused checkpoints) or ``slaney`` (unfused ones), as the extractor picks by its truncation mode.
    padding : str
        How a shorter clip is filled: ``repeatpad``, ``repeat`` or ``pad``.
    max_moment_hop_s : float
        Seconds from one moment to the next, at most half a window. An evaluation may choose another.
    int16 : bool
        Round the waveform through int16, as LAION does. An evaluation may leave it out.
    """

    sr: int
    n_fft: int
    hop_length: int
    n_mels: int
    fmin: float
    fmax: float
    n_samples: int
    mel_scale: str
    padding: str
    max_moment_hop_s: float = MAX_MOMENT_HOP_S
    int16: bool = True

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "FrontEnd":
        """Read a ``ClapFeatureExtractor`` configuration (the parsed ``preprocessor_config.json``).

        Raises
        ------
        CheckpointError
            If an entry is missing, or the entries make no front end together.
        """
        sr = int(_number(config, "sampling_rate"))
        front_end = cls(
            sr=sr,
            n_fft=int(_number(config, "fft_window_size")),
            hop_length=int(_number(config, "hop_length")),
            n_mels=int(_number(config, "feature_size")),
            fmin=_number(config, "frequency_min", least=0),
            fmax=_number(config, "frequency_max"),
            n_samples=int(_number(config, "max_length_s", least=0) * sr),
            mel_scale={"fusion": "htk", "rand_trunc": "slaney"}[_word(config, "truncation", _TRUNCATIONS)],
            padding=_word(config, "padding", _PADDINGS),
        )
        if not front_end.hop_length <= front_end.n_fft <= front_end.n_samples:
            raise _unusable("hop_length <= fft_window_size <= max_length_s * sampling_rate does not hold")
        if front_end.fmin + sr / front_end.n_fft >= min(front_end.fmax, sr / 2):
            raise _unusable("there is no FFT bin between frequency_min and frequency_max")
        return front_end

    @property
    def n_frames(self) -> int:
        """Frames in one window (1001 for 10 s)."""
        return self.n_samples // self.hop_length + 1

    @property
    def hop_frames(self) -> int:
        """Frames from one moment to the next."""
        hop_s = min(self.max_moment_hop_s, moment_hop_s(self.n_samples / self.sr))
        return round(hop_s * self.sr / self.hop_length)

    @property
    def identity(self) -> str:
        """One line that names everything which decides a log-mel and its moments."""
        hop = "" if self.max_moment_hop_s == MAX_MOMENT_HOP_S else f" moments={self.max_moment_hop_s:g}"
        return (
            f"v{FRONT_END_VERSION} sr={self.sr} n_fft={self.n_fft} hop={self.hop_length} mels={self.n_mels}"
            f" f={self.fmin:g}-{self.fmax:g} scale={self.mel_scale} n={self.n_samples} padding={self.padding}"
            f"{' int16' if self.int16 else ''}{hop}"
        )


def _number(config: Mapping[str, Any], name: str, *, least: float = 1, most: float = 1e6) -> float:
    value = config.get(name)
    if not isinstance(value, int | float) or not least <= value <= most:
        raise _unusable(f"{name} is {value!r}, not a number from {least:g} to {most:g}")
    return float(value)


def _word(config: Mapping[str, Any], name: str, words: tuple[str, ...]) -> str:
    value = config.get(name)
    if value not in words:
        raise _unusable(f"{name} is {value!r}, not one of {', '.join(words)}")
    return str(value)


def _unusable(reason: str) -> CheckpointError:
    return CheckpointError(f"the checkpoint's preprocessor_config.json is not CLAP's: {reason}; fetch it again")


def log_mel(blocks: Iterable[npt.NDArray[np.float32]], front_end: FrontEnd) -> npt.NDArray[np.float32]:
    """Compute the log-mel spectrogram of a streamed waveform as one array.

    Parameters
    ----------
    blocks : iterable of np.ndarray, shape (n,), float32 in [-1, 1]
        The waveform at ``front_end.sr``, in pieces of any size.
    front_end : FrontEnd

    Returns
    -------
    np.ndarray, shape (n_frames, n_mels), float32, dB
        Exactly ``front_end.n_frames`` frames for sounds that fit one window (shorter ones are repeated and padded),
        more for longer ones. Silence is -100 dB.
    """
    return np.concatenate(list(log_mel_blocks(blocks, front_end)))


def log_mel_blocks(blocks: Iterable[npt.NDArray[np.float32]], front_end: FrontEnd) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the rows of `log_mel` a few hundred frames at a time; memory does not grow with the sound."""
    stream = (quantise(block) for block in blocks) if front_end.int16 else iter(blocks)
    head, rest = _split(stream, front_end.n_samples + 1)
    if len(head) <= front_end.n_samples:
        return _spectra([_pad(head, front_end)], front_end)
    return _spectra(chain([head], rest), front_end)


def quantise(waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Round through int16 as LAION does in training and inference; clips to [-1, 1]."""
    scale = np.float32(32767)
    return np.asarray(np.trunc(np.clip(waveform, -1, 1) * scale) / scale, np.float32)


def moment_hop_s(window_s: float) -> float:
    """Return the seconds from one moment to the next: 5, or half a window where windows are shorter than 10 s."""
    return min(MAX_MOMENT_HOP_S, window_s / 2)


def moment_starts(n_frames: int, front_end: FrontEnd) -> list[int]:
    """Return the first frame of every moment: each 5 s, the last one right-aligned; ``[0]`` for one window."""
    last = n_frames - front_end.n_frames
    starts = list(range(0, last + 1, front_end.hop_frames))
    return starts if starts[-1] == last else [*starts, last]


def moments(log_mel: LogMel, front_end: FrontEnd) -> Iterator[npt.NDArray[np.float32]]:
    """Slice the windows one after the other, each shape (window frames, n_mels): of an array, views."""
    return (log_mel[start : start + front_end.n_frames] for start in moment_starts(len(log_mel), front_end))


def fuse(log_mel: LogMel, front_end: FrontEnd) -> npt.NDArray[np.float32]:
    """Build the fused input of a sound longer than one window.

    Returns
    -------
    np.ndarray, shape (4, window frames, n_mels), float32, dB
        Channel 0 shrinks the whole sound; channels 1 to 3 are the crops in the middle of each third of the valid
        starts, where the stock extractor draws at random.
    """
    n_frames = front_end.n_frames
    thirds = np.array_split(np.arange(len(log_mel) - n_frames + 1), 3)
    middles = [int(third[len(third) // 2]) if len(third) else 0 for third in thirds]
    crops = [log_mel[start : start + n_frames] for start in middles]
    return np.stack([_shrink(log_mel, n_frames), *crops])


def _shrink(log_mel: LogMel, n_frames: int) -> npt.NDArray[np.float32]:
    """Resize along time as torch's bilinear interpolate does with align_corners=False and no antialias."""
    scale = float(np.float32(len(log_mel) / n_frames))  # torch's positions are float32, rounded once
    at = np.maximum((np.arange(n_frames) + 0.5) * scale - 0.5, 0).astype(np.float32)
    low = at.astype(np.int64)
    high = np.minimum(low + 1, len(log_mel) - 1)
    weight = (at - low.astype(np.float32))[:, None]
    return np.asarray(_rows(log_mel, low) * (1 - weight) + _rows(log_mel, high) * weight, np.float32)


def _rows(log_mel: LogMel, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return single rows, shape (len(frames), n_mels)."""
    return np.concatenate([log_mel[frame : frame + 1] for frame in frames.tolist()])


def _split(
    blocks: Iterable[npt.NDArray[np.float32]], n: int
) -> tuple[npt.NDArray[np.float32], Iterator[npt.NDArray[np.float32]]]:
    """Take blocks until there are at least `n` samples; return them joined, and the rest of the stream."""
    iterator, head, n_head = iter(blocks), [np.zeros(0, np.float32)], 0
    for block in iterator:
        head.append(block)
        n_head += len(block)
        if n_head >= n:
            break
    return np.concatenate(head), iterator


def _pad(waveform: npt.NDArray[np.float32], front_end: FrontEnd) -> npt.NDArray[np.float32]:
    """Fill a short clip up to one window."""
    n = front_end.n_samples
    n_repeat = n // len(waveform)
    if front_end.padding == "repeat":
        return np.tile(waveform, n_repeat + 1)[:n]
    if front_end.padding == "repeatpad":
        waveform = np.tile(waveform, n_repeat)
    return np.pad(waveform, (0, n - len(waveform)))


def _spectra(blocks: Iterable[npt.NDArray[np.float32]], front_end: FrontEnd) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the log-mel of quantised blocks, the first of which fills a window."""
    n_fft, hop = front_end.n_fft, front_end.hop_length
    n_block = (_BLOCK_FRAMES - 1) * hop + n_fft
    pending = np.zeros(0)
    for piece in _reflected(blocks, n_fft // 2):
        pending = np.concatenate([pending, piece])
        start = 0
        while len(pending) - start >= n_block:
            yield _log_mel_frames(pending[start : start + n_block], front_end)
            start += _BLOCK_FRAMES * hop
        pending = pending[start:]
    if len(pending) >= n_fft:
        yield _log_mel_frames(pending, front_end)


def _reflected(blocks: Iterable[npt.NDArray[np.float32]], n_pad: int) -> Iterator[npt.NDArray[np.float64]]:
    """Pass the stream on as float64, mirrored by `n_pad` samples at both ends; the first block holds more than that."""
    tail = np.zeros(0)
    for i, block in enumerate(blocks):
        samples = block.astype(np.float64)
        if i == 0:
            yield samples[n_pad:0:-1]
        tail = np.concatenate([tail, samples])[-(n_pad + 1) :]
        yield samples
    yield tail[-2::-1]


def _log_mel_frames(samples: npt.NDArray[np.float64], front_end: FrontEnd) -> npt.NDArray[np.float32]:
    """Compute one block, shape (n_frames, n_mels); float64 inside: float32 is up to 7 dB off in near-silent bins."""
    bank, first_bin = _filter_bank(front_end)
    frames = np.lib.stride_tricks.sliding_window_view(samples, front_end.n_fft)[:: front_end.hop_length]
    spectrum = np.fft.rfft(frames * _hann(front_end.n_fft))[:, first_bin : first_bin + len(bank)]
    power = spectrum.real**2 + spectrum.imag**2
    mel = np.maximum(power @ bank, 10 ** (FLOOR_DB / 10))
    return (10 * np.log10(mel)).astype(np.float32)


@functools.cache
def _hann(n_fft: int) -> npt.NDArray[np.float64]:
    """Return the periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)


@functools.cache
def _filter_bank(front_end: FrontEnd) -> tuple[npt.NDArray[np.float64], int]:
    """Return the triangular filters, shape (n_bins, n_mels), cut to the FFT bins that count, and the first such bin.

    HTK scale without normalisation, or Slaney scale with area normalisation (Slaney's Auditory Toolbox, 1998).
    """
    to_hz, to_mel = (_htk_hz, _htk_mel) if front_end.mel_scale == "htk" else (_slaney_hz, _slaney_mel)
    edges_mel = np.linspace(to_mel(front_end.fmin), to_mel(front_end.fmax), front_end.n_mels + 2)
    edges = np.array([to_hz(mel) for mel in edges_mel])
    bins = np.linspace(0, front_end.sr // 2, front_end.n_fft // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    bank = np.maximum(0, np.minimum(rising, falling))
    if front_end.mel_scale == "slaney":
        bank *= 2 / (edges[2:] - edges[:-2])
    used = np.flatnonzero(bank.any(axis=1))
    return np.ascontiguousarray(bank[used[0] : used[-1] + 1]), int(used[0])


def _htk_mel(hz: float) -> float:
    return float(2595 * np.log10(1 + hz / 700))


def _htk_hz(mel: float) -> float:
    return float(700 * (10 ** (mel / 2595) - 1))


def _slaney_mel(hz: float) -> float:
    """Linear under 1 kHz (66.67 Hz a mel), logarithmic above (a factor of 6.4 in 27 mels)."""
    return float(hz * 3 / 200 if hz < 1000 else 15 + np.log(hz / 1000) * 27 / np.log(6.4))


def _slaney_hz(mel: float) -> float:
    return float(mel * 200 / 3 if mel < 15 else 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
