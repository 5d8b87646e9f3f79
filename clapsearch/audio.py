"""Sound files to waveforms: probe a header, decode block by block to mono float32 at one sample rate."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from clapsearch.errors import AudioError, UnreadableError
from clapsearch.media import Media, is_media

T = TypeVar("T")

RESAMPLER = "soxr-hq"
MAX_DURATION_S = 24 * 3600.0
MIN_DURATION_S = 0.001
MIN_SR, MAX_SR = 1_000, 1_536_000
# One block is at most this many samples over all channels: 1 MB of float32.
BLOCK_SAMPLES = 1 << 18
# A mean this far under the loudest channel is cancelled (out of phase) or diluted (one live channel of many).
CANCELLED_DB = 20.0


class Sound(Protocol):
    """An open file, whichever library reads it."""

    n_samples: int
    sr: int
    channels: int
    format: str

    def blocks(self, n_block: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield blocks of at most `n_block` samples, shape (n, channels); AudioError if the end is not reached."""

    def close(self) -> None:
        """Close the file."""


@dataclass(frozen=True)
class AudioInfo:
    """What a header says, or, from `decode`, what was really there.

    Attributes
    ----------
    n_samples : int
        Samples per channel at the file's own rate; 0 where the header does not know (a streamed FLAC, raw AAC).
    sr : int
        Sample rate in Hz.
    channels : int
    format : str
        Container and encoding as libsndfile or ffmpeg names them, such as ``WAV/PCM_24`` or ``MOV/AAC``.
    """

    n_samples: int
    sr: int
    channels: int
    format: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sr


@dataclass
class Downmix:
    """Mixes blocks to mono and measures, on the way, whether the mean was the right mix.

    Attributes
    ----------
    channel : int or None
        The channel to take; None for the mean of all.
    """

    channel: int | None = None
    _mean_energy: float = 0.0
    _energies: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))

    def __call__(self, block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Mix one block, shape (n, channels), to shape (n,)."""
        if self.channel is not None:
            return np.ascontiguousarray(block[:, self.channel])
        if block.shape[1] == 1:
            return block[:, 0]
        mean = np.asarray(block.mean(axis=1), np.float32)
        self._mean_energy += float(np.dot(mean, mean))
        self._energies = self._energies + np.einsum("nc,nc->c", block, block, dtype=np.float64)
        return mean

    @property
    def cancelled(self) -> bool:
        """Whether the mean came out more than 20 dB under the loudest channel."""
        return self._mean_energy < float(self._energies.max()) * 10 ** (-CANCELLED_DB / 10)

    @property
    def loudest(self) -> int:
        """The channel with the most energy."""
        return int(self._energies.argmax())


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """Read the header.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    AudioInfo

    Raises
    ------
    UnreadableError
        If the bytes cannot be read.
    AudioError
        If it holds no sound that can be decoded, or is outside the limits of this module.
    """
    with contextlib.closing(open_sound(path)) as sound:
        return _info(sound)


def decode(
    path: str | os.PathLike[str],
    consume: Callable[[Iterator[npt.NDArray[np.float32]]], T],
    *,
    sr: int = 48_000,
    on_block: Callable[[], None] = lambda: None,
) -> tuple[AudioInfo, T]:
    """Stream a sound through `consume` as mono blocks, in constant memory.

    Channels are averaged; where that cancels the sound (`Downmix.cancelled`), which shows only at the end, the file
    is streamed a second time from its loudest channel, so `consume` may be called twice.

    Parameters
    ----------
    path : path-like
    consume : callable
        Takes an iterator of blocks, shape (n,), float32, nominally in [-1, 1]; must read it to the end.
    sr : int
        Sample rate of the blocks in Hz.
    on_block : callable
        Called once a block: a sign of life.

    Returns
    -------
    info : AudioInfo
        With the number of samples that were really there.
    result
        What `consume` returned.

    Raises
    ------
    UnreadableError, AudioError
        As `probe`; also for truncated files, and for NaN or infinite samples.
    """
    mix = Downmix()
    info, result = _pass(path, consume, mix, sr, on_block)
    if mix.cancelled:
        info, result = _pass(path, consume, Downmix(channel=mix.loudest), sr, on_block)
    return info, result


def load(path: str | os.PathLike[str], *, sr: int = 48_000) -> npt.NDArray[np.float32]:
    """Decode a whole sound at once, shape (n_samples,), float32, at `sr` Hz; errors as `decode`."""
    return decode(path, lambda blocks: np.concatenate(list(blocks)), sr=sr)[1]


def _pass(
    path: str | os.PathLike[str],
    consume: Callable[[Iterator[npt.NDArray[np.float32]]], T],
    mix: Downmix,
    sr: int,
    on_block: Callable[[], None],
) -> tuple[AudioInfo, T]:
    with contextlib.closing(open_sound(path)) as sound:
        info = _info(sound)
        native = _Native(sound, info, mix, on_block)
        result = consume(_resample(iter(native), info.sr, sr))
        return AudioInfo(native.n_samples, info.sr, info.channels, info.format), result


@dataclass
class _Native:
    """Mono blocks at the file's own rate, checked as they pass."""

    sound: Sound
    info: AudioInfo
    mix: Downmix
    on_block: Callable[[], None]
    n_samples: int = 0

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        for block in self.sound.blocks(max(1, BLOCK_SAMPLES // self.info.channels)):
            self._check(block)
            self.n_samples += len(block)
            self.on_block()
            yield self.mix(block)
        if self.n_samples < MIN_DURATION_S * self.info.sr:
            found = f"{self.n_samples} samples at {self.info.sr} Hz"
            raise AudioError(f"too short: {found}, at least 1 ms is needed")

    def _check(self, block: npt.NDArray[np.float32]) -> None:
        if not np.isfinite(block).all():
            first = int(np.argmin(np.isfinite(block).all(axis=1))) + self.n_samples
            raise AudioError(f"NaN or infinite sample at {first / self.info.sr:.3f} s; export the file again")
        if self.n_samples + len(block) > MAX_DURATION_S * self.info.sr:
            raise AudioError(f"longer than the limit of {MAX_DURATION_S / 3600:.0f} h; split the file")


def _resample(blocks: Iterator[npt.NDArray[np.float32]], sr_in: int, sr_out: int) -> Iterator[npt.NDArray[np.float32]]:
    """Stream through soxr HQ; equal to resampling the whole at once."""
    if sr_in == sr_out:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(sr_in, sr_out, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def open_sound(path: str | os.PathLike[str]) -> Sound:
    """Open for reading, with the library that a name's suffix asks for.

    The suffix decides, for ffmpeg finds some sound in almost anything: it gets nothing that libsndfile refuses.

    Raises
    ------
    UnreadableError, AudioError
        If it cannot be read, or is no sound.
    """
    from clapsearch.sndfile import SndFile

    try:
        _check_file(path)
        return Media(path) if is_media(path) else SndFile(path)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error


def _check_file(path: str | os.PathLike[str]) -> None:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # a pipe would block
        raise AudioError("not a regular file")
    if status.st_size == 0:
        raise AudioError("empty file (0 bytes)")
    with open(path, "rb"):  # libsndfile does not say why it cannot open
        pass


def _info(sound: Sound) -> AudioInfo:
    if not MIN_SR <= sound.sr <= MAX_SR:
        raise AudioError(f"sample rate of {sound.sr} Hz is outside {MIN_SR} to {MAX_SR} Hz")
    if sound.channels < 1:
        raise AudioError("no channels")
    return AudioInfo(sound.n_samples, sound.sr, sound.channels, sound.format)
