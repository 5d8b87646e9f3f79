"""A day in the life of a library: ``python tests/scenario.py SOUNDS --checkpoint mini``.

On a copy of a folder of sounds, with a watcher running and searches throughout: rename the biggest folder, move half of
it, edit 20 files, delete 30, add 40, take a root away and bring it back, rename a root and relocate it. At the end the
library must be the one that a fresh index of the final tree gives (the same sounds, on a CPU the same vectors), and as
many embeddings must have been computed as there were contents.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import peek
import soundfile
from signals import noise

import clapsearch
from clapsearch.errors import LibraryBusyError
from indexer.filters import is_audio, is_hidden
from indexer.health import read_health

WAIT_S = 600.0
N_EDITED, N_DELETED, N_ADDED = 20, 30, 40


class Watcher:
    """The real command, in a process of its own; its log is what the user would see."""

    def __init__(self, library: Path, log: Path, arguments: list[str]) -> None:
        self.library, self.log = library, log
        command = [sys.executable, "-m", "clapsearch", "watch", "--library", str(library), *arguments]
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file)

    def lines(self) -> list[str]:
        """Return its log so far."""
        return self.log.read_text(errors="replace").splitlines()

    def quiet(self, seconds: float = 6.0) -> None:
        """Wait until nothing changed for a while and nothing is waited for."""
        end, seen, since = time.monotonic() + WAIT_S, -1, time.monotonic()
        while time.monotonic() - since < seconds:
            assert time.monotonic() < end, "the watcher never comes to rest"
            assert self.process.poll() is None, self.lines()[-5:]
            health = read_health(self.library.with_name(self.library.name + ".watcher"))
            n_lines = len(self.lines())
            if health is None or health.last_batch_at is None or health.waiting or n_lines != seen:
                seen, since = n_lines, time.monotonic()
            time.sleep(0.1)

    def stop(self) -> int:
        """Ask it to stop, as systemd does; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


class Searcher:
    """Asks all the time; counts the answers, keeps the errors."""

    def __init__(self, library: Path) -> None:
        self.n_answers, self.errors = 0, list[str]()
        self._library, self._stop = library, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with clapsearch.open(self._library) as session:
            while not self._stop.wait(0.05):
                try:
                    hits = session.search("a dog barking", top_k=20)
                except clapsearch.ClapsearchError as error:
                    self.errors.append(str(error))
                    continue
                if len({hit.path for hit in hits}) != len(hits):
                    self.errors.append("a sound came twice")
                if [hit.score for hit in hits] != sorted((hit.score for hit in hits), reverse=True):
                    self.errors.append("hits out of order")
                self.n_answers += 1


def is_sound(name: bytes) -> bool:
    return is_audio(name) and not is_hidden(name)


def sounds_in(folder: Path) -> list[Path]:
    """Return the sound files that an index takes, sorted."""
    found = []
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(os.fsencode(name))]
        found += [
            Path(base, name) for name in names if is_audio(os.fsencode(name)) and not is_hidden(os.fsencode(name))
        ]
    return sorted(found)


def write_new(path: Path, seed: int) -> None:
    """Write a sound that there was not before, in the format of its name."""
    format_ = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3"}.get(path.suffix.lower(), "WAV")
    soundfile.write(path, noise(0.5 + seed % 7, seed=seed, sr=44_100), 44_100, format=format_)


def live(first: Path, second: Path, chance: random.Random, watcher: Watcher) -> None:
    """Do to two roots what people do to folders."""
    biggest = max((each for each in first.iterdir() if each.is_dir()), key=lambda each: len(sounds_in(each)))
    with step(watcher, f"rename {biggest.name} ({len(sounds_in(biggest))} files)"):
        biggest = biggest.rename(first / "renamed")
    with step(watcher, "move half of it"):
        (first / "moved").mkdir()
        for path in sounds_in(biggest)[::2]:
            target = first / "moved" / path.relative_to(biggest)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    everything = sounds_in(first)
    chosen = chance.sample(everything, N_EDITED + N_DELETED)
    with step(watcher, f"edit {N_EDITED}, delete {N_DELETED}, add {N_ADDED}"):
        for seed, path in enumerate(chosen[:N_EDITED]):
            write_new(path, 10_000 + seed)
        for path in chosen[N_EDITED:]:
            path.unlink()
        (first / "new").mkdir()
        for seed in range(N_ADDED):
            write_new(first / "new" / f"{seed}.wav", 20_000 + seed)
    with step(watcher, "take a root away"):
        away = second.rename(second.with_name("away"))
    with step(watcher, "bring it back"):
        away.rename(second)


@contextlib.contextmanager
def step(watcher: Watcher, what: str) -> Iterator[None]:
    """Do something, and wait until the watcher has followed."""
    began, n_before = time.monotonic(), len(watcher.lines())
    yield
    watcher.quiet()
    kinds = [line.split()[2] for line in watcher.lines()[n_before:]]
    told = {kind: kinds.count(kind) for kind in sorted({*kinds}) if not kind[0].isdigit()}
    print(f"{what}: {told}, {time.monotonic() - began:.1f} s with 6 s of rest", flush=True)


def library_of(path: Path) -> tuple[dict[bytes, bytes | None], dict[bytes, bytes]]:
    """Return the present sounds with their contents, and the vectors of these contents."""
    sounds = peek.present(path)
    return sounds, {each: data for each, data in peek.vectors(path).items() if each in set(sounds.values())}


def play(sounds: Path, home: Path, checkpoint: str, seed: int) -> None:
    """Run the scenario in a scratch folder; an AssertionError says what is wrong."""
    first, second, library = home / "first", home / "second", home / "library.sqlite3"
    shutil.copytree(sounds, first)
    second.mkdir()
    for folder in sorted(each for each in first.iterdir() if each.is_dir())[:3]:
        folder.rename(second / folder.name)
    watcher = Watcher(library, home / "watch.log", [str(first), str(second), "--checkpoint", checkpoint])
    try:
        began = time.monotonic()
        watcher.quiet()
        print(f"first index by the watcher: {len(peek.present(library))} sounds, {time.monotonic() - began:.1f} s")
        contents = set(peek.vectors(library))
        with Searcher(library) as searcher:
            live(first, second, random.Random(seed), watcher)
            with step(watcher, "rename a root and relocate it"):
                second = second.rename(home / "third")
                with clapsearch.open(library) as session:
                    while (n_moved := relocated(session, home / "second", second)) is None:
                        time.sleep(0.1)
                print(f"relocated {n_moved}")
        contents |= set(peek.vectors(library))
        assert searcher.errors == [], searcher.errors[:5]
        assert watcher.stop() == 0
    finally:
        watcher.process.kill()
    (n_computed,) = peek.rows(library, "SELECT seq FROM sqlite_sequence WHERE name = 'embedding'")[0]
    print(f"{searcher.n_answers} searches answered; {n_computed} embeddings computed for {len(contents)} contents")
    assert n_computed == len(contents)
    compare(library, home / "fresh.sqlite3", [first, second], checkpoint)


def relocated(session: clapsearch.Session, old: Path, new: Path) -> int | None:
    with contextlib.suppress(LibraryBusyError):
        return session.relocate(old, new)
    return None


def compare(library: Path, fresh: Path, folders: list[Path], checkpoint: str) -> None:
    """Index the final tree anew and compare."""
    with clapsearch.open(fresh, checkpoint=checkpoint) as session:
        session.index(folders)
    lived, made = library_of(library), library_of(fresh)
    assert lived[0] == made[0], "the sounds differ"
    assert lived[1] == made[1], "the vectors differ"
    print(f"equal to a fresh index of the final tree: {len(made[0])} sounds, {len(made[1])} contents, to the bit")


def main() -> None:
    """Play it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("sounds", type=Path)
    arguments.add_argument("--checkpoint", default="mini")
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="scenario-") as home:
        play(chosen.sounds, Path(home).resolve(), chosen.checkpoint, chosen.seed)


if __name__ == "__main__":
    main()
