"""Metadata read again, of sounds that are unchanged: by worker processes, without hashing, decoding or embedding."""

import itertools
import os
import time
from collections.abc import Callable, Sequence

from clapsearch.errors import LibraryError
from clapsearch.store import Library, Untagged
from indexer.decode import DecodePool, Looked

COMMIT_S = 2.0
COMMIT_FILES = 256


def retag(
    library: Library,
    places: Sequence[Untagged],
    pool: DecodePool,
    *,
    version: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Read the metadata of files and store it, in batches; finished ones are kept whatever ends the run.

    Parameters
    ----------
    places : sequence of Untagged
        Where the contents are, by content; of several copies, the first that is as it was is read.
    pool : DecodePool
        Entered and left by the caller.
    version : int
        Of the reader.
    on_progress : callable
        Hears how many contents are done, and of how many.
    should_stop : callable
        Asked often; true ends it early.

    Returns
    -------
    int
        How many contents have metadata now. A file that cannot be read, or changed, is left to the next run.
    """
    batch = _Batch(library, _choose(places), version, on_progress)
    try:
        for looked in pool.look(iter(sorted(batch.places)), should_stop):
            batch.add(looked)
    except LibraryError:
        raise  # nothing more can be written
    except BaseException:
        batch.save()
        raise
    batch.save()
    return batch.n_stored


class _Batch:
    def __init__(
        self, library: Library, places: dict[bytes, Untagged], version: int, on_progress: Callable[[int, int], None]
    ) -> None:
        self.places, self.n_stored = places, 0
        self._library, self._version, self._on_progress = library, version, on_progress
        self._pending: list[Looked] = []
        self._n_done, self._saved = 0, time.monotonic()

    def add(self, looked: Looked) -> None:
        self._pending.append(looked)
        if len(self._pending) >= COMMIT_FILES or time.monotonic() - self._saved > COMMIT_S:
            self.save()

    def save(self) -> None:
        """Write what is pending in one transaction; what was read of a file that changed meanwhile is no news."""
        known = [(self.places[looked.path], looked.metadata) for looked in self._pending]
        good = [(place.content_id, text) for place, text in known if text is not None and _is_as_it_was(place)]
        if good:
            with self._library.writing() as writing:
                for content_id, text in good:
                    writing.add_tags(content_id, text, self._version)
        self.n_stored += len(good)
        self._n_done += len(self._pending)
        self._pending.clear()
        self._saved = time.monotonic()
        self._on_progress(self._n_done, len(self.places))


def _choose(places: Sequence[Untagged]) -> dict[bytes, Untagged]:
    """Return one file for every content, by path."""
    copies = itertools.groupby(places, lambda place: place.content_id)
    chosen = (next(filter(_is_as_it_was, some), None) for _, some in copies)
    return {place.path: place for place in chosen if place}


def _is_as_it_was(place: Untagged) -> bool:
    try:
        status = os.stat(place.path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (place.size, place.mtime_ns)
