"""Libraries as an index of many sounds would have made them: rows and vectors are synthesised, no file is decoded."""

import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import numpy.typing as npt
import synthetic

from clapsearch.embedder import Checkpoint
from clapsearch.metadata.ucs import categories
from clapsearch.store import Library, Snapshot, Writing
from clapsearch.vectors import Vectors, write_snapshot

DIM = 512
UNKNOWN = Checkpoint("none", None, "none", "none", "none", "none", "none", DIM, 10.0)
FIRST_DAY = datetime(2020, 1, 1).astimezone()
COMMON = ("rain", "wind", "door", "dog", "car", "crowd", "metal", "water", "step", "bell")
# One word of a thousand each; ends that no stemmer takes away.
RARE = tuple(
    f"{a}{b}{c}k"
    for a in ["ba", "du", "fi", "go", "ke", "la", "mu", "no", "pi", "ru"]
    for b in COMMON
    for c in "aeiouxvzjw"
)
CAT_IDS = sorted(categories())


@dataclass(frozen=True)
class Rows:
    """What is known of each sound, as columns, and its path."""

    root: Path
    duration_s: npt.NDArray[np.float64]
    dated: npt.NDArray[np.int64]  # unix seconds
    cat: npt.NDArray[np.int64]
    word: npt.NDArray[np.int64]
    common: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    is_aif: npt.NDArray[np.bool_]
    pack: npt.NDArray[np.int64]

    def relpath(self, i: int) -> str:
        ext = "aif" if self.is_aif[i] else "wav"
        name = f"{CAT_IDS[self.cat[i]]}_{COMMON[self.common[i]]} {RARE[self.word[i]]} {i:07}.{ext}"
        return f"pack {self.pack[i]:04}/{RARE[self.place[i]]}/{name}"


def synthesise(n: int, root: Path) -> Rows:
    """Return the columns of n sounds, always the same."""
    rng = np.random.default_rng(0)
    day = rng.integers(0, 1000, n)
    return Rows(
        root=root,
        duration_s=np.round(rng.uniform(0.0, 100.0, n), 3) + 0.0005,  # never on a limit
        dated=int(FIRST_DAY.timestamp()) + day * 86_400 + 43_200,
        cat=rng.integers(0, len(CAT_IDS), n),
        word=rng.integers(0, len(RARE), n),
        common=rng.integers(0, len(COMMON), n),
        place=rng.integers(0, len(RARE), n),
        is_aif=rng.random(n) < 0.001,
        pack=np.arange(n) * 1000 // n,
    )


@dataclass(frozen=True)
class Shelf:
    """A folder that keeps libraries from one run to the next; the folder of their sounds has none."""

    folder: Path
    checkpoint: Checkpoint = UNKNOWN

    def rows(self, n: int) -> Rows:
        """Return what the library of n sounds says of them."""
        root = self.folder / "sounds"
        root.mkdir(parents=True, exist_ok=True)
        (root / "about.txt").write_text("An empty folder would count as one that is not there.\n")
        return synthesise(n, root)

    def vectors(self, n: int) -> Iterator[npt.NDArray[np.float16]]:
        """Yield the vectors of the library of n sounds, some at a time."""
        return synthetic.sounds(n, self.checkpoint.dim)

    def library(self, n: int) -> Path:
        """Return the library of n sounds, without a snapshot if it is made now."""
        path = self.folder / f"library-{n}-{self.checkpoint.dim}-{self.checkpoint.weights_hash[:8]}.sqlite3"
        if not path.exists():
            draft = self.folder / "draft.sqlite3"
            for rest in self.folder.glob("draft.sqlite3*"):
                rest.unlink()
            self._write(draft, n)
            draft.rename(path)
        return path

    def bare(self, n: int) -> Path:
        """Return a library that has a snapshot of n vectors, and nothing else."""
        path = self.folder / f"vectors-{n}-{self.checkpoint.dim}.sqlite3"
        library = Library.open(path, create=True)
        with library.reading() as reading:
            is_made = reading.newest_snapshot() is not None
        if not is_made:
            library.snapshots.mkdir(exist_ok=True)
            file = library.snapshots / "vectors.faiss"
            rows = (row for some in self.vectors(n) for row in some)
            embeddings = (Vectors(number, row[None]) for number, row in enumerate(rows, start=1))
            n_vectors, last = write_snapshot(file, embeddings, dim=self.checkpoint.dim)
            with library.writing() as writing:
                writing.activate(writing.add_checkpoint(self.checkpoint))
                writing.publish(Snapshot(file.name, last, n_vectors, file.stat().st_size))
        library.close()
        return path

    def _write(self, path: Path, n: int) -> None:
        rows, library = self.rows(n), Library.open(path, create=True)
        with library.writing() as writing:
            checkpoint_id = writing.add_checkpoint(self.checkpoint)
            writing.activate(checkpoint_id)
            writing.add_root(str(rows.root).encode())
        start = 0
        for some in self.vectors(n):
            with library.writing() as writing:  # its end writes words and facets
                _insert(writing, checkpoint_id, rows, start, some)
            start += len(some)
        library.close()


def _insert(writing: Writing, checkpoint_id: int, rows: Rows, start: int, some: npt.NDArray[np.float16]) -> None:
    run = writing._connection.exec_driver_sql
    ids = range(start, start + len(some))
    contents = [(i + 1, i.to_bytes(16, "big"), float(rows.duration_s[i]), 48_000, 1 + i % 2, "WAV") for i in ids]
    run("INSERT INTO content (id, hash, duration_s, sr, channels, format) VALUES (?, ?, ?, ?, ?, ?)", contents)
    blobs = [vector.tobytes() for vector in some]
    embeddings = [
        (i + 1, checkpoint_id, some.shape[1], blob, zlib.crc32(blob)) for i, blob in zip(ids, blobs, strict=True)
    ]
    run("INSERT INTO embedding (content_id, checkpoint_id, n, dim, data, crc) VALUES (?, ?, 1, ?, ?, ?)", embeddings)
    places = [(rows.relpath(i).encode(), int(rows.dated[i]) * 10**9, i + 1) for i in ids]
    run("INSERT INTO sound (root_id, relpath, size, mtime_ns, content_id) VALUES (1, ?, 10, ?, ?)", places)
