"""What chance costs: the same checkpoint and sounds through the stock pipeline, several seeds, against clapsearch.

Ours is what ``clapsearch eval`` measures. Stock is `stock.py`, the extractor's random crops and random ``is_longer``
flag included, once a seed. Measures are those of `clapsearch.evaluation.metrics`; ``sd`` and ``range`` are over stock's
seeds, and the 95 % interval of the difference is a paired bootstrap over queries, stock's seeds averaged for each.

Usage::

    python tests/bench/quality.py MANIFEST --checkpoint mini|FOLDER [--audio DIR] [--split dev]
        [--where kind=sfx,ambience,voice] [--seeds 5] [--work DIR]
"""

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from stock import Stock

from clapsearch.evaluation import retrieval
from clapsearch.evaluation.collection import Collection
from clapsearch.evaluation.evaluation import measurable, query_vectors
from clapsearch.evaluation.metrics import NAMES, Outcomes, mean_interval
from clapsearch.evaluation.run import Bench, Request
from clapsearch.settings import resolve

MEANS = ("recall@1", "recall@5", "recall@10", "map@10")
Scores = dict[str, npt.NDArray[np.float64]]


def score_stock(
    collection: Collection, files: Sequence[Path], kinds: Sequence[str], checkpoint: str, seed: int
) -> Scores:
    """Embed all clips and texts with the stock pipeline and score every pair, shape (n_texts, n_clips)."""
    stock = Stock(checkpoint)
    sounds = stock.embed_files(files, seed=seed).astype(np.float64)
    texts = {kind: stock.embed_texts(retrieval.texts(collection.clips, kind)) for kind in kinds}
    return {kind: vectors.astype(np.float64) @ sounds.T for kind, vectors in texts.items()}


def top_hit_changes(scores: Sequence[npt.NDArray[np.float64]]) -> tuple[float, float]:
    """Return how often the first hit differs: mean share over all pairs of seeds, and share over all seeds at once."""
    firsts = np.array([table.argmax(axis=1) for table in scores])
    pairs = [np.mean(a != b) for a, b in itertools.combinations(firsts, 2)]
    return float(np.mean(pairs)), float(np.mean((firsts != firsts[0]).any(axis=0)))


def print_table(title: str, ours: Outcomes, stock: Sequence[Outcomes]) -> None:
    """Print one row a measure."""
    print(f"{title:<24}{'ours':>7}{'stock':>8}{'sd':>7}{'range':>13}  ours - stock (95 %)")
    by_seed = np.array([[found.figures()[name] for name in MEANS] for found in stock])
    per_query = np.mean([found.values for found in stock], axis=0)
    for i, name in enumerate(MEANS):
        changes = ours.values[:, NAMES.index(name)] - per_query[:, NAMES.index(name)]
        low, high = mean_interval(changes)
        seeds = by_seed[:, i]
        print(
            f"  {name:<22}{ours.figures()[name]:>7.3f}{seeds.mean():>8.3f}{seeds.std(ddof=1):>7.3f}"
            f"{seeds.min():>7.3f}-{seeds.max():.3f}  {changes.mean():+.3f} ({low:+.3f} to {high:+.3f})"
        )


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="The stock pipeline's randomness, in figures.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--audio", type=Path, help="the folder that the manifest's paths start from")
    parser.add_argument("--checkpoint", required=True, help="mini, or a folder in the hub's layout")
    parser.add_argument("--split")
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE[,VALUE]")
    parser.add_argument("--seeds", type=int, default=5, help="runs of the stock pipeline, at least 2")
    parser.add_argument("--work", type=Path, help="keeps our embeddings for the next run")
    return parser.parse_args()


def measure(collection: Collection, files: Sequence[Path], checkpoint: str, n_seeds: int) -> None:
    """Measure and print."""
    kinds, _ = measurable(collection.clips)
    ours = {
        kind: collection.search(query_vectors(retrieval.texts(collection.clips, kind), collection)) for kind in kinds
    }
    stock = [score_stock(collection, files, kinds, checkpoint, seed) for seed in range(n_seeds)]
    mine, theirs = (
        retrieval.text_to_audio(collection.clips, ours),
        [retrieval.text_to_audio(collection.clips, scores) for scores in stock],
    )
    for kind in kinds:
        print_table(f"text to audio by {kind}", mine[f"by_{kind}"], [found[f"by_{kind}"] for found in theirs])
        by_pair, at_all = top_hit_changes([scores[kind] for scores in stock])
        print(f"  stock's top hit changes: {by_pair:.0%} of queries between two seeds, {at_all:.0%} over all\n")


def main() -> None:
    """Read the arguments, embed, measure."""
    arguments = parse_arguments()
    conditions = dict(condition.split("=", 1) for condition in arguments.where)
    where = {column: values.split(",") for column, values in conditions.items()}
    where |= {"split": [arguments.split]} if arguments.split else {}
    settings = resolve(checkpoint=arguments.checkpoint, device="cpu", offline=True)
    with tempfile.TemporaryDirectory() as scratch:
        request = Request(arguments.manifest, arguments.audio, where, work=arguments.work or Path(scratch))
        with Bench(settings, request) as bench, bench.collect(bench.clips) as collection:
            files = [bench.manifest.file(clip) for clip in collection.clips]
            print(f"{arguments.checkpoint}: {len(files)} sounds, {arguments.seeds} seeds\n")
            measure(collection, files, arguments.checkpoint, arguments.seeds)


if __name__ == "__main__":
    main()
