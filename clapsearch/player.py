"""Sounds heard: a stretch of a file on the audio device, block by block, or the file in the desktop's own program."""

import contextlib
import importlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from clapsearch.audio import Sound, open_sound, probe
from clapsearch.errors import ClapsearchError
from clapsearch.present import naming, printable

BLOCK_S = 0.1  # how soon a stop is heard
_OTHERWISE = "connect one, or let another program play: clapsearch open"
_OPENERS = {"darwin": "open", "linux": "xdg-open"}
_OPENER_WAIT_S = 3.0  # an opener that runs longer has become the program itself


@dataclass(frozen=True)
class Device:
    """Where sound comes out: its own sample rate in Hz, and how many channels it takes."""

    sr: int
    max_channels: int


def output_device() -> Device:
    """Return the system's audio output.

    Raises
    ------
    ClapsearchError
        If there is none, or nothing to reach it with; it says which.
    """
    sounddevice = _sounddevice()
    try:
        found = sounddevice.query_devices(kind="output")
    except (sounddevice.PortAudioError, ValueError) as error:
        raise ClapsearchError(f"no audio device to play on; {_OTHERWISE}") from error
    return Device(round(found["default_samplerate"]), found["max_output_channels"])


def play(
    path: str | os.PathLike[str],
    start_s: float = 0.0,
    end_s: float | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Play a stretch of a sound file, and return when it is over.

    Parameters
    ----------
    path : path-like
        In any format that is indexed.
    start_s, end_s : float
        By default the whole file.
    should_stop : callable
        Asked every 0.1 s.

    Raises
    ------
    AudioError
        If the file cannot be decoded.
    ClapsearchError
        If there is no device, or it fails.
    """
    device = output_device()
    with naming(path):
        probe(path)  # says what is wrong with it
        with contextlib.closing(open_sound(path)) as sound:
            stretch = _stretch(sound, start_s, end_s)
            n_channels = sound.channels if sound.channels <= min(2, device.max_channels) else 1
            blocks = (_mixed(block, n_channels) for block in stretch)
            _write(_resampled(blocks, sound.sr, device.sr, n_channels), device.sr, n_channels, should_stop)


def open_in_desktop(path: str | os.PathLike[str]) -> None:
    """Open a file in the program that the desktop has for it.

    Raises
    ------
    ClapsearchError
        If it is not there, or there is no desktop to open it.
    """
    name = printable(path)
    if not os.path.exists(path):
        raise ClapsearchError(f"{name}: the file is gone; bring the library up to date: clapsearch index")
    if sys.platform == "win32":
        try:
            os.startfile(path)  # noqa: S606 (the one way there)
        except OSError as error:
            raise ClapsearchError(f"{name}: Windows could not open it ({error.strerror or error})") from error
        return
    opener = _OPENERS.get(sys.platform, "xdg-open")
    command = shutil.which(opener)
    if command is None:
        raise ClapsearchError(f"{name}: no desktop to open it with ({opener} is missing); try clapsearch play")
    if failed := _run(command, os.path.abspath(path)):
        raise ClapsearchError(f"{name}: {opener} could not open it (exit {failed}); is there a program for it?")


def _sounddevice() -> Any:
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise ClapsearchError("cannot play: sounddevice is missing; pip install 'clapsearch[play]'") from error
    except OSError as error:  # its wheels for Linux come without the library below
        raise ClapsearchError("cannot play: PortAudio is missing; on Debian, apt install libportaudio2") from error


def _stretch(sound: Sound, start_s: float, end_s: float | None) -> Iterator[npt.NDArray[np.float32]]:
    """Yield a stretch of a sound in blocks, shape (n, channels)."""
    first = round(start_s * sound.sr)
    last = None if end_s is None else round(end_s * sound.sr)
    at = 0
    for block in sound.blocks(max(1, round(BLOCK_S * sound.sr))):
        stretch = block[max(0, first - at) : None if last is None else max(0, last - at)]
        at += len(block)
        if len(stretch):
            yield stretch
        if last is not None and at >= last:
            return


def _mixed(block: npt.NDArray[np.float32], n_channels: int) -> npt.NDArray[np.float32]:
    """Return a block with `n_channels`, the mean if they are fewer than it has; a broken sample is silence."""
    mixed = block if block.shape[1] == n_channels else block.mean(axis=1, keepdims=True)
    return np.ascontiguousarray(np.nan_to_num(mixed, posinf=0.0, neginf=0.0), np.float32)


def _resampled(
    blocks: Iterator[npt.NDArray[np.float32]], sr_in: int, sr_out: int, n_channels: int
) -> Iterator[npt.NDArray[np.float32]]:
    if sr_in == sr_out:
        yield from blocks
        return
    stream = soxr.ResampleStream(sr_in, sr_out, n_channels, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros((0, n_channels), np.float32), last=True)


def _write(
    blocks: Iterator[npt.NDArray[np.float32]], sr: int, n_channels: int, should_stop: Callable[[], bool]
) -> None:
    sounddevice = _sounddevice()
    try:
        with sounddevice.OutputStream(samplerate=sr, channels=n_channels, dtype="float32") as stream:
            for block in blocks:
                if should_stop():
                    stream.abort()  # at once, without what is on its way
                    return
                stream.write(block)
    except sounddevice.PortAudioError as error:
        raise ClapsearchError(f"the audio device fails ({printable(str(error))}); {_OTHERWISE}") from error


def _run(command: str, path: str) -> int:
    """Start an opener; returns its exit code, 0 while it runs."""
    opener = subprocess.Popen(  # noqa: S603 (a program of the system, and one argument that is a path)
        [command, path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return opener.wait(_OPENER_WAIT_S)
    except subprocess.TimeoutExpired:
        threading.Thread(target=opener.wait, daemon=True).start()  # leaves no zombie behind
        return 0
