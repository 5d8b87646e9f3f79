"""What a library holds, as plain values, and ways to make trouble for real."""

import contextlib
import ctypes
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clapsearch.embedder import DeferredEmbedder, Embedder
from clapsearch.mel import FrontEnd
from clapsearch.search import search
from clapsearch.store import Library

_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_SECUREBITS, _SECBIT_NOROOT = 28, 1
_DAC_OVERRIDE_AND_READ_SEARCH = 0b110


def rows(path: Path, query: str) -> list[Any]:
    """Ask a library file directly, without the code under test."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def vectors(library: Library | Path) -> dict[bytes, bytes]:
    """Return the stored bytes of every vector of the active checkpoint, by content hash."""
    return {content_hash: data for content_hash, data, _ in _embeddings(library)}


def embedding_ids(library: Library | Path) -> dict[bytes, int]:
    """Return the ids of the active checkpoint's embeddings, by content hash."""
    return {content_hash: id_ for content_hash, _, id_ in _embeddings(library)}


def present(library: Library | Path) -> dict[bytes, bytes | None]:
    """Return the content hash of every sound that is not missing, by absolute path."""
    query = """SELECT r.path, s.relpath, c.hash FROM sound s JOIN root r ON r.id = s.root_id
               LEFT JOIN content c ON c.id = s.content_id WHERE s.missing_since IS NULL"""
    return {os.path.join(root, relpath): content_hash for root, relpath, content_hash in rows(_path(library), query)}


def reasons(library: Library) -> dict[str, str]:
    """Return the recorded failures by file name."""
    with library.reading() as reading:
        return {os.fsdecode(os.path.basename(failure.path)): failure.reason for failure in reading.failures()}


def found(library: Library, embedder: Embedder) -> list[str]:
    """Return the names of all sounds that a search finds, sorted."""
    return sorted(hit.path.name for hit in search(library, embedder.embed_text(["rain"])[0], top_k=1000))


def _embeddings(library: Library | Path) -> list[Any]:
    query = """SELECT c.hash, e.data, e.id FROM embedding e JOIN content c ON c.id = e.content_id
               JOIN library l ON l.checkpoint_id = e.checkpoint_id"""
    return rows(_path(library), query)


def _path(library: Library | Path) -> Path:
    return library.path if isinstance(library, Library) else library


class Watched:
    """An embedder that counts the sounds it embeds and calls `before` with that count before each."""

    def __init__(self, inner: Embedder, before: Callable[[int], None] = lambda n: None) -> None:
        self._inner, self._before, self.n_embedded = inner, before, 0
        self.checkpoint, self.front_end = inner.checkpoint, inner.front_end
        self.batch_size, self.logit_scale = inner.batch_size, inner.logit_scale

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        return self._inner.embed_text(texts)

    def embed_audio(self, log_mels: Sequence[np.ndarray]) -> list[np.ndarray]:
        self._before(self.n_embedded)
        self.n_embedded += len(log_mels)
        return self._inner.embed_audio(log_mels)


def unloadable(front_end: FrontEnd) -> DeferredEmbedder:
    """Return an embedder whose model must not be loaded: all but its front end raises."""

    def load() -> Embedder:
        raise AssertionError("the model was loaded though nothing had to be embedded")

    return DeferredEmbedder(front_end, load)


@contextlib.contextmanager
def permissions_count() -> Iterator[None]:
    """Let file permissions hold for this thread and the processes it starts, even if root runs the tests."""
    if os.name == "nt":
        pytest.skip("permissions of POSIX")
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root cannot lay down its powers here")
    with _without_capabilities():
        yield


@contextlib.contextmanager
def _without_capabilities() -> Iterator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    header, held = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, held)
    reduced = (ctypes.c_uint32 * 6)(*held)
    reduced[0] &= ~_DAC_OVERRIDE_AND_READ_SEARCH
    # Programs that root starts get all capabilities back unless this bit says otherwise.
    if libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NOROOT, 0, 0, 0) or libc.capset(header, reduced):
        pytest.skip("root cannot lay down its powers here")
    try:
        yield
    finally:
        libc.capset(header, held)
        libc.prctl(_PR_SET_SECUREBITS, 0, 0, 0, 0)
