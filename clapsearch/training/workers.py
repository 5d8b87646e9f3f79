"""Spawned workers that compute variants; a file that kills or stalls one costs that worker only."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from clapsearch.allocator import keep_freed_memory
from clapsearch.errors import ClapsearchError
from clapsearch.training.variants import Item, Outcome, Recipe, variants

STALL_S = 600
_CRASHED = f"the decoder crashed on it twice, or stood still for {STALL_S} s; convert the file"


def compute(items: Sequence[Item], recipe: Recipe, n_workers: int) -> Iterator[tuple[int, Outcome]]:
    """Yield the place of every item and its outcome, in the order of completion.

    Raises
    ------
    ClapsearchError
        If workers cannot start.
    """
    waiting = iter(enumerate(items))
    workers: list[_Worker] = []
    try:
        for _ in range(min(n_workers, len(items))):
            workers.append(_Worker(recipe))
            workers[-1].take(next(waiting))
        while busy := [worker for worker in workers if worker.task]:
            ready = wait([worker.connection for worker in busy])
            for worker in busy:
                if worker.task and worker.connection in ready and (outcome := worker.receive()):
                    yield worker.task[0], outcome
                    worker.take(next(waiting, None))
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """The parent's side of a worker; where its process dies, another takes over.

    Attributes
    ----------
    task : (place, Item) or None
        What it is at.
    connection : Connection
    """

    connection: Connection
    _process: SpawnProcess

    def __init__(self, recipe: Recipe) -> None:
        self.task: tuple[int, Item] | None = None
        self._n_deaths = 0
        self._recipe = recipe
        self._start()

    def take(self, task: tuple[int, Item] | None) -> None:
        """Begin another task, if there is one."""
        self.task, self._n_deaths = task, 0
        self._send()

    def receive(self) -> Outcome | None:
        """Return the outcome of the task; None for a sign of life, or where another process has to try once more."""
        try:
            outcome: Outcome | None = self.connection.recv()
        except (EOFError, OSError):
            return self._died()
        self._is_ready = True
        return outcome

    def stop(self) -> None:
        """End the process, whatever it is at."""
        self._process.kill()
        self._process.join()
        self.connection.close()

    def _died(self) -> Outcome | None:
        """Start another process; the first death need not be the file's fault, the second is."""
        self._process.join()
        if not self._is_ready:
            raise ClapsearchError(f"workers cannot start (exit {self._process.exitcode}); see CONTRIBUTING.md")
        self.stop()
        self._start()
        self._n_deaths += 1
        if self._n_deaths > 1:
            return Outcome(failure=_CRASHED)
        self._send()
        return None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._is_ready = False
        try:
            self.connection, theirs = context.Pipe()
            with theirs:
                self._process = context.Process(target=_serve, args=(theirs, self._recipe), daemon=True)
                self._process.start()
        except OSError as error:
            reason = error.strerror or error
            raise ClapsearchError(f"workers cannot start ({reason}); take fewer with --workers") from error

    def _send(self) -> None:
        if self.task:
            with contextlib.suppress(OSError):  # a process that died idle is noticed when it should answer
                self.connection.send(self.task[1])


def _serve(connection: Connection, recipe: Recipe) -> None:
    """Compute one item after the other until the parent goes; None says that all is ready."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what ^C means
    with contextlib.suppress(OSError):  # the MP3 decoder writes its own warnings there
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    keep_freed_memory()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError), threadpool_limits(1):
        connection.send(None)
        while True:
            item = connection.recv()
            signal.alarm(STALL_S)  # ends the process
            outcome = variants(item, recipe)
            signal.alarm(0)
            connection.send(outcome)
