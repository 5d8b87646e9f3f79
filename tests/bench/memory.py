"""What one long file adds to the memory of an indexing run.

Indexes a sound of 10 s, then one of 3 hours at 96 kHz, each in a fresh process with a new library and two decode
workers, and compares the peaks: the maximum over time of the sum of PSS over the process and its children. Needs Linux,
and about 2 GB in the folder for temporary files.

Usage::

    python tests/bench/memory.py [--checkpoint mini|FOLDER] [--hours 3] [--sr 96000]
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from bench_index import measure
from machine import print_surroundings

LIMIT_MB = 300
SHORT_S = 10.0


def write_sound(path: Path, duration_s: float, sr: int) -> None:
    """Write quiet stereo noise second by second; every second has a level of its own."""
    rng = np.random.default_rng(0)
    second = rng.integers(-1024, 1024, (sr, 2), np.int16)
    with soundfile.SoundFile(path, "w", sr, 2, "PCM_16", format="FLAC") as sound:
        for _ in range(round(duration_s)):
            sound.write(second >> np.int16(rng.integers(6)))


def peak_mb(duration_s: float, sr: int, checkpoint: str) -> float:
    """Index one sound of that length; returns the peak in MB."""
    with tempfile.TemporaryDirectory() as folder:
        write_sound(Path(folder, "sound.flac"), duration_s, sr)
        run, answer = measure(["index-ours", folder, checkpoint], sample_memory=True)
    if answer["n"] != 1:
        raise SystemExit(f"the sound of {duration_s:.0f} s was not indexed")
    print(f"{duration_s:8.0f} s of sound: {run.whole_s:.1f} s, {answer['stages']}", file=sys.stderr)
    return run.peak_pss / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What one long file adds to the memory of an indexing run.")
    parser.add_argument("--checkpoint", default="mini", help="mini, or a folder in the hub's layout")
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--sr", type=int, default=96_000, help="Hz")
    arguments = parser.parse_args()
    durations_s = SHORT_S, arguments.hours * 3600
    short, long = (peak_mb(duration_s, arguments.sr, arguments.checkpoint) for duration_s in durations_s)
    met = "met" if long - short <= LIMIT_MB else "NOT MET"
    print(f"peak PSS, all processes: {short:.0f} MB for {SHORT_S:.0f} s, {long:.0f} MB for {arguments.hours:g} h")
    print(f"the long file adds {long - short:.0f} MB (limit {LIMIT_MB} MB: {met}), {arguments.checkpoint}")
    print_surroundings()


if __name__ == "__main__":
    main()
