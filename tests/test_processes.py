"""Several processes on one library: a watcher, an indexer and many searches at once."""

import shutil
import sys
import time
from pathlib import Path

import numpy as np
import peek
import pytest
import soundfile
import torch
from signals import noise
from stories import TIMEOUT_S, check_whole, fork_server, state

from clapsearch.clap import ClapEmbedder
from clapsearch.errors import LibraryBusyError
from clapsearch.search import search
from clapsearch.store import Library
from clapsearch.weights import locate
from indexer import dirty, stillness, watch
from indexer.pipeline import Options, index
from indexer.watch import Pace

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork server")
WAIT_S = 30.0


def load(checkpoint: Path) -> ClapEmbedder:
    torch.set_num_threads(1)
    return ClapEmbedder(locate(str(checkpoint)), device="cpu")


def run_watch(path, folder, checkpoint, started, stop, errors):
    dirty.QUIET_S, stillness.STILL_S, watch.TICK_S, watch.BUSY_S = 0.05, 0.1, 0.05, 0.05
    said = []
    library, embedder = Library.open(path), load(checkpoint)
    started.release()
    options = Options(n_workers=1, wait_s=WAIT_S)
    watch.watch(library, lambda: embedder, [folder], options, Pace(), say=said.append, should_stop=stop.is_set)
    for line in said:
        if "trying again" in line and "is being written by process" not in line:
            errors.put(line)


def run_index(path, folder, checkpoint, started, stop, errors):
    library, embedder = Library.open(path), load(checkpoint)
    started.release()
    while not stop.is_set():
        try:
            index(library, embedder, [folder], Options(n_workers=1, wait_s=WAIT_S))
        except LibraryBusyError as error:
            errors.put(str(error))
        time.sleep(0.2)


def run_searches(path, query, expected, started, stop, errors):
    """Every answer is whole: sounds that nobody touches are always there, with the same scores, in order."""
    library, n_answers = Library.open(path), 0
    search(library, query, top_k=1)  # imports come late
    started.release()
    while not stop.is_set():
        try:
            hits = search(library, query, top_k=1000)
        except Exception as error:
            errors.put(repr(error))
            raise
        scores = [hit.score for hit in hits]
        steady = {hit.path.name: hit.score for hit in hits if hit.path.parent.name == "steady"}
        if steady != expected or scores != sorted(scores, reverse=True) or len({hit.path for hit in hits}) != len(hits):
            errors.put(f"half a change: {len(steady)} of {len(expected)} steady sounds")
        n_answers += 1
    if not n_answers:
        errors.put("no search was answered")


def write(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise(0.2, seed=seed), 48_000)


def test_a_watcher_an_indexer_and_searches_share_a_library(fused_folder, fused, tmp_path):
    folder, path = tmp_path / "sounds", tmp_path / "library.sqlite3"
    for seed in range(6):
        write(folder / "steady" / f"{seed}.wav", seed)
        write(folder / "moving" / f"{seed}.wav", 100 + seed)
    library = Library.open(path, create=True)
    index(library, fused, [folder], Options(n_workers=1))
    query = np.asarray(fused.embed_text(["rain"])[0])
    expected = {hit.path.name: hit.score for hit in search(library, query, top_k=1000) if "steady" in str(hit.path)}
    assert len(expected) == 6
    context = fork_server()
    shared = started, stop, errors = context.Semaphore(0), context.Event(), context.Queue()
    jobs = [(run_watch, folder, fused_folder), (run_index, folder, fused_folder)]
    jobs += 3 * [(run_searches, query, expected)]
    processes = [context.Process(target=job, args=(path, *more, *shared)) for job, *more in jobs]
    for process in processes:
        process.start()
    for _ in processes:
        assert started.acquire(timeout=TIMEOUT_S)
    for round_ in range(6):
        moving = folder / "moving"
        moving.rename(folder / "moved")
        write(folder / "new" / f"{round_}.wav", 200 + round_)
        time.sleep(0.4)
        (folder / "moved").rename(moving)
        (moving / f"{round_}.wav").unlink()
        shutil.copyfile(folder / "steady" / "0.wav", folder / "new" / f"copy{round_}.wav")
        time.sleep(0.4)
    stop.set()
    for process in processes:
        process.join(TIMEOUT_S)
    assert [process.exitcode for process in processes] == [0] * len(processes)
    assert errors.empty(), errors.get()
    index(library, fused, [folder], Options(n_workers=1))
    library.close()
    check_whole(path)
    fresh = Library.open(tmp_path / "fresh.sqlite3", create=True)
    index(fresh, fused, [folder], Options(n_workers=1))
    fresh.close()
    assert state(path)["sounds"] == state(fresh.path)["sounds"]
    assert peek.rows(path, "SELECT seq FROM sqlite_sequence") == [(18,)]  # each content was embedded once
