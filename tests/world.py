"""A small world to index: a folder of sounds and the library that knows it, made anew for every test."""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from peek import unloadable
from signals import noise

from clapsearch.store import Library
from indexer import pipeline
from indexer.pipeline import Options, index

ONE_WORKER = Options(n_workers=1)
SHORT = ["a.wav", "b.wav", "c.wav", "d.wav"]
ALL = [*SHORT, "long.wav"]
POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="POSIX")


def write(path: Path, seed: int, *, duration_s: float = 0.3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(os.fsencode(path), noise(duration_s, seed=seed), 48_000, format="WAV", subtype="PCM_16")
    return path


@dataclass
class World:
    """A folder of sounds and a library that knows it."""

    folder: Path
    library: Library

    def index(self, embedder, *folders, **options):
        return index(self.library, embedder, folders, replace(ONE_WORKER, **options))

    @property
    def a(self) -> Path:
        return self.folder / "rain" / "a.wav"


@pytest.fixture(scope="session")
def template(tmp_path_factory, fused):
    """Four short sounds and a long one, indexed once."""
    home = tmp_path_factory.mktemp("template")
    for seed, name in enumerate(SHORT):
        write(home / "world" / "sounds" / ("rain" if seed < 2 else "dogs") / name, seed)
    write(home / "world" / "sounds" / "long.wav", 9, duration_s=22)
    library = Library.open(home / "world" / "library.sqlite3", create=True)
    report = index(library, fused, [home / "world" / "sounds"], Options(n_workers=2))
    library.close()
    assert (report.indexed, report.failed) == (5, ())
    (home / "world").rename(home / "kept")
    return home


@pytest.fixture
def world(template):
    """The indexed folder, fresh for every test at the path where it was indexed."""
    shutil.copytree(template / "kept", template / "world")
    library = Library.open(template / "world" / "library.sqlite3")
    yield World(template / "world" / "sounds", library)
    library.close()
    shutil.rmtree(template / "world")


@pytest.fixture
def no_model(fused):
    return unloadable(fused.front_end)


@pytest.fixture
def bad(world):
    """Three files that do not decode, one of them twice."""
    (world.folder / "text.wav").write_bytes(b"no sound at all\n" * 100)
    shutil.copyfile(world.folder / "text.wav", world.folder / "text_copy.wav")
    (world.folder / "empty.wav").write_bytes(b"")
    soundfile.write(world.folder / "silence.wav", np.zeros(48_000, np.float32), 48_000)
    return {
        "empty.wav": "empty file (0 bytes)",
        "silence.wav": "digital silence: no sample above the 16-bit floor",
        "text.wav": "not a sound file that can be decoded (Format not recognised.)",
        "text_copy.wav": "not a sound file that can be decoded (Format not recognised.)",
    }


def names(report):
    return sorted(os.fsdecode(os.path.basename(path)) for path, _ in report.failed)


@pytest.fixture
def commit_each(monkeypatch):
    """Write every result at once, so that runs of a few sounds have a middle."""
    monkeypatch.setattr(pipeline, "COMMIT_FILES", 1)


@pytest.fixture
def more(world):
    """Six new sounds beside the five known ones."""
    for seed in range(6):
        write(world.folder / "more" / f"m{seed}.wav", 60 + seed)
    return world
