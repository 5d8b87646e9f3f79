"""Builds a snapshot, or the approximate index beside it, in a process of its own: what it takes is remembered.

Usage::

    python tests/bench/building.py snapshot|approximate LIBRARY
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import synthetic
from machine import peak

from clapsearch import snapshot
from clapsearch.store import Library

N_TEXTS = 200  # an approximate index is tuned with; the queries that are timed are others
STAGES = ("snapshot", "approximate")


def built(path: Path, stage: str) -> dict[str, float]:
    """Build a stage of a library unless that was done; returns ``seconds`` and ``peak``, bytes of anonymous memory."""
    notes = path.with_suffix(".json")
    known: dict[str, dict[str, float]] = json.loads(notes.read_text()) if notes.exists() else {}
    if stage not in known:
        process = subprocess.Popen([sys.executable, __file__, stage, str(path)], stdout=subprocess.PIPE)
        largest = peak(process, "Anonymous")
        printed = process.communicate()[0]
        if process.returncode:
            raise RuntimeError(f"building the {stage} index of {path.name} ended with {process.returncode}")
        known[stage] = {"seconds": float(printed.splitlines()[-1]), "peak": float(largest)}
        notes.write_text(json.dumps(known))
    return known[stage]


def _build(stage: str, library: Library) -> None:
    if stage == "snapshot":
        snapshot.refresh(library)
        return
    snapshot.SLOW_MS = 0.0  # also where an exact search would do
    with library.reading() as reading:
        checkpoint = reading.checkpoint()
    assert checkpoint is not None
    snapshot.hasten(library, lambda: synthetic.texts(N_TEXTS, checkpoint.dim))


if __name__ == "__main__":
    stage_name, library_name = sys.argv[1:]
    opened = Library.open(Path(library_name))
    began = time.perf_counter()
    _build(stage_name, opened)
    print(time.perf_counter() - began)
    opened.close()
