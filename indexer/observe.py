"""Observers: file events of roots, from the operating system, through watchdog."""

import errno
import logging
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from watchdog.events import (
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import ObservedWatch

from clapsearch.filesystem import joined, network_type, relative
from clapsearch.present import printable

# Not opening and closing for reading: our own reads must not wake us.
EVENTS: list[type[FileSystemEvent]] = [
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
_OVERFLOW = "overflow"
_PROBE = "/dev"
# Only inotify tells when a file is closed after writing; elsewhere only size and mtime say that it is complete.
_IS_OPEN = {"modified": True, "closed": False, "moved": False} if sys.platform == "linux" else {}


@dataclass(frozen=True)
class Event:
    """Something happened at a path: absolute, as bytes. `is_open`: a program wrote to the file, or closed it."""

    path: bytes
    is_folder: bool
    is_open: bool | None = None


@dataclass(frozen=True)
class Mode:
    """How changes in a root are found: by ``events`` or ``rescans``, or not while it is ``offline``; and why."""

    name: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})" if self.reason else self.name


@dataclass(frozen=True)
class _Observed:
    watch: ObservedWatch
    identity: tuple[int, int]


class Observers:
    """Watches the folders of roots; follows roots that go and come back.

    Parameters
    ----------
    on_event : callable
        Called from other threads.
    on_lost : callable
        Called when events were lost, from another thread.
    rescan_only : bool
        Watch nothing.
    """

    def __init__(
        self, on_event: Callable[[Event], None], on_lost: Callable[[], None], *, rescan_only: bool = False
    ) -> None:
        self._on_event = on_event
        self._rescan_only = rescan_only
        self._observed: dict[bytes, _Observed] = {}
        self.modes: dict[bytes, Mode] = {}
        self._lost = _LostEvents(on_lost)
        logging.getLogger("watchdog").addHandler(self._lost)
        logging.getLogger("watchdog").propagate = False  # it says the same twice, with a traceback
        self._observer = Observer()
        self._observer.start()

    def close(self) -> None:
        """Stop watching."""
        self._observer.stop()
        self._observer.join()
        logging.getLogger("watchdog").removeHandler(self._lost)
        logging.getLogger("watchdog").propagate = True

    def follow(self, roots: Iterable[bytes]) -> list[bytes]:
        """Watch these roots and no others; returns those that are new, gone, or back: they need a look."""
        wanted = set(roots)
        changed = [root for root in self._observed if root not in wanted or self._is_other(root)]
        for root in changed:
            self._observer.unschedule(self._observed.pop(root).watch)
        for root in [root for root in self.modes if root in changed or root not in wanted]:
            del self.modes[root]
        added = [root for root in wanted if root not in self._observed and self._add(root)]
        return [root for root in wanted if root in changed or root in added]

    def _is_other(self, root: bytes) -> bool:
        return self._observed[root].identity != _identity(root)

    def _add(self, root: bytes) -> bool:
        """Start to watch a root; returns whether events of it come from now on."""
        identity = _identity(root)
        if identity is None or self.modes.get(root, Mode("events")).name == "rescans":
            self.modes.setdefault(root, Mode("offline"))
            return False
        self.modes[root] = self._mode(root)
        if self.modes[root].name == "rescans":
            return False
        real = os.path.realpath(root)
        handler = _Handler(self._on_event, real, root)
        try:
            watch = self._observer.schedule(handler, os.fsdecode(real), recursive=True, event_filter=EVENTS)
        except OSError as error:
            self.modes[root] = Mode("rescans", _problem(root, error))
            return False
        if (limit := self._limit()) is not None:  # folders below may be without a watch: watchdog does not say so
            self._observer.unschedule(watch)
            self.modes[root] = Mode("rescans", _problem(root, limit))
            return False
        self._observed[root] = _Observed(watch, identity)
        return True

    def limit_problem(self) -> str | None:
        """Say which limit of the system keeps new folders from being watched, if one does."""
        error = self._limit() if self._observed else None
        return None if error is None else _problem(next(iter(self._observed)), error)

    def _limit(self) -> OSError | None:
        """Return what keeps one more folder from being watched: a folder that no sounds are in."""
        if sys.platform != "linux":
            return None
        try:
            self._observer.unschedule(self._observer.schedule(FileSystemEventHandler(), _PROBE))
        except OSError as error:
            return error
        return None

    def _mode(self, root: bytes) -> Mode:
        if self._rescan_only:
            return Mode("rescans", "asked for")
        kind = network_type(root)
        return Mode("rescans", f"{kind} is a network file system: no events come from it") if kind else Mode("events")


class _Handler(FileSystemEventHandler):
    """Turns watchdog's events into ours; paths come back under the name that the root has in the library."""

    def __init__(self, on_event: Callable[[Event], None], real: bytes, root: bytes) -> None:
        self._on_event = on_event
        self._real = real
        self._root = root

    def on_any_event(self, event: FileSystemEvent) -> None:
        is_open = _IS_OPEN.get(event.event_type)
        for path in (event.src_path, event.dest_path):
            if path:
                relpath = relative(os.fsencode(path), self._real) or b""
                self._on_event(
                    Event(joined(self._root, relpath), event.is_directory, None if event.is_directory else is_open)
                )


class _LostEvents(logging.Handler):
    """watchdog only logs that the queue of the kernel overflowed."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._on_lost = on_lost

    def emit(self, record: logging.LogRecord) -> None:
        """Hear what watchdog logs."""
        if _OVERFLOW in record.getMessage():
            self._on_lost()


def _identity(root: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(root)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _problem(root: bytes, error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EMFILE}:
        return _limit_problem(root, "max_user_watches" if error.errno == errno.ENOSPC else "max_user_instances")
    return f"it cannot be watched ({error.strerror or error})"


def _limit_problem(root: bytes, name: str) -> str:
    """Say which limit is reached and the line that raises it far enough."""
    try:
        with open(f"/proc/sys/fs/inotify/{name}", encoding="ascii") as file:
            limit = int(file.read())
    except (OSError, ValueError):
        limit = 0
    n_folders = sum(1 for _ in os.walk(root)) if name == "max_user_watches" else 1
    enough = 1 << (2 * limit + n_folders).bit_length()
    return (
        f"fs.inotify.{name} is {limit} and used up ({printable(root)} needs {n_folders}); "
        f"sudo sysctl fs.inotify.{name}={enough}, then start again"
    )
