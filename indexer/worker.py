"""The worker's side: hash a file, ask whether it is wanted, decode it, read its metadata. No torch here."""

import contextlib
import hashlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

from clapsearch.allocator import keep_freed_memory
from clapsearch.audio import AudioInfo, decode
from clapsearch.errors import AudioError, UnreadableError
from clapsearch.mel import FLOOR_DB, FrontEnd, LogMel, log_mel_blocks
from clapsearch.metadata import read_metadata
from indexer.spill import Spool, send

HASH_BYTES = 16
CHANGED = "it changed while it was read; the next run takes it"
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Hashed:
    """A file's content is known; the worker waits to hear whether to decode it."""

    content_hash: bytes
    seconds: float


class Alive:
    """A sign of life; the first says that the worker has started."""


@dataclass(frozen=True)
class Done:
    """The end of a file: what it is, its log-mel comes next, or why there is none."""

    answer: AudioInfo | AudioError
    seconds: float


@dataclass(frozen=True)
class Look:
    """A request for the metadata of a file, and nothing else."""

    path: bytes


@dataclass(frozen=True)
class Told:
    """The metadata of a file, as JSON; None if its bytes could not be read just now."""

    metadata: str | None
    seconds: float


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
) -> tuple[AudioInfo, LogMel]:
    """Decode a file to its log-mel, (n_frames, n_mels), dB: an array, or, of minutes and hours, `spill.Spilled`.

    Raises
    ------
    AudioError
        As `audio.decode` and `Spool.refill`; also for digital silence, which has nothing to find.
    """
    spool = Spool()
    info, _ = decode(
        os.fsdecode(path),
        lambda blocks: spool.refill(log_mel_blocks(blocks, front_end)),
        sr=front_end.sr,
        on_block=on_block,
    )
    if spool.peak_db <= FLOOR_DB:
        raise AudioError("digital silence: no sample above the 16-bit floor")
    return info, spool.log_mel()


def work(connection: Connection, front_end: FrontEnd) -> None:
    """Serve one path after the other until None comes, or the parent goes.

    Parameters
    ----------
    connection : Connection
        Receives paths (bytes) and, after each `Hashed`, whether to decode; sends `Alive`, `Hashed`, and `Done`,
        which the log-mel follows, by `spill.send`, if there is one, and then `Told`. Receives `Look`, sends `Told`.
    front_end : FrontEnd
    """
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what ^C means
    with contextlib.suppress(OSError):  # the MP3 decoder writes its own warnings there
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    keep_freed_memory()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError), threadpool_limits(1):
        connection.send(Alive())
        while (job := connection.recv()) is not None:
            if isinstance(job, Look):
                connection.send(Alive())  # from here on, a death is the file's
                connection.send(_tell(job.path))
            else:
                _serve(job, front_end, connection)


def _serve(path: bytes, front_end: FrontEnd, connection: Connection) -> None:
    """Answer for one path; what its log-mel takes, memory or disk, is free again when this returns."""
    started = time.monotonic()
    answer = _decode_one(path, front_end, connection, started)
    seconds = time.monotonic() - started
    if isinstance(answer, AudioError):
        connection.send(Done(answer, seconds))
    elif answer is not None:
        info, log_mel = answer
        connection.send(Done(info, seconds))
        send(connection, log_mel)
        connection.send(_tell(path))  # last: if its metadata kills this process, the sound is safe


def _tell(path: bytes) -> Told:
    started = time.monotonic()
    try:
        metadata = read_metadata(path).to_json()
    except UnreadableError:
        metadata = None
    return Told(metadata, time.monotonic() - started)


def _decode_one(
    path: bytes, front_end: FrontEnd, connection: Connection, started: float
) -> tuple[AudioInfo, LogMel] | AudioError | None:
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
            raise UnreadableError(CHANGED)
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
