"""Sound files that libsndfile reads (WAV, AIFF, FLAC, Ogg, MP3, CAF, AU); the only home of soundfile."""

import io
import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from clapsearch.errors import AudioError

# Streams carry their own framing and no exact length; only the others can be caught cut short.
STREAM_FORMATS = frozenset({"MP3", "OGG"})
# Tools that do not know the length yet write 0 or a number close to one of these (ffmpeg, arecord, SoX, espeak).
_PLACEHOLDERS = (1 << 31, 1 << 32)
_UNKNOWN_LENGTH = (1 << 63) - 1
_WRONG_LENGTH = re.compile(r"(?:data|SSND|riff|Riff size|Data Size)\s*:\s*(\d+) \(should be (\d+)\)")


class SndFile:
    """One file, opened by libsndfile.

    Attributes
    ----------
    n_samples : int
        Samples per channel as the header says; 0 where it does not know (a streamed FLAC).
    sr : int
        Sample rate in Hz.
    channels : int
    format : str
        Container and encoding, such as ``WAV/PCM_24``.

    Raises
    ------
    OSError
        If the bytes cannot be read.
    AudioError
        If it is no format that libsndfile knows, or shorter than its header says.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._sound = _open(path)
        self.n_samples = 0 if self._sound.frames == _UNKNOWN_LENGTH else self._sound.frames
        self.sr, self.channels = self._sound.samplerate, self._sound.channels
        self.format = f"{self._sound.format}/{self._sound.subtype}"
        try:
            _check_sizes(self._sound.extra_info)
        except AudioError:
            self.close()
            raise

    def blocks(self, n_block: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the sound in blocks of `n_block` samples, shape (n, channels); AudioError where it is damaged."""
        n_read = 0
        while len(block := self._read(n_block, n_read)):
            n_read += len(block)
            yield block
        if self._sound.format not in STREAM_FORMATS and n_read < 0.99 * self.n_samples:
            said_s, got_s = self.n_samples / self.sr, n_read / self.sr
            raise AudioError(f"truncated: the header promises {said_s:.2f} s, the file holds {got_s:.2f} s")

    def close(self) -> None:
        """Close the file."""
        self._sound.close()

    def _read(self, n_block: int, n_read: int) -> npt.NDArray[np.float32]:
        try:
            block: npt.NDArray[np.float32] = self._sound.read(n_block, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            at = f"decoding fails after {n_read / self.sr:.2f} s"
            raise AudioError(f"damaged or truncated: {at} ({error.error_string})") from error
        return block


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
        sound = _sound(path)
        if not _is_unclosed(path, sound):
            return sound
        sound.close()
        return _Sound(_Unclosed(path))
    except soundfile.LibsndfileError as error:
        # libsndfile says "File does not exist" of an MP3 without frames.
        reason = "Format not recognised." if "not exist" in error.error_string else error.error_string
        raise AudioError(f"not a sound file that can be decoded ({reason})") from error


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


def _check_sizes(log: str) -> None:
    for said, found in _WRONG_LENGTH.findall(log):
        if int(found) < 0.99 * int(said) and not _is_placeholder(int(said)):
            raise AudioError(f"truncated: the header promises {said} bytes of sound, the file holds {found}")


def _is_placeholder(n_bytes: int) -> bool:
    return any(abs(n_bytes - placeholder) <= 4096 for placeholder in _PLACEHOLDERS)
