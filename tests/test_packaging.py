"""The wheel: migrations, data and types are in it, and it works without the source tree."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from clapsearch import migrate

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.slow
def test_the_wheel_holds_all_it_needs(unpacked: Path) -> None:
    for name in (
        "clapsearch/migrations/env.py",
        "clapsearch/migrations/versions/0001_first.py",
        "clapsearch/data/mini/model.safetensors",
        "clapsearch/data/mini/README.md",
        "clapsearch/data/sound_events.txt",
        "clapsearch/data/ucs.csv",
        "clapsearch/py.typed",
        "indexer/py.typed",
    ):
        assert (unpacked / name).is_file(), name
    assert not (unpacked / "tests").exists()


@pytest.mark.slow
def test_the_wheel_works_away_from_the_source(unpacked: Path, sounds: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "CLAPSEARCH_LIBRARY": str(tmp_path / "library.sqlite3")}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "clapsearch", *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, timeout=120)
        return done.stdout.decode()

    where = "import clapsearch, clapsearch.migrate as m; print(clapsearch.__file__, m.migrations_folder())"
    done = subprocess.run([sys.executable, "-c", where], env=environment, cwd=tmp_path, check=True, capture_output=True)
    assert done.stdout.decode().split() == [
        str(unpacked / "clapsearch" / "__init__.py"),
        str(unpacked / "clapsearch" / "migrations"),
    ]
    assert run("index", str(sounds), "--checkpoint", "mini").startswith("9 indexed")
    assert len(run("search", "rain", "-k", "3").splitlines()) == 4


def test_the_source_tree_uses_its_own_migrations() -> None:
    assert (migrate.migrations_folder() / "versions" / "0001_first.py").is_file()


def test_the_lock_file_has_exact_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert "torch==2.13.0" in lines
    assert all(line.count("==") == 1 and "@" not in line and "/" not in line for line in lines)
