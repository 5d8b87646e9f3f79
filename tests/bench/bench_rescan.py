"""Rescans of 100,000 small files, against ``find``: unchanged, and with every folder renamed.

The library is made by the tests' tiny checkpoint; only its walk and its hashing are timed. Medians of interleaved runs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import machine
import numpy as np
import table
from peek import Watched, rows, unloadable

from clapsearch import snapshot
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
    snapshot.refresh(library)
    library.close()  # as after every run, or what was written would be read from the log
    return Library.open(path)


def find(folder: Path) -> float:
    """Return the seconds that find takes for the same look."""
    began = time.perf_counter()
    subprocess.run(["find", folder, "-type", "f", "-printf", "%s %T@\\n"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def rescan(library: Library, folder: Path, n_files: int, n_runs: int) -> tuple[table.Sample, table.Sample]:
    """Return the seconds of looks at a tree that has not changed: ours, and those of find in between."""
    ours, theirs = [], []
    for _ in range(n_runs + 1):  # the first one warms up
        theirs.append(find(folder))
        report = index(library, Watched(_Never()), (), Options())
        if report.unchanged != n_files:
            raise RuntimeError(f"{report.unchanged} of {n_files} files are unchanged")
        ours.append(report.seconds["walk"])
    return table.Sample(tuple(ours[1:])), table.Sample(tuple(theirs[1:]))


def figures(n_files: int, n_runs: int) -> Iterator[table.Figure]:
    """Yield what a rescan takes, and one after every folder was renamed."""
    with tempfile.TemporaryDirectory(prefix="rescan-") as home:
        folder = Path(home).resolve() / "tree"
        make_tree(folder, n_files)
        library = make_library(Path(home) / "library.sqlite3", folder)
        ours, theirs = rescan(library, folder, n_files, n_runs)
        yield table.within(f"rescan of {n_files:,} unchanged files", ours, theirs, at_most=LIMIT, note="theirs: find")
        for base in sorted(folder.iterdir()):
            base.rename(base.with_name(f"renamed {base.name}"))
        embedder, began = Watched(_Never()), time.perf_counter()
        report = index(library, embedder, (), Options())
        seconds = time.perf_counter() - began
        assert (report.moved, embedder.n_embedded) == (n_files, 0)
        assert rows(library.path, "SELECT count(*) FROM sound WHERE missing_since IS NULL") == [(n_files,)]
        yield table.alone(f"{n_files:,} renamed files", table.Sample((seconds,)), note="none embedded")
        library.close()


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--files", type=int, default=100_000)
    arguments.add_argument("--runs", type=int, default=5)
    chosen = arguments.parse_args()
    machine.print_surroundings()
    print(table.markdown(list(figures(chosen.files, chosen.runs))))


class _Never:
    """An embedder that is never asked."""

    checkpoint, front_end, batch_size, logit_scale = CHECKPOINT, FRONT_END, 1, 1.0
    embed_text = embed_audio = property(lambda self: unloadable(FRONT_END).embed_text)


if __name__ == "__main__":
    main()
