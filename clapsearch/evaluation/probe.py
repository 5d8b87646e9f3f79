"""The linear probe: what a logistic regression can read from frozen vectors, the papers' supervised rows.

Vectors are standardised by the mean and deviation of the training side. If every clip there has one label, one softmax
regression decides among all classes; otherwise one regression a class says yes or no. How strongly they are regularised
is chosen on a part of the training side alone. scikit-learn does the work, on one thread, so that the same vectors give
the same scores.
"""

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.present import printable

N_FOLDS = 5
# Inverse strengths of regularisation, the strongest first; the middle one where there is nothing to choose by.
STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0)
_MAX_ITERATIONS = 1000

Scores = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]


def predict(
    train_vectors: npt.NDArray[np.float32],
    train_labels: Sequence[tuple[str, ...]],
    vectors: npt.NDArray[np.float32],
    train_groups: Sequence[str] | None = None,
) -> tuple[list[str], Scores]:
    """Learn from some clips what the classes of others are.

    Parameters
    ----------
    train_vectors : np.ndarray, shape (n, dim), float32, unit norm
    train_labels : sequence of n tuples of str
        At least one label each.
    vectors : np.ndarray, shape (m, dim), float32, unit norm
        Of the clips to classify; at least one.
    train_groups : sequence of n str, optional
        What must not be split where a part of the training side is held out, such as the takes of one recording.

    Returns
    -------
    classes : list of str
        All labels of the training side, sorted.
    scores : np.ndarray, shape (m, n_classes), float64
        Probabilities: they sum to 1 in a row if every clip to learn from has one label, otherwise each is by itself.

    Raises
    ------
    UsageError
        If there are fewer than two classes to learn.
    ClapsearchError
        If scikit-learn is not installed.
    """
    classes, truth = class_matrix(train_labels)
    groups = np.arange(len(truth)) if train_groups is None else np.asarray(train_groups)
    with _one_quiet_thread():
        return classes, _probabilities(train_vectors, truth, vectors, groups, classes)


def cross_validate(
    vectors: npt.NDArray[np.float32], labels: Sequence[tuple[str, ...]], folds: Sequence[str]
) -> tuple[list[str], Scores]:
    """Learn the classes of each fold from all the others.

    Parameters
    ----------
    vectors : np.ndarray, shape (n, dim), float32, unit norm
    labels : sequence of n tuples of str
        At least one label each.
    folds : sequence of n str
        The data set's own, or from `make_folds`. Regularisation is chosen on one of the folds to learn from.

    Returns
    -------
    classes : list of str
        All labels, sorted.
    scores : np.ndarray, shape (n, n_classes), float64
        Probabilities as from `predict`; 0 for a class that does not occur beside a clip's fold.

    Raises
    ------
    UsageError
        If there is one fold alone, or fewer than two classes beside one.
    ClapsearchError
        If scikit-learn is not installed.
    """
    classes, truth = class_matrix(labels)
    fold_of = np.asarray(folds)
    if len(set(folds)) < 2:
        raise UsageError(f"cross-validation takes two folds or more; there is {_listed(set(folds))}")
    scores = np.zeros(truth.shape)
    with _one_quiet_thread():
        for fold in np.unique(fold_of):
            left_out = fold_of == fold
            learnt = _probabilities(
                vectors[~left_out], truth[~left_out], vectors[left_out], fold_of[~left_out], classes
            )
            scores[left_out] = learnt
    return classes, scores


def make_folds(labels: Sequence[tuple[str, ...]], groups: Sequence[str], n_folds: int = N_FOLDS) -> list[str]:
    """Deal clips to folds that have the classes in like shares and split no group.

    Fewer folds come out where there are fewer groups, or no class with as many clips. A clip with several labels counts
    as one of the rarest.

    Parameters
    ----------
    labels : sequence of n tuples of str
    groups : sequence of n str
        What belongs together, such as the takes of one recording; else a name of its own for each clip.
    n_folds : int
        At least 2.

    Returns
    -------
    list of n str
        ``"1"``, ``"2"``, ...; the same for the same arguments.

    Raises
    ------
    UsageError
        If there are no two groups, or no label twice.
    ClapsearchError
        If scikit-learn is not installed.
    """
    if len(set(groups)) < 2:
        raise UsageError(f"cross-validation takes two groups of sounds or more; there is {_listed(set(groups))}")
    with _one_quiet_thread():
        folds = _deal(class_matrix(labels)[1], np.asarray(groups), n_folds)
    if folds is None:
        raise UsageError("no label is on two sounds; cross-validation learns from one and classifies the other")
    return [str(fold + 1) for fold in folds]


def single_clip_labels(labels: Sequence[tuple[str, ...]], groups: Sequence[str] | None = None) -> list[str]:
    """Return the labels that cannot be on both sides, sorted: those of one clip, or of one group (or fold) if given."""
    groups = [str(i) for i in range(len(labels))] if groups is None else groups
    places: dict[str, set[str]] = {}
    for some, group in zip(labels, groups, strict=True):
        for label in some:
            places.setdefault(label, set()).add(group)
    return sorted(label for label, those in places.items() if len(those) == 1)


def class_matrix(labels: Sequence[tuple[str, ...]]) -> tuple[list[str], Truth]:
    """Return all labels, sorted, and which clip has which, shape (n, n_classes), bool."""
    classes = sorted({label for some in labels for label in some})
    column = {label: i for i, label in enumerate(classes)}
    truth = np.zeros((len(labels), len(classes)), dtype=np.bool_)
    for row, some in zip(truth, labels, strict=True):
        row[[column[label] for label in some]] = True
    return classes, truth


def check_installed() -> None:
    """Raise ClapsearchError if scikit-learn is not installed."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ClapsearchError("--probe needs scikit-learn; pip install 'clapsearch[eval]'") from error


def _listed(names: Iterable[str]) -> str:
    return printable(", ".join(names)) or "none"


@contextlib.contextmanager
def _one_quiet_thread() -> Iterator[None]:
    """Compute on one thread, which is also the quickest at these sizes, and keep scikit-learn's advice back.

    It warns of rare classes, and of regressions that stopped at `_MAX_ITERATIONS`: these are but regularised in another
    way, and what is held out judges them like the rest.
    """
    from threadpoolctl import threadpool_limits

    check_installed()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _probabilities(
    train: npt.NDArray[np.float32],
    truth: Truth,
    vectors: npt.NDArray[np.float32],
    groups: npt.NDArray[Any],
    classes: Sequence[str],
) -> Scores:
    known = [classes[i] for i in np.flatnonzero(truth.any(axis=0)).tolist()]
    if len(known) < 2:
        raise UsageError(f"a probe learns from two classes or more; on the training side there is {_listed(known)}")
    return _learn(train, truth, _choose_strength(train, truth, groups), vectors)


def _choose_strength(train: npt.NDArray[np.float32], truth: Truth, groups: npt.NDArray[Any]) -> float:
    """Return the strength that ranks the labels of a held-out part best; the strongest regularisation among equals."""
    from sklearn.metrics import label_ranking_average_precision_score

    if len(set(groups)) < 2:  # the only fold beside the one to classify
        groups = np.arange(len(truth))
    folds = _deal(truth, groups, N_FOLDS)
    held = np.zeros(len(truth), dtype=np.bool_) if folds is None else folds == 0
    if not held.any() or np.count_nonzero(truth[~held].any(axis=0)) < 2:
        return STRENGTHS[len(STRENGTHS) // 2]
    quality = [
        label_ranking_average_precision_score(truth[held], _learn(train[~held], truth[~held], strength, train[held]))
        for strength in STRENGTHS
    ]
    return STRENGTHS[int(np.argmax(quality))]


def _learn(train: npt.NDArray[np.float32], truth: Truth, strength: float, vectors: npt.NDArray[np.float32]) -> Scores:
    """Fit, and return probabilities, shape (m, n_classes); 0 for what does not occur in `truth`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    is_exclusive = bool((truth.sum(axis=1) == 1).all())
    regression = LogisticRegression(C=strength, max_iter=_MAX_ITERATIONS)
    model = make_pipeline(StandardScaler(), regression if is_exclusive else OneVsRestClassifier(regression))
    model.fit(train, truth.argmax(axis=1) if is_exclusive else truth.astype(np.int64))
    scores = np.zeros((len(vectors), truth.shape[1]))
    # In float64, so that no two sure classes round to the same probability.
    scores[:, model.classes_] = model.predict_proba(vectors.astype(np.float64))
    return scores


def _deal(truth: Truth, groups: npt.NDArray[Any], n_folds: int) -> npt.NDArray[np.int64] | None:
    """Return a fold number for each clip; None if no class could be in two folds."""
    from sklearn.model_selection import StratifiedGroupKFold

    n_clips = truth.sum(axis=0)
    rarest = np.where(truth, n_clips, len(truth) + 1).argmin(axis=1)
    n_folds = min(n_folds, len(set(groups)), int(np.bincount(rarest).max()))
    if n_folds < 2:
        return None
    folds = np.zeros(len(truth), dtype=np.int64)
    for number, (_, left_out) in enumerate(StratifiedGroupKFold(n_folds).split(truth, rarest, groups)):
        folds[left_out] = number
    return folds
