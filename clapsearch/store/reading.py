"""Reading: every question the program asks a library, inside one transaction."""

import json
import logging
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, case, exists, func, or_, select, true

from clapsearch.embedder import Checkpoint
from clapsearch.schema import (
    approximation,
    checkpoint,
    content,
    dead,
    embedding,
    failure,
    library,
    root,
    snapshot,
    sound,
    tags,
)

logger = logging.getLogger(__name__)

_MAX_VARIABLES = 10_000  # SQLite allows 32 766 in one statement
_EMBEDDED = (
    select(embedding.c.id)
    .join(content, content.c.id == embedding.c.content_id)
    .where(content.c.hash == bindparam("hash"), embedding.c.checkpoint_id.in_(bindparam("space", expanding=True)))
    .limit(1)
)
_IDENTITY = [checkpoint.c[name] for name in Checkpoint.__dataclass_fields__]


@dataclass(frozen=True)
class Root:
    """A folder the user added.

    Attributes
    ----------
    exclude : tuple of str
        Globs of what is left out.
    video : bool
        Whether the sound of video files counts.
    offline_since : float or None
        Unix seconds; None while the folder is there, as far as the last run knew.
    """

    id: int
    path: bytes
    exclude: tuple[str, ...] = ()
    video: bool = False
    offline_since: float | None = None


class Known(NamedTuple):
    """What the library knows of one file.

    Attributes
    ----------
    settled : bool
        Unchanged bytes need no work: they are embedded, or their failure was a verdict.
    """

    relpath: bytes
    sound_id: int
    size: int
    mtime_ns: int
    settled: bool
    failed: bool
    missing: bool


# The same as the database gives it: a rescan takes one for every file, and objects took a tenth of its time.
KnownRow = tuple[bytes, int, int, int, bool, bool, bool]


@dataclass(frozen=True)
class Snapshot:
    """A published FAISS file: its name, the last embedding in it, and its size."""

    name: str
    max_embedding_id: int
    n_vectors: int
    n_bytes: int


@dataclass(frozen=True)
class Tuned:
    """A published approximate index, and how well it finds what an exact search finds.

    Attributes
    ----------
    n_bytes : int
        Of its file.
    n_probe, n_lists : int
        How many lists of vectors a query looks into, of how many.
    n_trained : int
        Vectors in the library when the lists were chosen.
    recall_by_sounds, recall_by_texts : float
        Mean recall@10 against the exact search, for so many stored vectors, and texts.
    """

    name: str
    n_bytes: int
    n_lists: int
    n_probe: int
    n_trained: int
    recall_by_sounds: float
    n_sounds: int
    recall_by_texts: float | None
    n_texts: int


@dataclass(frozen=True)
class Approximation:
    """What was tried to make searches of one snapshot faster.

    Attributes
    ----------
    snapshot : str
        Its name.
    exact_ms : float
        How long an exact search of it took, in milliseconds.
    tuned : Tuned or None
        What came of it.
    why_not : str or None
        Why nothing came of it; None too where nothing was needed.
    """

    snapshot: str
    exact_ms: float
    tuned: Tuned | None = None
    why_not: str | None = None


@dataclass(frozen=True)
class Stored:
    """One embedding: `vectors` has shape (n, dim), float16, the whole first."""

    id: int
    vectors: npt.NDArray[np.float16]


@dataclass(frozen=True)
class Missing:
    """A sound whose file is gone, since a time in unix seconds; `path` is absolute, as bytes."""

    path: bytes
    since: float


@dataclass(frozen=True)
class Untagged:
    """A file whose content needs its metadata read; `path` is absolute, as bytes."""

    content_id: int
    path: bytes
    size: int
    mtime_ns: int


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
        return [Root(row.id, row.path, tuple(json.loads(row.exclude)), row.video, row.offline_since) for row in rows]

    def has_sounds(self, root_id: int) -> bool:
        """Whether a root has sounds that are not missing."""
        present = (sound.c.root_id == root_id, sound.c.missing_since.is_(None))
        return self._one(select(sound.c.id).where(*present).limit(1)) is not None

    def known(
        self, root_id: int, space: Sequence[int], *, under: Sequence[bytes] | None = None
    ) -> dict[bytes, KnownRow]:
        """Return everything known about the files of one root, by relative path, in the order of `Known`.

        Parameters
        ----------
        under : sequence of bytes, optional
            Only the files at or below these relative paths.
        """
        embedded = exists().where(embedding.c.content_id == sound.c.content_id, embedding.c.checkpoint_id.in_(space))
        query = (
            select(
                sound.c.relpath,
                sound.c.id,
                sound.c.size,
                sound.c.mtime_ns,
                case((failure.c.sound_id.is_(None), embedded), else_=~failure.c.transient),
                failure.c.sound_id.is_not(None),
                sound.c.missing_since.is_not(None),
            )
            .outerjoin(failure, failure.c.sound_id == sound.c.id)
            .where(sound.c.root_id == root_id)
        )
        if under is None:
            return self._known(query)
        known: dict[bytes, KnownRow] = {}
        for relpath in under:
            known |= self._known(query.where(at_or_below(relpath)))
        return known

    def _known(self, query: Select[tuple[object, ...]]) -> dict[bytes, KnownRow]:
        """Run past SQLAlchemy's row objects, which would be half the time of a rescan."""
        compiled = query.compile(self._connection, compile_kwargs={"render_postcompile": True})
        values = [compiled.params[name] for name in compiled.positiontup or ()]
        cursor = self._connection.connection.cursor()
        try:
            cursor.execute(str(compiled), values)
            rows: Iterable[KnownRow] = cursor.fetchall()
            return {row[0]: row for row in rows}
        finally:
            cursor.close()

    def hashes(self, sound_ids: Sequence[int]) -> dict[int, bytes]:
        """Return the content hashes of sounds, by id; none for sounds that never could be read."""
        query = select(sound.c.id, content.c.hash).join(content, content.c.id == sound.c.content_id)
        found: dict[int, bytes] = {}
        for some in chunks(sound_ids):
            found |= {row[0]: row[1] for row in self._connection.execute(query.where(sound.c.id.in_(some)))}
        return found

    def missing(self) -> list[Missing]:
        """Return every missing sound, by path."""
        query = (
            select(root.c.path, sound.c.relpath, sound.c.missing_since)
            .join(root, root.c.id == sound.c.root_id)
            .where(sound.c.missing_since.is_not(None))
            .order_by(root.c.path, sound.c.relpath)
        )
        return [Missing(os.path.join(base, relpath), since) for base, relpath, since in self._connection.execute(query)]

    def is_embedded(self, content_hash: bytes, space: Sequence[int]) -> bool:
        """Whether these bytes have vectors in the given space."""
        return self._connection.execute(_EMBEDDED, {"hash": content_hash, "space": list(space)}).first() is not None

    def vectors_of(self, content_hash: bytes, space: Sequence[int]) -> npt.NDArray[np.float16] | None:
        """Return the vectors of these bytes, shape (n, dim), or None."""
        row = self._one(self._embedding_of(content_hash, space))
        stored = _stored(row) if row else None
        return stored.vectors if stored else None

    def tags_of(self, content_hash: bytes) -> str | None:
        """Return the metadata of these bytes, as JSON, or None."""
        query = select(tags.c.data).join(content, content.c.id == tags.c.content_id)
        return self._connection.execute(query.where(content.c.hash == content_hash)).scalar()

    def untagged(self, version: int | None, root_ids: Sequence[int]) -> list[Untagged]:
        """Return the files in some roots whose contents have no metadata of a reader's version, copies together.

        Parameters
        ----------
        version : int or None
            None for all files, whatever they have.
        """
        query = (
            select(sound.c.content_id, root.c.path, sound.c.relpath, sound.c.size, sound.c.mtime_ns)
            .join(root, root.c.id == sound.c.root_id)
            .join(content, content.c.id == sound.c.content_id)
            .where(sound.c.missing_since.is_(None), root.c.id.in_(root_ids), content.c.duration_s.is_not(None))
            .order_by(sound.c.content_id, sound.c.id)
        )
        if version is not None:
            query = query.where(~exists().where(tags.c.content_id == sound.c.content_id, tags.c.version == version))
        rows = self._connection.execute(query)
        return [Untagged(id_, os.path.join(base, relpath), *look) for id_, base, relpath, *look in rows]

    def relocated(self) -> list[tuple[bytes, bytes]]:
        """Return the offline roots whose sounds are all in another root that is there: (old path, new path)."""
        there, here = sound.alias(), sound.alias()
        old, new = root.alias(), root.alias()
        twins = and_(here.c.relpath == there.c.relpath, here.c.content_id == there.c.content_id)
        expected = (sound.c.root_id == old.c.id, sound.c.missing_since.is_(None), sound.c.content_id.is_not(None))
        n_expected = select(func.count()).where(*expected).scalar_subquery()
        query = (
            select(old.c.path, new.c.path)
            .join(there, and_(there.c.root_id == old.c.id, there.c.missing_since.is_(None)))
            .join(new, new.c.offline_since.is_(None))
            .join(here, and_(here.c.root_id == new.c.id, twins))
            .where(old.c.offline_since.is_not(None), here.c.missing_since.is_(None))
            .group_by(old.c.id, new.c.id)
            .having(func.count() == n_expected)
        )
        return [(before, after) for before, after in self._connection.execute(query)]

    def newest_snapshot(self) -> Snapshot | None:
        """Return the newest snapshot of the active checkpoint."""
        active = select(library.c.checkpoint_id).scalar_subquery()
        columns = [snapshot.c[name] for name in Snapshot.__dataclass_fields__]
        query = select(*columns).where(snapshot.c.checkpoint_id == active).order_by(snapshot.c.id.desc()).limit(1)
        row = self._one(query)
        return Snapshot(**row._mapping) if row else None

    def approximation(self) -> Approximation | None:
        """Return what was tried last to make searches faster, be it for the newest snapshot or for one before."""
        row = self._one(select(approximation))
        if row is None:
            return None
        tuned = Tuned(*(row._mapping[name] for name in Tuned.__dataclass_fields__)) if row.name else None
        return Approximation(row.snapshot, row.exact_ms, tuned, row.why_not)

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
        return sum(self._scalar(missing.where(sound.c.id.in_(some))) for some in chunks(sound_ids))

    def n_dead(self) -> int:
        """Count the embeddings deleted since the newest snapshot."""
        return self._scalar(select(func.count()).select_from(dead))

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


def at_or_below(relpath: bytes) -> ColumnElement[bool]:
    """Return the condition that a sound's file is at a relative path, or in the folder there; b"" is the whole root."""
    if not relpath:
        return true()
    below = os.path.join(relpath, b"")
    after = below[:-1] + bytes([below[-1] + 1])  # as bytes sort, nothing lies between the folder's last file and this
    is_it = or_(sound.c.relpath == relpath, sound.c.relpath > below)
    return and_(sound.c.relpath >= relpath, sound.c.relpath < after, is_it)  # two limits, which an index answers


def chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut a list of ids into pieces that one statement takes."""
    return (ids[start : start + _MAX_VARIABLES] for start in range(0, len(ids), _MAX_VARIABLES))


def _stored(row: Row[tuple[object, ...]]) -> Stored | None:
    """Decode a blob; None, with a warning, if it is not what was written."""
    if zlib.crc32(row.data) != row.crc or len(row.data) != 2 * row.n * row.dim:
        logger.warning("embedding %d is damaged and left out; repair: clapsearch index --repair", row.id)
        return None
    return Stored(row.id, np.frombuffer(row.data, "<f2").reshape(row.n, row.dim))
