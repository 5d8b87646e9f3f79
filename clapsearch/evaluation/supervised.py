"""The supervised part of an evaluation: the linear probe and the separation of the classes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.drawing import check_picture
from clapsearch.errors import UsageError
from clapsearch.evaluation.classification import classify
from clapsearch.evaluation.clips import Clip
from clapsearch.evaluation.collection import Collection
from clapsearch.evaluation.evaluation import Evaluation
from clapsearch.evaluation.picture import draw
from clapsearch.evaluation.probe import check_installed, cross_validate, make_folds, predict, single_clip_labels
from clapsearch.evaluation.separation import separation
from clapsearch.present import plural


@dataclass(frozen=True)
class Labelled:
    """Clips with labels, and the vector of each whole sound, shape (n, dim)."""

    clips: list[Clip]
    vectors: npt.NDArray[np.float32]

    @property
    def labels(self) -> list[tuple[str, ...]]:
        """The labels of each clip."""
        return [clip.labels for clip in self.clips]

    @property
    def groups(self) -> list[str]:
        """What each clip is a take of; itself where the manifest has no column group."""
        return [clip.columns.get("group", clip.path) for clip in self.clips]

    def without(self, labels: Sequence[str]) -> "Labelled":
        """Return the clips that have none of these labels."""
        kept = [i for i, clip in enumerate(self.clips) if not set(labels) & set(clip.labels)]
        return Labelled([self.clips[i] for i in kept], self.vectors[kept])


def check(picture: Path | None) -> None:
    """Find out before the work whether what it needs is there.

    Raises
    ------
    ClapsearchError
    """
    check_installed()
    if picture:
        check_picture(picture)


def labelled(collection: Collection) -> Labelled:
    """Return what a probe can use of a collection.

    Raises
    ------
    UsageError
        If nothing has a label.
    """
    rows = [i for i, clip in enumerate(collection.clips) if clip.labels]
    if not rows:
        raise UsageError("--probe needs labels; the manifest has none")
    return Labelled([collection.clips[i] for i in rows], np.stack([collection.vectors[i][0] for i in rows]))


def by_training(found: Evaluation, tested: Labelled, training: Labelled, picture: Path | None) -> Evaluation:
    """Add a probe that learnt from other clips."""
    classes, scores = predict(training.vectors, training.labels, tested.vectors, training.groups)
    return _added(found, tested, classes, scores, picture)


def by_folds(found: Evaluation, tested: Labelled, picture: Path | None) -> Evaluation:
    """Add a probe that learns each fold from the others: the manifest's folds, else five without a group in two."""
    has_folds = all("fold" in clip.columns for clip in tested.clips)
    places = [clip.columns["fold"] for clip in tested.clips] if has_folds else tested.groups
    single = single_clip_labels(tested.labels, places)
    if single:
        where = "fold" if has_folds else "group of takes"
        note = f"the probe leaves out {plural(len(single), 'label')} whose sounds are all of one {where}"
        found, tested = replace(found, notes=[*found.notes, note]), tested.without(single)
        if not tested.clips:
            raise UsageError(f"--probe has nothing to learn from: the sounds of every label are of one {where}")
    folds = [clip.columns["fold"] for clip in tested.clips] if has_folds else make_folds(tested.labels, tested.groups)
    classes, scores = cross_validate(tested.vectors, tested.labels, folds)
    return _added(found, tested, classes, scores, picture)


def _added(
    found: Evaluation, tested: Labelled, classes: list[str], scores: npt.NDArray[np.float64], picture: Path | None
) -> Evaluation:
    if picture:
        draw(picture, tested.vectors, tested.labels, checkpoint=found.checkpoint.name)
    return replace(
        found,
        probe=classify([clip.path for clip in tested.clips], tested.labels, classes, scores),
        separation=asdict(separation(tested.vectors, tested.labels, tested.groups)),
    )
