"""What a filter costs in a library of a million sounds: rows and vectors are synthesised, answers compared with all.

Every filter but the wide ones keeps about one sound in a thousand. Times are medians of interleaved runs of whole
searches, the first run apart. The library is made once, in the folder given by ``--work``: minutes, and 3 GB.

Usage::

    python tests/bench/bench_filter.py --work FOLDER [--sounds 1000000] [--runs 15]
"""

import argparse
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import clock
import machine
import numpy as np
import numpy.typing as npt
import synthetic
import table
from building import built
from libraries import CAT_IDS, FIRST_DAY, RARE, Rows, Shelf

from clapsearch.query import Query, parse
from clapsearch.search import search
from clapsearch.store import Library

LIMIT_S = 0.020
NARROW = 0.002  # share of the sounds: the limit is of filters that keep less
TOP_K = 10
Scores = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float32]


def filters(rows: Rows) -> dict[str, tuple[str, npt.NDArray[np.bool_]]]:
    """Return, by name, a filter as it is typed, and which sounds it keeps."""
    day = FIRST_DAY + timedelta(days=500)
    noon = int(day.timestamp()) + 43_200
    pack, cat, word = 500, CAT_IDS[300], RARE[123]
    here = (rows.duration_s >= 50.0) & (rows.duration_s <= 50.1)
    everything = np.ones(len(rows.cat), bool)
    return {
        "none": ("", everything),
        "duration": ("dur:50..50.1", here),
        "ending": ("ext:aif", rows.is_aif),
        "folder by path": (f'in:"{rows.root}/pack {pack:04}"', rows.pack == pack),
        "folder by name": (f"in:{word}", rows.place == 123),
        "category": (f"cat:{cat}", rows.cat == 300),
        "date": (f"after:{day:%Y-%m-%d} before:{day + timedelta(days=1):%Y-%m-%d}", abs(rows.dated - noon) < 43_200),
        "words in the name": (f"name:{word}", rows.word == 123),
        "a wide and a narrow one": ("ext:wav dur:50..50.1", here & ~rows.is_aif),
        "two that exclude": (f"dur:50..50.1 -ext:aif -name:{word}", here & ~rows.is_aif & (rows.word != 123)),
        "all but the common ending": ("-ext:wav", rows.is_aif),
        "wide (half)": ("dur:<50", rows.duration_s < 50),
        "wide (all but 1 in 1,000)": ("ext:wav", ~rows.is_aif),
    }


def best(rows: Rows, kept: npt.NDArray[np.bool_], scores: Scores) -> list[str]:
    """Return the paths of the best sounds that a filter keeps, by brute force, ties by path."""
    ids = np.flatnonzero(kept)
    last = np.sort(scores[ids])[-TOP_K:].min(initial=np.inf)
    ranked = sorted((-scores[i], f"{rows.root}/{rows.relpath(i)}") for i in ids[scores[ids] >= last].tolist())
    return [path for _, path in ranked[:TOP_K]]


class Filtered:
    """One filter: what is typed, what it keeps, and the searches that are timed."""

    def __init__(self, library: Library, query: Vector, text: str, kept: npt.NDArray[np.bool_]) -> None:
        self.kept = kept
        how = {"top_k": TOP_K, "include_offline": True, "exact": True}
        alone = parse(text) if text else Query()
        self.by_sound = partial(search, library, query, alone, mode="sound", **how)
        self.hybrid = partial(search, library, query, parse(f"rain {text}"), mode="hybrid", **how)


def figures(library: Library, shelf: Shelf, n: int, n_runs: int) -> Iterator[table.Figure]:
    """Yield the time of a search without filters, and what each filter adds: alone, and with a common word in hybrid
    mode. Every answer by sound alone is compared with brute force.
    """
    rows, query = shelf.rows(n), synthetic.texts(1, shelf.checkpoint.dim)[0]
    scores = np.concatenate([(some.astype(np.float64) * query).sum(axis=1) for some in shelf.vectors(n)])
    asked = {name: Filtered(library, query, *each) for name, each in filters(rows).items()}
    for name, each in asked.items():
        if [str(hit.path) for hit in each.by_sound()] != best(rows, each.kept, scores):
            raise RuntimeError(f"the filter {name} gives other sounds than brute force")
    for mode in ("by_sound", "hybrid"):
        actions = {name: getattr(each, mode) for name, each in asked.items()}
        taken = clock.alternate(n_runs, **actions)
        bare = taken.pop("none")
        yield table.alone(f"whole exact search, {mode.replace('_', ' ')}", bare, note=f"{n:,} sounds, no filter")
        for name, sample in taken.items():
            yield _adds(f"filter: {name}, {mode.replace('_', ' ')}", sample, bare, asked[name].kept)


def _adds(name: str, taken: table.Sample, bare: table.Sample, kept: npt.NDArray[np.bool_]) -> table.Figure:
    added = table.Sample(tuple(a - b for a, b in zip(taken.values, bare.values, strict=True)))
    limit_s = LIMIT_S if kept.mean() <= NARROW and name.endswith("by sound") else None
    return table.alone(name, added, at_most=limit_s, note=f"adds to {bare}; keeps {kept.sum():,}")


def main() -> None:
    """Make the library unless it is there, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder that keeps the library for the next time")
    parser.add_argument("--sounds", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=15)
    chosen = parser.parse_args()
    machine.print_surroundings()
    shelf = Shelf(chosen.work)
    path = shelf.library(chosen.sounds)
    built(path, "snapshot")
    library = Library.open(path)
    print(table.markdown(list(figures(library, shelf, chosen.sounds, chosen.runs))))
    library.close()


if __name__ == "__main__":
    main()
