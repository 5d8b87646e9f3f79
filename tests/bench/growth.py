"""How times grow with the number of sounds: curves, and their slope in the last decade (1 is proportional)."""

import itertools
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import bench_rescan
import clock
import pictures
import soundfile
import synthetic
from building import built
from libraries import Shelf
from searching import searches_of, timed
from setting import Setting
from signals import noise
from table import Figure, Sample, alone
from threadpoolctl import threadpool_limits

from clapsearch.query import parse
from clapsearch.search import search
from clapsearch.store import Library

MAX_SLOPE = 1.1
N_ASKED = 20
SOUND_S = 0.1
QUESTION = "rain on a tin roof"


@dataclass
class Curve:
    """Times of one thing over sizes.

    Attributes
    ----------
    name : str
    bound : str
        What takes the time.
    panel : str
        The curves that are drawn together.
    points : dict of int to Sample
    """

    name: str
    bound: str
    panel: str
    points: dict[int, Sample] = field(default_factory=dict)

    def slope(self) -> float:
        """Return the slope of the last decade, log over log: from the largest size to a tenth of it."""
        sizes = sorted(self.points)
        first = max((size for size in sizes if size * 10 <= sizes[-1]), default=sizes[0])
        return math.log(self.points[sizes[-1]].median / self.points[first].median) / math.log(sizes[-1] / first)


def figures(setting: Setting) -> Iterator[Figure]:
    """Yield the slope of every curve, and draw the curves."""
    curves = []
    for curve in itertools.chain(_writing(setting), _searching(setting)):
        if len(curve.points) > 1:
            curves.append(curve)
            yield _figure(curve)
    pictures.draw(setting.pictures or setting.work, curves)


def _figure(curve: Curve) -> Figure:
    points = ", ".join(f"{size:,}: {sample}" for size, sample in sorted(curve.points.items()))
    slope = Sample((curve.slope(),), "")
    return alone(f"slope of {curve.name}", slope, at_most=MAX_SLOPE, note=f"{points}; bound by {curve.bound}")


def sizes(largest: int, n: int) -> list[int]:
    """Return at most n sizes, ten times as large each, up to the largest."""
    return [largest // 10**power for power in reversed(range(n)) if largest >= 10**power]


def _writing(setting: Setting) -> Iterator[Curve]:
    index = Curve("index", "decoding and log-mel, a tiny model", "writing")
    rescan = Curve("rescan", "one stat a file", "writing")
    with tempfile.TemporaryDirectory(prefix="growth-") as scratch:
        for n in sizes(setting.n_indexed, 3):
            index.points[n] = _indexed(Path(scratch), n, setting.tiny)
        for n in sizes(setting.n_sounds // 10, 3):
            rescan.points[n] = _rescanned(Path(scratch), n)
    yield from (index, rescan)


def _indexed(scratch: Path, n: int, checkpoint: Path) -> Sample:
    """Return how long the index of n short sounds takes once the model is loaded, in a process of its own."""
    folder, new = scratch / f"sounds-{n}", scratch / f"index-{n}"
    new.mkdir()
    for number in range(n):
        path = folder / f"set{number // 500}" / f"sound{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise(SOUND_S, seed=number), 48_000)
    script = str(Path(__file__).with_name("measured.py"))
    said = json.loads(clock.run([sys.executable, script, "index-ours", str(folder), str(checkpoint), str(new)]))
    if said["n"] != n:
        raise RuntimeError(f"{said['n']} of {n} sounds were indexed")
    shutil.rmtree(folder)
    return Sample((said["after_load_s"],))


def _rescanned(scratch: Path, n: int) -> Sample:
    """Return how long the look at a tree takes in which nothing has changed."""
    folder = scratch.resolve() / f"tree-{n}"
    bench_rescan.make_tree(folder, n)
    library = bench_rescan.make_library(scratch / f"rescan-{n}.sqlite3", folder)
    with closing(library):
        ours, _ = bench_rescan.rescan(library, folder, n, 3)
    shutil.rmtree(folder)
    return ours


def _searching(setting: Setting) -> Iterator[Curve]:
    snapshot = Curve("snapshot", "reading rows from SQLite", "writing")
    lists = Curve("approximate index", "comparing vectors with the centres of lists", "writing")
    exact = Curve("exact search", "memory bandwidth", "searching")
    approximate = Curve("approximate search", "the lists that are looked into", "searching")
    hybrid = Curve("whole search", "rows that say one of the words", "searching")
    small = Shelf(setting.work / "growth", setting.shelf.checkpoint)
    for n in sizes(setting.n_sounds, 4):
        path = (setting.shelf if n == setting.n_sounds else small).library(n)
        snapshot.points[n] = Sample((built(path, "snapshot")["seconds"],))
        cost = Sample((built(path, "approximate")["seconds"],))
        found = _searched(path, setting.shelf.checkpoint.dim)
        exact.points[n], hybrid.points[n] = found["exact"], found["hybrid"]
        if "approximate" in found:
            lists.points[n], approximate.points[n] = cost, found["approximate"]
    yield from (snapshot, lists, exact, approximate, hybrid)


def _searched(path: Path, dim: int) -> dict[str, Sample]:
    """Return the times of searches in one library."""
    library = Library.open(path)
    queries, query = list(synthetic.texts(N_ASKED, dim)), parse(QUESTION)
    with closing(library), library.reading() as reading, threadpool_limits(1):
        searches = searches_of(library, reading)
        return timed(queries, {**searches, "hybrid": lambda vector: search(library, vector, query)})
