"""The linear probe finds what can be told apart, learns from the training side alone, and answers the same twice."""

import sys
from collections import Counter

import numpy as np
import pytest
from clusters import clusters, unit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.evaluation.probe import (
    STRENGTHS,
    check_installed,
    class_matrix,
    cross_validate,
    make_folds,
    predict,
    single_clip_labels,
)


def alone(labels) -> list[str]:
    return [f"clip {i}" for i in range(len(labels))]


def accuracy(classes, scores, labels) -> float:
    return float(np.mean([classes[best] in some for best, some in zip(scores.argmax(axis=1), labels, strict=True)]))


def test_classes_that_lie_apart_are_all_told() -> None:
    vectors, labels = clusters(5, 12)
    classes, scores = cross_validate(vectors, labels, make_folds(labels, alone(labels)))
    assert classes == [f"class {i:02}" for i in range(5)]
    assert (scores.shape, scores.dtype) == ((60, 5), np.float64)
    assert accuracy(classes, scores, labels) == 1.0
    np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_two_classes_have_a_column_each() -> None:
    vectors, labels = clusters(2, 10)
    classes, scores = predict(vectors, labels, vectors)
    assert scores.shape == (20, 2)
    assert accuracy(classes, scores, labels) == 1.0


def test_several_labels_a_clip_are_all_found() -> None:
    (where, places), (what, things) = clusters(3, 40, seed=1), clusters(4, 30, seed=2)
    order = np.random.default_rng(0).permutation(120)
    vectors = unit(where + what[order])
    labels = [(place[0], f"thing {things[i][0]}") for place, i in zip(places, order, strict=True)]
    classes, scores = cross_validate(vectors, labels, make_folds(labels, alone(labels)))
    best_two = np.sort(np.argsort(-scores, axis=1)[:, :2], axis=1)
    assert [tuple(classes[i] for i in row) for row in best_two] == [tuple(sorted(some)) for some in labels]
    assert ((scores > 0.5) == class_matrix(labels)[1]).mean() > 0.97


def test_it_is_logistic_regression_on_the_whole_training_side() -> None:
    vectors, labels = clusters(4, 30, noise=2.0)
    train = np.arange(120) % 3 > 0
    names = [some[0] for some in labels]
    kept = [some for some, is_train in zip(labels, train, strict=True) if is_train]
    classes, scores = predict(vectors[train], kept, vectors[~train])
    scale = StandardScaler().fit(vectors[train])
    x, y = scale.transform(vectors[train]), np.array(names)[train]
    expected = [
        LogisticRegression(C=strength, max_iter=1000).fit(x, y).predict_proba(scale.transform(vectors[~train]))
        for strength in STRENGTHS
    ]
    assert classes == sorted(set(names))
    assert min(np.abs(scores - each).max() for each in expected) < 1e-5


def test_the_regularisation_suits_what_was_held_out() -> None:
    vectors, labels = clusters(2, 200, dim=64, noise=0.5)
    vectors, labels = vectors[:220], labels[:220]  # 200 of one, 20 of the other: too strong, and all are the one
    train = np.arange(220) % 2 == 0
    kept, asked = labels[::2], labels[1::2]
    strongest = LogisticRegression(C=STRENGTHS[0]).fit(
        StandardScaler().fit_transform(vectors[train]), [some[0] for some in kept]
    )
    assert set(strongest.predict(StandardScaler().fit(vectors[train]).transform(vectors[~train]))) == {"class 00"}
    assert accuracy(*predict(vectors[train], kept, vectors[~train]), asked) == 1.0


def test_what_is_left_out_has_no_part_in_learning() -> None:
    vectors, labels = clusters(3, 20, noise=1.5)
    folds = make_folds(labels, alone(labels))
    is_first = np.array(folds) == "1"
    scores = cross_validate(vectors, labels, folds)[1]
    others = [(("class 00",) if first else some) for some, first in zip(labels, is_first, strict=True)]
    noise = np.where(is_first[:, None], unit(np.random.default_rng(9).standard_normal(vectors.shape)), vectors)
    np.testing.assert_array_equal(cross_validate(vectors, others, folds)[1][is_first], scores[is_first])
    assert (cross_validate(noise, labels, folds)[1][is_first] != scores[is_first]).any()
    kept = [some for some, first in zip(labels, is_first, strict=True) if not first]
    groups = [fold for fold in folds if fold != "1"]
    np.testing.assert_array_equal(predict(vectors[~is_first], kept, vectors[is_first], groups)[1], scores[is_first])


def meaningless_takes() -> tuple[np.ndarray, list[tuple[str, ...]], list[str]]:
    """Return four like takes of each of 60 recordings, labels that say nothing of the sound, and the recordings."""
    rng = np.random.default_rng(0)
    recordings = np.repeat(rng.standard_normal((60, 64)), 4, axis=0)
    vectors = unit(recordings + 0.05 * rng.standard_normal(recordings.shape))
    return vectors, [(f"class {i % 4}",) for i in np.repeat(rng.permutation(60), 4)], [str(i // 4) for i in range(240)]


def test_takes_of_one_recording_do_not_give_each_other_away() -> None:
    vectors, labels, recordings = meaningless_takes()
    apart = cross_validate(vectors, labels, [str(i % 4) for i in range(240)])
    together = cross_validate(vectors, labels, make_folds(labels, recordings))
    assert accuracy(*apart, labels) > 0.95
    assert accuracy(*together, labels) < 0.45


def test_takes_of_one_recording_do_not_vouch_for_what_was_learnt_by_heart() -> None:
    vectors, labels, recordings = meaningless_takes()
    new = unit(np.random.default_rng(1).standard_normal((50, 64)))
    sure = predict(vectors, labels, new)[1].max(axis=1).mean()
    assert predict(vectors, labels, new, recordings)[1].max(axis=1).mean() < sure - 0.1


def test_folds_split_no_group_and_have_the_classes_in_like_shares() -> None:
    rng = np.random.default_rng(3)
    labels = [(f"class {i % 7}",) for i in range(420)]
    groups = [f"{some[0]} take {i}" for some, i in zip(labels, rng.integers(0, 25, 420), strict=True)]
    folds = make_folds(labels, groups)
    assert set(folds) == {"1", "2", "3", "4", "5"}
    assert len(set(zip(groups, folds, strict=True))) == len(set(groups))
    counts = Counter((some[0], fold) for some, fold in zip(labels, folds, strict=True))
    assert len(counts) == 35
    assert all(8 <= n <= 16 for n in counts.values())


def test_folds_are_the_same_twice_and_by_group_not_by_order() -> None:
    labels = [(f"class {i % 3}",) for i in range(30)]
    groups = [f"{i // 2}" for i in range(30)]
    folds = make_folds(labels, groups, 3)
    assert make_folds(labels, groups, 3) == folds
    assert make_folds(labels[::-1], groups[::-1], 3) == folds[::-1]
    assert set(folds) == {"1", "2", "3"}


@pytest.mark.parametrize(("n_each", "n_groups", "n_folds"), [(3, 12, 3), (10, 4, 4), (10, 40, 5)])
def test_there_are_no_more_folds_than_groups_or_clips_of_a_class(n_each: int, n_groups: int, n_folds: int) -> None:
    labels = [(f"class {i}",) for i in range(4) for _ in range(n_each)]
    assert len(set(make_folds(labels, [str(i % n_groups) for i in range(len(labels))]))) == n_folds


def test_a_clip_with_several_labels_is_dealt_by_its_rarest() -> None:
    labels = [("sound", "rare")] * 5 + [("sound",)] * 45
    folds = make_folds(labels, alone(labels))
    assert sorted(folds[:5]) == ["1", "2", "3", "4", "5"]


def test_a_class_that_is_nowhere_else_is_never_chosen() -> None:
    vectors, labels = clusters(4, 10)
    folds = ["1" if i >= 30 else str(i % 3) for i in range(40)]  # class 03 in fold 1 alone
    classes, scores = cross_validate(vectors, labels, folds)
    is_first = np.array(folds) == "1"
    assert (scores[is_first, 3] == 0).all()
    assert (scores[is_first, :3] > 0).all()
    assert accuracy(classes, scores[:30], labels[:30]) == 1.0


@pytest.mark.parametrize("more", [(), ("everything",)])
def test_rare_classes_and_those_of_all_clips_do_not_stop_it(more: tuple[str, ...]) -> None:
    vectors, labels = clusters(6, 6)
    kept = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 18, 24, 30]
    labels = [labels[i] + more for i in kept]
    classes, scores = cross_validate(vectors[kept], labels, ["ab"[i % 2] for i in range(len(kept))])
    assert np.isfinite(scores).all()
    if more:
        assert (scores[:, classes.index("everything")] == 1).all()


def test_two_clips_a_class_are_enough() -> None:
    vectors, labels = clusters(2, 2)
    folds = make_folds(labels, alone(labels))
    assert sorted(folds) == ["1", "1", "2", "2"]
    assert accuracy(*cross_validate(vectors, labels, folds), labels) == 1.0


def test_the_same_vectors_give_the_same_scores_on_any_number_of_threads() -> None:
    vectors, labels = clusters(8, 40, dim=64, noise=2.0)
    folds = make_folds(labels, alone(labels))
    first = cross_validate(vectors, labels, folds)[1]
    with threadpool_limits(2):
        np.testing.assert_array_equal(cross_validate(vectors, labels, folds)[1], first)


def test_labels_that_cannot_be_on_both_sides_are_named() -> None:
    labels = [("rain", "water"), ("water",), ("wind",), ("wind",), ("bell",)]
    assert single_clip_labels(labels) == ["bell", "rain"]
    assert single_clip_labels(labels, ["a", "a", "b", "c", "d"]) == ["bell", "rain", "water"]
    assert single_clip_labels([]) == []


def test_what_cannot_be_probed_is_said_in_one_line() -> None:
    vectors, labels = clusters(2, 4)
    with pytest.raises(UsageError, match=r"^cross-validation takes two folds or more; there is 3$"):
        cross_validate(vectors, labels, ["3"] * 8)
    with pytest.raises(UsageError, match=r"^cross-validation takes two folds or more; there is none$"):
        cross_validate(vectors[:0], [], [])
    with pytest.raises(UsageError, match=r"^a probe learns from two classes or more; .* there is class 01$"):
        cross_validate(vectors, labels, ["1"] * 4 + ["2"] * 4)
    with pytest.raises(UsageError, match=r"^a probe learns from two classes or more; .* there is class 00$"):
        predict(vectors[:4], labels[:4], vectors)
    with pytest.raises(UsageError, match=r"^a probe learns from two classes or more; .* there is none$"):
        predict(vectors[:0], [], vectors)
    with pytest.raises(UsageError, match=r"^cross-validation takes two groups of sounds or more; there is one$"):
        make_folds(labels, ["one"] * 8)
    with pytest.raises(UsageError, match=r"^no label is on two sounds; "):
        make_folds(labels[3:5], ["one", "other"])


def test_without_scikit_learn_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clusters(2, 4)
    monkeypatch.setitem(sys.modules, "sklearn", None)  # as if it were not installed
    message = r"^--probe needs scikit-learn; pip install 'clapsearch\[eval\]'$"
    with pytest.raises(ClapsearchError, match=message):
        check_installed()
    with pytest.raises(ClapsearchError, match=message):
        predict(vectors, labels, vectors)
