"""Forty phrases as people type them, against names as they are: how many right sounds are among the first ten, by mode.

Hardly any caption is one of these phrases, but names have some of their words. A sound is right if its label or caption
has a word that the pattern in ``phrases.csv`` names; what names say helps words, as captions were made from names.

Usage::

    python tests/bench/phrases.py MANIFEST --checkpoint mini|FOLDER [--audio DIR] [--work DIR]
"""

import argparse
import csv
import os
import re
import tempfile
from pathlib import Path

import numpy as np

from clapsearch.evaluation.clips import Clip
from clapsearch.evaluation.collection import Collection
from clapsearch.evaluation.evaluation import query_vectors
from clapsearch.evaluation.run import Bench, Request
from clapsearch.query import Phrase, Query
from clapsearch.search import MODES, search
from clapsearch.settings import resolve

PHRASES = Path(__file__).with_name("phrases.csv")
TOP_K = 10


def read_phrases(path: Path = PHRASES) -> list[tuple[str, str]]:
    """Read the queries, and the patterns of the words that make a sound right."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["query"], row["pattern"]) for row in csv.DictReader(file)]


def is_right(clip: Clip, pattern: str) -> bool:
    """Whether a label or caption has one of the words."""
    return any(re.search(rf"\b({pattern})\b", text) for text in (*clip.labels, *clip.captions))


def found(collection: Collection, text: str, pattern: str, mode: str) -> tuple[int, float]:
    """Return how many of the first are right, and one by the rank of the first that is."""
    vector = query_vectors([text], collection)[0]
    hits = search(collection.library, vector, Query((Phrase(text),)), mode=mode, top_k=TOP_K, include_offline=True)
    clips = [collection.clips[collection.paths[os.fsencode(hit.path)]] for hit in hits]
    right = np.array([is_right(clip, pattern) for clip in clips], np.bool_)
    return int(right.sum()), 1 / (1 + int(right.argmax())) if right.any() else 0.0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Phrases as people type them, against names as they are.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--audio", type=Path, help="the folder that the manifest's paths start from")
    parser.add_argument("--checkpoint", required=True, help="mini, or a folder in the hub's layout")
    parser.add_argument("--work", type=Path, help="keeps the embeddings for the next run")
    return parser.parse_args()


def main() -> None:
    """Ask every phrase in every mode."""
    arguments = parse_arguments()
    settings = resolve(checkpoint=arguments.checkpoint, device="cpu", offline=True)
    with tempfile.TemporaryDirectory() as scratch:
        request = Request(arguments.manifest, arguments.audio, {}, work=arguments.work or Path(scratch))
        with Bench(settings, request) as bench, bench.collect(bench.clips) as collection:
            asked = [each for each in read_phrases() if any(is_right(clip, each[1]) for clip in collection.clips)]
            figures = np.array([[found(collection, *each, mode) for mode in MODES] for each in asked])
            print(f"{'right among the first ' + str(TOP_K):<30}" + "".join(f"{mode:>8}" for mode in MODES))
            for (text, _), row in zip(asked, figures[..., 0], strict=True):
                print(f"{text:<30}" + "".join(f"{n:>8.0f}" for n in row))
            print(f"{'mean':<30}" + "".join(f"{mean:>8.2f}" for mean in figures[..., 0].mean(axis=0)))
            print(
                f"{'mean of 1 / first right rank':<30}"
                + "".join(f"{mean:>8.3f}" for mean in figures[..., 1].mean(axis=0))
            )


if __name__ == "__main__":
    main()
