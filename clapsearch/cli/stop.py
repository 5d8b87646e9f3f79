"""Stopping politely: the first ^C or SIGTERM asks, the second one ends the program at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

CANCELLED = 130


class Stop:
    """What was asked for; `number` is the signal that asked."""

    def __init__(self, on_ask: Callable[[], None]) -> None:
        self._on_ask = on_ask
        self._event = threading.Event()
        self.number: int | None = None

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._event.is_set()

    def on_signal(self, number: int, _frame: Any) -> None:
        """Handle a signal."""
        if self.is_set():
            raise KeyboardInterrupt
        self.number = number
        self._event.set()
        self._on_ask()


def say_saving() -> None:
    """Say that a run is about to end."""
    typer.echo("\nclapsearch: saving finished work (a second ^C or signal stops at once)", err=True)


@contextmanager
def stop_signals(on_ask: Callable[[], None] = lambda: None) -> Iterator[Stop]:
    """Turn ^C and SIGTERM into a question within the block."""
    stop = Stop(on_ask)
    before = {number: signal.signal(number, stop.on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
