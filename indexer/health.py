"""Health: what a running watcher says of itself, in a small file that `status` reads."""

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Health:
    """The state of a watcher; times are unix seconds.

    Attributes
    ----------
    pid : int
        Its process, which began at `began`: a number alone may be another process by now.
    modes : dict of str to str
        How the changes of each root are found.
    waiting : int
        Files that are still written.
    n_changes : int
        Changes since it started.
    last_batch_at : float or None
    problem : str
        What keeps it from working just now.
    """

    pid: int
    since: float
    began: float
    modes: dict[str, str] = field(default_factory=dict)
    waiting: int = 0
    n_changes: int = 0
    last_batch_at: float | None = None
    problem: str = ""

    @classmethod
    def new(cls) -> "Health":
        """Return the state of this process, just started."""
        return cls(os.getpid(), time.time(), _began(os.getpid()) or 0.0)

    def write(self, path: Path) -> None:
        """Replace the file as a whole; a full disk is no reason to stop watching."""
        draft = path.with_name(path.name + ".draft")
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
            draft.replace(path)


def read_health(path: Path) -> Health | None:
    """Return the state of the watcher that runs now, or None."""
    try:
        health = Health(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return health if _began(health.pid) == health.began else None


def _began(pid: int) -> float | None:
    """Return when a process began, on the scale of psutil; None if there is no such process."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None
