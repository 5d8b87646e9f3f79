"""Watching: events and rescans say where to look; every batch of them is one run of the pipeline."""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from clapsearch.embedder import Embedder
from clapsearch.errors import ClapsearchError, LibraryBusyError, UsageError
from clapsearch.filesystem import joined, relative
from clapsearch.present import printable
from clapsearch.settings import RESCAN_S
from clapsearch.store import Library
from indexer.dirty import Dirty
from indexer.filters import is_audio, is_hidden
from indexer.health import Health
from indexer.observe import Event, Observers
from indexer.pipeline import Options, index
from indexer.plan import check_folders, choose_roots, holder_of
from indexer.report import Entry, Report
from indexer.stillness import Stillness

# A rescan of a big or slow folder comes more rarely than is asked for: it may take this share of the time.
RESCAN_SHARE = 0.05
TICK_S = 1.0
HEALTH_S = 10.0
# After a batch that could not be done (a full disk, a library out of reach), doubled each time.
RETRY_S, MAX_RETRY_S = 2.0, 60.0
BUSY_S = 1.0


@dataclass(frozen=True)
class Pace:
    """How to look for changes.

    Attributes
    ----------
    rescan_s : float
        Seconds from one look at everything to the next.
    rescan_only : bool
        Use no events.
    """

    rescan_s: float = RESCAN_S
    rescan_only: bool = False


DEFAULT_OPTIONS, DEFAULT_PACE = Options(), Pace()


def watch(
    library: Library,
    open_embedder: Callable[[], Embedder],
    folders: Sequence[Path] = (),
    options: Options = DEFAULT_OPTIONS,
    pace: Pace = DEFAULT_PACE,
    *,
    on_entry: Callable[[Entry], None] = lambda entry: None,
    say: Callable[[str], None] = lambda line: None,
    should_stop: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Keep a library up to date with folders, made roots if they are new, or with all roots, until asked to stop.

    Parameters
    ----------
    open_embedder : callable
        Returns the embedder that belongs to the library; called again when another command changed its checkpoint.
    on_entry : callable
        Hears of every change once searches see it.
    say : callable
        Takes a line about the watcher itself; called from several threads.
    clock : callable
        Monotonic seconds.

    Raises
    ------
    ClapsearchError
        If a new folder is not there, another watcher runs, or the checkpoint does not load. Later troubles are said,
        and what they kept from being done is tried again.
    """
    with library.watched():
        only = _begin(library, folders, options)
        options = replace(options, exclude=None, video=None)  # the folders that were named have them now
        watcher = _Watcher(library, open_embedder, options, pace, only, on_entry, say, clock)
        with watcher.observers():
            while not should_stop():
                watcher.tick(should_stop)
                watcher.pause()


def _begin(library: Library, folders: Sequence[Path], options: Options) -> frozenset[int] | None:
    """Return the ids of the roots to watch, or None for all that there are and will be."""
    with library.reading() as reading:
        known = reading.roots()
    if not folders and not known:
        raise UsageError("the library has no folders yet; name one: clapsearch watch FOLDER")
    check_folders([folder for folder in folders if holder_of(folder, known) is None])  # a known one may be offline
    if not folders:
        return None
    with library.exclusive(wait_s=options.wait_s):
        roots = choose_roots(library, folders, options.exclude, options.video)
    return frozenset(root.id for root in roots)


@dataclass
class _Watcher:
    library: Library
    open_embedder: Callable[[], Embedder]
    options: Options
    pace: Pace
    only: frozenset[int] | None
    on_entry: Callable[[Entry], None]
    say: Callable[[str], None]
    clock: Callable[[], float]
    health: Health = field(default_factory=Health.new)
    _roots: frozenset[bytes] = frozenset()
    _failed: dict[bytes, str] = field(default_factory=dict)
    _retry_s: float = RETRY_S
    _is_lost: bool = False
    _limit: str | None = None

    def __post_init__(self) -> None:
        self._dirty, self._stillness = Dirty(self.clock), Stillness(self.clock)
        self._next_rescan = self._not_before = self._next_health = self.clock()
        self._load()

    def _load(self) -> None:
        """Load the model now: the first change should not wait for it."""
        self._embedder = self.open_embedder()
        self._space = self._embedder.checkpoint.space

    @contextmanager
    def observers(self) -> Iterator[None]:
        """Receive events within the block."""
        self._observers = Observers(self._on_event, self._on_lost, rescan_only=self.pace.rescan_only)
        try:
            yield
        finally:
            self._observers.close()

    def tick(self, should_stop: Callable[[], bool]) -> None:
        """Do what is due."""
        with self._troubles():
            self._follow_roots()
            self._gather()
            if self.clock() >= self._not_before:
                self._follow_checkpoint()
                if self._dirty.due_s() == 0:
                    self._batch(should_stop)
        if self.clock() >= self._next_health:
            self._write_health()

    def pause(self) -> None:
        """Wait until something may be due, or an event comes."""
        due_s, still_s = self._dirty.due_s(), self._stillness.due_s()
        waits = [TICK_S if still_s is None else still_s]
        if due_s is not None:
            waits.append(max(due_s, self._not_before - self.clock()))
        self._dirty.changed.wait(min(TICK_S, max(0.02, min(waits))))
        self._dirty.changed.clear()

    def _follow_roots(self) -> None:
        """Other commands add, relocate and forget roots meanwhile, and folders come and go."""
        with self.library.reading() as reading:
            roots = reading.roots()
        self._roots = frozenset(root.path for root in roots if self.only is None or root.id in self.only)
        for root in self._observers.follow(self._roots):
            self._dirty.add(root, is_event=False)
        modes = {printable(root): str(mode) for root, mode in self._observers.modes.items()}
        for name, mode in modes.items():
            if self.health.modes.get(name) != mode and mode != "offline":  # that is an entry of its own
                self.say(f"watching {name} by {mode}")
        self.health.modes = modes

    def _follow_checkpoint(self) -> None:
        """Another command may change it."""
        with self.library.reading() as reading:
            active = reading.checkpoint()
        if active and active.space != self._space:
            self._load()
            self.say(f"the library has checkpoint {active.name} now")

    def _gather(self) -> None:
        """Ask for what is due by the clock."""
        if self.clock() >= self._next_rescan:
            self._next_rescan, self._is_lost = self.clock() + self.pace.rescan_s, False
            problem = self._observers.limit_problem()
            if problem and problem != self._limit:
                self.say(f"new folders are found by rescans only: {problem}")
            self._limit = problem
            for root in self._roots:
                self._dirty.add(root, is_event=False)
        # What is gone is looked at together with whatever is new: it may be the same file.
        is_batch = self._dirty.due_s() == 0
        for path in {*self._stillness.due(), *(self._stillness.gone() if is_batch else ())}:
            if (place := self._place(path)) is None:  # its root was forgotten
                self._stillness.settle([path], (), math.inf)
            else:
                self._dirty.add(*place, is_event=False)

    def _batch(self, should_stop: Callable[[], bool]) -> None:
        """Run the pipeline on all that is dirty."""
        parts = {root: relpaths for root, relpaths in self._dirty.take().items() if root in self._roots}
        n_before, began = self.health.n_changes, self.clock()
        try:
            report = index(
                self.library,
                self._embedder,
                options=self.options,
                under=parts,
                is_ready=self._stillness.is_ready,
                on_entry=self._note,
                on_progress=lambda progress: self._breathe(),
                should_stop=should_stop,
            )
        except BaseException:
            self._dirty.put_back(parts)
            raise
        looked = [joined(root, relpath) for root, some in parts.items() for relpath in some or [b""]]
        self._stillness.settle(looked, report.waiting, began)
        self._after(report, self.health.n_changes - n_before)

    def _after(self, report: Report, n_changes: int) -> None:
        self._next_rescan = max(self._next_rescan, self.clock() + report.seconds["walk"] / RESCAN_SHARE)
        self._retry_s = RETRY_S
        if self.health.problem:
            self.say("it works again")
        self.health.problem, self.health.waiting, self.health.last_batch_at = "", len(report.waiting), time.time()
        if n_changes > 1:
            self.say(f"{n_changes:,} changes in {report.wall_s:.1f} s")
        self._write_health()

    @contextmanager
    def _troubles(self) -> Iterator[None]:
        """Say what went wrong, once, and try again later: the watcher lives."""
        try:
            yield
        except LibraryBusyError as error:
            self._wait(BUSY_S, str(error))
        except ClapsearchError as error:
            self._wait(self._retry_s, str(error))
            self._retry_s = min(2 * self._retry_s, MAX_RETRY_S)
        except Exception as error:  # noqa: BLE001 (whatever it is, it must not end months of watching)
            self._wait(MAX_RETRY_S, f"{type(error).__name__}: {error}")

    def _wait(self, seconds: float, problem: str) -> None:
        self._not_before = self.clock() + seconds
        if problem != self.health.problem:
            self.say(f"{problem}; trying again")
        self.health.problem = problem
        self._write_health()

    def _note(self, entry: Entry) -> None:
        """Pass a change on; a file that fails again in the same way is none."""
        is_again = entry.kind == "failed" and self._failed.get(entry.path) == entry.detail
        self._failed.pop(entry.path, None)
        if entry.kind == "failed":
            self._failed[entry.path] = entry.detail
        if not is_again:
            self.health.n_changes += 1
            self.on_entry(entry)

    def _breathe(self) -> None:
        if self.clock() >= self._next_health:
            self._write_health()

    def _write_health(self) -> None:
        self._next_health = self.clock() + HEALTH_S
        self.health.write(self.library.health)

    def _on_event(self, event: Event) -> None:
        """Take note of what may concern a sound. Called from other threads."""
        place = self._place(event.path)
        if place is None or not (event.is_folder or is_audio(event.path, video=True)):
            return
        if not event.is_folder:
            self._stillness.note(event.path, is_open=event.is_open)
        self._dirty.add(*place)

    def _on_lost(self) -> None:
        if not self._is_lost:
            self.say("events were lost: looking at everything")
        self._is_lost, self._next_rescan = True, self.clock()

    def _place(self, path: bytes) -> tuple[bytes, bytes | None] | None:
        """Return the innermost root that holds a path, and the path in it (None: the root); None if it is not ours."""
        places = [(root, relpath) for root in self._roots if (relpath := relative(path, root)) is not None]
        if not places:
            return None
        root, relpath = max(places, key=lambda place: len(place[0]))
        is_ours = not any(is_hidden(name) for name in relpath.split(os.sep.encode()))
        return (root, relpath or None) if is_ours else None
