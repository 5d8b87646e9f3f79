"""The parallel stage: files to log-mels and metadata in spawned workers.

A file that kills or stalls a worker costs that worker only; if it was its metadata that did it, the sound is kept.
"""

import contextlib
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any, Self

from clapsearch.audio import AudioInfo
from clapsearch.errors import AudioError, ClapsearchError, UnreadableError
from clapsearch.mel import FrontEnd, LogMel
from clapsearch.metadata import Metadata
from indexer.spill import receive
from indexer.worker import Done, Hashed, Look, Told, work

STALL_S = 60.0
START_S = 60.0
# Someone told the worker to end; that says nothing about its file.
_ENDED = {-number for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))}


@dataclass(frozen=True)
class Decoded:
    """A sound ready to embed.

    Attributes
    ----------
    log_mel : LogMel
        (n_frames, n_mels), float32, dB, in memory or, if long, on disk.
    metadata : str or None
        JSON of a `Metadata`; None if it could not be read just now.
    """

    path: bytes
    content_hash: bytes
    info: AudioInfo
    log_mel: LogMel
    seconds: float
    metadata: str | None = None


@dataclass(frozen=True)
class Skipped:
    """A file without a log-mel, and why. `transient`: its bytes could not be read, so it is worth another try."""

    path: bytes
    content_hash: bytes | None
    reason: str
    transient: bool
    seconds: float = 0.0


@dataclass(frozen=True)
class Unwanted:
    """A file whose content needs no decoding: `wants` said no."""

    path: bytes
    content_hash: bytes
    seconds: float


@dataclass(frozen=True)
class Looked:
    """The metadata of a file, as in `Decoded`."""

    path: bytes
    metadata: str | None
    seconds: float


Outcome = Decoded | Skipped | Unwanted


def decode_one(path: bytes, front_end: FrontEnd) -> tuple[AudioInfo, LogMel]:
    """Decode one file in a worker of its own, so that a hostile file cannot take the program with it.

    Returns
    -------
    info : AudioInfo
    log_mel : LogMel
        (n_frames, n_mels), float32, dB; as in `Decoded`.

    Raises
    ------
    AudioError
    """
    with DecodePool(front_end, n_workers=1) as pool:
        outcome = next(pool.run(iter([path]), lambda path, content_hash: True))
    if isinstance(outcome, Decoded):
        return outcome.info, outcome.log_mel
    raise AudioError(outcome.reason if isinstance(outcome, Skipped) else "it was not decoded")


class DecodePool:
    """Worker processes that hash and decode.

    Parameters
    ----------
    front_end : FrontEnd
    n_workers : int
    stall_s : float
        A worker silent for so long is killed, and its file fails.
    """

    def __init__(self, front_end: FrontEnd, *, n_workers: int, stall_s: float = STALL_S) -> None:
        self._front_end = front_end
        self._stall_s = stall_s
        self._workers: list[_Worker] = []
        try:
            for _ in range(n_workers):
                self._workers.append(_Worker(front_end))
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()

    def run(
        self,
        paths: Iterator[bytes],
        wants: Callable[[bytes, bytes], bool],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[Outcome]:
        """Yield one outcome a path, in the order of completion.

        A worker that has hashed a file asks `wants(path, content_hash)` whether to decode it. Only as many files are
        under way as there are workers: who reads slowly slows them down. `should_stop` is asked at least once a second.

        Raises
        ------
        ClapsearchError
            If workers cannot start at all.
        """
        for outcome in self._drive(paths, _Worker.start_on, wants, should_stop):
            if not isinstance(outcome, Looked):
                yield outcome

    def look(self, paths: Iterator[bytes], should_stop: Callable[[], bool] = lambda: False) -> Iterator[Looked]:
        """Yield the metadata of every path, in the order of completion; nothing is hashed or decoded.

        Raises
        ------
        ClapsearchError
            If workers cannot start at all.
        """
        for outcome in self._drive(paths, _Worker.look_at, lambda path, content_hash: False, should_stop):
            if isinstance(outcome, Looked):
                yield outcome

    def _drive(
        self,
        paths: Iterator[bytes],
        begin: Callable[["_Worker", bytes], None],
        wants: Callable[[bytes, bytes], bool],
        should_stop: Callable[[], bool],
    ) -> Iterator[Outcome | Looked]:
        while not should_stop():
            for worker in self._workers:
                if worker.path is None and (path := next(paths, None)) is not None:
                    begin(worker, path)
            busy = {worker.connection: worker for worker in self._workers if worker.path is not None}
            if not busy:
                return
            wait(list(busy), timeout=min(1.0, self._stall_s / 4))
            for connection, worker in busy.items():
                # Asked now, not before the loop: a caller slow to take an outcome is no stall of the next worker.
                outcome = worker.receive(wants) if connection.poll() else worker.stalled(self._stall_s)
                if outcome is not None:
                    yield outcome
                if not worker.is_alive:
                    self._replace(worker)

    def _replace(self, worker: "_Worker") -> None:
        worker.stop()
        self._workers[self._workers.index(worker)] = _Worker(self._front_end)


class _Worker:
    """The parent's side of one worker process."""

    def __init__(self, front_end: FrontEnd) -> None:
        context = multiprocessing.get_context("spawn")
        try:
            self.connection, theirs = context.Pipe()
            with theirs, _hidden_main(), _blocked_interrupt():
                self._process = context.Process(target=work, args=(theirs, front_end), daemon=True)
                self._process.start()
        except OSError as error:
            reason = error.strerror or error
            raise ClapsearchError(f"decode workers cannot start ({reason}); take fewer with --workers") from error
        self.path: bytes | None = None
        self.is_alive = True
        self._is_ready = False
        self._content_hash: bytes | None = None
        self._awaits: Decoded | Looked | None = None  # all but its metadata is here
        self._has_begun = False
        self._heard = time.monotonic()

    def start_on(self, path: bytes) -> None:
        self._begin(path, path)

    def look_at(self, path: bytes) -> None:
        self._begin(path, Look(path))
        self._awaits = Looked(path, None, 0.0)

    def _begin(self, path: bytes, job: bytes | Look) -> None:
        self.path, self._content_hash, self._awaits, self._has_begun = path, None, None, False
        self._heard = time.monotonic()
        with contextlib.suppress(OSError):  # a worker that died idle is noticed at the next receive
            self.connection.send(job)

    def receive(self, wants: Callable[[bytes, bytes], bool]) -> Outcome | Looked | None:
        """Handle one message; returns an outcome when the file is done."""
        try:
            message = self.connection.recv()
            self._heard, self._has_begun = time.monotonic(), True
            if isinstance(message, Done):
                return self._finish(message)
        except (EOFError, OSError):
            return self._died()
        if isinstance(message, Hashed):
            return self._answer(message, wants)
        if isinstance(message, Told):
            return self._complete(message.metadata, message.seconds)
        self._is_ready = True
        return None

    def stalled(self, stall_s: float) -> Outcome | Looked | None:
        """Kill the worker if it was silent for too long."""
        silent_s = time.monotonic() - self._heard
        if silent_s < (stall_s if self._is_ready else max(stall_s, START_S)):
            return None
        self._process.kill()
        self.is_alive = False
        if not self._is_ready:
            raise ClapsearchError(f"decode workers cannot start (silent for {silent_s:.0f} s); see CONTRIBUTING.md")
        if self._awaits:
            return self._complete(_unread(f"stood still for {stall_s:.0f} s"))
        reason = f"the decoder stood still for {stall_s:.0f} s; convert the file, then index again"
        return Skipped(self.path or b"", self._content_hash, reason, transient=self._content_hash is None)

    def stop(self) -> None:
        """End the process, politely if it is idle."""
        if self.path is None:
            with contextlib.suppress(OSError):
                self.connection.send(None)
        else:
            self._process.kill()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.connection.close()

    def _answer(self, hashed: Hashed, wants: Callable[[bytes, bytes], bool]) -> Outcome | None:
        path, self._content_hash = self.path or b"", hashed.content_hash
        is_wanted = wants(path, hashed.content_hash)
        with contextlib.suppress(OSError):  # a death here is noticed at the next receive
            self.connection.send(is_wanted)
        if is_wanted:
            return None
        self.path = None
        return Unwanted(path, hashed.content_hash, hashed.seconds)

    def _finish(self, done: Done) -> Outcome | None:
        path, content_hash, answer, seconds = self.path or b"", self._content_hash, done.answer, done.seconds
        if isinstance(answer, AudioError):
            is_transient = isinstance(answer, UnreadableError)
            self.path = None
            return Skipped(path, content_hash, str(answer), is_transient, seconds)
        self._awaits = Decoded(path, content_hash or b"", answer, receive(self.connection), seconds)
        return None

    def _complete(self, metadata: str | None, seconds: float = 0.0) -> Decoded | Looked | None:
        """Finish what waited for its metadata."""
        outcome, self._awaits, self.path = self._awaits, None, None
        return outcome and replace(outcome, metadata=metadata, seconds=outcome.seconds + seconds)

    def _died(self) -> Outcome | Looked | None:
        self.is_alive = False
        self._process.join(timeout=5)
        if not self._is_ready:
            raise ClapsearchError(f"decode workers cannot start (exit {self._process.exitcode}); see CONTRIBUTING.md")
        code = self._process.exitcode
        if self._awaits:
            is_to_blame = self._has_begun and code not in _ENDED
            return self._complete(_unread(f"crashed ({_exit_name(code)})") if is_to_blame else None)
        if code in _ENDED:
            return Skipped(self.path or b"", self._content_hash, "the decoder was told to end", transient=True)
        reason = f"the decoder crashed on this file ({_exit_name(code)}); convert it, then index again"
        return Skipped(self.path or b"", self._content_hash, reason, transient=self._content_hash is None)


def _unread(what: str) -> str:
    """Return what stands for the metadata of a file that its reader did not survive, so that no run tries again."""
    return Metadata(problems=(f"the reader of its metadata {what}",)).to_json()


def _exit_name(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit {code}"


@contextlib.contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep spawned workers from running the caller's script again: they need nothing of it.

    Without this, a script that indexes at its top level would start itself in every worker.
    """
    main = sys.modules["__main__"]
    hidden: dict[str, Any] = {name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)}
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(hidden)


@contextlib.contextmanager
def _blocked_interrupt() -> Iterator[None]:
    """Start a worker with ^C blocked, which it inherits: before it can ignore the signal, it would die of it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # or else starting the worker starts this, and that unblocks
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
