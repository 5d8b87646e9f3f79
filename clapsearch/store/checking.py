"""Checking: the questions of a verification, which trusts nothing that it reads."""

import os
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select

from clapsearch import connection
from clapsearch.schema import checkpoint, content, dead, embedding, failure, root, sound
from clapsearch.store.finding import Finding
from clapsearch.store.reading import chunks

# The norm of a unit vector whose numbers were rounded to 11 bits is off by 2**-11 at most, and a little for float32.
NORM_TOLERANCE = 1e-3
_ROWS = 64  # in memory at a time; an hour of sound is one row of 0.7 MB
# A subquery, not a join: a join may sort all embeddings, with their vectors, in memory.
_WIDTH = (
    select(checkpoint.c.dim).where(checkpoint.c.id == embedding.c.checkpoint_id).correlate(embedding).scalar_subquery()
)
_BLOB = [*(embedding.c[name] for name in ("id", "n", "dim", "data", "crc")), func.coalesce(_WIDTH, 0).label("width")]


@dataclass(frozen=True)
class Blob:
    """An embedding as it is stored; `width` is the dim of its checkpoint."""

    id: int
    n: int
    dim: int
    data: bytes
    crc: int
    width: int

    @property
    def vectors(self) -> npt.NDArray[np.float16]:
        """Its vectors, shape (n, dim); only for blobs of the right length."""
        return np.frombuffer(self.data, "<f2").reshape(self.n, self.dim)

    def damage(self) -> str | None:
        """Return what is wrong with it, with the measured values, or None."""
        crc = zlib.crc32(self.data)
        if crc != self.crc:
            return f"its checksum is {crc:08x}, not {self.crc:08x}"
        if self.n < 1 or self.dim != self.width or len(self.data) != 2 * self.n * self.dim:
            return f"{len(self.data)} bytes are not {self.n} x {self.dim} numbers for a checkpoint of dim {self.width}"
        vectors = self.vectors.astype(np.float32)
        norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
        n_infinite = np.count_nonzero(~np.isfinite(norms))
        if n_infinite:
            return f"{n_infinite} of {self.n} vectors are not finite"
        worst = norms[np.abs(norms - 1).argmax()]
        return f"a vector has norm {worst:.4f}, not 1" if abs(worst - 1) > NORM_TOLERANCE else None


@dataclass(frozen=True)
class Sampled:
    """A sound that was embedded, as the library knows it; `path` is absolute, as bytes."""

    sound_id: int
    path: bytes
    size: int
    mtime_ns: int
    content_hash: bytes
    backend: str
    precision: str
    blob: Blob


class Checking(Finding):
    """Questions to a library that may be damaged."""

    def problems(self, *, at_most: int) -> list[str]:
        """Return what SQLite finds wrong with the file itself, a line each."""
        rows = self._connection.exec_driver_sql(f"PRAGMA integrity_check({at_most})").scalars()
        return connection.problems(rows)

    def n_pages(self) -> int:
        """Return the size of the file in SQLite's pages."""
        return int(self._connection.exec_driver_sql("PRAGMA page_count").scalar_one())

    def dangling(self) -> dict[tuple[str, str], list[int]]:
        """Return the rows that refer to a row that is not there, as (table, table referred to): row ids."""
        found: dict[tuple[str, str], list[int]] = defaultdict(list)
        for table, row_id, parent, _ in self._connection.exec_driver_sql("PRAGMA foreign_key_check"):
            found[table, parent].append(row_id)
        return found

    def blobs(self, *, up_to_id: int | None = None) -> Iterator[Blob]:
        """Yield all embeddings, by id; with `up_to_id`, the active ones with ids no larger."""
        query = select(*_BLOB)
        if up_to_id is not None:
            query = query.where(embedding.c.id <= up_to_id, embedding.c.checkpoint_id.in_(self.space()))
        rows = self._connection.execute(query.order_by(embedding.c.id).execution_options(yield_per=_ROWS))
        return (Blob(**row._mapping) for row in rows)

    def dead_ids(self) -> npt.NDArray[np.int64]:
        """Return the ids of the embeddings deleted since the newest snapshot."""
        return np.array(list(self._connection.scalars(select(dead.c.embedding_id))), np.int64)

    def embedded_sounds(self, root_ids: Sequence[int]) -> list[int]:
        """Return the ids of the sounds of some roots that searches find, ascending."""
        query = (
            select(sound.c.id)
            .distinct()
            .join(embedding, embedding.c.content_id == sound.c.content_id)
            .outerjoin(failure, failure.c.sound_id == sound.c.id)
            .where(sound.c.root_id.in_(root_ids), embedding.c.checkpoint_id.in_(self.space()))
            .where(sound.c.missing_since.is_(None), failure.c.sound_id.is_(None))
        )
        return list(self._connection.scalars(query.order_by(sound.c.id)))

    def sampled(self, sound_ids: Sequence[int]) -> list[Sampled]:
        """Return what the library knows of some embedded sounds, by path."""
        query = (
            select(sound.c.id.label("sound_id"), root.c.path, sound.c.relpath, sound.c.size, sound.c.mtime_ns)
            .add_columns(content.c.hash.label("content_hash"), checkpoint.c.backend, checkpoint.c.precision, *_BLOB)
            .join(root, root.c.id == sound.c.root_id)
            .join(content, content.c.id == sound.c.content_id)
            .join(embedding, embedding.c.content_id == content.c.id)
            .join(checkpoint, checkpoint.c.id == embedding.c.checkpoint_id)
            .where(checkpoint.c.id.in_(self.space()))
        )
        found = {}
        for some in chunks(sound_ids):
            for row in self._connection.execute(query.where(sound.c.id.in_(some))):
                known = dict(row._mapping)
                known["path"] = os.path.join(known["path"], known.pop("relpath"))
                known["blob"] = Blob(**{name: known.pop(name) for name in Blob.__dataclass_fields__})
                found[row.sound_id] = Sampled(**known)
        return sorted(found.values(), key=lambda each: each.path)
