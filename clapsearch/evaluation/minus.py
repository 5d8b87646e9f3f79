"""Minus: what taking away a sound does to the answers, for the sounds that are taken for each other."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clapsearch.errors import UsageError
from clapsearch.evaluation import retrieval
from clapsearch.evaluation.clips import Clip
from clapsearch.evaluation.collection import Collection
from clapsearch.evaluation.evaluation import query_vectors
from clapsearch.evaluation.metrics import mean_interval
from clapsearch.query import UNWANTED, Phrase, Query, embed
from clapsearch.search import search

DEPTH = 10  # how many answers are looked at
WEIGHTS = (0.5, 1.0, 2.0)
MODES = ("sound", "hybrid")
Values = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Found:
    """How one way of asking came out, one value a pair.

    Attributes
    ----------
    unwanted : np.ndarray, shape (n_pairs,)
        Share of the first answers that are x and not A.
    wanted : np.ndarray, shape (n_pairs,)
        Right answers among the first, of those that can be among them.
    """

    unwanted: Values
    wanted: Values


@dataclass(frozen=True)
class Minus:
    """Answers to "A" and to "A -x".

    Attributes
    ----------
    pairs : list of (A, x)
        Every label A, and the label that is taken for it most often.
    found : dict
        Mode to weight of x, 0 for "A" alone, to outcomes.
    """

    pairs: list[tuple[str, str]]
    found: dict[str, dict[float, Found]]
    name: str = "minus"

    def record(self) -> dict[str, Any]:
        """Return the figures, and the paired difference of each weight from "A" alone."""
        modes = {
            mode: {f"{weight:g}": _figures(each, ways[0.0], is_base=not weight) for weight, each in ways.items()}
            for mode, ways in self.found.items()
        }
        return {"default": f"{UNWANTED:g}", "n_pairs": len(self.pairs), "pairs": self.pairs, "modes": modes}


def _figures(found: Found, base: Found, *, is_base: bool) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name, values, before in (
        ("unwanted", found.unwanted, base.unwanted),
        ("wanted", found.wanted, base.wanted),
    ):
        record[name] = float(values.mean())
        if not is_base:
            record[f"{name}_difference"] = float((values - before).mean())
            record[f"{name}_interval"] = mean_interval(values - before)
    return record


def minus(collection: Collection) -> Minus:
    """Ask for every label, with and without the one that is taken for it most often.

    Parameters
    ----------
    collection : Collection
        Its library holds nothing else; `renaming.renamed` makes one.

    Raises
    ------
    UsageError
        If no label is taken for another.
    """
    labels = retrieval.texts(collection.clips, "label")
    asking = _Asking(collection, dict(zip(labels, query_vectors(labels, collection), strict=True)) if labels else {})
    pairs = [(label, other) for label in labels if (other := asking.taken_for(label))]
    if not pairs:
        raise UsageError("--choice minus needs sounds of two labels or more")
    weights = (0.0, *WEIGHTS)
    return Minus(pairs, {mode: {weight: asking.ask(pairs, weight, mode) for weight in weights} for mode in MODES})


@dataclass(frozen=True)
class _Asking:
    collection: Collection
    vectors: dict[str, Vector]

    def taken_for(self, label: str) -> str | None:
        """Return the label most often among the first answers to another by sound; of several, the first by name."""
        answers = self._answers(Query((Phrase(label),)), "sound")
        others = Counter(other for clip in answers if label not in clip.labels for other in clip.labels)
        return min(others, key=lambda other: (-others[other], other), default=None)

    def ask(self, pairs: Sequence[tuple[str, str]], weight: float, mode: str) -> Found:
        """Ask for the first of each pair, less the second."""
        rows = [self._shares(wanted, unwanted, weight, mode) for wanted, unwanted in pairs]
        return Found(*np.array(rows, np.float64).T)

    def _shares(self, wanted: str, unwanted: str, weight: float, mode: str) -> tuple[float, float]:
        minus = (Phrase(unwanted, -weight),) if weight else ()
        answers = self._answers(Query((Phrase(wanted), *minus)), mode)
        n_right = sum(wanted in clip.labels for clip in self.collection.clips)
        n_found = sum(wanted in clip.labels for clip in answers)
        n_unwanted = sum(unwanted in clip.labels and wanted not in clip.labels for clip in answers)
        return n_unwanted / len(answers), n_found / min(DEPTH, n_right)

    def _answers(self, query: Query, mode: str) -> list[Clip]:
        vector = embed(query, self.vectors.__getitem__, lambda file: self.vectors[file.name])  # there are no files
        hits = search(self.collection.library, vector, query, mode=mode, top_k=DEPTH, include_offline=True)
        return [self.collection.clips[self.collection.paths[os.fsencode(hit.path)]] for hit in hits]
