"""Indexing against the stock pipeline, on sounds that are synthesised unless a folder is given."""

from collections.abc import Iterator
from pathlib import Path

import bench_index
import numpy as np
import soundfile
from setting import Setting
from table import Figure

from clapsearch.demo.sounds import SOUNDS


def figures(setting: Setting) -> Iterator[Figure]:
    """Yield the figures of `bench_index`."""
    folder = setting.sounds or _demo(setting.work / f"demo-{setting.n_files}", setting.n_files)
    numbers = {"files": setting.n_files, "runs": min(3, setting.n_runs)}
    words = [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
    yield from bench_index.figures(
        bench_index.parse_arguments([str(folder), "--checkpoint", setting.checkpoint, *words])
    )


def _demo(folder: Path, n: int) -> Path:
    """Write n different sounds of at most 10 s: those of the demo, again and again by other dice."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    while len(list(folder.iterdir())) < n:
        sound = SOUNDS[number % len(SOUNDS)]
        samples = sound.synthesise(np.random.default_rng(number))
        if len(samples) <= bench_index.MAX_S * sound.sr:
            draft = folder.with_suffix(Path(sound.name).suffix)
            soundfile.write(draft, samples, sound.sr, subtype="PCM_16")
            draft.rename(folder / f"{number:04}{draft.suffix}")
        number += 1
    return folder
