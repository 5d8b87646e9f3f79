"""Stories to be killed in: something a process does to a library, and what must hold after a kill at any moment.

One story is one directory: ``sounds``, a library that knows them as they were, and the work that a process has to do.
After a kill every vector and every sound must be right or absent, a search must answer, and the same work, run again
without disturbance, must end in the library that never saw a kill.
"""

import contextlib
import gzip
import multiprocessing
import os
import random
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peek
import psutil
import soundfile
import torch
from signals import noise

from clapsearch import migrate, snapshot
from clapsearch.clap import ClapEmbedder
from clapsearch.search import search
from clapsearch.store import Library
from clapsearch.weights import locate
from indexer import dirty, pipeline, stillness, watch
from indexer.pipeline import Options, index
from indexer.watch import Pace

TIMEOUT_S = 120
TWO_WORKERS = Options(n_workers=2)
DATA = Path(__file__).parent / "data"


def write_sounds(folder: Path, *, n_short: int = 24, n_long: int = 2) -> None:
    """Write short sounds, a few long ones, a copy, and a file that does not decode."""
    for seed in range(n_short):
        target = folder / f"group{seed % 4}" / f"{seed}.wav"
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, noise(0.1 + 0.01 * seed, seed=seed), 48_000)
    for seed in range(100, 100 + n_long):
        soundfile.write(folder / f"group{seed % 4}" / "long.wav", noise(21, seed=seed, sr=16_000), 16_000)
    shutil.copyfile(folder / "group0" / "0.wav", folder / "group3" / "copy.wav")
    (folder / "group1" / "text.wav").write_bytes(b"no sound at all")


def change_sounds(folder: Path) -> None:
    """Rename a folder and a file, delete, edit, add, copy."""
    (folder / "group0").rename(folder / "renamed")
    (folder / "group1" / "1.wav").rename(folder / "group2" / "one.wav")
    (folder / "group1" / "5.wav").unlink()
    soundfile.write(folder / "group2" / "2.wav", noise(0.3, seed=302), 48_000)
    for seed in range(400, 406):
        soundfile.write(folder / "renamed" / f"{seed}.wav", noise(0.2, seed=seed), 48_000)
    shutil.copyfile(folder / "group3" / "3.wav", folder / "group3" / "again.wav")


def state(path: Path) -> dict[str, Any]:
    """Return what a library holds, as far as two ways to the same end must agree."""
    counts = [peek.rows(path, f"SELECT count(*) FROM {table}") for table in ("embedding", "root")]
    return {"sounds": peek.present(path), "vectors": peek.vectors(path), "counts": counts}


class Story(ABC):
    """A story in a directory of its own.

    Parameters
    ----------
    home : Path
        Where `prepare` puts everything.
    checkpoints : dict of str to Path
        ``fused`` and ``unfused``.
    """

    def __init__(self, home: Path, checkpoints: dict[str, Path]) -> None:
        self.home = home
        self.checkpoints = checkpoints
        self.path, self.folder = home / "library.sqlite3", home / "sounds"

    def embedder(self, name: str = "fused") -> ClapEmbedder:
        """Load a checkpoint."""
        torch.set_num_threads(1)
        return ClapEmbedder(locate(str(self.checkpoints[name])), device="cpu")

    def open(self) -> Library:
        """Open the library."""
        return Library.open(self.path, create=True)

    @abstractmethod
    def prepare(self) -> None:
        """Make the directory."""

    @abstractmethod
    def work(self) -> None:
        """Do what will be killed."""

    def finish(self) -> None:
        """Do the rest, undisturbed."""
        self.work()

    def run(self, embedder: ClapEmbedder, **options: Any) -> None:
        """Index the folder."""
        library = self.open()
        index(library, embedder, [self.folder], Options(n_workers=2, **options))
        library.close()


class Indexing(Story):
    """A first index."""

    def prepare(self) -> None:
        write_sounds(self.folder)

    def work(self) -> None:
        self.run(self.embedder())


class Updating(Story):
    """An index after many changes."""

    def prepare(self) -> None:
        write_sounds(self.folder)
        self.run(self.embedder())
        change_sounds(self.folder)

    def work(self) -> None:
        self.run(self.embedder())


class Watching(Updating):
    """A watcher that finds the same changes."""

    def work(self) -> None:
        dirty.QUIET_S, stillness.STILL_S, watch.TICK_S = 0.02, 0.05, 0.02
        library = self.open()
        watch.watch(
            library, self.embedder, [self.folder], TWO_WORKERS, Pace(rescan_s=1), should_stop=self._until_empty()
        )
        library.close()

    def _until_empty(self) -> Callable[[], bool]:
        """Return a question that is true once nothing changed for a while."""
        last, seen = time.monotonic(), None

        def is_over() -> bool:
            nonlocal last, seen
            now = peek.present(self.path) if self.path.exists() else None
            if now != seen:
                last, seen = time.monotonic(), now
            return time.monotonic() - last > 2.0

        return is_over

    def finish(self) -> None:
        self.run(self.embedder())


class Publishing(Story):
    """Snapshots, one after the other."""

    def prepare(self) -> None:
        write_sounds(self.folder)
        self.run(self.embedder())

    def work(self) -> None:
        snapshot.MIN_NEW_VECTORS = snapshot.NEW_SHARE = -1  # always due
        library = self.open()
        with library.exclusive(wait_s=10):
            for _ in range(30):
                assert snapshot.refresh(library)
        library.close()


class Reembedding(Story):
    """A change of checkpoint."""

    def prepare(self) -> None:
        write_sounds(self.folder)
        self.run(self.embedder())

    def work(self) -> None:
        library = self.open()
        index(library, self.embedder("unfused"), (), Options(n_workers=2, full=True))
        library.close()


class Migrating(Story):
    """An upgrade of the oldest schema."""

    def prepare(self) -> None:
        self.folder.mkdir()
        self.path.write_bytes(gzip.decompress((DATA / "library-0001.sqlite3.gz").read_bytes()))

    def work(self) -> None:
        self.open().close()


STORIES: dict[str, type[Story]] = {
    "index": Indexing,
    "update": Updating,
    "watch": Watching,
    "snapshot": Publishing,
    "reembed": Reembedding,
    "migrate": Migrating,
}


class Undisturbed:
    """One story as it should go: how it begins, how it ends, how long it takes."""

    def __init__(self, name: str, home: Path, checkpoints: dict[str, Path]) -> None:
        self.name, self.checkpoints = name, checkpoints
        self._template = home / name
        self._stage = home / f"{name}-stage"  # paths are part of a library: every copy stands here when it plays
        story = self.story()
        self._stage.mkdir(parents=True)
        story.prepare()
        shutil.copytree(self._stage, self._template, symlinks=True)
        self.before = state(story.path) if name not in {"index", "migrate"} else None
        began = time.monotonic()
        process = start(_play, story, pipeline.COMMIT_FILES)
        process.join(TIMEOUT_S)
        self.seconds = time.monotonic() - began
        assert process.exitcode == 0, name
        story.finish()
        self.after = state(story.path)
        self.answers = answers(story.path)

    def story(self) -> Story:
        """Return the story on its stage."""
        return STORIES[self.name](self._stage, self.checkpoints)

    def play_and_kill(self, chance: random.Random, *, n_kills: int = 1) -> int:
        """Play it from the beginning, killed at random moments, then to its end; returns how many kills hit it."""
        shutil.rmtree(self._stage)
        shutil.copytree(self._template, self._stage, symlinks=True)
        story, n_hit = self.story(), 0
        pipeline.COMMIT_FILES = chance.choice([1, 4, 256])
        for _ in range(n_kills):
            process = start(_play, story, pipeline.COMMIT_FILES)
            process.join(chance.uniform(0, 0.8 * self.seconds))
            is_hit = kill(process)
            n_hit += is_hit
            assert is_hit or process.exitcode == 0, f"{self.name} ended by itself with {process.exitcode}"
            self.check_between(story)
        story.finish()
        assert not migrate.check(story.path)
        after = state(story.path)
        assert after == self.after, f"{self.name}: the library differs from the one that saw no kill"
        assert answers(story.path) == self.answers
        check_whole(story.path)
        return n_hit

    def check_between(self, story: Story) -> None:
        """Right after a kill: nothing wrong, nothing twice, and searches answer."""
        if not story.path.exists() or not peek.rows(story.path, "SELECT 1 FROM sqlite_master WHERE name = 'sound'"):
            return
        check_whole(story.path)
        expected = [self.after, *([self.before] if self.before else [])]
        for path, content_hash in peek.present(story.path).items():
            assert content_hash is None or any(each["sounds"].get(path) == content_hash for each in expected), path
        right = {pair for each in expected for pair in each["vectors"].items()}
        assert set(peek.vectors(story.path).items()) <= right
        if self.name == "reembed":  # until the switch, the old vectors are all there
            assert peek.vectors(story.path) in [each["vectors"] for each in expected]
        answers(story.path)


def fork_server() -> Any:
    """Return a context whose processes are forked from a server that has imported all that takes long.

    Only installed modules: the server does not know where the tests are.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["clapsearch.clap", "clapsearch.search", "indexer.watch", "alembic.command"])
    return context


def start(work: Callable[..., None], *args: Any) -> Any:
    """Run work in a process, forked from a server that has imported everything; returns it begun.

    Parameters
    ----------
    work : callable
        Takes a connection, to which it sends anything once it begins, and `args`.
    """
    context = fork_server()
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *args))
    process.start()
    theirs.close()
    with ours:
        assert ours.poll(TIMEOUT_S)
        ours.recv()
    return process


def _play(started: Any, story: Story, commit_files: int) -> None:
    pipeline.COMMIT_FILES = commit_files
    started.send(None)
    story.work()


def kill(process: Any) -> bool:
    """Kill a process as a power cut would; its workers must end by themselves. Returns whether it still ran."""
    is_hit, workers = process.is_alive(), []
    with contextlib.suppress(psutil.NoSuchProcess):  # it ends just now
        workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.join(TIMEOUT_S)
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
    return is_hit


def answers(path: Path) -> list[tuple[str, float]]:
    """Ask a library with a stored vector."""
    library = Library.open(path)
    try:
        vectors = [np.frombuffer(data, "<f2").astype(np.float32) for _, data in sorted(peek.vectors(path).items())]
        with library.reading() as reading:
            checkpoint = reading.checkpoint()
        if not vectors or checkpoint is None:
            return []
        hits = search(library, vectors[0][: checkpoint.dim], top_k=100, include_offline=True)
        return [(str(hit.path), round(hit.score, 9)) for hit in hits]
    finally:
        library.close()


def check_whole(path: Path) -> None:
    """Check what the database promises of itself."""
    assert peek.rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert peek.rows(path, "PRAGMA foreign_key_check") == []
    assert peek.rows(path, "SELECT content_id, checkpoint_id FROM embedding GROUP BY 1, 2 HAVING count(*) > 1") == []


def make_checkpoints(home: Path) -> dict[str, Path]:
    """Make the tiny checkpoints that the stories use."""
    from checkpoints import make_checkpoint

    return {name: make_checkpoint(home / name, fused=name == "fused") for name in ("fused", "unfused")}


def environment() -> None:
    """Leave the cores to the workers: several times faster for tiny models."""
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
