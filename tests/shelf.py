"""A shelf: folders of small files that a library knows without a model; a file's bytes stand for their own hash."""

import os
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from peek import rows
from test_store import CHECKPOINT, INFO, unit_rows

from clapsearch.search import Hit, search
from clapsearch.store import Library, Place, Writing
from indexer.plan import Plan, make_plan

QUERY = unit_rows(1, seed=7)[0]


class Shelf:
    """A library, and the folder that its roots are in; every path is given and returned as seen from there."""

    def __init__(self, library: Library, folder: Path) -> None:
        self.library, self.folder = library, folder

    def add(self, root: str, *relpaths: str, content: str = "") -> Path:
        """Write files in a root and let the library know them; what they hold is where they are, unless it is given."""
        path = self.folder / root
        path.mkdir(parents=True, exist_ok=True)
        with self.library.writing() as writing:
            checkpoint_id = writing.add_checkpoint(CHECKPOINT)
            writing.activate(checkpoint_id)
            root_id = writing.add_root(os.fsencode(path)).id
            for relpath in relpaths:
                file, data = path / relpath, os.fsencode(content or os.path.join(root, relpath))
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
                place = Place(root_id, os.fsencode(relpath), file.stat().st_size, file.stat().st_mtime_ns)
                writing.place_sound(place, _embedded(writing, checkpoint_id, data))
        return path

    def lose(self, *paths: str) -> None:
        """Delete files, and mark their sounds missing."""
        with self.library.writing() as writing:
            for path in paths:
                (self.folder / path).unlink()
                writing.mark_missing([self._sounds()[path][0]], missing_since=5.0)

    def hits(self, **how) -> list[Hit]:
        return search(self.library, QUERY, **{"top_k": 1000, **how})

    def found(self, **how) -> list[str]:
        """Return what a search finds."""
        return sorted(self._seen(os.fsencode(hit.path)) for hit in self.hits(**how))

    def contents(self) -> dict[str, str]:
        """Return what the library thinks each file holds, the missing ones too."""
        return {path: content for path, (_, content) in self._sounds().items()}

    def roots(self) -> list[str]:
        with self.library.reading() as reading:
            return [self._seen(root.path) for root in reading.roots()]

    def plan(self, **how) -> Plan:
        """Return what a run has to do."""
        with self.library.reading() as reading:
            chosen, space = reading.roots(), reading.space()
        return make_plan(self.library, chosen, space, **how)

    def dump(self) -> list[str]:
        """Return all that is in the library."""
        with closing(sqlite3.connect(self.library.path)) as connection:
            return list(connection.iterdump())

    def _sounds(self) -> dict[str, tuple[int, str]]:
        query = """SELECT r.path, s.relpath, s.id, c.hash FROM sound s JOIN root r ON r.id = s.root_id
                   JOIN content c ON c.id = s.content_id ORDER BY r.path, s.relpath"""
        found = rows(self.library.path, query)
        assert len({os.path.join(root, relpath) for root, relpath, *_ in found}) == len(found), "a file twice"
        return {self._seen(os.path.join(root, relpath)): (id_, os.fsdecode(data)) for root, relpath, id_, data in found}

    def _seen(self, path: bytes) -> str:
        return os.path.relpath(os.fsdecode(path), self.folder)


def _embedded(writing: Writing, checkpoint_id: int, data: bytes) -> int:
    content_id = writing.add_content(data, INFO)
    if not writing.is_embedded(data, [checkpoint_id]):
        vectors = unit_rows(1, seed=zlib.crc32(data))
        writing.add_embedding(content_id, checkpoint_id, vectors, replaces=[checkpoint_id])
    return content_id


@pytest.fixture
def shelf(library: Library, tmp_path: Path) -> Shelf:
    """An empty shelf."""
    return Shelf(library, tmp_path)
