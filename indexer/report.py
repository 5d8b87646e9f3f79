"""What a run did, and where its time went."""

from dataclasses import dataclass, field

STAGES = ("walk", "decode", "embed", "store", "snapshot")


@dataclass
class Report:
    """The account of one run.

    Attributes
    ----------
    indexed, recognised, moved, unchanged, missing, returned : int
        Sounds embedded now; copies and edits whose content was known; files found elsewhere; files that needed
        nothing; files gone since the last run; files back as they were.
    failed : list of (path, reason)
        Paths as bytes.
    offline : list of bytes
        Roots that are not there; their sounds were left as they were.
    left_behind : int
        Sounds that only the old checkpoint knows, so that the library did not change over to the new one.
    audio_s : float
        Seconds of sound embedded.
    seconds : dict
        Seconds by stage; decode and its log-mel are summed over all workers.
    n_workers : int
    cancelled : bool
    """

    indexed: int = 0
    recognised: int = 0
    moved: int = 0
    unchanged: int = 0
    missing: int = 0
    returned: int = 0
    failed: list[tuple[bytes, str]] = field(default_factory=list)
    offline: list[bytes] = field(default_factory=list)
    left_behind: int = 0
    audio_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    wall_s: float = 0.0
    n_workers: int = 1
    cancelled: bool = False

    @property
    def bottleneck(self) -> str:
        """The stage that the others waited for."""
        load = {**self.seconds, "decode": self.seconds["decode"] / self.n_workers}
        return max(load, key=lambda stage: load[stage])


@dataclass(frozen=True)
class Progress:
    """How far a run is, in files; `total` is None while the walk still counts them."""

    done: int
    total: int | None
    failed: int = 0
