"""Vectors of questions that were asked before: one small file in the user's cache folder, best effort.

Whatever goes wrong with it means only that a vector is computed again.
"""

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from clapsearch.embedder import Checkpoint, TextEmbedder
from clapsearch.settings import cache_folder
from clapsearch.weights import CheckpointFolder

Vectors = npt.NDArray[np.float32]
T = TypeVar("T")

MAX_TEXTS = 5_000  # in the file; the oldest ones go
MAX_LENGTH = 300  # characters; longer ones may be cut to the checkpoint's tokens, which is said every time
_NAME = "texts.sqlite3"
_TABLE = """CREATE TABLE IF NOT EXISTS text (
    id INTEGER PRIMARY KEY AUTOINCREMENT, weights TEXT, files TEXT, text BLOB, vector BLOB,
    UNIQUE (weights, files, text)
)"""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
# What decides a vector beside the weights.
_FILES = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json",
    "special_tokens_map.json",
)  # fmt: skip


class RememberedTexts:
    """Answers questions that were asked before without opening the model, and asks it for all the others.

    Parameters
    ----------
    folder : CheckpointFolder
    checkpoint : Checkpoint
        The identity of its vectors.
    load : callable
        Makes what embeds texts; called at most once.
    """

    def __init__(self, folder: CheckpointFolder, checkpoint: Checkpoint, load: Callable[[], TextEmbedder]) -> None:
        self.checkpoint = checkpoint
        self._folder = folder
        self._load = load
        self._loaded: TextEmbedder | None = None

    @property
    def logit_scale(self) -> float:
        """Factor from cosine to logit, learnt with the weights."""
        return self._embedder().logit_scale

    def embed_text(self, texts: Sequence[str]) -> Vectors:
        """Embed texts; shape (n_texts, dim), unit rows."""
        files = _stamp(self._folder)
        known = _read(self.checkpoint, files, texts)
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        if fresh:
            made = dict(zip(fresh, self._embedder().embed_text(fresh), strict=True))
            _write(self.checkpoint, files, {text: made[text] for text in fresh if len(text) <= MAX_LENGTH})
            known |= made
        return np.array([known[text] for text in texts], np.float32).reshape(len(texts), self.checkpoint.dim)

    def _embedder(self) -> TextEmbedder:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded


def cached_vectors(checkpoint: Checkpoint) -> Vectors:
    """Return the vectors of the texts that a checkpoint was asked for, shape (n, dim), the newest first."""
    query = "SELECT vector FROM text WHERE weights = ? ORDER BY id DESC"
    rows = _tried(lambda cache: cache.execute(query, [checkpoint.weights_hash]).fetchall()) or []
    vectors = (_vector(blob, checkpoint.dim) for (blob,) in rows)
    found = [vector for vector in vectors if vector is not None]
    return np.array(found, np.float32).reshape(len(found), checkpoint.dim)


def _stamp(folder: CheckpointFolder) -> str:
    """Return what changes when the files around the weights do; none is opened."""
    paths = [folder.path / name for name in _FILES]
    stats = [(path.name, path.stat()) for path in paths if path.exists()]
    return json.dumps([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])


def _read(checkpoint: Checkpoint, files: str, texts: Sequence[str]) -> dict[str, Vectors]:
    """Return those of some texts that are known."""
    query = "SELECT vector FROM text WHERE weights = ? AND files = ? AND text = ?"

    def read(cache: sqlite3.Connection) -> dict[str, Vectors]:
        rows = {text: cache.execute(query, [checkpoint.weights_hash, files, _key(text)]).fetchone() for text in texts}
        vectors = {text: _vector(row[0], checkpoint.dim) for text, row in rows.items() if row}
        return {text: vector for text, vector in vectors.items() if vector is not None}

    return _tried(read) or {}


def _write(checkpoint: Checkpoint, files: str, vectors: Mapping[str, Vectors]) -> None:
    weights = checkpoint.weights_hash
    rows = [(weights, files, _key(text), vector.astype("<f4").tobytes()) for text, vector in vectors.items()]

    def write(cache: sqlite3.Connection) -> None:
        cache.executemany("INSERT OR REPLACE INTO text (weights, files, text, vector) VALUES (?, ?, ?, ?)", rows)
        cache.execute("DELETE FROM text WHERE id NOT IN (SELECT id FROM text ORDER BY id DESC LIMIT ?)", [MAX_TEXTS])

    _tried(write)


def _tried(do: Callable[[sqlite3.Connection], T]) -> T | None:
    """Do something with the file; None if it could not be done. A damaged file is deleted, for the next time."""
    path = cache_folder() / _NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path, timeout=0)) as cache, cache:
            cache.execute("PRAGMA synchronous = OFF")
            cache.execute(_TABLE)
            return do(cache)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) in _DAMAGED:
            _delete(path)
    except OSError:
        pass
    return None


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _key(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _vector(blob: object, dim: int) -> Vectors | None:
    """Return a stored vector; None if it is none of this width and of length 1."""
    if not isinstance(blob, bytes) or len(blob) != 4 * dim:
        return None
    vector = np.frombuffer(blob, "<f4").astype(np.float32)
    return vector if abs(float(np.linalg.norm(vector)) - 1) < 1e-3 else None  # of NaN, neither
