"""A sound file to the log-mels of its variants, many files at a time in spawned workers."""

import contextlib
import multiprocessing
import os
import signal
import threading
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapsearch.allocator import keep_freed_memory
from clapsearch.audio import decode
from clapsearch.errors import AudioError, ClapsearchError, UnreadableError
from clapsearch.mel import FLOOR_DB, FrontEnd, log_mel
from clapsearch.training.augmentation import augment

BACKGROUND_S = 10.0
RECORDED_BACKGROUNDS = 0.5  # the others are noise
STALL_S = 600


@dataclass(frozen=True)
class Recipe:
    """What decides the variants of a file.

    Attributes
    ----------
    front_end : FrontEnd
    n_variants : int
        Variant 0 is clean, the others are augmented.
    seed : int
    max_duration_s : float
        Of a longer recording, only the beginning is used.
    """

    front_end: FrontEnd
    n_variants: int
    seed: int
    max_duration_s: float

    def rng(self, path: str, variant: int) -> np.random.Generator:
        """Return the generator of one variant; that of variant 0 chooses the background."""
        return np.random.default_rng([self.seed, zlib.crc32(os.fsencode(path)), variant])


@dataclass(frozen=True)
class Item:
    """One clip: its path in the manifest, which seeds its variants, its file, and one to put behind it."""

    path: str
    file: str
    background: str


@dataclass(frozen=True)
class Outcome:
    """The log-mels of all variants, each (n_frames, n_mels), float16, dB; or why there are none.

    Attributes
    ----------
    is_transient : bool
        The bytes could not be read: worth another try.
    """

    log_mels: Sequence[npt.NDArray[np.float16]] = ()
    failure: str = ""
    is_transient: bool = False


def compute(items: Sequence[Item], recipe: Recipe, n_workers: int) -> Iterator[tuple[int, Outcome]]:
    """Yield the place of every item and its outcome, in the order of completion.

    A file that kills or stalls a worker costs that worker only: whatever was under way is tried again, alone.

    Raises
    ------
    ClapsearchError
        If workers cannot start at all.
    """
    waiting = deque(range(len(items)))
    while waiting:
        under_way: dict[Future[Outcome], int] = {}
        with _workers(min(n_workers, len(waiting))) as pool, contextlib.suppress(BrokenProcessPool):
            while waiting or under_way:
                while waiting and len(under_way) < 2 * n_workers:
                    under_way[pool.submit(variants, items[waiting[0]], recipe)] = waiting[0]
                    waiting.popleft()
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    outcome = future.result()
                    yield under_way.pop(future), outcome
        for place in under_way.values():
            yield place, _alone(items[place], recipe)


def variants(item: Item, recipe: Recipe) -> Outcome:
    """Compute all variants of one clip."""
    signal.alarm(STALL_S)  # ends the process
    try:
        waveform = _beginning(item.file, recipe.front_end.sr, recipe.max_duration_s)
        return Outcome(list(_variants(item, waveform, recipe)))
    except AudioError as error:
        return Outcome(failure=str(error), is_transient=isinstance(error, UnreadableError))
    except MemoryError:
        return Outcome(failure="it needs more memory than there is; split the file")
    finally:
        signal.alarm(0)


def _variants(item: Item, waveform: npt.NDArray[np.float32], recipe: Recipe) -> Iterator[npt.NDArray[np.float16]]:
    front_end = recipe.front_end
    clean = log_mel([waveform], front_end)
    if clean.max() <= FLOOR_DB:
        raise AudioError("digital silence: no sample above the 16-bit floor")
    yield clean.astype(np.float16)
    recording = None
    if recipe.n_variants > 1:
        with contextlib.suppress(AudioError):
            recording = _beginning(item.background, front_end.sr, BACKGROUND_S)
    for variant in range(1, recipe.n_variants):
        rng = recipe.rng(item.path, variant)
        background = recording if rng.random() < RECORDED_BACKGROUNDS else None
        augmented = augment(waveform, rng, background, sr=front_end.sr)
        yield log_mel([augmented[: round(recipe.max_duration_s * front_end.sr)]], front_end).astype(np.float16)


def _beginning(file: str, sr: int, duration_s: float) -> npt.NDArray[np.float32]:
    """Decode the beginning of a file, shape (n_samples,), in constant memory."""

    def consume(blocks: Iterator[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        kept, n_left = [], round(duration_s * sr)
        for block in blocks:
            if n_left > 0:
                kept.append(block[:n_left])
                n_left -= len(block)
        return np.concatenate(kept)

    return decode(file, consume, sr=sr)[1]


def _alone(item: Item, recipe: Recipe) -> Outcome:
    with _workers(1) as pool:
        try:
            return pool.submit(variants, item, recipe).result()
        except BrokenProcessPool:
            return Outcome(failure=f"the decoder crashed on it, or stood still for {STALL_S} s; convert the file")


@contextlib.contextmanager
def _workers(n_workers: int) -> Iterator[ProcessPoolExecutor]:
    """Start workers; what has not begun when this is left is never done."""
    pool = ProcessPoolExecutor(n_workers, multiprocessing.get_context("spawn"), initializer=_prepare)
    try:
        pool.submit(os.getpid).result()
        yield pool
    except (BrokenProcessPool, OSError) as error:
        raise ClapsearchError(f"workers for decoding cannot start ({error}); take fewer with --workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare() -> None:
    """Make a worker: one thread, silent, deaf to ^C, gone with its parent however that ends."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    with contextlib.suppress(OSError):  # the MP3 decoder writes its own warnings there
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    keep_freed_memory()
    threadpool_limits(1)


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
