"""Which contents are under way, so that no content is decoded twice, however many files hold it."""

import threading
from collections.abc import Sequence

from clapsearch.store import Library
from indexer.decode import Skipped, Unwanted
from indexer.embed import Embedded

Result = Embedded | Skipped | Unwanted


class Ledger:
    """Shared between the feeding thread, which asks `wants`, and the main thread, which settles.

    Parameters
    ----------
    space : sequence of int
        Checkpoint ids whose vectors count as known.
    is_fresh : bool
        Only what was embedded in this run counts as known.
    """

    def __init__(self, library: Library, space: Sequence[int], *, is_fresh: bool) -> None:
        self._library = library
        self._space = space
        self._is_fresh = is_fresh
        self._settled: set[bytes] = set()  # embedded, and perhaps not on disk yet
        self._under_way: dict[bytes, list[bytes]] = {}
        self._joined: set[bytes] = set()
        self._lock = threading.Lock()

    def wants(self, path: bytes, content_hash: bytes) -> bool:
        """Whether to decode; a file whose content is under way joins it instead."""
        with self._lock:
            if content_hash in self._under_way:
                self._under_way[content_hash].append(path)
                self._joined.add(path)
                return False
            if self._is_known(content_hash):
                return False
            self._under_way[content_hash] = [path]
            return True

    def settle(self, result: Result) -> list[bytes]:
        """Return the files that share a result; none for a file that joined another."""
        with self._lock:
            if isinstance(result, Unwanted):
                return [] if result.path in self._joined else [result.path]
            if isinstance(result, Embedded):
                self._settled.add(result.content_hash)
            return self._under_way.pop(result.content_hash or b"", [result.path])

    def saved(self) -> None:
        """Take note that all that was settled is on disk: the library can answer for it now."""
        with self._lock:
            if not self._is_fresh:
                self._settled.clear()

    def _is_known(self, content_hash: bytes) -> bool:
        if self._is_fresh or content_hash in self._settled:
            return content_hash in self._settled
        with self._library.reading() as reading:
            return reading.is_embedded(content_hash, self._space)
