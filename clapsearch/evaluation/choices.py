"""Choices by measurement: the same questions under every treatment, prompt, front end, moment hop and mode."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clapsearch.evaluation import mix, modes, prompts, retrieval, treatments
from clapsearch.evaluation.collection import Collection
from clapsearch.evaluation.evaluation import located, measurable
from clapsearch.evaluation.metrics import MAP_AT, Outcomes, difference
from clapsearch.evaluation.moments import Located
from clapsearch.mel import MAX_MOMENT_HOP_S
from clapsearch.search import MODES

CHOICES = ("treatment", "prompt", "int16", "hop", "mode", "minus", "mix")
HOPS_S = (2.5, 5.0, 10.0)  # multiples of the first
_MEASURE = f"map@{MAP_AT}"
Tasks = dict[str, Outcomes]


@dataclass(frozen=True)
class Choice:
    """One thing that can be done in several ways.

    Attributes
    ----------
    name : str
        One of `CHOICES`; `minus` has a class of its own.
    default : str
        What clapsearch does.
    variants : dict
        Way to tasks to outcomes.
    located : dict
        Way to where the known sounds of long recordings were found, for `hop`.
    n_vectors : dict
        Way to the number of vectors, for `hop`.
    """

    name: str
    default: str
    variants: dict[str, Tasks]
    located: dict[str, Located] = field(default_factory=dict)
    n_vectors: dict[str, int] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return the figures of every way, and the paired difference of its mAP@10 from the default's."""
        base = self.variants[self.default]
        variants = {
            name: {task: _figures(found, base[task], is_base=name == self.default) for task, found in tasks.items()}
            for name, tasks in self.variants.items()
        }
        for name, found in self.located.items():
            variants[name]["moments"] = found.record() | {"n_vectors": self.n_vectors[name]}
        return {"default": self.default, "variants": variants}


def _figures(outcomes: Outcomes, base: Outcomes, *, is_base: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"n_queries": len(outcomes.queries), **outcomes.figures()}
    if not is_base:
        change = difference(outcomes, base)
        record |= {"difference": change.figures[_MEASURE], "interval": change.intervals[_MEASURE]}
    return record


def treatment(collection: Collection) -> Choice:
    """Which vectors of a long sound answer for it."""
    texts = _texts(collection, prompts.PROMPTS[prompts.QUERY])
    ways = {way: _tasks(collection, collection.vectors, texts, way) for way in treatments.TREATMENTS}
    return Choice("treatment", treatments.SEARCH, ways)


def prompt(collection: Collection) -> Choice:
    """What is put around a text before it is embedded."""
    ways = {
        name: _tasks(collection, collection.vectors, _texts(collection, templates))
        for name, templates in prompts.PROMPTS.items()
    }
    return Choice("prompt", prompts.QUERY, ways)


def int16(collection: Collection, without: Collection) -> Choice:
    """Whether the waveform is rounded through int16; `without` holds the same clips, not rounded."""
    texts = _texts(collection, prompts.PROMPTS[prompts.QUERY])
    ways = {"on": _tasks(collection, collection.vectors, texts), "off": _tasks(without, without.vectors, texts)}
    return Choice("int16", "on", ways)


def hop(fine: Collection) -> Choice:
    """How far apart moments are; `fine` holds moments every ``HOPS_S[0]`` seconds."""
    texts = _texts(fine, prompts.PROMPTS[prompts.QUERY])
    choice = Choice("hop", _hop_name(MAX_MOMENT_HOP_S), {})
    for hop_s in HOPS_S:
        vectors = [_every(rows, round(hop_s / HOPS_S[0])) for rows in fine.vectors]
        choice.variants[_hop_name(hop_s)] = _tasks(fine, vectors, texts)
        choice.n_vectors[_hop_name(hop_s)] = sum(map(len, vectors))
        found = located(fine, vectors, hop_s)
        choice.located.update({_hop_name(hop_s): found} if found else {})
    return choice


def mode(collection: Collection, renamed: Callable[[Collection, float], AbstractContextManager[Collection]]) -> Choice:
    """Whether sound and words together find more than each alone; for `renamed` see `modes.by_mode`."""
    return Choice("mode", MODES[0], modes.by_mode(collection, renamed))


def mixed(collection: Collection) -> Choice:
    """Whether the parts of a query of words and a sound are made to count alike."""
    ways = mix.by_balance(collection)
    return Choice("mix", next(iter(ways)), ways)


def _hop_name(hop_s: float) -> str:
    return f"{hop_s:g} s"


def _every(rows: npt.NDArray[np.float32], step: int) -> npt.NDArray[np.float32]:
    """Keep the whole, every `step`-th moment and the last one: what a coarser hop gives."""
    n_moments = len(rows) - 1
    if n_moments < 1:
        return rows
    return rows[[0, *(1 + i for i in sorted({*range(0, n_moments, step), n_moments - 1}))]]


def _texts(collection: Collection, templates: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
    kinds, _ = measurable(collection.clips)
    return {
        kind: prompts.embed_texts(retrieval.texts(collection.clips, kind), templates, collection.embedder)
        for kind in kinds
    }


def _tasks(
    collection: Collection,
    vectors: Sequence[npt.NDArray[np.float32]],
    texts: Mapping[str, npt.NDArray[np.float32]],
    way: str = treatments.SEARCH,
) -> Tasks:
    scores = {kind: treatments.score(vectors, rows, way) for kind, rows in texts.items()}
    both = {
        "text_to_audio": retrieval.text_to_audio(collection.clips, scores),
        "audio_to_text": retrieval.audio_to_text(collection.clips, scores),
    }
    return {f"{task} {kind}": found for task, each in both.items() for kind, found in each.items()}
