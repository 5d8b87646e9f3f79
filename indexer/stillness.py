"""Stillness: which files are complete. A file that is still written is left until its size and mtime stand still."""

import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from indexer.walk import File

STILL_S = 1.5
# For a file that a program holds open after writing to it, and for an empty one, which nobody means to keep.
OPEN_S = 60.0
_GONE = (-1, 0)


@dataclass(frozen=True)
class _Look:
    """A file as it was at `since`, in monotonic seconds, and ever after."""

    size: int
    mtime_ns: int
    since: float
    is_open: bool = False

    @property
    def due(self) -> float:
        return self.since + (OPEN_S if self.is_open or self.size == 0 else STILL_S)


class Stillness:
    """Remembers how files looked.

    It compares looks with each other, never a time stamp with a clock: neither a clock that jumps nor one of another
    machine matters.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looks: dict[bytes, _Look] = {}
        self._lock = threading.Lock()

    def note(self, path: bytes, *, is_open: bool | None = None) -> None:
        """Look at a file that an event is about; `is_open`: a program wrote to it, or closed it. Any thread."""
        with contextlib.suppress(OSError):
            status = os.stat(path)
            if stat.S_ISREG(status.st_mode):
                self._compare(path, status.st_size, status.st_mtime_ns, is_open)

    def is_ready(self, path: bytes, file: File | None) -> bool:
        """Whether a file, as a walk found it, stands still for long enough; without a file, whether it is really gone.

        What is gone here may turn up elsewhere: the one event can come before the other.
        """
        size, mtime_ns = (file.size, file.mtime_ns) if file else _GONE
        return self._compare(path, size, mtime_ns, None).due <= self._clock()

    def settle(self, places: Iterable[bytes], waiting: Iterable[bytes], before: float) -> None:
        """Forget the files at or below some places that were looked at, but for those still waiting.

        Parameters
        ----------
        before : float
            When the look began: what was noted later is news.
        """
        looked, kept = frozenset(places), frozenset(waiting)
        with self._lock:
            for path, look in list(self._looks.items()):
                if look.since < before and path not in kept and not looked.isdisjoint(_upwards(path)):
                    del self._looks[path]

    def due_s(self) -> float | None:
        """Return the seconds until a file may be ready, at least 0; None if none is waiting."""
        with self._lock:
            first = min((look.due for look in self._looks.values()), default=None)
        return None if first is None else max(0.0, first - self._clock())

    def due(self) -> list[bytes]:
        """Return the files that may be ready now."""
        now = self._clock()
        with self._lock:
            return [path for path, look in self._looks.items() if look.due <= now]

    def gone(self) -> list[bytes]:
        """Return what is gone, and may turn up elsewhere."""
        with self._lock:
            return [path for path, look in self._looks.items() if (look.size, look.mtime_ns) == _GONE]

    def _compare(self, path: bytes, size: int, mtime_ns: int, is_open: bool | None) -> _Look:
        with self._lock:
            before = self._looks.get(path)
            opened = is_open if is_open is not None else bool(before and before.is_open)
            is_same = before is not None and (before.size, before.mtime_ns) == (size, mtime_ns)
            since = before.since if before and is_same else self._clock()
            look = self._looks[path] = _Look(size, mtime_ns, since, opened)
            return look


def _upwards(path: bytes) -> Iterator[bytes]:
    """Yield a path and every folder above it."""
    while True:
        yield path
        above = os.path.dirname(path)
        if above == path:
            return
        path = above
