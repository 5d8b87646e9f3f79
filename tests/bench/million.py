"""A library of a million sounds: how long a search takes, against the bytes that it reads and against others."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import clock
import searching
from bench_filter import figures as filter_figures
from building import built
from cold import Cold
from setting import Setting
from table import Figure, Sample, alone, within

from clapsearch.store import Library

MAX_OPENING_S = 0.050
OPENING = """
import json, sys, time
from pathlib import Path
from clapsearch.search import open_index
from clapsearch.store import Library
began = time.perf_counter()
library = Library.open(Path(sys.argv[1]))
with library.reading() as reading:
    open_index(reading, library.snapshots)
print(json.dumps(time.perf_counter() - began))
"""


def figures(setting: Setting) -> Iterator[Figure]:
    """Yield the figures of a library of many sounds, whole."""
    n = setting.n_sounds
    path = setting.shelf.library(n)
    yield from _building(path, n)
    yield from searching.figures(path, setting.work)
    seconds = [clock.python(OPENING, str(path), environment=setting.environment) for _ in range(setting.n_runs + 1)]
    note = f"library and index, in a fresh process; {n:,} sounds"
    yield alone("opening, cold", Sample(tuple(seconds[1:])), at_most=MAX_OPENING_S, note=note)
    taken = clock.alternate(setting.n_runs, fresh=Cold(setting, n).fresh)["fresh"]
    yield alone("cold question, large library", taken, note=f"{n:,} sounds, whole process")
    with closing(Library.open(path)) as library:
        yield from _filters(list(filter_figures(library, setting.shelf, n, setting.n_runs)))


def many_figures(setting: Setting) -> Iterator[Figure]:
    """Yield the figures of very many vectors, in a library that has nothing else."""
    n = setting.n_many
    path = setting.shelf.bare(n)
    for figure in (*_building(path, n, stages=("approximate",)), *searching.figures(path, setting.work)):
        yield replace(figure, name=f"{n:,} vectors: {figure.name}")


def _filters(figures: Sequence[Figure]) -> Iterator[Figure]:
    """Yield the figures of whole searches, and of all filters that have a limit the one that adds most."""
    yield from (figure for figure in figures if figure.name.startswith("whole"))
    limited = [figure for figure in figures if figure.target]
    worst = max(limited, key=lambda figure: figure.ours.median)
    note = f"{worst.name}, the most of {len(limited)} that keep one in a thousand; {worst.note}"
    yield replace(worst, name="a narrow filter adds", note=note)


def _building(path: Path, n: int, stages: Sequence[str] = ("snapshot", "approximate")) -> Iterator[Figure]:
    """Yield what it takes to build what searches use."""
    for stage in stages:
        cost, n_bytes = built(path, stage), _flat_bytes(path)
        yield alone(f"{stage} build", Sample((cost["seconds"],)), note=f"{n:,} vectors, when it was made")
        at_most = 1.0 if stage == "approximate" else None
        peak, flat = Sample((cost["peak"],), "B"), Sample((float(n_bytes),), "B")
        note = "anonymous memory; theirs: the snapshot's bytes"
        yield within(f"{stage} build, peak memory", peak, flat, at_most=at_most, note=note)


def _flat_bytes(path: Path) -> int:
    library = Library.open(path)
    with closing(library), library.reading() as reading:
        return searching.newest(reading).n_bytes
