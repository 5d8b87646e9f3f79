"""Extraction: a stretch of a sound file, as a WAV whose samples are those of the decoded file."""

import contextlib
import math
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import soundfile

from clapsearch.audio import BLOCK_SAMPLES, probe
from clapsearch.errors import AudioError, ClapsearchError, UsageError
from clapsearch.media import Media, is_media
from clapsearch.present import naming, printable
from clapsearch.sndfile import STREAM_FORMATS, SndFile

# Sizes in a WAV header have 32 bits; RF64 (EBU Tech 3306) has room for more. The headers take less than the rest.
MAX_WAV_BYTES = (1 << 32) - (1 << 16)
# Durations are shown rounded to the millisecond: an end so little behind that of the file means that of the file.
_ROUNDING_S = 0.001
# libsndfile's encodings that hold every sample as it is: how to read them, and what a WAV calls them.
_LOSSLESS = {
    "PCM_S8": ("int16", "PCM_U8"),
    "PCM_U8": ("int16", "PCM_U8"),
    "PCM_16": ("int16", "PCM_16"),
    "PCM_24": ("int32", "PCM_24"),
    "PCM_32": ("int32", "PCM_32"),
    "ALAC_16": ("int16", "PCM_16"),
    "ALAC_20": ("int32", "PCM_24"),
    "ALAC_24": ("int32", "PCM_24"),
    "ALAC_32": ("int32", "PCM_32"),
    "DOUBLE": ("float64", "DOUBLE"),
}
_DECODED = ("float32", "FLOAT")
_BYTES = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
Block = npt.NDArray[Any]


@dataclass(frozen=True)
class Extract:
    """What was written.

    Attributes
    ----------
    path : Path
    start_s, end_s : float
        From the beginning of the source, at whole samples.
    sr : int
        In Hz, the source's.
    channels : int
        The source's.
    encoding : str
        As libsndfile names it: ``PCM_16``, ``PCM_24``, ``FLOAT``, ...
    """

    path: Path
    start_s: float
    end_s: float
    sr: int
    channels: int
    encoding: str


def extract(
    path: str | os.PathLike[str], start_s: float, end_s: float, out: str | os.PathLike[str], *, force: bool = False
) -> Extract:
    """Cut a stretch of a file to a WAV; memory does not grow with it.

    Sample rate and channels stay. So does the bit depth of what is stored without loss (PCM, float, FLAC, ALAC in
    CAF); what any other codec decodes to becomes 32-bit float. Longer than 4 GB, the file is RF64.

    Parameters
    ----------
    path : path-like
    start_s, end_s : float
        In seconds from the beginning; rounded to whole samples, the end not included.
    out : path-like
        A name that ends in ``.wav``; written under another name first, then renamed.
    force : bool
        Replace a file of that name.

    Returns
    -------
    Extract

    Raises
    ------
    UsageError
        If the times make no stretch, or `out` is no name for a WAV, or the source itself.
    ClapsearchError
        If the stretch is not all in the file, `out` is there and `force` is false, or it cannot be written.
    UnreadableError, AudioError
        If the file cannot be read or decoded.
    """
    source, target = Path(path), Path(out)
    check_times(start_s, end_s)
    check_target(source, target, force=force)
    with naming(source):
        probe(source)
        with contextlib.closing(_open(source)) as sound:
            first, end = sound.samples(start_s, end_s)
            n = _write(sound, first, end, target, force=force)
    return Extract(target, first / sound.sr, (first + n) / sound.sr, sound.sr, sound.channels, sound.encoding)


def check_times(start_s: float, end_s: float) -> None:
    """Refuse times that make no stretch of any file.

    Raises
    ------
    UsageError
    """
    if not (math.isfinite(start_s) and math.isfinite(end_s) and 0 <= start_s < end_s):
        raise UsageError(
            f"from {start_s:g} to {end_s:g} s is no stretch of time; give a start of 0 or more, then an end"
        )


def check_target(source: Path, out: Path, *, force: bool) -> None:
    """Find out before the work whether a WAV could be written.

    Raises
    ------
    UsageError, ClapsearchError
        As from `extract`.
    """
    name = printable(out)
    if out.suffix.lower() != ".wav":
        raise UsageError(f"cannot write {name}: what is cut is a WAV; give a name that ends in .wav")
    if out.is_dir():
        raise ClapsearchError(f"cannot write {name}: it is a folder; name the file to write")
    if not out.absolute().parent.is_dir():
        raise ClapsearchError(f"cannot write {name}: no such folder; make it first")
    with contextlib.suppress(OSError):
        if os.path.samefile(source, out):
            raise UsageError(f"cannot write {name}: it is the file to cut from; choose another name")
    if not force and os.path.lexists(out):
        raise _is_there(out)


class _Source:
    """A file to cut from: its blocks in the type that keeps every sample.

    Attributes
    ----------
    sr, channels : int
    n_samples : int
        As the header says, and it is exact; 0 where only decoding tells.
    dtype, encoding : str
        Of numpy and of the WAV.
    """

    sr: int
    channels: int
    n_samples = 0
    dtype, encoding = _DECODED

    def from_sample(self, start: int) -> Iterator[tuple[int, Block]]:
        """Yield blocks, shape (n, channels), and the sample each begins at, from one that holds `start` or before."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the file."""

    def samples(self, start_s: float, end_s: float) -> tuple[int, int]:
        """Return the stretch in samples, the end not included; ClapsearchError if the file is known to be shorter."""
        first, end = round(start_s * self.sr), round(end_s * self.sr)
        if end == first:
            raise UsageError(f"from {start_s:g} to {end_s:g} s is no sample at {self.sr} Hz; give a longer stretch")
        if self.n_samples:
            if first >= self.n_samples or end > self.n_samples + _ROUNDING_S * self.sr:
                raise _outside(first, end, self.n_samples, self.sr)
            end = min(end, self.n_samples)
        return first, end


class _SndFile(SndFile, _Source):
    """A file that libsndfile reads."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        container, encoding = self.format.split("/")
        self.dtype, self.encoding = _LOSSLESS.get(encoding, _DECODED)
        self._is_exact = bool(self.n_samples) and encoding in {*_LOSSLESS, "FLOAT"} and container not in STREAM_FORMATS
        if not self._is_exact:
            self.n_samples = 0

    def from_sample(self, start: int) -> Iterator[tuple[int, Block]]:
        """As `_Source`; starts at once where positions are exact, else decodes from the beginning."""
        at = self._sound.seek(start) if self._is_exact else 0
        while len(block := self._read_native(at)):
            yield at, block
            at += len(block)

    def _read_native(self, at: int) -> Block:
        n_block = max(1, BLOCK_SAMPLES // self.channels)
        try:
            block: Block = self._sound.read(n_block, dtype=self.dtype, always_2d=True)
        except soundfile.LibsndfileError as error:
            at_s = at / self.sr
            raise AudioError(f"damaged: decoding fails after {at_s:.2f} s ({error.error_string})") from error
        return block


class _Media(Media, _Source):
    """A file that ffmpeg reads; its header is not exact to the sample."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.n_samples = 0

    def from_sample(self, start: int) -> Iterator[tuple[int, Block]]:  # noqa: ARG002 (it can only begin at the beginning)
        """As `_Source`."""
        at = 0
        for block in self.blocks(max(1, BLOCK_SAMPLES // self.channels)):
            yield at, block
            at += len(block)


def _open(path: Path) -> _Source:
    return _Media(path) if is_media(path) else _SndFile(path)


def _stretch(source: _Source, first: int, end: int) -> Iterator[Block]:
    """Yield the samples from `first` up to `end`; ClapsearchError if the file ends before."""
    at = 0
    for start, block in source.from_sample(first):
        at = start + len(block)
        if at > first:
            yield block[max(0, first - start) : end - start]
        if at >= end:
            return
    if at <= first or at < end - _ROUNDING_S * source.sr:
        raise _outside(first, end, at, source.sr)


def _write(source: _Source, first: int, end: int, out: Path, *, force: bool) -> int:
    """Write the stretch under a hidden name, which no index takes, then give it its own; returns its samples."""
    draft = out.with_name(f".{uuid.uuid4().hex}.draft")
    is_long = (end - first) * source.channels * _BYTES[source.encoding] > MAX_WAV_BYTES
    native = os.fspath(draft) if os.name == "nt" else os.fsencode(draft)
    how = {"format": "RF64" if is_long else "WAV", "subtype": source.encoding}
    n = 0
    try:
        with soundfile.SoundFile(native, "w", source.sr, source.channels, **how) as file:
            for block in _stretch(source, first, end):
                file.write(block)
                n += len(block)
        _publish(draft, out, force=force)
    except (soundfile.LibsndfileError, OSError) as error:
        raise ClapsearchError(
            f"cannot write {printable(out)} ({_reason(error)}); make room there, or choose another place"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return n


def _publish(draft: Path, out: Path, *, force: bool) -> None:
    """Give a file its name; without `force`, a file that got that name meanwhile stays."""
    if not force:
        try:
            os.link(draft, out)
        except FileExistsError as error:
            raise _is_there(out) from error
        except OSError:  # a file system without links
            if os.path.lexists(out):
                raise _is_there(out) from None
        else:
            return
    draft.replace(out)


def _reason(error: OSError | soundfile.LibsndfileError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error.error_string).removeprefix("System error").strip(" :.") or "the disk is full, or cannot be written"


def _is_there(out: Path) -> ClapsearchError:
    return ClapsearchError(f"{printable(out)} is there already; choose another name, or replace it with --force")


def _outside(first: int, end: int, n_samples: int, sr: int) -> ClapsearchError:
    asked = f"{first / sr:.3f} to {end / sr:.3f} s"
    return AudioError(f"it lasts {n_samples / sr:.3f} s, and {asked} was to be cut; give times within it")
