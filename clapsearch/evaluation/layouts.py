"""The published data sets in the layouts they are distributed in."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from clapsearch.evaluation.clips import Clip


@dataclass(frozen=True)
class Layout:
    """One published data set.

    Attributes
    ----------
    name : str
        As its authors call it.
    audio : callable
        Manifest path to the folder where its sounds are after unpacking.
    clips : callable
        Manifest path and audio folder to its clips, one a row.
    """

    name: str
    audio: Callable[[Path], Path]
    clips: Callable[[Path, Path], Iterable[Clip]]


def recognise(path: Path) -> Layout | None:
    """Return the layout of a manifest, told by its header; None for our own."""
    return None
