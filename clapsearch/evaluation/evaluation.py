"""One evaluation: ask a collection everything that its labels and captions allow, the way users ask."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clapsearch.embedder import Checkpoint
from clapsearch.errors import UsageError
from clapsearch.evaluation import moments, retrieval, treatments
from clapsearch.evaluation.classification import Classification, classify
from clapsearch.evaluation.clips import Clip
from clapsearch.evaluation.collection import Collection
from clapsearch.evaluation.metrics import Outcomes
from clapsearch.evaluation.prompts import embed_texts
from clapsearch.mel import moment_hop_s
from clapsearch.present import plural, printable

Task = dict[str, Outcomes]


@dataclass(frozen=True)
class Evaluation:
    """What came out.

    Attributes
    ----------
    checkpoint : Checkpoint
    n_long : int
        Clips longer than one window.
    missing : list of str
    failed : list of (path, reason)
    retrieval : dict
        ``text_to_audio`` and ``audio_to_text`` to ``by_label`` and ``by_caption`` to outcomes.
    zero_shot, probe : Classification or None
    located : Located or None
    separation : dict or None
    notes : list of str
    """

    checkpoint: Checkpoint
    n_clips: int
    n_long: int
    missing: list[str]
    failed: list[tuple[str, str]]
    retrieval: dict[str, Task]
    templates: Sequence[str]
    zero_shot: Classification | None
    located: moments.Located | None
    probe: Classification | None = None
    separation: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """Return everything as JSON takes it; `comparison.read_tasks` reads the queries back."""
        record: dict[str, Any] = {
            "checkpoint": asdict(self.checkpoint),
            "n_clips": self.n_clips,
            "n_long": self.n_long,
            "missing": self.missing,
            "failed": [{"path": path, "reason": reason} for path, reason in self.failed],
            "notes": self.notes,
        }
        for task, outcomes in self.retrieval.items():
            record[task] = {kind: task_record(found) for kind, found in outcomes.items()}
        if self.zero_shot:
            record["zero_shot"] = {"templates": list(self.templates), **self.zero_shot.record()}
        for name, part in (("moments", self.located), ("probe", self.probe)):
            record |= {name: part.record()} if part else {}
        record |= {"separation": self.separation} if self.separation else {}
        return {**record, "queries": {name: found.records() for name, found in self.tasks().items()}}

    def tasks(self) -> dict[str, Outcomes]:
        """Return the outcomes of every task, by name: what two runs can be compared by."""
        tasks = {f"{task} {kind}": found for task, each in self.retrieval.items() for kind, found in each.items()}
        parts = {"zero_shot": self.zero_shot, "probe": self.probe}
        return tasks | {name: part.outcomes for name, part in parts.items() if part}


def task_record(outcomes: Outcomes) -> dict[str, Any]:
    """Return the figures of one task with their intervals."""
    return {"n_queries": len(outcomes.queries), **outcomes.figures(), "interval": outcomes.intervals()}


def evaluate(collection: Collection, templates: Sequence[str]) -> Evaluation:
    """Measure retrieval both ways and, where there are labels, zero-shot classification.

    Parameters
    ----------
    templates : sequence of str
        Prompts of the zero-shot classification, averaged.

    Raises
    ------
    UsageError
        If there are fewer than two sounds, or nothing to tell them apart by.
    """
    clips = collection.clips
    kinds, notes = measurable(clips)
    texts = {kind: retrieval.texts(clips, kind) for kind in kinds}
    vectors = {kind: query_vectors(texts[kind], collection) for kind in kinds}
    found = {kind: collection.search(vectors[kind]) for kind in kinds}
    described = {kind: treatments.score(collection.vectors, vectors[kind], treatments.DESCRIBE) for kind in kinds}
    return Evaluation(
        checkpoint=collection.embedder.checkpoint,
        n_clips=len(clips),
        n_long=sum(1 for rows in collection.vectors if len(rows) > 1),
        missing=collection.missing,
        failed=collection.failed,
        retrieval={
            "text_to_audio": retrieval.text_to_audio(clips, found),
            "audio_to_text": retrieval.audio_to_text(clips, described),
        },
        templates=templates,
        zero_shot=zero_shot(collection, templates) if "label" in kinds else None,
        located=located(collection),
        notes=notes,
    )


def measurable(clips: Sequence[Clip]) -> tuple[list[str], list[str]]:
    """Return the kinds of text, labels and captions, that can tell clips apart, and notes on those that cannot.

    Raises
    ------
    UsageError
        If there is none.
    """
    if len(clips) < 2:
        raise UsageError("there is 1 sound to look for; retrieval takes at least 2")
    kinds, notes = [], []
    for kind in retrieval.KINDS:
        there = retrieval.texts(clips, kind)
        if len(there) == 1:
            notes.append(f"all have the one {kind} {printable(there[0])!r}: nothing to tell apart by {kind}")
        elif there:
            kinds.append(kind)
            n_without = sum(1 for clip in clips if not retrieval.answers(clip, kind))
            notes += [f"{plural(n_without, 'sound')} without a {kind}"] if n_without else []
    if not kinds:
        raise UsageError(notes[0] if notes else "no sound has a label or caption that is not empty")
    return kinds, notes


def query_vectors(texts: Sequence[str], collection: Collection) -> npt.NDArray[np.float32]:
    """Embed each text as a search does, shape (n_texts, dim)."""
    return np.stack([collection.embedder.embed_text([text])[0] for text in texts])


def zero_shot(collection: Collection, templates: Sequence[str]) -> Classification:
    """Put every labelled clip into the class whose prompt is nearest to it."""
    labelled = [i for i, clip in enumerate(collection.clips) if clip.labels]
    clips = [collection.clips[i] for i in labelled]
    classes = retrieval.texts(clips, "label")
    prompts = embed_texts(classes, templates, collection.embedder)
    scores = treatments.score([collection.vectors[i] for i in labelled], prompts, treatments.DESCRIBE)
    return classify([clip.path for clip in clips], [clip.labels for clip in clips], classes, scores.T)


def located(
    collection: Collection, vectors: Sequence[npt.NDArray[np.float32]] | None = None, hop_s: float | None = None
) -> moments.Located | None:
    """Look for the known sounds of long recordings, where the manifest says when they are.

    Parameters
    ----------
    vectors : sequence of np.ndarray, each shape (n, dim), optional
        Other moments than the collection's, `hop_s` apart.
    """
    window_s = collection.embedder.checkpoint.window_s
    texts = sorted(
        {text for clip in collection.clips if moments.known_time(clip) for text in clip.captions or clip.labels}
    )
    if not texts:
        return None
    return moments.locate(
        collection.clips,
        collection.vectors if vectors is None else vectors,
        collection.durations_s,
        dict(zip(texts, query_vectors(texts, collection), strict=True)),
        hop_s=hop_s or moment_hop_s(window_s),
        window_s=window_s,
    )
