"""Classification, zero-shot or by a probe, from a table of scores of clips against classes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clapsearch.evaluation.metrics import Outcomes, average_precisions, mean_interval, rank

N_CONFUSIONS = 10


@dataclass(frozen=True)
class Classification:
    """How well clips were put into classes.

    Attributes
    ----------
    outcomes : Outcomes
        A query is a clip, and what is ranked are the classes: recall@1 is the accuracy.
    classes : list of str
    class_precision : np.ndarray, shape (n_classes,)
        Average precision of each class over all clips, NaN where no clip has the label.
    confusions : list of (label, predicted, n_clips)
        The most frequent mistakes.
    """

    outcomes: Outcomes
    classes: list[str]
    class_precision: npt.NDArray[np.float64]
    confusions: list[tuple[str, str, int]]

    def record(self) -> dict[str, Any]:
        """Return the figures, with 95 % bootstrap intervals over clips (accuracy) and over classes (mAP)."""
        precision = self.class_precision[~np.isnan(self.class_precision)]
        return {
            "n_clips": len(self.outcomes.queries),
            "n_classes": len(self.classes),
            "accuracy": self.outcomes.figures()["recall@1"],
            "map": float(precision.mean()),
            "interval": {"accuracy": self.outcomes.intervals()["recall@1"], "map": mean_interval(precision)},
            "confusions": [{"label": label, "predicted": best, "n": n} for label, best, n in self.confusions],
        }


def classify(
    paths: Sequence[str], labels: Sequence[tuple[str, ...]], classes: Sequence[str], scores: npt.NDArray[np.float64]
) -> Classification:
    """Take the best class of every clip.

    Parameters
    ----------
    paths, labels : sequence
        One a clip; a clip with several labels is right with any of them.
    classes : sequence of str
    scores : np.ndarray, shape (n_clips, n_classes)
        Higher is better; of equal ones the first class is taken.
    """
    right = np.array([[name in own for name in classes] for own in labels], np.bool_)
    outcomes = rank(paths, scores, right)
    best = scores.argmax(axis=1)
    wrong = [i for i in range(len(best)) if not right[i, best[i]]]
    mistakes = Counter((label, classes[best[i]]) for i in wrong for label in labels[i])
    confusions = [(label, predicted, n) for (label, predicted), n in mistakes.most_common(N_CONFUSIONS)]
    return Classification(outcomes, list(classes), average_precisions(scores, right), confusions)
