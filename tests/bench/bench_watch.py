"""How soon a change reaches the results, and what months of events cost in memory.

The real command watches a tree of 10,000 files in a process of its own; new sounds of 30 s are written into it, one at
a time, and the clock runs from the moment a file is closed to the moment a search can find it. Then events come by the
thousand, and the memory of the process (PSS) is read after 2,000 and after 20,000.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

sys.path.insert(0, str(Path(__file__).parent.parent))

import peek
import psutil
import soundfile
from bench_rescan import make_library, make_tree
from signals import noise

from clapsearch.clap import ClapEmbedder
from clapsearch.weights import locate
from indexer.health import read_health

LIMIT_S, LIMIT_GROWTH = 5.0, 0.10
N_FILES = 10_000


class Watcher:
    """``clapsearch watch`` on a library, quiet when the block begins."""

    def __init__(self, library: Path, *arguments: str) -> None:
        self.library = library
        command = [sys.executable, "-m", "clapsearch", "watch", "--library", str(library), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        self.until(lambda health: health.last_batch_at is not None)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait(60) == 0

    def until(self, condition) -> None:
        while (health := read_health(self.library.with_name(self.library.name + ".watcher"))) is None or not condition(
            health
        ):
            assert self.process.poll() is None
            time.sleep(0.1)

    def memory_mb(self) -> float:
        return psutil.Process(self.process.pid).memory_full_info().pss / 1e6


def latency_s(library: Path, path: Path, seed: int) -> float:
    """Write a new sound and wait until a search can find it."""
    soundfile.write(path.with_suffix(".draft"), noise(30, seed=seed), 48_000, format="WAV", subtype="PCM_16")
    whole = path.with_suffix(".draft").read_bytes()
    path.with_suffix(".draft").unlink()
    path.write_bytes(whole)
    closed = time.monotonic()
    query = "SELECT 1 FROM sound s JOIN embedding e ON e.content_id = s.content_id WHERE cast(s.relpath AS text) LIKE "
    while not peek.rows(library, f"{query} '%{path.name}'"):
        time.sleep(0.02)
    return time.monotonic() - closed


def latencies(library: Path, folder: Path, n_times: int, first_seed: int, *arguments: str) -> list[float]:
    """Measure several times, at moments that have nothing to do with the watcher's own."""
    with Watcher(library, *arguments):
        found = []
        for number in range(n_times):
            time.sleep(1.3 + number % 3 * 0.37)
            name = f"new_{first_seed + number}.wav"
            found.append(latency_s(library, folder / "series0" / f"set{number}" / name, first_seed + number))
        return found


def touch(folder: Path, n_events: int, watcher: Watcher) -> None:
    """Make events, 200 at a time, and wait until the watcher has dealt with them."""
    files = sorted((folder / "series0" / "set0").glob("sound*.wav"))[:200]
    for number in range(n_events // len(files)):
        for path in files:
            os.utime(path, (1e9 + number + time.time() % 1e6, 1e9 + number + time.time() % 1e6))
        time.sleep(1.0)
    time.sleep(5.0)
    watcher.until(lambda health: health.waiting == 0)


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--checkpoint", default="mini")
    arguments.add_argument("--times", type=int, default=10)
    arguments.add_argument("--rescan", type=float, default=10.0, help="seconds between rescans, without events")
    arguments.add_argument("--no-memory", action="store_true", help="leave out the part about memory")
    chosen = arguments.parse_args()
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {N_FILES:,} files"
    )
    with tempfile.TemporaryDirectory(prefix="watch-") as home:
        folder, library = Path(home).resolve() / "tree", Path(home) / "library.sqlite3"
        make_tree(folder, N_FILES)
        make_library(library, folder, ClapEmbedder(locate(chosen.checkpoint), device="cpu").checkpoint).close()
        _show("events", latencies(library, folder, chosen.times, 0), LIMIT_S)
        rescan = ("--poll", "--rescan", f"{chosen.rescan:g}")
        _show("rescans", latencies(library, folder, chosen.times, 1000, *rescan), chosen.rescan + LIMIT_S)
        if not chosen.no_memory:
            _show_memory(library, folder)


def _show(name: str, seconds: list[float], limit_s: float) -> None:
    verdict = "met" if max(seconds) <= limit_s else "not met"
    median, worst = statistics.median(seconds), max(seconds)
    print(f"by {name}: median {median:.1f} s, worst {worst:.1f} s, limit {limit_s:g} s: {verdict}")


def _show_memory(library: Path, folder: Path) -> None:
    with Watcher(library) as watcher:
        touch(folder, 2_000, watcher)
        early = watcher.memory_mb()
        touch(folder, 18_000, watcher)
        late = watcher.memory_mb()
    verdict = "met" if late <= early * (1 + LIMIT_GROWTH) else "not met"
    print(
        f"memory: {early:.0f} MB after 2,000 events, {late:.0f} MB after 20,000, limit {LIMIT_GROWTH:+.0%}: {verdict}"
    )


if __name__ == "__main__":
    main()
