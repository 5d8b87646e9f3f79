"""What a run of the benchmarks was asked for, and what its sections share: made once, kept in the work folder."""

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from building import built
from checkpoints import make_checkpoint
from full_size import full_size
from libraries import Shelf

from clapsearch.embedder import Checkpoint
from clapsearch.mel import FrontEnd
from clapsearch.weights import CheckpointFolder, identity, locate


@dataclass(frozen=True)
class Setting:
    """Sizes and places.

    Attributes
    ----------
    work : Path
        Keeps checkpoints, libraries and indexes from one run to the next.
    n_sounds : int
        In the large library.
    n_many : int
        Vectors in the one without sounds, 0 for none.
    n_indexed : int
        Sounds that are indexed at most for the curve.
    n_files : int
        Sounds that are indexed against the stock pipeline.
    n_runs : int
    is_tiny : bool
        Take a tiny checkpoint where a full-size one is meant: to see that everything runs.
    sounds : Path or None
        Sound files for the comparison with the stock pipeline; by default those of the demo, synthesised.
    checkpoint : str
        For the same.
    pictures : Path
        The folder that pictures are drawn to.
    """

    work: Path
    n_sounds: int = 1_000_000
    n_many: int = 0
    n_indexed: int = 10_000
    n_files: int = 200
    n_runs: int = 7
    is_tiny: bool = False
    sounds: Path | None = None
    checkpoint: str = "mini"
    pictures: Path | None = None

    @cached_property
    def environment(self) -> dict[str, str]:
        """What processes get: a cache folder of their own, and no way to the hub."""
        return {"XDG_CACHE_HOME": str(self.work / "cache"), "HF_HUB_OFFLINE": "1"}

    @cached_property
    def weights(self) -> Path:
        """The checkpoint that questions are asked with."""
        if self.is_tiny:
            return make_checkpoint(self.work / "tiny-512", dim=512)
        return full_size(self.work / "full-size")

    @cached_property
    def tiny(self) -> Path:
        """A checkpoint that costs next to nothing, to see what the rest costs."""
        return make_checkpoint(self.work / "tiny-32")

    @cached_property
    def shelf(self) -> Shelf:
        """The libraries."""
        os.environ.update(self.environment)
        return Shelf(self.work, _identity(locate(str(self.weights), offline=True)))

    def library(self, n: int) -> Path:
        """Return the library of n sounds, with a snapshot."""
        path = self.shelf.library(n)
        built(path, "snapshot")
        return path


def _identity(folder: CheckpointFolder) -> Checkpoint:
    front_end = FrontEnd.from_config(folder.extractor_config())
    return identity(folder, front_end, backend="torch-cpu", precision="float32")
