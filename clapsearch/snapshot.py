"""Snapshots: read-only FAISS files made from the library by writers; losing one costs time, nothing else.

Where exact search of one is slow, an approximate index is made beside it, once searches use the snapshot.
"""

import contextlib
import logging
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from clapsearch import approximate, tuning
from clapsearch.errors import LibraryError
from clapsearch.store import Approximation, Library, Reading, Snapshot, Tuned
from clapsearch.vectors import SnapshotSegment, Vectors, open_snapshot, write_snapshot

logger = logging.getLogger(__name__)

# Searches scan what is newer than the snapshot straight from the database: cheap up to a few thousand vectors.
MIN_NEW_VECTORS = 2_000
NEW_SHARE = 0.02
SLOW_MS = 50.0  # an exact search that takes longer is worth an approximate index

_T = TypeVar("_T")


def refresh(library: Library) -> bool:
    """Publish a new snapshot if the newest one lacks enough; returns whether it did. Call it as the one writer."""
    with library.reading() as reading:
        if not _is_due(reading, library.snapshots):
            return False
        before = reading.approximation()
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
    _drop_others(library.snapshots, published, before)
    return True


def hasten(
    library: Library,
    texts: Callable[[], npt.NDArray[np.float32]],
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Publish an approximate index beside the newest snapshot if exact searches are slow; returns whether it did.

    Call it as the one writer. Nothing is locked meanwhile, and searches go on exactly.

    Parameters
    ----------
    texts : callable
        Returns vectors of texts that people may ask for, shape (n, dim), float32; called only when they are needed.
    should_stop : callable
        Asked often; true gives up.
    """
    with library.reading() as reading:
        published, before = reading.newest_snapshot(), reading.approximation()
    if published is None or should_stop():
        return False
    path = library.snapshots / published.name
    exact = open_snapshot(path, n_vectors=published.n_vectors, n_bytes=published.n_bytes)
    if exact is None or _is_tried(before, published, exact, library.snapshots):
        return False
    try:
        tried = _try(exact, published, before, library.snapshots, texts, should_stop)
        with library.writing() as writing:
            writing.note(tried)
    except approximate.StoppedError:
        return False
    except (OSError, LibraryError) as error:
        logger.warning("no approximate index published (%s): searches stay exact but slower", error)
        return False
    _drop_others(library.snapshots, published, tried)
    return tried.tuned is not None


def _is_due(reading: Reading, folder: Path) -> bool:
    published = reading.newest_snapshot()
    if published is None or not (folder / published.name).exists():
        return reading.n_vectors() > 0
    n_new = reading.n_vectors(after_id=published.max_embedding_id)
    return n_new + reading.n_dead() > max(MIN_NEW_VECTORS, NEW_SHARE * published.n_vectors)


def _build(reading: Reading, folder: Path) -> Snapshot:
    checkpoint = reading.checkpoint()
    embeddings = (Vectors(stored.id, stored.vectors) for stored in reading.embeddings())
    dim = checkpoint.dim if checkpoint else 1
    name, n_bytes, (n_vectors, last) = _place(folder, lambda draft: write_snapshot(draft, embeddings, dim=dim))
    return Snapshot(name, max_embedding_id=last, n_vectors=n_vectors, n_bytes=n_bytes)


def _is_tried(before: Approximation | None, published: Snapshot, exact: SnapshotSegment, folder: Path) -> bool:
    if before is None or before.snapshot != published.name:
        return False
    tuned = before.tuned
    if tuned is None:
        return True
    found = approximate.open_approximate(folder / tuned.name, exact, n_bytes=tuned.n_bytes, n_probe=tuned.n_probe)
    return found is not None


def _try(
    exact: SnapshotSegment,
    published: Snapshot,
    before: Approximation | None,
    folder: Path,
    texts: Callable[[], npt.NDArray[np.float32]],
    should_stop: Callable[[], bool],
) -> Approximation:
    """Time exact searches; if they are slow, write an approximate index that finds as much in less time."""
    exact_ms = tuning.median_ms(exact, tuning.some_rows(exact, tuning.N_SOUNDS))
    if exact_ms <= SLOW_MS:
        return Approximation(published.name, exact_ms)
    tuner, old = tuning.Tuner(exact, texts(), should_stop), before.tuned if before else None
    attempt = tuner.update(folder / old.name, old.n_trained) if old else None
    attempt = attempt or tuner.train()
    if why_not := _why_not(attempt, exact_ms):
        logger.info("no approximate index: %s", why_not)
        return Approximation(published.name, exact_ms, why_not=why_not)
    name, n_bytes, _ = _place(folder, lambda draft: approximate.write(attempt.index, draft))
    tuned = Tuned(
        name,
        n_bytes,
        n_lists=approximate.n_lists(attempt.index),
        n_probe=attempt.n_probe,
        n_trained=attempt.n_trained,
        recall_by_sounds=attempt.recall_by_sounds,
        n_sounds=min(tuning.N_SOUNDS, published.n_vectors),
        recall_by_texts=attempt.recall_by_texts,
        n_texts=len(tuner.texts),
    )
    return Approximation(published.name, exact_ms, tuned)


def _why_not(attempt: tuning.Attempt, exact_ms: float) -> str | None:
    if not attempt.is_good:
        by_texts = "" if attempt.recall_by_texts is None else f", {attempt.recall_by_texts:.3f} by texts"
        return f"recall@10 is {attempt.recall_by_sounds:.3f} by sounds{by_texts} even at n_probe {attempt.n_probe}"
    if attempt.ms >= exact_ms:
        return f"a search takes {attempt.ms:.1f} ms with it"
    return None


def _place(folder: Path, write: Callable[[Path], _T]) -> tuple[str, int, _T]:
    """Write under a draft name, sync, rename to a name never used before, sync the folder; returns name and size."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{uuid.uuid4().hex}.faiss"
    draft = folder / f"{name}.draft"
    written = write(draft)
    n_bytes = _sync(draft)
    draft.replace(folder / name)
    with contextlib.suppress(OSError):  # folders cannot be synced on every system
        _sync(folder)
    return name, n_bytes, written


def _sync(path: Path) -> int:
    """Flush to disk; returns the size in bytes."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
        return os.fstat(handle).st_size
    finally:
        os.close(handle)


def _drop_others(folder: Path, published: Snapshot, tried: Approximation | None) -> None:
    kept = {published.name, tried.tuned.name if tried and tried.tuned else None}
    for path in folder.glob("*.faiss*"):
        if path.name not in kept:
            with contextlib.suppress(OSError):  # a search may hold it open on Windows; the next run drops it
                path.unlink()
