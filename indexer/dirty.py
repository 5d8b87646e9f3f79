"""Dirty: what events said since it was last asked. Events come from other threads."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from indexer.walk import outermost

# After the last event of a burst, and at the latest after the first of one that does not end, in seconds.
QUIET_S = 0.5
LATEST_S = 2.5
# More than so many paths of one root, and a look at all of it is cheaper.
MAX_PARTS = 500

Parts = Mapping[bytes, Sequence[bytes] | None]


class Dirty:
    """Paths that need a look, gathered into batches.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._parts: dict[bytes, set[bytes] | None] = {}
        self._first = self._last = 0.0
        self._lock = threading.Lock()
        self.changed = threading.Event()  # set when there is something after nothing

    def add(self, root: bytes, relpath: bytes | None = None, *, is_event: bool = True) -> None:
        """Ask for a look at a relative path of a root, or at all of it; after an event, more may follow soon."""
        with self._lock:
            now = self._clock()
            if not self._parts:
                self._first = self._last = now if is_event else now - LATEST_S
                self.changed.set()
            elif is_event:
                self._last = now
            parts = self._parts.setdefault(root, set())
            if parts is not None:
                self._parts[root] = _with(parts, relpath)

    def due_s(self) -> float | None:
        """Return the seconds until the next batch should go, at least 0; None if there is nothing to do."""
        with self._lock:
            if not self._parts:
                return None
            return max(0.0, min(self._last + QUIET_S, self._first + LATEST_S) - self._clock())

    def take(self) -> dict[bytes, list[bytes] | None]:
        """Return all that is dirty, by root: relative paths, none inside another, or None for all of it."""
        with self._lock:
            taken, self._parts = self._parts, {}
        return {root: None if parts is None else outermost(parts) for root, parts in taken.items()}

    def put_back(self, parts: Parts) -> None:
        """Take up again what could not be done."""
        for root, relpaths in parts.items():
            for relpath in [None] if relpaths is None else relpaths:
                self.add(root, relpath, is_event=False)


def _with(parts: set[bytes], relpath: bytes | None) -> set[bytes] | None:
    if not relpath:
        return None
    parts.add(relpath)
    return parts if len(parts) <= MAX_PARTS else None
