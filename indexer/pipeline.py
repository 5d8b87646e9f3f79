"""The write arrow in one place: walk -> probe -> decode -> log-mel -> embed -> store."""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch import snapshot, standing
from clapsearch.embedder import Embedder, check_same_space
from clapsearch.errors import LibraryError
from clapsearch.metadata import METADATA_VERSION
from clapsearch.store import Library, Place, Writing
from clapsearch.text_cache import cached_vectors
from indexer.decode import STALL_S, DecodePool, Skipped
from indexer.embed import Embedded, embed
from indexer.feed import Feed
from indexer.integrity import repair
from indexer.leaving import Leaving
from indexer.ledger import Ledger, Result
from indexer.plan import IsReady, Plan, check, choose_roots, make_plan
from indexer.report import Entry, Progress, Report, Tally
from indexer.retag import retag
from indexer.worker import CHANGED

COMMIT_S = 2.0
COMMIT_FILES = 256
N_ASKED = 100  # texts that people asked for, to tune searches by


@dataclass(frozen=True)
class Options:
    """How to run.

    Attributes
    ----------
    exclude : sequence of str, optional
        Globs the named roots leave out from now on; None keeps what they have.
    video : bool, optional
        Whether the named roots take the sound of video files from now on; None keeps what they have.
    full : bool
        Embed everything again.
    repair : bool
        First drop what is damaged, so that the run makes it anew; looks at all roots.
    retry_failed : bool
        Look again at files whose bytes did not decode.
    metadata : bool
        Read the metadata of all sounds again, also where the reader is the same.
    n_workers : int
        Decode processes.
    stall_s : float
        Silence after which a decoder is killed.
    wait_s : float
        How long to wait for another writer.
    """

    exclude: Sequence[str] | None = None
    video: bool | None = None
    full: bool = False
    repair: bool = False
    retry_failed: bool = False
    metadata: bool = False
    n_workers: int = 2
    stall_s: float = STALL_S
    wait_s: float = 0.0


def index(
    library: Library,
    embedder: Embedder,
    folders: Sequence[Path] = (),
    options: Options = Options(),
    *,
    under: Mapping[bytes, Sequence[bytes] | None] | None = None,
    is_ready: IsReady = lambda path, file: True,
    on_entry: Callable[[Entry], None] = lambda entry: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Bring the library up to date with its roots; finished work is kept whatever ends the run.

    Parameters
    ----------
    folders : sequence of Path
        Folders to index; all roots without any.
    under, is_ready
        See `indexer.plan.make_plan`.
    on_entry : callable
        Hears of every change once searches see it.
    should_stop : callable
        Asked often; true ends the run early, with a report that says so.

    Raises
    ------
    ClapsearchError
        If a folder is not there, another process writes, the disk is full, or workers cannot start.
    """
    with library.exclusive(wait_s=options.wait_s, should_stop=should_stop):
        run = _Run(library, embedder, options, under, is_ready, on_entry, on_progress, should_stop)
        return run.run(folders)


class _StoppedError(Exception):
    """The walk was asked to stop."""


@dataclass
class _Run:
    library: Library
    embedder: Embedder
    options: Options
    under: Mapping[bytes, Sequence[bytes] | None] | None
    is_ready: IsReady
    on_entry: Callable[[Entry], None]
    on_progress: Callable[[Progress], None]
    should_stop: Callable[[], bool]
    tally: Tally = field(default_factory=Tally)
    _is_switch: bool = field(default=False, init=False)
    _tagged: set[int] = field(default_factory=set, init=False)

    def run(self, folders: Sequence[Path]) -> Report:
        check(self.library, folders, self.options.exclude)
        if self.options.repair:
            repair(self.library)
        self._open_checkpoint()
        with contextlib.suppress(_StoppedError):
            plan = self._plan(folders)
            self._leaving = Leaving(self.library, plan)
            self._note_walk(plan)
            if plan.places:
                self._embed_all(plan)
            if not self.should_stop():
                self._note_gone(plan, self._leaving.unclaimed)
                self._switch()
                self._retag(plan)
            self._note_end(plan)
        with self.tally.timed("snapshot"):
            if snapshot.refresh(self.library):
                standing.refresh(self.library, self.embedder.embed_text)
            if not self._is_switch:  # its texts are of the checkpoint that searches use
                snapshot.hasten(self.library, self._texts, self.should_stop)
        return self.tally.report(cancelled=self.should_stop())

    def _texts(self) -> npt.NDArray[np.float32]:
        """Return vectors of texts such as people ask for: ordinary ones, and the last ones that were asked for."""
        self.on_progress(Progress(0, None, doing="making an approximate index for faster searches"))
        asked = cached_vectors(self.embedder.checkpoint)[:N_ASKED]
        return np.concatenate([standing.vectors(self.embedder.embed_text), asked])

    def _open_checkpoint(self) -> None:
        """Find whose vectors to write. The model loads only now where it decides that; else when it is needed."""
        with self.library.reading() as reading:
            self._active, self._old_space = reading.checkpoint(), reading.space()
        active = self._active
        if active and not self.options.full:
            self._space = self._old_space
            return
        ours = self.embedder.checkpoint
        self._is_switch = active is not None and active.space != ours.space
        with self.library.writing() as writing:
            checkpoint_id = writing.add_checkpoint(ours)
            self._space = writing.space(ours)
            if not self._is_switch:
                writing.activate(checkpoint_id)

    @property
    def _is_fresh(self) -> bool:
        """Whether even what this checkpoint embedded before is embedded again."""
        return self.options.full and not self._is_switch

    def _plan(self, folders: Sequence[Path]) -> Plan:
        with self.tally.timed("walk"):
            roots = choose_roots(self.library, folders, self.options.exclude, self.options.video)
            # A new checkpoint has to know all sounds before searches can use it; damage may be of any root.
            if self._is_switch or self.options.repair:
                roots = choose_roots(self.library, (), None)
            return make_plan(
                self.library,
                roots,
                self._space,
                under=self.under,
                is_ready=self.is_ready,
                everything=self._is_fresh,
                retry_failed=self.options.full or self.options.retry_failed,
                on_file=self._on_walk,
            )

    def _on_walk(self, n_files: int) -> None:
        self.on_progress(Progress(n_files, None))
        if self.should_stop():
            raise _StoppedError  # half a walk says nothing about what is gone

    def _note_walk(self, plan: Plan) -> None:
        """Write down what needs no look at bytes."""
        self._note_gone(plan, [id_ for id_ in plan.gone if id_ not in self._leaving.unclaimed])
        left = [root for root in plan.offline if root.offline_since is None]
        back = [root for root in plan.online if root.offline_since is not None]
        if plan.returned or left or back:
            with self.tally.timed("store"), self.library.writing() as writing:
                writing.mark_missing(list(plan.returned), missing_since=None)
                for root in left:
                    writing.mark_offline(root.id, time.time())
                for root in back:
                    writing.mark_offline(root.id, None)
        counts = {"unchanged": plan.unchanged, "still_failed": plan.still_failed, "returned": len(plan.returned)}
        self.tally.counts.update(counts)
        self.tally.offline += [root.path for root in plan.offline]
        self.tally.waiting += plan.waiting
        self.tally.failed += [(path, f"cannot be read: {reason}") for path, reason in plan.unreadable]
        self._tell(Entry("offline", root.path) for root in left)
        self._tell(Entry("online", root.path) for root in back)
        self._tell(Entry("returned", path) for path in plan.returned.values())
        self._tell(Entry("failed", path, reason) for path, reason in self.tally.failed)

    def _note_gone(self, plan: Plan, sound_ids: Iterable[int]) -> None:
        """Take gone sounds out of the results, but for those that linger."""
        gone = {id_: plan.gone[id_] for id_ in sound_ids if id_ not in plan.lingering}
        if gone:
            with self.tally.timed("store"), self.library.writing() as writing:
                writing.mark_missing(list(gone), missing_since=time.time())
        self._tell(Entry("missing", path) for path in gone.values())

    def _note_end(self, plan: Plan) -> None:
        with self.library.reading() as reading:
            # What was gone and turned up elsewhere is not missing.
            self.tally.counts["missing"] = reading.n_missing(list(plan.gone))
            self.tally.relocated += reading.relocated() if plan.offline else []

    def _tell(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.on_entry(entry)

    def _embed_all(self, plan: Plan) -> None:
        ledger = Ledger(self.library, self._space, is_fresh=self._is_fresh)
        paths = plan.in_order()
        n_workers = self.tally.n_workers = min(self.options.n_workers, len(paths))
        pool = DecodePool(self.embedder.front_end, n_workers=n_workers, stall_s=self.options.stall_s)
        feed = Feed(pool, paths, ledger.wants, self.should_stop, look_ahead=2 * n_workers + 2)
        with pool, feed as outcomes:
            self._store_all(embed(outcomes, self.embedder), plan, ledger)

    def _store_all(self, results: Iterator[Result], plan: Plan, ledger: Ledger) -> None:
        """Write results every few seconds, and, whatever ends the run, those that are finished."""
        done = plan.unchanged + plan.still_failed + len(plan.returned)
        total = done + len(plan.places)
        pending: list[Result] = []
        saved = time.monotonic()
        self.on_progress(Progress(done, total))

        def save() -> None:
            nonlocal done, saved
            with self.tally.timed("store"):
                done += self._store(pending, plan.places, ledger)
            pending.clear()
            saved = time.monotonic()
            self.on_progress(Progress(done, total, len(self.tally.failed)))

        try:
            for result in results:
                pending.append(result)
                if len(pending) >= COMMIT_FILES or time.monotonic() - saved > COMMIT_S:
                    save()
        except LibraryError:
            raise  # nothing more can be written
        except BaseException:
            save()
            raise
        save()

    def _store(self, results: Sequence[Result], places: dict[bytes, Place], ledger: Ledger) -> int:
        """Write results in one transaction; returns how many files are done with."""
        entries = []
        with self.library.writing() as writing:
            for result in results:
                self._account(result)
                for path in ledger.settle(result):
                    entries.append(self._store_one(writing, result, path, places[path]))
        ledger.saved()
        self._tell(entries)
        return len(entries)

    def _store_one(self, writing: Writing, result: Result, path: bytes, place: Place) -> Entry:
        if _has_changed(path, place):
            result = Skipped(path, None, CHANGED, transient=True)
        if isinstance(result, Skipped):
            writing.fail_sound(place, result.content_hash, result.reason, transient=result.transient)
            self.tally.failed.append((path, result.reason))
            return Entry("failed", path, result.reason)
        is_new = isinstance(result, Embedded) and path == result.path
        content_id = writing.add_content(result.content_hash, result.info if isinstance(result, Embedded) else None)
        if isinstance(result, Embedded) and is_new:
            checkpoint_id = writing.add_checkpoint(self.embedder.checkpoint)
            if checkpoint_id not in self._space:  # another backend than before: vectors that can be compared
                if self._active is not None:  # unless another process changed the checkpoint meanwhile
                    check_same_space(self.embedder, self._active)
                self._space.append(checkpoint_id)
            writing.add_embedding(content_id, checkpoint_id, result.vectors, replaces=self._space)
            if result.metadata is not None:
                writing.add_tags(content_id, result.metadata, METADATA_VERSION)
                self._tagged.add(content_id)
        match = self._leaving.match(place, result.content_hash)
        origin = writing.place_sound(place, content_id, leaving=match)
        if origin and match:
            self._leaving.claim(place, result.content_hash)
        kind = "moved" if origin else "indexed" if is_new else "recognised"
        self.tally.counts[kind] += 1
        return Entry(kind, path, os.fsdecode(origin or b""))

    def _account(self, result: Result) -> None:
        tally = self.tally
        if not isinstance(result, Embedded):
            tally.seconds["decode"] += result.seconds
            return
        tally.seconds["decode"] += result.decode_seconds
        tally.seconds["embed"] += result.seconds
        tally.audio_s += result.info.duration_s

    def _retag(self, plan: Plan) -> None:
        """Read the metadata that an older reader read, or none did, of what is in the roots that were walked whole."""
        roots = [root.id for root in plan.online if self.under is None or self.under[root.path] is None]
        with self.library.reading() as reading:
            wanted = reading.untagged(None if self.options.metadata else METADATA_VERSION, roots)
        places = [place for place in wanted if place.content_id not in self._tagged]
        if not places:
            return
        pool = DecodePool(
            self.embedder.front_end, n_workers=min(self.options.n_workers, len(places)), stall_s=self.options.stall_s
        )
        n_before = plan.n_found
        with pool:
            self.tally.counts["metadata"] += retag(
                self.library,
                places,
                pool,
                version=METADATA_VERSION,
                on_progress=lambda done, total: self.on_progress(Progress(n_before + done, n_before + total)),
                should_stop=self.should_stop,
            )

    def _switch(self) -> None:
        """Let searches use the new checkpoint once it knows every sound that the old one knew."""
        if not self._is_switch:
            return
        with self.tally.timed("store"), self.library.writing() as writing:
            left_behind = self.tally.counts["left_behind"] = writing.n_left_behind(self._old_space, self._space)
            if not left_behind:
                writing.activate(writing.add_checkpoint(self.embedder.checkpoint))
                writing.retire(self._old_space, self._space)
                self._is_switch = False


def _has_changed(path: bytes, place: Place) -> bool:
    """Whether a file is not as the walk saw it, so that what was read may be half of something."""
    try:
        status = os.stat(path)
    except OSError:
        return False  # gone: what was read is whole, and may be needed elsewhere
    return (status.st_size, status.st_mtime_ns) != (place.size, place.mtime_ns)
