"""The stock pipeline: what a user writes from the model card. The other benchmarks compare with it.

librosa.load, ClapProcessor, ClapModel in float32, batches of 8, one process, brute force in numpy; with the
extractor's own randomness: three random crops of a clip over 10 s, and a random ``is_longer`` flag in a batch without
such a clip (both drawn from numpy's global generator, hence ``--seed``).

Usage::

    python tests/bench/stock.py FOLDER --checkpoint mini --query "rain on a tin roof" [--top 10] [--seed 0]
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import torch
from transformers import ClapModel, ClapProcessor
from transformers.utils import logging as transformers_logging

from clapsearch.weights import locate

SR = 48_000
BATCH = 8
SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".opus"}


class Stock:
    """The stock model and processor of one checkpoint (``mini``, or a folder)."""

    def __init__(self, checkpoint: str) -> None:
        transformers_logging.disable_progress_bar()
        folder = locate(checkpoint, offline=True).path
        self.model = ClapModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = ClapProcessor.from_pretrained(folder)

    def embed_files(self, paths: Sequence[Path], *, seed: int | None = None) -> npt.NDArray[np.float32]:
        """Embed sound files in order; shape (n_files, dim), unit rows. `seed` fixes the extractor's random choices."""
        if seed is not None:
            np.random.seed(seed)  # noqa: NPY002 (the generator that the extractor draws from)
        return np.concatenate([self._embed_batch(batch) for batch in batches(paths)])

    @torch.inference_mode()
    def _embed_batch(self, paths: Sequence[Path]) -> npt.NDArray[np.float32]:
        inputs = self.processor(audio=load(paths), sampling_rate=SR, return_tensors="pt")
        return normalised(self.model.get_audio_features(**inputs).pooler_output)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed texts; shape (n_texts, dim), unit rows."""
        inputs = self.processor(text=list(texts), return_tensors="pt", padding=True)
        return normalised(self.model.get_text_features(**inputs).pooler_output)


def load(paths: Sequence[Path]) -> list[npt.NDArray[np.float32]]:
    """Decode files to 48 kHz mono waveforms."""
    return [librosa.load(path, sr=SR, mono=True)[0] for path in paths]


def batches(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    """Cut a list of files into batches."""
    for start in range(0, len(paths), BATCH):
        yield paths[start : start + BATCH]


def normalised(vectors: torch.Tensor) -> npt.NDArray[np.float32]:
    """Bring rows to unit length, as numpy."""
    return torch.nn.functional.normalize(vectors, dim=-1).numpy()


def search(vectors: npt.NDArray[np.float32], query: npt.NDArray[np.float32], top_k: int) -> list[tuple[int, float]]:
    """Compare with every vector; returns (row, cosine), best first."""
    scores = vectors @ query
    best = np.argsort(-scores, kind="stable")[:top_k]
    return [(int(row), float(scores[row])) for row in best]


def find_sounds(folder: Path) -> list[Path]:
    """List the sound files under a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Search a folder with the stock pipeline.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkpoint", required=True, help="mini, or a folder in the hub's layout")
    parser.add_argument("--query", required=True)
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None)
    return parser.parse_args()


def main() -> None:
    """Embed a folder and print the best hits of one query."""
    arguments = parse_arguments()
    stock, paths = Stock(arguments.checkpoint), find_sounds(arguments.folder)
    vectors = stock.embed_files(paths, seed=arguments.seed)
    query = stock.embed_texts([arguments.query])[0]
    for row, score in search(vectors, query, arguments.top):
        print(f"{score:.3f}  {paths[row]}")


if __name__ == "__main__":
    main()
