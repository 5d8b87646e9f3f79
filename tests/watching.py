"""A watcher in a thread of the test, in a hurry; and what it did."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from peek import Watched
from world import ONE_WORKER

from clapsearch.store import Library
from indexer import dirty, stillness, watch
from indexer.health import read_health
from indexer.report import Entry
from indexer.watch import Pace

TIMEOUT_S = 30
# What makes the waits of a test short. A file is complete when it stands still for so long.
QUIET_S, STILL_S, TICK_S = 0.1, 0.4, 0.1
NEVER_S = 3600.0


@pytest.fixture
def hurry(monkeypatch):
    """Shorten every wait of a watcher."""
    monkeypatch.setattr(dirty, "QUIET_S", QUIET_S)
    monkeypatch.setattr(stillness, "STILL_S", STILL_S)
    monkeypatch.setattr(watch, "TICK_S", TICK_S)
    monkeypatch.setattr(watch, "HEALTH_S", TICK_S)
    monkeypatch.setattr(watch, "BUSY_S", TICK_S)
    monkeypatch.setattr(watch, "RETRY_S", TICK_S)


class Watching:
    """A running watcher: `entries` are the changes it told, `lines` what it said of itself."""

    def __init__(self, library: Library, embedder) -> None:
        self.library, self.embedder = library, Watched(embedder)
        self.entries: list[Entry] = []
        self.lines: list[str] = []
        self.stop = threading.Event()

    def run(self, *folders: Path, **how) -> None:
        pace = Pace(how.pop("rescan_s", NEVER_S), how.pop("rescan_only", False))
        watch.watch(
            self.library,
            how.pop("open_embedder", lambda: self.embedder),
            folders,
            ONE_WORKER,
            pace,
            on_entry=self.entries.append,
            say=self.lines.append,
            should_stop=self.stop.is_set,
            **how,
        )

    def told(self, kind: str | None = None) -> list[str]:
        """Return the names of what changed, in this way or in any."""
        return [os.fsdecode(os.path.basename(each.path)) for each in list(self.entries) if kind in {None, each.kind}]

    def until(self, condition: Callable[[], bool], what: str = "it") -> None:
        end = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < end, f"{what} did not come; told {self.entries[:20]}, said {self.lines}"
            time.sleep(0.01)

    def until_told(self, kind: str, *names: str) -> None:
        self.until(lambda: set(names) <= set(self.told(kind)), f"{kind} {names}")

    def until_said(self, words: str) -> None:
        self.until(lambda: any(words in line for line in list(self.lines)), words)

    def settled(self, seconds: float = 1.0) -> None:
        """Give it time for what it should not do."""
        time.sleep(seconds)


def has_looked(library: Library) -> bool:
    """Whether its watcher did a first batch, at whatever time the clock gave."""
    health = read_health(library.health)
    return health is not None and health.last_batch_at is not None


@contextmanager
def watching(library: Library, embedder, *folders: Path, **how) -> Iterator[Watching]:
    """Run a watcher, from its first look to its end; an error of its own fails the test."""
    it, errors = Watching(library, embedder), list[BaseException]()

    def run() -> None:
        try:
            it.run(*folders, **how)
        except BaseException as error:  # noqa: BLE001 (raised below)
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        it.until(lambda: bool(errors) or has_looked(library), "its first look")
        yield it
    finally:
        it.stop.set()
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()
    assert errors == []
