"""Snapshots: read-only FAISS files made from the library by writers; losing one costs time, nothing else."""

import contextlib
import logging
import os
import uuid
from pathlib import Path

from clapsearch.errors import LibraryError
from clapsearch.store import Library, Reading, Snapshot
from clapsearch.vectors import Vectors, write_snapshot

logger = logging.getLogger(__name__)

# Searches scan what is newer than the snapshot straight from the database: cheap up to a few thousand vectors.
MIN_NEW_VECTORS = 2_000
NEW_SHARE = 0.02


def refresh(library: Library) -> bool:
    """Publish a new snapshot if the newest one lacks enough; returns whether it did. Call it as the one writer."""
    with library.reading() as reading:
        if not _is_due(reading, library.snapshots):
            return False
        try:
            published = _build(reading, library.snapshots)
        except OSError as error:
            logger.warning("no snapshot written (%s): searches stay right but slower; free disk space", error)
            return False
    try:
        with library.writing() as writing:
            writing.publish(published)
    except LibraryError as error:  # all vectors are in the library already: no run fails for a cache
        logger.warning("no snapshot published (%s)", error)
        return False
    _drop_others(library.snapshots, published.name)
    return True


def _is_due(reading: Reading, folder: Path) -> bool:
    published = reading.newest_snapshot()
    if published is None or not (folder / published.name).exists():
        return reading.n_vectors() > 0
    n_new = reading.n_vectors(after_id=published.max_embedding_id)
    return n_new + reading.n_dead() > max(MIN_NEW_VECTORS, NEW_SHARE * published.n_vectors)


def _build(reading: Reading, folder: Path) -> Snapshot:
    """Write under a draft name, sync, rename to a name never used before, sync the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{uuid.uuid4().hex}.faiss"
    draft = folder / f"{name}.draft"
    checkpoint = reading.checkpoint()
    embeddings = (Vectors(stored.id, stored.vectors) for stored in reading.embeddings())
    n_vectors, last = write_snapshot(draft, embeddings, dim=checkpoint.dim if checkpoint else 1)
    n_bytes = _sync(draft)
    draft.replace(folder / name)
    with contextlib.suppress(OSError):  # folders cannot be synced on every system
        _sync(folder)
    return Snapshot(name, max_embedding_id=last, n_vectors=n_vectors, n_bytes=n_bytes)


def _sync(path: Path) -> int:
    """Flush to disk; returns the size in bytes."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
        return os.fstat(handle).st_size
    finally:
        os.close(handle)


def _drop_others(folder: Path, keep: str) -> None:
    for path in folder.glob("*.faiss*"):
        if path.name != keep:
            with contextlib.suppress(OSError):  # a search may hold it open on Windows; the next run drops it
                path.unlink()
