"""What a run did, and where its time went."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

STAGES = ("walk", "decode", "embed", "store", "snapshot")


@dataclass(frozen=True)
class Entry:
    """One change that searches see now.

    Attributes
    ----------
    kind : str
        ``indexed``, ``recognised``, ``moved``, ``returned``, ``missing`` or ``failed`` for a file; ``offline`` or
        ``online`` for a root.
    path : bytes
        Absolute.
    detail : str
        Where a moved file was, as `os.fsdecode` gives it; why a file failed.
    """

    kind: str
    path: bytes
    detail: str = ""


@dataclass(frozen=True)
class Report:
    """The account of one run.

    Attributes
    ----------
    indexed, recognised, moved, unchanged, missing, returned, still_failed : int
        Sounds embedded now; copies and edits whose content was known; files found elsewhere; files that needed
        nothing; files gone since the last run and not found elsewhere; files back as they were; files that failed in
        an earlier run and did not change.
    metadata : int
        Contents whose metadata was read again, and nothing else.
    failed : tuple of (path, reason)
        Paths as bytes.
    offline : tuple of bytes
        Roots that are not there; their sounds were left as they were.
    waiting : tuple of bytes
        Files left for a later run, because they may still be written.
    relocated : tuple of (old, new)
        Offline roots whose sounds are all in another root, which is there: they seem to have been moved.
    left_behind : int
        Sounds that only the old checkpoint knows, so that the library did not change over to the new one.
    audio_s : float
        Seconds of sound embedded.
    seconds : mapping
        Seconds by stage; decode and its log-mel are summed over all workers.
    wall_s : float
        Seconds from start to end.
    n_workers : int
    cancelled : bool
    """

    indexed: int = 0
    recognised: int = 0
    moved: int = 0
    unchanged: int = 0
    missing: int = 0
    returned: int = 0
    still_failed: int = 0
    metadata: int = 0
    failed: tuple[tuple[bytes, str], ...] = ()
    offline: tuple[bytes, ...] = ()
    waiting: tuple[bytes, ...] = ()
    relocated: tuple[tuple[bytes, bytes], ...] = ()
    left_behind: int = 0
    audio_s: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    wall_s: float = 0.0
    n_workers: int = 1
    cancelled: bool = False

    @property
    def bottleneck(self) -> str:
        """The stage that the others waited for."""
        load = {**self.seconds, "decode": self.seconds["decode"] / self.n_workers}
        return max(load, key=lambda stage: load[stage])


class Tally:
    """What a `Report` is made of, while the run goes on."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failed: list[tuple[bytes, str]] = []
        self.offline: list[bytes] = []
        self.waiting: list[bytes] = []
        self.relocated: list[tuple[bytes, bytes]] = []
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.audio_s = 0.0
        self.n_workers = 1
        self._started = time.monotonic()

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of a block to a stage."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] += time.monotonic() - started

    def report(self, *, cancelled: bool) -> Report:
        """Close the account."""
        return Report(
            **self.counts,
            failed=tuple(self.failed),
            offline=tuple(self.offline),
            waiting=tuple(self.waiting),
            relocated=tuple(self.relocated),
            audio_s=self.audio_s,
            seconds=self.seconds,
            wall_s=time.monotonic() - self._started,
            n_workers=self.n_workers,
            cancelled=cancelled,
        )


@dataclass(frozen=True)
class Progress:
    """How far a run is, in files; `total` is None while the walk still counts them.

    After all files, `doing` says what the end of the run waits for, where that can take long.
    """

    done: int
    total: int | None
    failed: int = 0
    doing: str = ""
