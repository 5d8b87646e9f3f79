"""Sound files to waveforms: probe a header, decode block by block to mono float32 at one sample rate."""

import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from clapsearch.errors import AudioError, UnreadableError

T = TypeVar("T")

RESAMPLER = "soxr-hq"
MAX_DURATION_S = 24 * 3600.0
MIN_DURATION_S = 0.001
MIN_SR, MAX_SR = 1_000, 1_536_000
# One block is at most this many samples over all channels: 1 MB of float32.
BLOCK_SAMPLES = 1 << 18
# A mean this far under the loudest channel is cancelled (out of phase) or diluted (one live channel of many).
CANCELLED_DB = 20.0
# Streams carry their own framing and no exact length; only the others can be caught cut short.
STREAM_FORMATS = frozenset({"MP3", "OGG"})
# Tools that do not know the length yet write 0 or a number close to one of these (ffmpeg, arecord, SoX, espeak).
_PLACEHOLDERS = (1 << 31, 1 << 32)
_UNKNOWN_LENGTH = (1 << 63) - 1
_WRONG_LENGTH = re.compile(r"(?:data|SSND|riff|Riff size|Data Size)\s*:\s*(\d+) \(should be (\d+)\)")


@dataclass(frozen=True)
class AudioInfo:
    """What a header says, or, from `decode`, what was really there.

    Attributes
    ----------
    n_samples : int
        Samples per channel at the file's own rate; 0 where the header does not know (a streamed FLAC).
    sr : int
        Sample rate in Hz.
    channels : int
    format : str
        Container and encoding as libsndfile names them, such as ``WAV/PCM_24``.
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
        If it is no sound file that libsndfile knows, or outside the limits of this module.
    """
    with _open(path) as sound:
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
    with _open(path) as sound:
        info = _info(sound)
        native = _Native(sound, info, mix, on_block)
        result = consume(_resample(iter(native), info.sr, sr))
        return AudioInfo(native.n_samples, info.sr, info.channels, info.format), result


@dataclass
class _Native:
    """Mono blocks at the file's own rate, checked as they pass."""

    sound: soundfile.SoundFile
    info: AudioInfo
    mix: Downmix
    on_block: Callable[[], None]
    n_samples: int = 0

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        n_block = max(1, BLOCK_SAMPLES // self.info.channels)
        while len(block := self._read(n_block)):
            self._check(block)
            self.n_samples += len(block)
            self.on_block()
            yield self.mix(block)
        self._check_length()

    def _read(self, n_block: int) -> npt.NDArray[np.float32]:
        try:
            block: npt.NDArray[np.float32] = self.sound.read(n_block, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            at = f"decoding fails after {self.n_samples / self.info.sr:.2f} s"
            raise AudioError(f"damaged or truncated: {at} ({error.error_string})") from error
        return block

    def _check(self, block: npt.NDArray[np.float32]) -> None:
        if not np.isfinite(block).all():
            first = int(np.argmin(np.isfinite(block).all(axis=1))) + self.n_samples
            raise AudioError(f"NaN or infinite sample at {first / self.info.sr:.3f} s; export the file again")
        if self.n_samples + len(block) > MAX_DURATION_S * self.info.sr:
            raise AudioError(f"longer than the limit of {MAX_DURATION_S / 3600:.0f} h; split the file")

    def _check_length(self) -> None:
        if self.n_samples < MIN_DURATION_S * self.info.sr:
            raise AudioError(f"too short: {self.n_samples} samples at {self.info.sr} Hz, at least 1 ms is needed")
        is_stream = self.info.format.split("/")[0] in STREAM_FORMATS
        if not is_stream and self.n_samples < 0.99 * self.info.n_samples:
            got_s, said_s = self.n_samples / self.info.sr, self.info.duration_s
            raise AudioError(f"truncated: the header promises {said_s:.2f} s, the file holds {got_s:.2f} s")


def _resample(blocks: Iterator[npt.NDArray[np.float32]], sr_in: int, sr_out: int) -> Iterator[npt.NDArray[np.float32]]:
    """Stream through soxr HQ; equal to resampling the whole at once."""
    if sr_in == sr_out:
        yield from blocks
        return
    stream = soxr.ResampleStream(sr_in, sr_out, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


class _Sound(soundfile.SoundFile):  # type: ignore[misc]  # soundfile carries no types
    """A sound that is read forwards only: soundfile seeks after every block, and a streamed FLAC cannot."""

    def seekable(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Close the file below too."""
        super().close()
        if isinstance(self.name, io.FileIO):
            self.name.close()


class _Unclosed(io.FileIO):
    """A WAV whose sizes were never filled in, seen with the RIFF size (8) that makes libsndfile take all there is."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Read, and lay the size over bytes 4 to 8."""
        at = self.tell()
        n = super().readinto(buffer)
        view = memoryview(buffer).cast("B")
        for i in range(max(at, 4), min(at + (n or 0), 8)):
            view[i - at] = (8, 0, 0, 0)[i - 4]
        return n


def _open(path: str | os.PathLike[str]) -> soundfile.SoundFile:
    """Open for reading; the only place where libsndfile's open errors are translated."""
    try:
        _check_file(path)
        sound = _sound(path)
        if not _is_unclosed(path, sound):
            return sound
        sound.close()
        return _Sound(_Unclosed(path))
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    except soundfile.LibsndfileError as error:
        # libsndfile says "File does not exist" of an MP3 without frames.
        reason = "Format not recognised." if "not exist" in error.error_string else error.error_string
        raise AudioError(f"not a sound file that can be decoded ({reason})") from error


def _check_file(path: str | os.PathLike[str]) -> None:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # a pipe would block
        raise AudioError("not a regular file")
    if status.st_size == 0:
        raise AudioError("empty file (0 bytes)")
    with open(path, "rb"):  # libsndfile does not say why it cannot open
        pass


def _sound(path: str | os.PathLike[str]) -> _Sound:
    # Bytes on POSIX, so that names that are not valid UTF-8 open too; libsndfile wants text on Windows.
    native = os.fspath(path) if os.name == "nt" else os.fsencode(path)
    try:
        return _Sound(native)
    except TypeError as error:  # soundfile asks for the sample rate of a .raw file
        raise AudioError("raw samples without a header; convert it to WAV or FLAC") from error


def _is_unclosed(path: str | os.PathLike[str], sound: _Sound) -> bool:
    """Whether a WAV's sizes were never filled in: no samples, and a RIFF chunk that is not the whole file."""
    if sound.frames or sound.format not in {"WAV", "WAVEX"}:
        return False
    with open(path, "rb") as file:
        riff_size = int.from_bytes(file.read(8)[4:], "little")
        return riff_size + 8 != os.fstat(file.fileno()).st_size


def _info(sound: soundfile.SoundFile) -> AudioInfo:
    n_samples = 0 if sound.frames == _UNKNOWN_LENGTH else sound.frames
    info = AudioInfo(n_samples, sound.samplerate, sound.channels, f"{sound.format}/{sound.subtype}")
    if not MIN_SR <= info.sr <= MAX_SR:
        raise AudioError(f"sample rate of {info.sr} Hz is outside {MIN_SR} to {MAX_SR} Hz")
    if info.channels < 1:
        raise AudioError("no channels")
    for said, found in _WRONG_LENGTH.findall(sound.extra_info):
        if int(found) < 0.99 * int(said) and not _is_placeholder(int(said)):
            raise AudioError(f"truncated: the header promises {said} bytes of sound, the file holds {found}")
    return info


def _is_placeholder(n_bytes: int) -> bool:
    return any(abs(n_bytes - placeholder) <= 4096 for placeholder in _PLACEHOLDERS)
