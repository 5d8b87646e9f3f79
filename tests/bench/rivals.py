"""Searches that others offer, each over the same vectors: numpy, FAISS, usearch. One thread a query."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
from usearch.index import Index

TOP_K = 10
Query = npt.NDArray[np.float32]
Found = npt.NDArray[np.int64]
Chunks = Iterable[npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Rival:
    """Somebody's search.

    Attributes
    ----------
    about : str
    search : callable
        Takes a query, shape (dim,); returns the rows of the best, best first.
    cost : str
        What it takes to build, where that is much.
    """

    about: str
    search: Callable[[Query], Found]
    cost: str = ""


def rivals(work: Path, n: int, dim: int, vectors: Callable[[], Chunks]) -> Iterator[Rival]:
    """Yield one rival after the other: two at once would need the memory of both."""
    yield _numpy(n, dim, vectors())
    yield _faiss(dim, vectors())
    yield _usearch(work / f"usearch-{n}-{dim}.usearch", dim, vectors())


def _numpy(n: int, dim: int, vectors: Chunks) -> Rival:
    rows, start = np.empty((n, dim), np.float32), 0
    for some in vectors:
        rows[start : start + len(some)] = some
        start += len(some)

    def search(query: Query) -> Found:
        scores = rows @ query
        best = np.argpartition(-scores, TOP_K)[:TOP_K] if n > TOP_K else np.arange(n)
        return best[np.argsort(-scores[best])]

    return Rival("numpy float32", search)


def _faiss(dim: int, vectors: Chunks) -> Rival:
    index = faiss.IndexFlatIP(dim)
    for some in vectors:
        index.add(some)
    return Rival("faiss IndexFlatIP", lambda query: index.search(query[None], TOP_K)[1][0])


def _usearch(path: Path, dim: int, vectors: Chunks) -> Rival:
    """HNSW of float16, all else as it comes; built on all cores, and kept."""
    index = Index(ndim=dim, metric="ip", dtype="f16")
    notes = path.with_suffix(".txt")
    if not notes.exists():
        began, start = time.monotonic(), 0
        for some in vectors:
            index.add(np.arange(start, start + len(some)), some)
            start += len(some)
        index.save(str(path))
        notes.write_text(f", built in {time.monotonic() - began:.0f} s")
    index.load(str(path))
    cost = notes.read_text()
    return Rival("usearch HNSW", lambda query: index.search(query, TOP_K, threads=1).keys.astype(np.int64), cost)
