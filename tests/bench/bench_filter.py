"""What a filter costs in a library of a million sounds: rows and vectors are synthesised, answers compared with all.

Every filter keeps about one sound in a thousand. The library is made once, in the folder given by ``--work``: minutes,
and 1.7 GB. Times are medians of interleaved runs of whole searches, the first run apart.

Usage::

    python tests/bench/bench_filter.py --work FOLDER [--sounds 1000000] [--runs 15]
"""

import argparse
import os
import platform
import sqlite3
import statistics
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from clapsearch import snapshot
from clapsearch.embedder import Checkpoint
from clapsearch.metadata.ucs import categories
from clapsearch.query import Query, parse
from clapsearch.search import Hit, search
from clapsearch.store import Library, Writing

DIM = 256
LIMIT_MS = 20.0
TOP_K = 10
CHECKPOINT = Checkpoint("none", None, "none", "none", "none", "none", "none", DIM, 10.0)
SOME = 20_000  # rows at a time
ROOT = "/bench/sounds"
FIRST_DAY = datetime(2020, 1, 1).astimezone()
COMMON = ("rain", "wind", "door", "dog", "car", "crowd", "metal", "water", "step", "bell")
# One word of a thousand each; ends that no stemmer takes away.
RARE = tuple(
    f"{a}{b}{c}k"
    for a in ["ba", "du", "fi", "go", "ke", "la", "mu", "no", "pi", "ru"]
    for b in COMMON
    for c in "aeiouxvzjw"
)
CAT_IDS = sorted(categories())
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """What is known of each sound, as columns, and its path."""

    duration_s: npt.NDArray[np.float64]
    dated: npt.NDArray[np.int64]  # unix seconds
    cat: npt.NDArray[np.int64]
    word: npt.NDArray[np.int64]
    common: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    is_aif: npt.NDArray[np.bool_]
    pack: npt.NDArray[np.int64]

    def relpath(self, i: int) -> str:
        ext = "aif" if self.is_aif[i] else "wav"
        name = f"{CAT_IDS[self.cat[i]]}_{COMMON[self.common[i]]} {RARE[self.word[i]]} {i:07}.{ext}"
        return f"pack {self.pack[i]:04}/{RARE[self.place[i]]}/{name}"


def synthesise(n: int) -> Rows:
    """Return the columns of n sounds, always the same."""
    rng = np.random.default_rng(0)
    day = rng.integers(0, 1000, n)
    return Rows(
        duration_s=np.round(rng.uniform(0.0, 100.0, n), 3) + 0.0005,  # never on a limit
        dated=int(FIRST_DAY.timestamp()) + day * 86_400 + 43_200,
        cat=rng.integers(0, len(CAT_IDS), n),
        word=rng.integers(0, len(RARE), n),
        common=rng.integers(0, len(COMMON), n),
        place=rng.integers(0, len(RARE), n),
        is_aif=rng.random(n) < 0.001,
        pack=np.arange(n) * 1000 // n,
    )


def vectors(n: int) -> Iterator[npt.NDArray[np.float16]]:
    """Yield the unit vectors of n sounds, some at a time."""
    for start in range(0, n, SOME):
        rng = np.random.default_rng(start + 1)
        some = rng.standard_normal((min(SOME, n - start), DIM)).astype(np.float32)
        yield (some / np.linalg.norm(some, axis=1, keepdims=True)).astype("<f2")


def make_library(path: Path, rows: Rows) -> Library:
    """Write what an index of so many files would have made."""
    n = len(rows.cat)
    library = Library.open(path, create=True)
    with library.writing() as writing:
        checkpoint_id = writing.add_checkpoint(CHECKPOINT)
        writing.activate(checkpoint_id)
        writing.add_root(ROOT.encode())
    for start, some in zip(range(0, n, SOME), vectors(n), strict=True):
        with library.writing() as writing:  # its end writes words and facets
            _insert(writing, checkpoint_id, rows, start, some)
    snapshot.refresh(library)
    library.close()
    return Library.open(path)


def _insert(writing: Writing, checkpoint_id: int, rows: Rows, start: int, some: npt.NDArray[np.float16]) -> None:
    run = writing._connection.exec_driver_sql
    ids = range(start, start + len(some))
    contents = [(i + 1, i.to_bytes(16, "big"), float(rows.duration_s[i]), 48_000, 1 + i % 2, "WAV") for i in ids]
    run("INSERT INTO content (id, hash, duration_s, sr, channels, format) VALUES (?, ?, ?, ?, ?, ?)", contents)
    blobs = [vector.tobytes() for vector in some]
    embeddings = [(i + 1, checkpoint_id, DIM, blob, zlib.crc32(blob)) for i, blob in zip(ids, blobs, strict=True)]
    run("INSERT INTO embedding (content_id, checkpoint_id, n, dim, data, crc) VALUES (?, ?, 1, ?, ?, ?)", embeddings)
    places = [(rows.relpath(i).encode(), int(rows.dated[i]) * 10**9, i + 1) for i in ids]
    run("INSERT INTO sound (root_id, relpath, size, mtime_ns, content_id) VALUES (1, ?, 10, ?, ?)", places)


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
        "folder by path": (f'in:"{ROOT}/pack {pack:04}"', rows.pack == pack),
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
    last = -np.sort(-scores[ids])[:TOP_K][-1]
    ranked = sorted((-scores[i], f"{ROOT}/{rows.relpath(i)}") for i in ids[scores[ids] >= last].tolist())
    return [path for _, path in ranked[:TOP_K]]


def timed(do: Callable[[], list[Hit]]) -> tuple[float, list[Hit]]:
    """Return how long it takes, in milliseconds, and what comes of it."""
    began = time.perf_counter()
    hits = do()
    return 1000 * (time.perf_counter() - began), hits


def measure(library: Library, rows: Rows, runs: int) -> None:
    """Print a line for each filter: alone with a vector, and with a common word in hybrid mode."""
    query = np.random.default_rng(99).standard_normal(DIM).astype(np.float32)
    query /= np.linalg.norm(query)
    scores = np.concatenate([(some.astype(np.float64) * query).sum(axis=1) for some in vectors(len(rows.cat))])
    asked = filters(rows)
    ms: dict[tuple[str, str], list[float]] = {}
    for run in range(runs + 1):  # the first one warms up
        for name, (text, kept) in asked.items():
            for mode, said in (("sound", text), ("hybrid", f"rain {text}")):
                how = {"mode": mode, "top_k": TOP_K, "include_offline": True}
                question = parse(said) if said else Query()
                taken, hits = timed(lambda question=question, how=how: search(library, query, question, **how))
                if run:
                    ms.setdefault((name, mode), []).append(taken)
                if mode == "sound" and not run:
                    assert [str(hit.path) for hit in hits] == best(rows, kept, scores), name
    print(f"{'filter':27}{'kept':>9}{'sound':>10}{'adds':>8}{'hybrid':>10}{'adds':>8}   (ms; all exact)")
    for name, (_, kept) in asked.items():
        print(f"{name:27}{kept.sum():9,}", end="")
        for mode, width in (("sound", 10), ("hybrid", 10)):
            middle, bare = statistics.median(ms[name, mode]), statistics.median(ms["none", mode])
            print(f"{middle:{width}.1f}{middle - bare:8.1f}", end="")
        print(verdict(kept.mean(), statistics.median(ms[name, "sound"]) - statistics.median(ms["none", "sound"])))


def verdict(share: float, added_ms: float) -> str:
    """Return whether a filter that keeps so much is within the limit; nothing of one that keeps more."""
    if share > 0.002:
        return ""
    return "   met" if added_ms < LIMIT_MS else f"   NOT MET ({LIMIT_MS:.0f})"


def main() -> None:
    """Make the library unless it is there, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder that keeps the library for the next time")
    parser.add_argument("--sounds", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=15)
    chosen = parser.parse_args()
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, faiss {faiss.__version__}, ", end="")
    print(f"{os.cpu_count()} cores, {platform.platform()}, load {os.getloadavg()[0]:.1f}")
    rows, path = synthesise(chosen.sounds), chosen.work / f"library-{chosen.sounds}-{DIM}.sqlite3"
    if not path.exists():
        began = time.perf_counter()
        draft = chosen.work / "draft.sqlite3"
        make_library(draft, rows).close()
        Path(f"{draft}-snapshots").rename(f"{path}-snapshots")
        draft.rename(path)
        print(f"the library took {time.perf_counter() - began:.0f} s, {path.stat().st_size / 1e9:.1f} GB")
    library = Library.open(path)
    measure(library, rows, chosen.runs)
    library.close()


if __name__ == "__main__":
    main()
