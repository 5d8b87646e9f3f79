"""Searches of many vectors: exact against the bytes that it reads, approximate against exact, both against others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import clock
import numpy as np
import numpy.typing as npt
import synthetic
from building import N_TEXTS
from rivals import TOP_K, Rival, rivals
from table import Figure, Sample, alone, failed, faster, within
from threadpoolctl import threadpool_limits

from clapsearch.search import open_index
from clapsearch.store import Library, Reading, Snapshot
from clapsearch.vectors import VectorIndex, open_snapshot

MAX_TIMES_READING, MAX_APPROXIMATE_S, MIN_RECALL = 1.3, 0.002, 0.99
N_CANDIDATES = 64  # what a search asks for, for ten sounds
N_ASKED = 200  # sounds, and as many texts: to see what is found
N_TIMED = 50  # of each
MOST_READ = 1 << 30  # bytes that bandwidth is measured with
MOST_COMPARED = 2_000_000  # the others' vectors take 2 GB a million
SOME = 20_000
Query = npt.NDArray[np.float32]
Found = npt.NDArray[np.int64]
Search = Callable[[Query], Found]


def figures(path: Path, work: Path) -> Iterator[Figure]:
    """Yield the figures of a library that has its snapshot, and its approximate index if there can be one."""
    library = Library.open(path)
    with closing(library), library.reading() as reading, threadpool_limits(1):
        published, tried = newest(reading), reading.approximation()
        searches, dim = searches_of(library, reading), len(next(_vectors(library, published))[0])
        sounds, texts = synthetic.unheard(N_ASKED, dim), synthetic.texts(N_TEXTS + N_ASKED, dim)[N_TEXTS:]
        queries = [query for pair in zip(sounds[:N_TIMED], texts, strict=False) for query in pair]
        about = f"{published.n_vectors:,} vectors of {dim}, one thread"
        yield from _ours(library.snapshots / published.name, queries, searches, about)
        if tried and tried.tuned:
            n_probe = f"n_probe {tried.tuned.n_probe} of {tried.tuned.n_lists} lists"
            yield _recall("sounds", tried.tuned.recall_by_sounds, sounds, searches, n_probe)
            yield _recall("texts", tried.tuned.recall_by_texts or 0.0, texts, searches, n_probe)
        else:
            yield failed("approximate search", LookupError(tried.why_not if tried else "none was tried"))
        if published.n_vectors <= MOST_COMPARED:
            for rival in rivals(work, published.n_vectors, dim, lambda: _vectors(library, published)):
                yield from _compared(rival, queries, searches)


def newest(reading: Reading) -> Snapshot:
    """Return the snapshot of a library."""
    published = reading.newest_snapshot()
    if published is None:
        raise RuntimeError("the library has no snapshot")
    return published


def searches_of(library: Library, reading: Reading) -> dict[str, Search]:
    """Return the ``exact`` search, and the ``approximate`` one if there is one."""
    searches = {"exact": _rows(open_index(reading, library.snapshots, exact=True))}
    tried = reading.approximation()
    if tried and tried.tuned:
        searches["approximate"] = _rows(open_index(reading, library.snapshots))
    return searches


def timed(queries: Sequence[Query], searches: Mapping[str, Callable[[Query], object]]) -> dict[str, Sample]:
    """Time every search with every query, in turn."""
    for search in searches.values():
        search(queries[0])
    taken: dict[str, list[float]] = {name: [] for name in searches}
    for query in queries:
        for name, search in searches.items():
            taken[name].append(clock.seconds(lambda query=query, search=search: search(query)))
    return {name: Sample(tuple(each)) for name, each in taken.items()}


def _rows(index: VectorIndex) -> Search:
    """Return a search that gives rows, as the others do: the embedding of row i has the id i + 1."""
    return lambda query: index.top(query, N_CANDIDATES)[0][:TOP_K] - 1


def _vectors(library: Library, published: Snapshot) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the vectors of a snapshot, some at a time."""
    path, n = library.snapshots / published.name, published.n_vectors
    segment = open_snapshot(path, n_vectors=n, n_bytes=published.n_bytes)
    if segment is None:
        raise RuntimeError(f"{path.name} cannot be opened")
    for start in range(0, n, SOME):
        yield segment.rows(np.arange(start, min(start + SOME, n)))


def _ours(path: Path, queries: Sequence[Query], searches: Mapping[str, Search], about: str) -> Iterator[Figure]:
    """Yield the times of our searches; between them, the snapshot's bytes are read."""
    ways, share = _reading(path)
    taken = timed(queries, {**searches, **ways})
    best = min((taken[way] for way in ways), key=lambda sample: sample.median)
    reading = Sample(tuple(value / share for value in best.values))
    speed = path.stat().st_size / reading.median / 1e9
    note = f"theirs: reading the snapshot's bytes, {speed:.1f} GB/s; {about}"
    yield within("exact search", taken["exact"], reading, at_most=MAX_TIMES_READING, note=note)
    if "approximate" in searches:
        yield alone("approximate search", taken["approximate"], at_most=MAX_APPROXIMATE_S, note=about)


def _reading(path: Path) -> tuple[dict[str, Callable[[Query], object]], float]:
    """Return ways to read a file's bytes from memory with one thread, and which share of them they read."""
    mapped = np.memmap(path, np.uint8, "r")
    n_bytes = min(len(mapped), MOST_READ) // 8 * 8
    words = mapped[:n_bytes].view(np.uint64)
    copied, ones = np.array(words), np.ones(n_bytes // 4, np.float32)
    ways: dict[str, Callable[[Query], object]] = {
        "sum of the file": lambda _: words.sum(),
        "sum of a copy": lambda _: copied.sum(),
        "product": lambda _: ones @ ones,
    }
    return ways, n_bytes / len(mapped)


def _recall(kind: str, tuned: float, queries: Sequence[Query], searches: Mapping[str, Search], about: str) -> Figure:
    """Say what the tuning found, as ``clapsearch status`` does, and what others find."""
    found = float(np.mean(_recalls(queries, searches["approximate"], searches["exact"])))
    note = f"as tuned: {about}; {found:.3f} by {len(queries)} others"
    return alone(f"approximate search, recall@10 by {kind}", Sample((tuned,), ""), at_least=MIN_RECALL, note=note)


def _compared(rival: Rival, queries: Sequence[Query], searches: Mapping[str, Search]) -> Iterator[Figure]:
    """Yield our times against those of another, measured in turn."""
    taken = timed(queries, {**searches, "theirs": rival.search})
    by_sounds, by_texts = (np.mean(_recalls(queries[i::2], rival.search, searches["exact"])) for i in (0, 1))
    note = f"theirs: recall@10 {by_sounds:.3f} by sounds, {by_texts:.3f} by texts{rival.cost}; one thread each"
    for kind in searches:
        yield faster(f"{kind} search against {rival.about}", taken[kind], taken["theirs"], note=note)


def _recalls(queries: Sequence[Query], search: Search, exact: Search) -> tuple[float, ...]:
    """Return the share of the ten best that a search finds, by query."""
    return tuple(len(np.intersect1d(search(query), exact(query))) / TOP_K for query in queries)
