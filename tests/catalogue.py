"""A catalogue: sounds that a library knows without files or a model, each with what filters and words ask for."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from peek import rows
from test_store import start, unit_rows

from clapsearch.audio import AudioInfo
from clapsearch.metadata import METADATA_VERSION, Metadata
from clapsearch.metadata.record import Field
from clapsearch.search import Hit, search
from clapsearch.store import Library, Place


@dataclass(frozen=True)
class Entry:
    """One sound; `dated` in unix seconds, `tags` what its metadata says."""

    path: str
    duration_s: float = 1.0
    sr: int = 48_000
    channels: int = 1
    dated: float = 0.0
    tags: str = ""
    vectors: np.ndarray | None = field(default=None, compare=False)

    @property
    def seed(self) -> int:
        return int.from_bytes(self.hash[:4], "big")

    @property
    def hash(self) -> bytes:
        return hashlib.blake2b(os.fsencode(self.path), digest_size=16).digest()


def add(library: Library, entries: Iterable[Entry], *, roots: Iterable[str] = ("/sounds",)) -> None:
    """Let a library know sounds, each in the first of some roots that holds it."""
    with library.writing() as writing:
        ids = {root: start(writing, os.fsencode(root))[1] for root in roots}
        checkpoint_id = writing.space()[0]
        for each in entries:
            root = next(root for root in ids if each.path.startswith(f"{root}/"))
            info = AudioInfo(round(each.duration_s * each.sr), each.sr, each.channels, "WAV")
            content_id = writing.add_content(each.hash, info)
            vectors = unit_rows(1, seed=each.seed) if each.vectors is None else each.vectors
            writing.add_embedding(content_id, checkpoint_id, vectors, replaces=[])
            if each.tags:
                tags = Metadata(fields=(Field("bext.description", each.tags),))
                writing.add_tags(content_id, tags.to_json(), METADATA_VERSION)
            relpath = os.fsencode(each.path.removeprefix(f"{root}/"))
            writing.place_sound(Place(ids[root], relpath, 10, round(each.dated * 10**9)), content_id)


def score(entry: Entry, vector: np.ndarray) -> float:
    """Return the cosine of the best vector of a sound, as stored."""
    vectors = unit_rows(1, seed=entry.seed) if entry.vectors is None else entry.vectors
    return float((vectors.astype(np.float16).astype(np.float64) * vector).sum(axis=1).max())


def ask(library: Library, *how: Any, **more: Any) -> list[Hit]:
    """Search, although the folders of a catalogue are made up."""
    return search(library, *how, include_offline=True, **more)


def paths(hits: Iterable[Hit]) -> list[str]:
    return [str(hit.path) for hit in hits]


def named(library: Library) -> dict[bytes, tuple[Any, ...]]:
    """Return what the library has of each sound's name, by relative path: words, then facets."""
    query = """SELECT s.relpath, w.name, w.folder, w.tags, f.called, f.ext, f.cat_id, f.category, f.dated FROM sound s
               LEFT JOIN words w ON w.rowid = s.id LEFT JOIN facet f ON f.sound_id = s.id ORDER BY s.id"""
    found = rows(library.path, query)
    return {relpath: tuple(values) for relpath, *values in found}
