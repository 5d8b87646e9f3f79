"""Reading: every question the program asks a library, inside one transaction."""

import json
import logging
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, Select, and_, func, select

from clapsearch.embedder import Checkpoint
from clapsearch.schema import checkpoint, content, dead, embedding, failure, library, root, snapshot, sound

logger = logging.getLogger(__name__)

_MAX_VARIABLES = 10_000  # SQLite allows 32 766 in one statement
_IDENTITY = [checkpoint.c[name] for name in Checkpoint.__dataclass_fields__]


@dataclass(frozen=True)
class Root:
    """A folder the user added; `exclude` holds its globs."""

    id: int
    path: bytes
    exclude: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """What the library knows of one file.

    Attributes
    ----------
    settled : bool
        Unchanged bytes need no work: they are embedded, or their failure was a verdict.
    """

    sound_id: int
    size: int
    mtime_ns: int
    settled: bool
    failed: bool
    missing: bool


@dataclass(frozen=True)
class Snapshot:
    """A published FAISS file: its name, the last embedding in it, and its size."""

    name: str
    max_embedding_id: int
    n_vectors: int
    n_bytes: int


@dataclass(frozen=True)
class Stored:
    """One embedding: `vectors` has shape (n, dim), float16, the whole first."""

    id: int
    vectors: npt.NDArray[np.float16]


@dataclass(frozen=True)
class SoundRow:
    """A sound that holds an embedded content; `path` is absolute, as bytes."""

    embedding_id: int
    path: bytes
    duration_s: float


@dataclass(frozen=True)
class Failure:
    """Why a file is not in the results."""

    path: bytes
    reason: str


@dataclass(frozen=True)
class Counts:
    """Totals for `status`."""

    sounds: int
    missing: int
    contents: int
    vectors: int
    hours: float


class Reading:
    """Questions to a library; all answers in one transaction agree with each other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint whose vectors answer searches; None before the first index."""
        row = self._one(select(*_IDENTITY).join(library, library.c.checkpoint_id == checkpoint.c.id))
        return Checkpoint(**row._mapping) if row else None

    def space(self, of: Checkpoint | None = None) -> list[int]:
        """Return the ids of all checkpoints whose vectors can be compared with `of` (default: the active one)."""
        of = of or self.checkpoint()
        if of is None:
            return []
        same = and_(*(checkpoint.c[name] == value for name, value in zip(_SPACE, of.space, strict=True)))
        return list(self._connection.scalars(select(checkpoint.c.id).where(same)))

    def roots(self) -> list[Root]:
        """Return all roots by path."""
        rows = self._connection.execute(select(root).order_by(root.c.path))
        return [Root(row.id, row.path, tuple(json.loads(row.exclude))) for row in rows]

    def known(self, root_id: int, space: Sequence[int]) -> dict[bytes, Known]:
        """Return everything known about the files of one root, by relative path."""
        embedded = and_(embedding.c.content_id == sound.c.content_id, embedding.c.checkpoint_id.in_(space))
        query = (
            select(sound, embedding.c.id.label("embedding_id"), failure.c.transient)
            .outerjoin(embedding, embedded)
            .outerjoin(failure, failure.c.sound_id == sound.c.id)
            .where(sound.c.root_id == root_id)
        )
        return {row.relpath: _known(row) for row in self._connection.execute(query)}

    def is_embedded(self, content_hash: bytes, space: Sequence[int]) -> bool:
        """Whether these bytes have vectors in the given space."""
        return self._one(self._embedding_of(content_hash, space)) is not None

    def vectors_of(self, content_hash: bytes, space: Sequence[int]) -> npt.NDArray[np.float16] | None:
        """Return the vectors of these bytes, shape (n, dim), or None."""
        row = self._one(self._embedding_of(content_hash, space))
        stored = _stored(row) if row else None
        return stored.vectors if stored else None

    def newest_snapshot(self) -> Snapshot | None:
        """Return the newest snapshot of the active checkpoint."""
        active = select(library.c.checkpoint_id).scalar_subquery()
        columns = [snapshot.c[name] for name in Snapshot.__dataclass_fields__]
        query = select(*columns).where(snapshot.c.checkpoint_id == active).order_by(snapshot.c.id.desc()).limit(1)
        row = self._one(query)
        return Snapshot(**row._mapping) if row else None

    def embeddings(self, *, after_id: int = 0) -> Iterator[Stored]:
        """Yield the active embeddings with larger ids, by id; damaged ones are left out with a warning."""
        query = select(embedding).where(embedding.c.id > after_id, embedding.c.checkpoint_id.in_(self.space()))
        rows = self._connection.execution_options(yield_per=1000).execute(query.order_by(embedding.c.id))
        for row in rows:
            if stored := _stored(row):
                yield stored

    def n_vectors(self, *, after_id: int = 0) -> int:
        """Count the active vectors of embeddings with larger ids."""
        where = (embedding.c.id > after_id, embedding.c.checkpoint_id.in_(self.space()))
        return self._scalar(select(func.coalesce(func.sum(embedding.c.n), 0)).where(*where))

    def n_missing(self, sound_ids: Sequence[int]) -> int:
        """Count the sounds among these that are missing."""
        missing = select(func.count()).where(sound.c.missing_since.is_not(None))
        starts = range(0, len(sound_ids), _MAX_VARIABLES)
        return sum(
            self._scalar(missing.where(sound.c.id.in_(sound_ids[start : start + _MAX_VARIABLES]))) for start in starts
        )

    def n_dead(self) -> int:
        """Count the embeddings deleted since the newest snapshot."""
        return self._scalar(select(func.count()).select_from(dead))

    def sounds(self, embedding_ids: Sequence[int]) -> list[SoundRow]:
        """Return the sounds, present on disk as far as known, that hold these embeddings."""
        path = (root.c.path, sound.c.relpath)
        query = (
            select(embedding.c.id, *path, content.c.duration_s)
            .join(content, content.c.id == embedding.c.content_id)
            .join(sound, sound.c.content_id == content.c.id)
            .join(root, root.c.id == sound.c.root_id)
            .where(sound.c.missing_since.is_(None))
        )
        found = []
        for start in range(0, len(embedding_ids), _MAX_VARIABLES):
            some = embedding_ids[start : start + _MAX_VARIABLES]
            rows = self._connection.execute(query.where(embedding.c.id.in_(some)))
            found += [SoundRow(id_, os.path.join(base, relpath), duration_s) for id_, base, relpath, duration_s in rows]
        return found

    def failures(self) -> list[Failure]:
        """Return every file on disk that could not be indexed, and why."""
        query = (
            select(root.c.path, sound.c.relpath, failure.c.reason)
            .join(sound, sound.c.id == failure.c.sound_id)
            .join(root, root.c.id == sound.c.root_id)
            .where(sound.c.missing_since.is_(None))
            .order_by(root.c.path, sound.c.relpath)
        )
        return [Failure(os.path.join(base, relpath), why) for base, relpath, why in self._connection.execute(query)]

    def counts(self, *, root_id: int | None = None) -> Counts:
        """Count the searchable sounds, of one root or of all."""
        here = () if root_id is None else (sound.c.root_id == root_id,)
        usable = (
            select(sound.c.content_id, content.c.duration_s, embedding.c.n)
            .join(content, content.c.id == sound.c.content_id)
            .join(embedding, embedding.c.content_id == content.c.id)
            .where(embedding.c.checkpoint_id.in_(self.space()), sound.c.missing_since.is_(None), *here)
            .subquery()
        )
        unique = select(usable.c.content_id, usable.c.n).distinct().subquery()
        missing = select(func.count()).select_from(sound).where(sound.c.missing_since.is_not(None), *here)
        n_sounds, seconds = self._connection.execute(
            select(func.count(), func.coalesce(func.sum(usable.c.duration_s), 0.0)).select_from(usable)
        ).one()
        n_contents, n_vectors = self._connection.execute(
            select(func.count(), func.coalesce(func.sum(unique.c.n), 0)).select_from(unique)
        ).one()
        return Counts(n_sounds, self._scalar(missing), n_contents, n_vectors, seconds / 3600)

    def _embedding_of(self, content_hash: bytes, space: Sequence[int]) -> Select[tuple[object, ...]]:
        joined = embedding.join(content, content.c.id == embedding.c.content_id)
        where = (content.c.hash == content_hash, embedding.c.checkpoint_id.in_(space))
        return select(*embedding.c).select_from(joined).where(*where).limit(1)

    def _one(self, query: Select[tuple[object, ...]]) -> Row[tuple[object, ...]] | None:
        return self._connection.execute(query).first()

    def _scalar(self, query: Select[int]) -> int:
        return int(self._connection.execute(query).scalar_one())


_SPACE = ("weights_hash", "front_end", "resampler")


def _known(row: Row[tuple[object, ...]]) -> Known:
    settled = row.embedding_id is not None if row.transient is None else not row.transient
    failed, missing = row.transient is not None, row.missing_since is not None
    return Known(row.id, row.size, row.mtime_ns, settled, failed, missing)


def _stored(row: Row[tuple[object, ...]]) -> Stored | None:
    """Decode a blob; None, with a warning, if it is not what was written."""
    if zlib.crc32(row.data) != row.crc or len(row.data) != 2 * row.n * row.dim:
        logger.warning("embedding %d is damaged and left out; repair: clapsearch index --full", row.id)
        return None
    return Stored(row.id, np.frombuffer(row.data, "<f2").reshape(row.n, row.dim))
