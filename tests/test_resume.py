"""Runs that are ended half way: what was finished stays and is not done again; test_kills.py has the random ones."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import peek
import pytest
import soundfile
import torch
from signals import noise
from stories import TIMEOUT_S, start, write_sounds

from clapsearch.clap import ClapEmbedder
from clapsearch.store import Library
from clapsearch.weights import locate
from indexer import pipeline
from indexer.pipeline import Options, Report, index

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

N_SHORT, N_LONG = 40, 3


@dataclass(frozen=True)
class Undisturbed:
    """A folder, and what a library of it must hold in the end."""

    folder: Path
    checkpoint: Path
    sounds: dict[bytes, bytes | None]
    vectors: dict[bytes, bytes]
    failures: dict[str, str]


def run_index(started, folder: Path, checkpoint: Path, library: Path, die_at: int | None = None):
    """Index in a process of its own; `die_at` files it kills itself."""

    def on_progress(progress):
        if die_at is not None and progress.total is not None and progress.done >= die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    pipeline.COMMIT_FILES = 4
    torch.set_num_threads(1)
    embedder = ClapEmbedder(locate(str(checkpoint)), device="cpu")
    started.send(None)
    opened = Library.open(library, create=True)
    index(opened, embedder, [folder], Options(n_workers=2), on_progress=on_progress)
    opened.close()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Leave the cores to the workers: several times faster for a tiny model."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, fused_folder):
    home = tmp_path_factory.mktemp("undisturbed")
    write_sounds(home / "sounds", n_short=N_SHORT, n_long=N_LONG)
    process = start(run_index, home / "sounds", fused_folder, home / "library.sqlite3")
    process.join(TIMEOUT_S)
    assert process.exitcode == 0
    sounds, vectors = peek.present(home / "library.sqlite3"), peek.vectors(home / "library.sqlite3")
    assert (len(sounds), len(vectors)) == (N_SHORT + N_LONG + 2, N_SHORT + N_LONG)
    failures = failures_of(home / "library.sqlite3")
    return Undisturbed(home / "sounds", fused_folder, sounds, vectors, failures)


def failures_of(path: Path) -> dict[str, str]:
    library = Library.open(path)
    try:
        return peek.reasons(library)
    finally:
        library.close()


def complete(undisturbed: Undisturbed, path: Path, embedder) -> Report:
    """Run without disturbance, and compare with the library that never saw one."""
    library = Library.open(path, create=True)
    try:
        report = index(library, embedder, [undisturbed.folder], Options(n_workers=2))
    finally:
        library.close()
    assert peek.present(path) == undisturbed.sounds
    assert peek.vectors(path) == undisturbed.vectors
    assert failures_of(path) == undisturbed.failures
    assert peek.rows(path, "SELECT count(*) FROM sound") == [(len(undisturbed.sounds),)]
    assert peek.rows(path, "SELECT count(*) FROM embedding") == [(len(undisturbed.vectors),)]
    assert peek.rows(path, "PRAGMA integrity_check") == [("ok",)]
    return report


def test_what_was_written_before_a_kill_is_not_done_again(undisturbed, fused, tmp_path):
    process = start(run_index, undisturbed.folder, undisturbed.checkpoint, tmp_path / "library.sqlite3", 12)
    process.join(TIMEOUT_S)
    assert process.exitcode == -signal.SIGKILL
    done = len(peek.vectors(tmp_path / "library.sqlite3"))
    assert 12 <= done < N_SHORT
    report = complete(undisturbed, tmp_path / "library.sqlite3", fused)
    assert report.indexed == len(undisturbed.vectors) - done


def wait_for_vectors(path: Path) -> None:
    """Wait until a run in another process has written some."""
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        is_made = path.exists() and peek.rows(path, "SELECT name FROM sqlite_master WHERE name = 'embedding'")
        if is_made and peek.rows(path, "SELECT count(*) FROM embedding") != [(0,)]:
            return
        time.sleep(0.05)
    raise AssertionError("no vector was written in time")


def test_interrupt_saves_finished_work_and_exits_130(undisturbed, tmp_path):
    """As a terminal does on ^C: to the command and its workers at once."""
    for seed in range(400):  # enough for several commits, one every 2 s
        soundfile.write(tmp_path / f"{seed}.wav", noise(0.1, seed=1000 + seed), 48_000)
    path = tmp_path / "library.sqlite3"
    command = [sys.executable, "-m", "clapsearch", "index", str(tmp_path), "--library", str(path), "--workers", "1"]
    command += ["--checkpoint", str(undisturbed.checkpoint), "--device", "cpu"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, start_new_session=True) as process:
        wait_for_vectors(path)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert "stopped early; run the same command again" in err
    assert "Traceback" not in out + err
    done = len(peek.vectors(path))
    assert 0 < done < 400
    assert f"{done} indexed" in out


def test_a_script_without_a_main_guard_can_index(undisturbed, tmp_path):
    """Workers must not run the caller's script again."""
    (tmp_path / "sounds").mkdir()
    shutil.copyfile(undisturbed.folder / "group0" / "0.wav", tmp_path / "sounds" / "a.wav")
    script = tmp_path / "script.py"
    script.write_text(f"""
import clapsearch
print("begin")
with clapsearch.open("library.sqlite3", checkpoint={str(undisturbed.checkpoint)!r}, device="cpu") as session:
    print(session.index(["sounds"]).indexed)
    print([hit.path.name for hit in session.search("rain")])
print(__name__, __file__)
""")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["begin", "1", "['a.wav']", f"__main__ {script}"]
