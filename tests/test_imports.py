"""A question in words is answered without what only sounds need: nobody waits for torch to be imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_weights import SHA, lay_out

import clapsearch

HEAVY = {
    "torch", "transformers", "librosa", "alembic", "huggingface_hub", "safetensors", "scipy", "sklearn", "matplotlib",
}  # fmt: skip
# Of the write path, and of other commands.
NEEDLESS = {"indexer", "soundfile", "soxr", "av", "psutil", "tqdm", "wavinfo", "tinytag", "watchdog", "rich"}

PROGRAM = """
import json, sys
from clapsearch.cli.app import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""
THREADS = """
import sys
from clapsearch.cli.app import run
run(sys.argv[1:])
from threadpoolctl import threadpool_info
print({each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}, file=sys.stderr)
"""
LOCATE = """
import sys
from clapsearch.weights import locate
print(locate("org/name", revision=sys.argv[1]).path)
assert "huggingface_hub" not in sys.modules
"""


@pytest.fixture
def library(tmp_path: Path, sounds: Path, fused_folder: Path) -> Path:
    """An indexed library of a real checkpoint."""
    path = tmp_path / "library.sqlite3"
    with clapsearch.open(path, checkpoint=str(fused_folder), device="cpu") as session:
        session.index([sounds / "group0"])
    return path


def imported(*arguments: str) -> set[str]:
    """Run a command in a new process; returns the packages that it imported."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    assert "sound0.wav" in done.stdout or "usage" in done.stdout.lower()
    return {name.partition(".")[0] for name in modules}


def test_a_question_in_words(library: Path) -> None:
    asked = ("search", "--library", str(library), "rain on a tin roof -thunder dur:<60")
    first = imported(*asked)
    assert {"tokenizers", "faiss", "sqlalchemy"} <= first
    assert not first & (HEAVY | NEEDLESS)
    again = imported(*asked)
    assert not again & (HEAVY | NEEDLESS | {"tokenizers"})


def test_a_question_takes_one_thread(library: Path) -> None:
    asked = [sys.executable, "-c", THREADS, "search", "--library", str(library), "rain"]
    environ = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(asked, capture_output=True, text=True, check=True, env=environ)
    assert done.stderr.splitlines()[-1] == "{1}"


def test_a_checkpoint_in_the_hubs_cache_is_found_without_the_hubs_library(tmp_path: Path, fused_folder: Path) -> None:
    snapshot = lay_out(tmp_path / "home" / "hub", fused_folder)
    lay_out(tmp_path / "cache" / "huggingface" / "hub", fused_folder)
    lay_out(tmp_path / "own", fused_folder)
    for variables, there in (
        ({"HF_HOME": str(tmp_path / "home")}, snapshot),
        ({"HF_HUB_CACHE": str(tmp_path / "own"), "HF_HOME": "elsewhere"}, tmp_path / "own"),
        ({"XDG_CACHE_HOME": str(tmp_path / "cache")}, tmp_path / "cache"),
    ):
        environ = {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | variables
        command = [sys.executable, "-c", LOCATE, SHA]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
        assert done.stdout.startswith(str(there))


def test_help(library: Path) -> None:
    assert not imported("--help") & (HEAVY | NEEDLESS | {"numpy", "faiss", "sqlalchemy"})
