"""How often does the best moment of a long recording lie where its known sound is, and by what treatment?

Usage::

    python tests/bench/assemble.py MANIFEST OUT --n 120 --max-minutes 30 --seed 2
    python tests/bench/moments.py OUT/manifest.csv [--checkpoint mini] [--work DIR] [--device cpu]

A treatment is right if the middle of its best moment is at most 5 s from the known sound; chance is the share of the
recording's time where that is so. Each recording is asked by its first caption and by its label; below the shares are
95 % bootstrap intervals over the recordings. ``--work`` keeps the vectors; a run that was stopped goes on where it was.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.audio import decode
from clapsearch.choice import embedder_for_questions
from clapsearch.embedder import Embedder
from clapsearch.evaluation.clips import Clip
from clapsearch.evaluation.manifest import read_manifest
from clapsearch.evaluation.moments import known_time
from clapsearch.mel import log_mel, moment_starts
from clapsearch.settings import resolve
from clapsearch.timeline import N_TEXTS, embed_stretches, standardised, stretches
from clapsearch.vocabulary import BUILT_IN, read_labels

WITHIN_S = 5.0
N_DRAWS = 2_000
Rows = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recording:
    """A recording: (start, end) in seconds and vector of each moment of the index and of each stretch."""

    clip: Clip
    duration_s: float
    moments_s: Rows
    moments: npt.NDArray[np.float32]
    stretches_s: Rows
    stretches: npt.NDArray[np.float32]

    def is_near(self, times_s: Rows) -> npt.NDArray[np.bool_]:
        """Whether times are at most `WITHIN_S` from the known sound."""
        start_s, end_s = known_time(self.clip) or (0.0, 0.0)
        return np.asarray((times_s >= start_s - WITHIN_S) & (times_s <= end_s + WITHIN_S))

    @property
    def chance(self) -> float:
        """Share of the time that is near."""
        return float(self.is_near(np.linspace(0, self.duration_s, 10_001)).mean())


def embedded(path: Path, clip: Clip, embedder: Embedder, kept: Path) -> Recording:
    """Embed a recording, or read what an earlier run kept."""
    if not kept.exists():
        front_end = embedder.front_end
        frame_s = front_end.hop_length / front_end.sr
        info, sound = decode(path, lambda blocks: log_mel(blocks, front_end), sr=front_end.sr)
        starts = np.array(moment_starts(len(sound), front_end))
        cut = stretches(sound, front_end)
        np.savez(
            part := kept.with_suffix(".part.npz"),
            duration_s=info.duration_s,
            moments_s=np.stack([starts, starts + front_end.n_frames - 1], axis=1) * frame_s,
            moments=embed_stretches(sound, np.stack([starts, starts + front_end.n_frames], axis=1), embedder),
            stretches_s=cut * frame_s,
            stretches=embed_stretches(sound, cut, embedder),
        )
        os.replace(part, kept)
    with np.load(kept) as arrays:
        return Recording(
            clip, float(arrays["duration_s"]), **{name: arrays[name] for name in arrays if name != "duration_s"}
        )


def treatments(
    recording: Recording, query: npt.NDArray[np.float32], background: npt.NDArray[np.float32]
) -> Iterator[tuple[str, bool]]:
    """Yield by treatment whether its best moment is near."""
    for name in ("moments", "stretches"):
        times_s, vectors = getattr(recording, f"{name}_s").mean(axis=1), getattr(recording, name)
        for how, scores in (("cosine", vectors @ query), ("standardised", standardised(vectors, query, background))):
            yield f"{name}, {how}", bool(recording.is_near(times_s[[scores.argmax()]])[0])


def measure(recordings: list[Recording], embedder: Embedder) -> None:
    """Print the shares of all treatments."""
    labels = read_labels(BUILT_IN)
    background = embedder.embed_text(labels[:: max(1, len(labels) // N_TEXTS)])
    chance = np.array([recording.chance for recording in recordings])
    draws = np.random.default_rng(0).integers(0, len(chance), (N_DRAWS, len(chance)))
    hours = sum(recording.duration_s for recording in recordings) / 3600
    print(f"{len(recordings)} recordings, {hours:.1f} h; by chance {chance.mean():.4f}")
    for kind in ("caption", "label"):
        texts = [getattr(recording.clip, f"{kind}s")[0] for recording in recordings]
        queries = embedder.embed_text(texts)
        found = [dict(treatments(*each, background)) for each in zip(recordings, queries, strict=True)]
        for treatment in found[0]:
            right = np.array([each[treatment] for each in found], float)
            shares, ratios = right[draws].mean(axis=1), right[draws].mean(axis=1) / chance[draws].mean(axis=1)
            low, high = np.quantile(shares, [0.025, 0.975])
            least, most = np.quantile(ratios, [0.025, 0.975])
            print(
                f"  {kind:<8} {treatment:<24} {right.mean():.3f} ({low:.3f} to {high:.3f}), "
                f"{right.mean() / chance.mean():.1f} times chance ({least:.1f} to {most:.1f})"
            )


def main() -> None:
    """Embed and measure."""
    parser = argparse.ArgumentParser(description="Find the known sounds of assembled recordings.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--checkpoint", default="mini")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--work", type=Path, help="keeps the vectors for the next run")
    arguments = parser.parse_args()
    manifest = read_manifest(arguments.manifest, None)
    embedder = embedder_for_questions(resolve(checkpoint=arguments.checkpoint, device=arguments.device), None)
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        recordings = []
        for clip in manifest.clips:
            path = manifest.file(clip)
            recordings.append(embedded(path, clip, embedder, work / f"{path.stem}.npz"))
        measure(recordings, embedder)


if __name__ == "__main__":
    main()
