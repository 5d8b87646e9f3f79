"""Locks between processes: who holds one says so in a note beside it, for those who wait."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from clapsearch.errors import LibraryBusyError, LibraryError

_POLL_S = 0.2


@contextlib.contextmanager
def held(
    path: Path,
    note: Path,
    *,
    busy: str,
    wait_s: float = 0.0,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Hold the lock file at `path`; `note` tells others who does, and since when.

    Parameters
    ----------
    busy : str
        The message if another process holds it, with ``{holder}`` in it.
    wait_s : float
        How long to wait for it; `should_stop` ends the wait.

    Raises
    ------
    LibraryBusyError
        If another process holds it.
    LibraryError
        If the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock, until = FileLock(path), time.monotonic() + wait_s
    while True:
        try:
            lock.acquire(timeout=min(_POLL_S, wait_s))
            break
        except Timeout as error:
            if should_stop() or time.monotonic() >= until:
                raise LibraryBusyError(busy.format(holder=_holder(note))) from error
        except OSError as error:
            raise LibraryError(f"cannot write beside {path} ({error.strerror}); choose --library") from error
    try:
        with contextlib.suppress(OSError):
            note.write_text(json.dumps({"pid": os.getpid(), "since": time.time()}), encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            note.unlink(missing_ok=True)
        lock.release()


def _holder(note: Path) -> str:
    try:
        said = json.loads(note.read_text(encoding="utf-8"))
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(said["since"]))
        return f"process {said['pid']} since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
