"""What bench_index.py times, each in a fresh process; prints one JSON object. Not meant to be run by hand.

Usage::

    python tests/bench/measured.py index-ours|index-stock|mel-ours|mel-stock FOLDER CHECKPOINT SCRATCH
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

N_WORKERS = 2


def index_ours(folder: Path, checkpoint: str, scratch: Path) -> dict[str, Any]:
    """Index into a new library; `after_load_s` starts at the walk, which comes right after the model is loaded."""
    import clapsearch

    loaded: list[float] = []

    def on_progress(_progress: object) -> None:
        loaded[1:] = [] if loaded else [time.monotonic()]

    with clapsearch.open(scratch / "library.sqlite3", checkpoint=checkpoint, device="cpu", offline=True) as session:
        report = session.index([folder], workers=N_WORKERS, on_progress=on_progress)
    seconds = {stage: round(value, 2) for stage, value in report.seconds.items()}
    return {"n": report.indexed, "after_load_s": time.monotonic() - loaded[0], "stages": seconds}


def index_stock(folder: Path, checkpoint: str, scratch: Path) -> dict[str, Any]:
    """Embed with the stock pipeline and save the vectors."""
    import numpy as np
    from stock import Stock, find_sounds

    stock, paths = Stock(checkpoint), find_sounds(folder)
    started = time.monotonic()
    vectors = stock.embed_files(paths, seed=0)
    np.save(scratch / "vectors.npy", vectors)
    return {"n": len(vectors), "after_load_s": time.monotonic() - started}


def mel_ours(folder: Path, checkpoint: str, _scratch: Path) -> dict[str, Any]:
    """Hash, decode and log-mel in the worker pool, log-mels received in this process; the pool warm."""
    from clapsearch.mel import FrontEnd
    from clapsearch.weights import locate
    from indexer.decode import Decoded, DecodePool

    paths = sorted(bytes(path) for path in folder.iterdir())
    front_end = FrontEnd.from_config(locate(checkpoint, offline=True).extractor_config())
    with DecodePool(front_end, n_workers=N_WORKERS) as pool:
        list(pool.run(iter(paths[: 2 * N_WORKERS]), lambda path, content_hash: True))
        started = time.monotonic()
        outcomes = list(pool.run(iter(paths), lambda path, content_hash: True))
        seconds = time.monotonic() - started
    return {"n": sum(isinstance(outcome, Decoded) for outcome in outcomes), "after_load_s": seconds}


def mel_stock(folder: Path, checkpoint: str, _scratch: Path) -> dict[str, Any]:
    """Decode with librosa and extract features in this process, a batch at a time; the first batch apart."""
    from stock import SR, batches, find_sounds, load
    from transformers import ClapFeatureExtractor

    from clapsearch.weights import locate

    extractor, paths = ClapFeatureExtractor.from_pretrained(locate(checkpoint, offline=True).path), find_sounds(folder)

    def extract(batch: list[Path]) -> int:
        return len(extractor(load(batch), sampling_rate=SR, return_tensors="pt")["input_features"])

    extract(paths[:4])
    started = time.monotonic()
    n = sum(extract(list(batch)) for batch in batches(paths))
    return {"n": n, "after_load_s": time.monotonic() - started}


ROLES: dict[str, Callable[[Path, str, Path], dict[str, Any]]] = {
    "index-ours": index_ours,
    "index-stock": index_stock,
    "mel-ours": mel_ours,
    "mel-stock": mel_stock,
}

if __name__ == "__main__":
    role, folder_name, checkpoint_name, scratch_name = sys.argv[1:]
    print(json.dumps(ROLES[role](Path(folder_name), checkpoint_name, Path(scratch_name))))
