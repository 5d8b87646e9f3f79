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
        self._fresh: set[bytes] | None = set() if is_fresh else None
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
        """Return the files that share a result; none for a file that joined another.

        A file that joins after this and before the result is on disk is decoded once more, to the same vectors.
        """
        with self._lock:
            if isinstance(result, Unwanted):
                return [] if result.path in self._joined else [result.path]
            if isinstance(result, Embedded) and self._fresh is not None:
                self._fresh.add(result.content_hash)
            return self._under_way.pop(result.content_hash or b"", [result.path])

    def _is_known(self, content_hash: bytes) -> bool:
        if self._fresh is not None:
            return content_hash in self._fresh
        with self._library.reading() as reading:
            return reading.is_embedded(content_hash, self._space)
