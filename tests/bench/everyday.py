"""Thirty everyday queries in words that no training caption uses: how many find a right sound among the first five?

The queries and the labels that would be right for each stand in ``everyday.csv``. They were written before the bundled
checkpoint was trained, and are not to be changed after it.

Usage::

    python tests/bench/everyday.py MANIFEST --checkpoint mini|FOLDER [--audio DIR] [--split dev] [--work DIR]

MANIFEST has the columns path, caption, label and split; the captions of its other splits are the training captions.
"""

import argparse
import csv
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clapsearch.evaluation.clips import Clip
from clapsearch.evaluation.evaluation import query_vectors
from clapsearch.evaluation.run import Bench, Request
from clapsearch.settings import resolve

QUERIES = Path(__file__).with_name("everyday.csv")
TOP_K = 5
FUNCTION_WORDS = {"a", "at", "of", "on"}


@dataclass(frozen=True)
class Question:
    """A query and the labels that are right."""

    text: str
    labels: tuple[str, ...]


def read_questions(path: Path = QUERIES) -> list[Question]:
    """Read the queries."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Question(row["query"], tuple(row["labels"].split(";"))) for row in csv.DictReader(file)]


def words(text: str) -> set[str]:
    """Return the words of a text that mean something."""
    return set(re.findall(r"[a-z]+", text.lower())) - FUNCTION_WORDS


def known_words(questions: list[Question], training: list[Clip]) -> dict[str, set[str]]:
    """Return the queries that share a word with a training caption, and which."""
    heard = set().union(*(words(caption) for clip in training for caption in clip.captions))
    return {question.text: words(question.text) & heard for question in questions if words(question.text) & heard}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Everyday queries in words that no training caption uses.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--audio", type=Path, help="the folder that the manifest's paths start from")
    parser.add_argument("--checkpoint", required=True, help="mini, or a folder in the hub's layout")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--work", type=Path, help="keeps the embeddings for the next run")
    return parser.parse_args()


def main() -> None:
    """Ask every query and print what came up."""
    arguments = parse_arguments()
    questions, settings = read_questions(), resolve(checkpoint=arguments.checkpoint, device="cpu", offline=True)
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.work or Path(scratch)
        request = Request(arguments.manifest, arguments.audio, {"split": [arguments.split]}, work=work)
        with Bench(settings, request) as bench, bench.collect(bench.clips) as collection:
            training = [clip for clip in bench.manifest.clips if clip.columns["split"] != arguments.split]
            for text, known in known_words(questions, training).items():
                raise SystemExit(f"{text!r} has words of a training caption: {', '.join(sorted(known))}")
            scores = collection.search(query_vectors([question.text for question in questions], collection))
            n_right = 0
            for question, row in zip(questions, scores, strict=True):
                best = [collection.clips[i].labels[0] for i in np.argsort(-row, kind="stable")[:TOP_K]]
                is_right = bool(set(best) & set(question.labels))
                n_right += is_right
                print(f"{'right' if is_right else 'wrong'}  {question.text:<28}{', '.join(best)}")
            print(f"\n{n_right} of {len(questions)} have a right sound among the first {TOP_K} of {len(scores[0])}")


if __name__ == "__main__":
    main()
