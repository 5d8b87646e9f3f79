"""Writing: every change the program makes to a library, inside one transaction."""

import json
import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
from sqlalchemy import Insert, and_, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from clapsearch.audio import AudioInfo
from clapsearch.embedder import Checkpoint
from clapsearch.schema import (
    approximation,
    background,
    checkpoint,
    content,
    dead,
    embedding,
    failure,
    library,
    root,
    saved,
    snapshot,
    sound,
    tags,
)
from clapsearch.store.finding import Finding
from clapsearch.store.reading import Approximation, Root, Snapshot, at_or_below, chunks

# What is asked for every file is made once: SQLAlchemy takes longer to build a statement than SQLite to run it.
_CONTENT_ID = select(content.c.id).where(content.c.hash == bindparam("hash"))
_SOUND_ID = select(sound.c.id).where(sound.c.root_id == bindparam("root"), sound.c.relpath == bindparam("at"))
_IS_MISSING = sound.c.missing_since.is_not(None)
_MISSING_ID = select(sound.c.id).where(sound.c.content_id == bindparam("content"), _IS_MISSING).limit(1)
_PATH = select(root.c.path, sound.c.relpath).join(sound).where(sound.c.id == bindparam("known"))
_ADD, _PLACE = insert(sound), update(sound).where(sound.c.id == bindparam("known"))
_CLEAR = delete(failure).where(failure.c.sound_id == bindparam("known"))


@dataclass(frozen=True)
class Place:
    """Where a file is and how it looked when it was found."""

    root_id: int
    relpath: bytes
    size: int
    mtime_ns: int


class Writing(Finding):
    """Changes to a library: all of a transaction, or none."""

    def add_checkpoint(self, identity: Checkpoint) -> int:
        """Return the id of a checkpoint, new or known."""
        values = asdict(identity)
        same = and_(*(checkpoint.c[name].is_not_distinct_from(value) for name, value in values.items()))
        found = self._connection.execute(select(checkpoint.c.id).where(same)).scalar()
        return found or self._insert(insert(checkpoint).values(values).returning(checkpoint.c.id))

    def activate(self, checkpoint_id: int) -> None:
        """Let searches use this checkpoint's vectors."""
        self._connection.execute(update(library).values(checkpoint_id=checkpoint_id))

    def retire(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Delete the embeddings of `old` checkpoints whose contents have one by `new`; the others are kept."""
        newer = embedding.alias()
        replaced = exists().where(newer.c.content_id == embedding.c.content_id, newer.c.checkpoint_id.in_(new))
        stale = (embedding.c.checkpoint_id.in_(old), embedding.c.checkpoint_id.not_in(new), replaced)
        self._connection.execute(delete(embedding).where(*stale))

    def n_left_behind(self, old: Sequence[int], new: Sequence[int]) -> int:
        """Count the sounds that searches would lose by a switch from `old` to `new`; failed files do not count."""
        before, after = embedding.alias(), embedding.alias()
        query = (
            select(func.count(sound.c.id.distinct()))
            .join(before, and_(before.c.content_id == sound.c.content_id, before.c.checkpoint_id.in_(old)))
            .outerjoin(after, and_(after.c.content_id == sound.c.content_id, after.c.checkpoint_id.in_(new)))
            .outerjoin(failure, failure.c.sound_id == sound.c.id)
            .where(sound.c.missing_since.is_(None), after.c.id.is_(None), failure.c.sound_id.is_(None))
        )
        return self._scalar(query)

    def add_root(self, path: bytes, exclude: Sequence[str] | None = None, video: bool | None = None) -> Root:
        """Return the root at a path, new or known; `exclude` and `video` replace what it has unless they are None."""
        found = next((known for known in self.roots() if known.path == path), Root(0, path))
        globs = found.exclude if exclude is None else tuple(exclude)
        takes_video = found.video if video is None else video
        values = {"path": path, "exclude": json.dumps(globs), "video": takes_video}
        if found.id:
            self._connection.execute(update(root).where(root.c.id == found.id).values(values))
            return replace(found, exclude=globs, video=takes_video)
        return Root(self._insert(insert(root).values(values).returning(root.c.id)), path, globs, takes_video)

    def mark_offline(self, root_id: int, since: float | None) -> None:
        """Remember since when a root is not there, in unix seconds; None when it is."""
        self._connection.execute(update(root).where(root.c.id == root_id).values(offline_since=since))

    def add_content(self, content_hash: bytes, info: AudioInfo | None = None) -> int:
        """Return the id of a content, new or known; `info` fills in its numbers."""
        known = self._connection.execute(_CONTENT_ID, {"hash": content_hash}).scalar()
        if known and not info:
            return int(known)
        numbers = {name: getattr(info, name) for name in ("duration_s", "sr", "channels", "format")} if info else {}
        add = upsert(content).values(hash=content_hash, **numbers)
        # The no-op update makes RETURNING give the id of a known row too.
        add = add.on_conflict_do_update(index_elements=["hash"], set_=numbers or {"hash": content_hash})
        return self._insert(add.returning(content.c.id))

    def add_embedding(
        self, content_id: int, checkpoint_id: int, vectors: npt.NDArray[np.float32], *, replaces: Sequence[int]
    ) -> None:
        """Store the vectors of one content, shape (n, dim), the whole first, in place of those by `replaces`."""
        same_content = embedding.c.content_id == content_id
        self._connection.execute(delete(embedding).where(same_content, embedding.c.checkpoint_id.in_(replaces)))
        data = np.ascontiguousarray(vectors, "<f2").tobytes()
        n, dim = vectors.shape
        values = {"content_id": content_id, "checkpoint_id": checkpoint_id, "n": n, "dim": dim}
        self._connection.execute(insert(embedding).values(**values, data=data, crc=zlib.crc32(data)))

    def add_tags(self, content_id: int, metadata_json: str, version: int) -> None:
        """Store the metadata of one content, in place of what was there, and the version of its reader."""
        # Not an upsert: SQLite lets its conflict clause overrule that of the triggers of the table.
        self._connection.execute(delete(tags).where(tags.c.content_id == content_id))
        self._connection.execute(insert(tags).values(content_id=content_id, version=version, data=metadata_json))

    def place_sound(self, place: Place, content_id: int, *, leaving: int | None = None) -> bytes | None:
        """Say that a file holds a content; returns the path that it moved here from, if it did.

        Parameters
        ----------
        leaving : int, optional
            A sound of the same content whose file is gone, though it is not marked missing yet.
        """
        at = {"root_id": place.root_id, "relpath": place.relpath, "size": place.size, "mtime_ns": place.mtime_ns}
        values = {**at, "content_id": content_id, "missing_since": None}
        here = self._sound_id(place)
        moved = None if here else leaving or self._missing_sound(content_id)
        origin = self._path_of(moved) if moved else None
        if (known := here or moved) is None:
            self._connection.execute(_ADD, values)
        else:
            self._connection.execute(_PLACE, {**values, "known": known})
            self._connection.execute(_CLEAR, {"known": known})
        return origin

    def fail_sound(self, place: Place, content_hash: bytes | None, reason: str, *, transient: bool) -> None:
        """Record why a file is not embedded.

        A transient failure leaves what was known of the file as it was; a verdict binds it to its present bytes.
        """
        at = {"root_id": place.root_id, "relpath": place.relpath, "size": place.size, "mtime_ns": place.mtime_ns}
        sound_id = self._sound_id(place)
        if not transient and content_hash is not None:
            at |= {"content_id": self.add_content(content_hash)}
        if sound_id is None:
            sound_id = self._insert(insert(sound).values(at).returning(sound.c.id))
        elif not transient:
            self._connection.execute(update(sound).where(sound.c.id == sound_id).values(**at, missing_since=None))
        why = {"reason": reason, "transient": transient, "failed_at": time.time()}
        record = upsert(failure).values(sound_id=sound_id, **why)
        self._connection.execute(record.on_conflict_do_update(index_elements=["sound_id"], set_=why))

    def mark_missing(self, sound_ids: Sequence[int], *, missing_since: float | None) -> None:
        """Take sounds out of the results since a time in unix seconds; None puts them back."""
        change = update(sound).values(missing_since=missing_since)
        for some in chunks(sound_ids):
            self._connection.execute(change.where(sound.c.id.in_(some)))

    def forget(self, root_id: int, relpath: bytes) -> int:
        """Delete the sounds at or below a path and the contents that no other sound holds; returns how many sounds."""
        here = (sound.c.root_id == root_id, at_or_below(relpath))
        contents = set(self._connection.scalars(select(sound.c.content_id).where(*here)))
        n_sounds = self._connection.execute(delete(sound).where(*here)).rowcount
        held = exists().where(sound.c.content_id == content.c.id)
        for some in chunks([each for each in contents if each is not None]):
            lost = select(content.c.id).where(content.c.id.in_(some), ~held)
            self._connection.execute(delete(embedding).where(embedding.c.content_id.in_(lost)))
            self._connection.execute(delete(content).where(content.c.id.in_(some), ~held))
        return n_sounds

    def set_background(self, scores: bytes) -> None:
        """Store the background scores of the active checkpoint: ascending little-endian float32."""
        active = select(library.c.checkpoint_id).scalar_subquery()
        self._connection.execute(delete(background))
        self._connection.execute(insert(background).values(checkpoint_id=active, scores=scores))

    def save_search(self, name: str, query: str | None) -> bool:
        """Name a search, or, with None, forget the name; returns whether the name was known."""
        was_known = self._connection.execute(delete(saved).where(saved.c.name == name)).rowcount > 0
        if query is not None:
            self._connection.execute(insert(saved).values(name=name, query=query))
        return was_known

    def undo(self) -> None:
        """Take back all that this transaction did."""
        self._connection.rollback()

    def drop_root(self, root_id: int) -> None:
        """Delete a root that holds no sounds any more."""
        self._connection.execute(delete(root).where(root.c.id == root_id))

    def relocate(self, root_id: int, path: bytes) -> None:
        """Say that a root's folder is now at another path; if a root is known there, the two become one."""
        known = next((each.id for each in self.roots() if each.path == path), None)
        if known is None:
            self._connection.execute(update(root).where(root.c.id == root_id).values(path=path))
        else:
            self.hand_over(root_id, b"", known)
            self.drop_root(root_id)
        self.mark_offline(known or root_id, None)

    def hand_over(self, root_id: int, folder: bytes, heir: int) -> None:
        """Give the sounds in a folder of a root to the root that is this folder.

        Of two sounds at one place, the heir's stays, unless its file is missing and the other's is not.
        """
        relpath = func.substr(sound.c.relpath, 1 + len(os.path.join(folder, b"")))
        ours = (sound.c.root_id == root_id, at_or_below(folder), sound.c.relpath != folder)
        present = select(relpath).where(*ours, sound.c.missing_since.is_(None)).correlate(None)
        theirs = select(sound.c.relpath).where(sound.c.root_id == heir).correlate(None)
        is_gone = (sound.c.root_id == heir, sound.c.missing_since.is_not(None))
        self._connection.execute(delete(sound).where(*is_gone, sound.c.relpath.in_(present)))
        self._connection.execute(delete(sound).where(*ours, relpath.in_(theirs)))
        self._connection.execute(update(sound).where(*ours).values(root_id=heir, relpath=relpath))

    def drop_embeddings(self, embedding_ids: Sequence[int]) -> None:
        """Delete embeddings; the next run makes them anew."""
        for some in chunks(embedding_ids):
            self._connection.execute(delete(embedding).where(embedding.c.id.in_(some)))

    def withdraw(self) -> None:
        """Publish no snapshot: searches read all vectors here until there is a new one."""
        self._connection.execute(delete(snapshot))
        self._connection.execute(delete(approximation))

    def publish(self, published: Snapshot) -> None:
        """Make a snapshot the newest; forget the older ones, and which embeddings died before it."""
        active = select(library.c.checkpoint_id).scalar_subquery()
        self._connection.execute(delete(snapshot))
        self._connection.execute(insert(snapshot).values(**asdict(published), checkpoint_id=active))
        self._connection.execute(delete(dead))

    def note(self, tried: Approximation) -> None:
        """Write down what was tried to make searches faster; if something came of it, they use it from now on."""
        values = {"snapshot": tried.snapshot, "exact_ms": tried.exact_ms, "why_not": tried.why_not}
        self._connection.execute(delete(approximation))
        self._connection.execute(insert(approximation).values(**values, **(asdict(tried.tuned) if tried.tuned else {})))

    def _sound_id(self, place: Place) -> int | None:
        return self._connection.execute(_SOUND_ID, {"root": place.root_id, "at": place.relpath}).scalar()

    def _missing_sound(self, content_id: int) -> int | None:
        return self._connection.execute(_MISSING_ID, {"content": content_id}).scalar()

    def _path_of(self, sound_id: int) -> bytes:
        base, relpath = self._connection.execute(_PATH, {"known": sound_id}).one()
        return bytes(os.path.join(base, relpath))

    def _insert(self, statement: Insert) -> int:
        return int(self._connection.execute(statement).scalar_one())
