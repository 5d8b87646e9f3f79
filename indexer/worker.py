"""The worker's side of decoding: hash a file, ask whether its log-mel is wanted, decode it. No torch here."""

import contextlib
import hashlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import numpy.typing as npt

from clapsearch.allocator import keep_freed_memory
from clapsearch.audio import AudioInfo, decode
from clapsearch.errors import AudioError, UnreadableError
from clapsearch.mel import FLOOR_DB, FrontEnd, log_mel

HASH_BYTES = 16
READY = "ready"
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Hashed:
    """A file's content is known; the worker waits to hear whether to decode it."""

    content_hash: bytes
    seconds: float


class Alive:
    """A sign of life."""


def hash_content(path: bytes, on_block: Callable[[], None] = lambda: None) -> bytes:
    """Hash a file's bytes (BLAKE2b, 16 bytes).

    Raises
    ------
    UnreadableError
    """
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    try:
        with open(path, "rb", buffering=0) as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
                on_block()
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    return digest.digest()


def read_log_mel(
    path: bytes, front_end: FrontEnd, on_block: Callable[[], None] = lambda: None
) -> tuple[AudioInfo, npt.NDArray[np.float32]]:
    """Decode a file to its log-mel, shape (n_frames, n_mels), dB.

    Raises
    ------
    AudioError
        As `audio.decode`; also for digital silence, which has nothing to find.
    """
    name = os.fsdecode(path)
    info, spectrum = decode(name, lambda blocks: log_mel(blocks, front_end), sr=front_end.sr, on_block=on_block)
    if float(spectrum.max()) <= FLOOR_DB:
        raise AudioError("digital silence: no sample above the 16-bit floor")
    return info, spectrum


def work(connection: Connection, front_end: FrontEnd) -> None:
    """Serve one path after the other until None comes, or the parent goes.

    Parameters
    ----------
    connection : Connection
        Receives paths (bytes) and, after each `Hashed`, whether to decode; sends `READY`, `Alive`, `Hashed`, and
        (answer, seconds), where the answer is (AudioInfo, log-mel) or the AudioError that explains its absence.
    front_end : FrontEnd
    """
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what ^C means
    with contextlib.suppress(OSError):  # the MP3 decoder writes its own warnings there
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    keep_freed_memory()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError), threadpool_limits(1):
        connection.send(READY)
        while (path := connection.recv()) is not None:
            started = time.monotonic()
            if (answer := _decode_one(path, front_end, connection, started)) is not None:
                connection.send((answer, time.monotonic() - started))


def _decode_one(
    path: bytes, front_end: FrontEnd, connection: Connection, started: float
) -> tuple[AudioInfo, npt.NDArray[np.float32]] | AudioError | None:
    """Return a log-mel, or why there is none, or None if the parent does not want it."""

    def alive() -> None:
        connection.send(Alive())

    try:
        before = _state(path)
        content_hash = hash_content(path, alive)
        connection.send(Hashed(content_hash, time.monotonic() - started))
        if not connection.recv():
            return None
        decoded = read_log_mel(path, front_end, alive)
        if _state(path) != before:
            raise UnreadableError("it changed while it was read; the next run takes it")
    except AudioError as error:
        return error
    except MemoryError:
        return AudioError("it needs more memory to decode than there is; split the file")
    return decoded


def _state(path: bytes) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    return status.st_size, status.st_mtime_ns
