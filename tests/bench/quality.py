"""Retrieval quality: labels as queries, through the shipped search path and through the stock pipeline.

Ours is what users get: ``clapsearch.open``, ``session.index`` of a folder that holds only the chosen clips,
``session.search(label)``. Stock (``--stock``) is `stock.py`, its random crops and random flag included, once a seed.

A query is a label; every clip that shares it is right. With rel(k) = 1 if hit k is right, else 0:

- R@k: share of queries with at least one right clip among the first k;
- mAP@10: mean over queries of sum(precision@k * rel(k) for k in 1..10) / min(n_right, 10).

``sd`` and ``range`` are over stock's seeds; the 95 % interval of the difference is a paired bootstrap over queries.

Usage::

    python tests/bench/quality.py MANIFEST --audio DIR --checkpoint mini|FOLDER [--split dev]
        [--kinds sfx,ambience,voice] [--stock --seeds 5]

MANIFEST is a CSV with the columns path (relative to DIR), label, kind and split.
"""

import argparse
import csv
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

TOP_K = 10
N_BOOTSTRAP = 10_000
FIGURES = ("R@1", "R@10", "mAP@10")
Rankings = dict[str, list[str]]


@dataclass(frozen=True)
class Clip:
    """One labelled sound; `path` is relative to the audio folder."""

    path: str
    label: str


def read_clips(manifest: Path, *, split: str, kinds: Sequence[str]) -> list[Clip]:
    """Read the clips of one split and some kinds, sorted by path."""
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split and row["kind"] in kinds]
    return sorted((Clip(row["path"], row["label"]) for row in rows), key=lambda clip: clip.path)


def link_clips(clips: Sequence[Clip], audio: Path, folder: Path) -> None:
    """Make a folder that holds only these clips, under their own relative paths."""
    for clip in clips:
        link = folder / clip.path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((audio / clip.path).resolve())


def rank_ours(clips: Sequence[Clip], labels: Sequence[str], folder: Path, checkpoint: str, library: Path) -> Rankings:
    """Index the folder and search every label; paths as in the manifest, best first."""
    import clapsearch

    with clapsearch.open(library, checkpoint=checkpoint, device="cpu", offline=True) as session:
        report = session.index([folder], workers=2)
        if report.indexed + report.recognised != len(clips):
            raise SystemExit(f"indexed {report.indexed} of {len(clips)} clips: {report.failed[:3]}")
        return {label: [_relative(hit.path, folder) for hit in session.search(label, top_k=TOP_K)] for label in labels}


def rank_stock(
    clips: Sequence[Clip], labels: Sequence[str], folder: Path, checkpoint: str, n_seeds: int
) -> list[Rankings]:
    """Embed all clips once a seed and search every label."""
    from stock import Stock, search

    stock = Stock(checkpoint)
    queries = {label: stock.embed_texts([label])[0] for label in labels}
    rankings = []
    for seed in range(n_seeds):
        vectors = stock.embed_files([folder / clip.path for clip in clips], seed=seed)
        rankings.append(
            {label: [clips[row].path for row, _ in search(vectors, query, TOP_K)] for label, query in queries.items()}
        )
    return rankings


def score(rankings: Rankings, clips: Sequence[Clip]) -> npt.NDArray[np.float64]:
    """Score every query; shape (n_queries, len(FIGURES)), queries in the order of the labels."""
    label_of = {clip.path: clip.label for clip in clips}
    n_right = Counter(clip.label for clip in clips)
    rows = []
    for label, paths in sorted(rankings.items()):
        right = [label_of[path] == label for path in paths]
        rows.append((right[0], any(right), average_precision(right, n_right[label])))
    return np.array(rows, float)


def average_precision(right: Sequence[bool], n_right: int) -> float:
    """Return sum(precision@k * rel(k)) / min(n_right, TOP_K) of one ranking, cut at TOP_K."""
    found = np.cumsum(right[:TOP_K])
    precision = found / np.arange(1, len(found) + 1)
    return float((precision * np.asarray(right[:TOP_K])).sum() / min(n_right, TOP_K))


def top_hit_changes(rankings: Sequence[Rankings]) -> tuple[float, float]:
    """Return how often the first hit differs: mean share over all pairs of seeds, and share over all seeds at once."""
    firsts = [{label: paths[0] for label, paths in ranking.items()} for ranking in rankings]
    pairs = [np.mean([a[label] != b[label] for label in a]) for a, b in itertools.combinations(firsts, 2)]
    unstable = [len({first[label] for first in firsts}) > 1 for label in firsts[0]]
    return float(np.mean(pairs)), float(np.mean(unstable))


def interval(differences: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean over queries: what the choice of queries alone can do."""
    draws = np.random.default_rng(0).choice(differences, (N_BOOTSTRAP, len(differences)))
    low, high = np.quantile(draws.mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def print_table(ours: npt.NDArray[np.float64], stock: npt.NDArray[np.float64] | None) -> None:
    """Print one row a figure; for stock, shape (n_seeds, n_queries, n_figures), the spread over seeds."""
    titles = f"{'stock':>8}{'sd':>7}{'range':>13}  ours - stock (95 %)"
    print(f"{'figure':<8}{'ours':>7}" + (titles if stock is not None else ""))
    for i, name in enumerate(FIGURES):
        line = f"{name:<8}{ours[:, i].mean():>7.3f}"
        if stock is not None:
            seeds, difference = stock[:, :, i].mean(axis=1), ours[:, i] - stock[:, :, i].mean(axis=0)
            low, high = interval(difference)
            spread = f"{seeds.min():.3f}-{seeds.max():.3f}"
            sd = seeds.std(ddof=1) if len(seeds) > 1 else 0.0
            line += f"{seeds.mean():>8.3f}{sd:>7.3f}{spread:>13}  {difference.mean():+.3f} ({low:+.3f} to {high:+.3f})"
        print(line)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Text-to-audio retrieval by label.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--audio", type=Path, required=True, help="the folder that the manifest's paths start from")
    parser.add_argument("--checkpoint", required=True, help="mini, or a folder in the hub's layout")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--kinds", default="sfx,ambience,voice", help="comma-separated")
    parser.add_argument("--stock", action="store_true", help="measure the stock pipeline too")
    parser.add_argument("--seeds", type=int, default=5, help="runs of the stock pipeline")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    arguments = parse_arguments()
    clips = read_clips(arguments.manifest, split=arguments.split, kinds=arguments.kinds.split(","))
    labels = sorted({clip.label for clip in clips})
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = str(Path(scratch, "cache"))
        folder = Path(scratch, "sounds")
        link_clips(clips, arguments.audio, folder)
        ours = rank_ours(clips, labels, folder, arguments.checkpoint, Path(scratch, "library.sqlite3"))
        print(f"{arguments.checkpoint}, split {arguments.split}: {len(clips)} clips, {len(labels)} labels as queries")
        if not arguments.stock:
            print_table(score(ours, clips), None)
            return
        stock = rank_stock(clips, labels, folder, arguments.checkpoint, arguments.seeds)
        print_table(score(ours, clips), np.stack([score(ranking, clips) for ranking in stock]))
        if len(stock) > 1:
            by_pair, at_all = top_hit_changes(stock)
            print(f"stock's top hit changes: {by_pair:.0%} of queries between two seeds, {at_all:.0%} over all")


if __name__ == "__main__":
    main()
