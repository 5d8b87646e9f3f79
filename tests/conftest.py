"""Fixtures: a home of its own for every run, tiny real checkpoints, synthesised sounds."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import soundfile
import torch
from checkpoints import make_checkpoint
from signals import noise
from world import bad, commit_each, more, no_model, template, world

from clapsearch.clap import ClapEmbedder
from clapsearch.store import Library
from clapsearch.weights import locate

torch.set_num_threads(1)  # the tests' models are tiny: threads would only wait for each other


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point every default place to a scratch folder: tests never touch the user's library or cache."""
    home: Path = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name, folder in (("XDG_DATA_HOME", "data"), ("XDG_CACHE_HOME", "cache"), ("HF_HOME", "hub")):
        monkeypatch.setenv(name, str(home / folder))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(home / "hub" / "hub"))  # read at import
    for name in ("CLAPSEARCH_LIBRARY", "CLAPSEARCH_CHECKPOINT", "HF_HUB_CACHE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(scope="session")
def fused_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random fused checkpoint, as a folder in the hub's layout."""
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint") / "fused", fused=True)


@pytest.fixture(scope="session")
def unfused_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint without fusion."""
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint") / "unfused", fused=False)


@pytest.fixture(scope="session")
def fused(fused_folder: Path) -> ClapEmbedder:
    """The embedder of the tiny fused checkpoint."""
    return ClapEmbedder(locate(str(fused_folder)), device="cpu")


@pytest.fixture(scope="session")
def unfused(unfused_folder: Path) -> ClapEmbedder:
    """The embedder of the tiny checkpoint without fusion."""
    return ClapEmbedder(locate(str(unfused_folder)), device="cpu")


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a new library: migrations take longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "library.sqlite3"
    Library.open(path, create=True).close()
    return path


@pytest.fixture
def library(tmp_path: Path, empty: Path) -> Iterator[Library]:
    """A new, empty library."""
    (tmp_path / "library").mkdir()
    opened = Library.open(Path(shutil.copy(empty, tmp_path / "library")))
    yield opened
    opened.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def write_sound() -> Callable[..., Path]:
    """Write a seeded sound: ``write_sound(path, duration_s=1, seed=0, sr=48000)``; different seeds, different bytes."""

    def write(path: Path, *, duration_s: float = 1.0, seed: int = 0, sr: int = 48_000) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(os.fsencode(path), noise(duration_s, seed=seed, sr=sr), sr, format="WAV", subtype="PCM_16")
        return path

    return write


@pytest.fixture
def sounds(tmp_path: Path, write_sound: Callable[..., Path]) -> Path:
    """A folder of eight short sounds and one of 22 s."""
    folder = tmp_path / "sounds"
    for seed in range(8):
        write_sound(folder / f"group{seed % 2}" / f"sound{seed}.wav", duration_s=0.3 + 0.1 * seed, seed=seed)
    write_sound(folder / "long.wav", duration_s=22, seed=99)
    return folder


__all__ = ["bad", "commit_each", "more", "no_model", "noise", "template", "world"]  # fixtures of theirs are everybody's
