"""A thread that keeps the decode workers busy while the main thread embeds, a few sounds ahead and no more."""

import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType

from indexer.decode import Decoded, DecodePool, Outcome
from indexer.spill import KEPT_FRAMES

_WAIT_S = 0.2


class _Queue(queue.Queue[Outcome | BaseException | None]):
    """Counts a sound once for every `KEPT_FRAMES` begun, so that hours do not pile up, in memory or on disk."""

    def _qsize(self) -> int:
        return sum(1 + len(item.log_mel) // KEPT_FRAMES if isinstance(item, Decoded) else 1 for item in self.queue)


class Feed:
    """Runs a generator of outcomes in a thread, with bounded look-ahead.

    Parameters
    ----------
    pool : DecodePool
        Entered and left by the caller.
    paths : list of bytes
    wants : callable
        As for `DecodePool.run`; called in the thread.
    should_stop : callable
        Ends the feed early; asked at least once a second.
    look_ahead : int
        Outcomes that may wait to be taken; fewer where there are long sounds among them.
    """

    def __init__(
        self,
        pool: DecodePool,
        paths: list[bytes],
        wants: Callable[[bytes, bytes], bool],
        should_stop: Callable[[], bool],
        *,
        look_ahead: int,
    ) -> None:
        self._queue = _Queue(maxsize=look_ahead)
        self._closed = threading.Event()
        self._should_stop = should_stop
        self._thread = threading.Thread(target=self._run, args=(pool, paths, wants), daemon=True)

    def __enter__(self) -> Iterator[Outcome]:
        self._thread.start()
        return self._outcomes()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def _outcomes(self) -> Iterator[Outcome]:
        while not self._should_stop():
            try:
                item = self._queue.get(timeout=_WAIT_S)
            except queue.Empty:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def _run(self, pool: DecodePool, paths: list[bytes], wants: Callable[[bytes, bytes], bool]) -> None:
        try:
            for outcome in pool.run(iter(paths), wants, self._is_over):
                self._put(outcome)
            self._put(None)
        except Exception as error:  # noqa: BLE001 (handed to the main thread, which raises it)
            self._put(error)

    def _put(self, item: Outcome | BaseException | None) -> None:
        while not self._is_over():
            try:
                self._queue.put(item, timeout=_WAIT_S)
            except queue.Full:
                continue
            return

    def _is_over(self) -> bool:
        return self._closed.is_set() or self._should_stop()
