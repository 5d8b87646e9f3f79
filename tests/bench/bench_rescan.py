"""Rescans of 100,000 small files, against ``find``: unchanged, and with every folder renamed.

The library is made by the tests' tiny checkpoint; only its walk and its hashing are timed. Medians of interleaved runs.
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

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from peek import Watched, rows, unloadable

from clapsearch.audio import AudioInfo
from clapsearch.embedder import Checkpoint
from clapsearch.mel import FrontEnd
from clapsearch.store import Library, Place
from indexer.pipeline import Options, index
from indexer.worker import hash_content

LIMIT = 3.0
FRONT_END = FrontEnd(48_000, 1024, 480, 64, 50, 14_000, 480_000, "htk", "repeatpad")
CHECKPOINT = Checkpoint("none", None, "none", "none", "none", "none", "none", 8, 10.0)


def make_tree(folder: Path, n_files: int) -> None:
    """Write small files, 500 to a folder; no two are the same."""
    for number in range(n_files):
        path = folder / f"series{number // 10_000}" / f"set{number // 500}" / f"sound_{number:06}.wav"
        if number % 500 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(b"RIFF%d" % number)


def make_library(path: Path, folder: Path, checkpoint: Checkpoint = CHECKPOINT) -> Library:
    """Write the library that an index of the tree would have made: decoding is not what is measured here."""
    library = Library.open(path, create=True)
    with library.writing() as writing:
        root = writing.add_root(os.fsencode(folder))
        checkpoint_id = writing.add_checkpoint(checkpoint)
        writing.activate(checkpoint_id)
        vectors = np.full((1, checkpoint.dim), checkpoint.dim**-0.5, np.float32)
        info = AudioInfo(480, 48_000, 1, "WAV/PCM_16")
        for base, _, names in os.walk(folder):
            for name in names:
                file = Path(base, name)
                status = file.stat()
                content_id = writing.add_content(hash_content(os.fsencode(file)), info)
                writing.add_embedding(content_id, checkpoint_id, vectors, replaces=())
                relpath = os.fsencode(file.relative_to(folder))
                writing.place_sound(Place(root.id, relpath, status.st_size, status.st_mtime_ns), content_id)
    library.close()  # as after every run, or what was written would be read from the log
    return Library.open(path)


def find(folder: Path) -> float:
    """Return the seconds that find takes for the same look."""
    began = time.perf_counter()
    subprocess.run(["find", folder, "-type", "f", "-printf", "%s %T@\\n"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--files", type=int, default=100_000)
    arguments.add_argument("--runs", type=int, default=5)
    chosen = arguments.parse_args()
    machine = f"{os.cpu_count()} cores, {platform.platform()}, load {os.getloadavg()[0]:.1f}"
    print(f"Python {platform.python_version()}, {machine}")
    with tempfile.TemporaryDirectory(prefix="rescan-") as home:
        folder = Path(home).resolve() / "tree"
        make_tree(folder, chosen.files)
        library = make_library(Path(home) / "library.sqlite3", folder)
        embedder = Watched(_Never())
        ours, theirs = [], []
        for _ in range(chosen.runs + 1):  # the first one warms up
            theirs.append(find(folder))
            report = index(library, embedder, (), Options())
            assert report.unchanged == chosen.files
            ours.append(report.seconds["walk"])
        _show(statistics.median(ours[1:]), statistics.median(theirs[1:]), chosen.files)
        for base in sorted(folder.iterdir()):
            base.rename(base.with_name(f"renamed {base.name}"))
        began = time.perf_counter()
        report = index(library, embedder, (), Options())
        seconds = time.perf_counter() - began
        assert (report.moved, embedder.n_embedded) == (chosen.files, 0)
        assert rows(library.path, "SELECT count(*) FROM sound WHERE missing_since IS NULL") == [(chosen.files,)]
        print(f"{chosen.files:,} renamed files: {seconds:.1f} s, {chosen.files / seconds:,.0f} a second, none embedded")
        library.close()


class _Never:
    """An embedder that is never asked."""

    checkpoint, front_end, batch_size, logit_scale = CHECKPOINT, FRONT_END, 1, 1.0
    embed_text = embed_audio = property(lambda self: unloadable(FRONT_END).embed_text)


def _show(ours: float, theirs: float, n_files: int) -> None:
    verdict = "met" if ours <= LIMIT * theirs else "not met"
    print(f"rescan of {n_files:,} unchanged files: {ours:.3f} s; find: {theirs:.3f} s")
    print(f"ratio {ours / theirs:.2f}, limit {LIMIT:.0f}: {verdict}")


if __name__ == "__main__":
    main()
