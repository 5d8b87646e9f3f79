"""Separation is what scikit-learn and plain loops over all pairs say."""

import json
from dataclasses import asdict
from itertools import combinations

import numpy as np
import pytest
from clusters import clusters, unit
from sklearn.metrics import silhouette_score

from clapsearch.evaluation.separation import Separation, separation


def test_the_silhouette_is_that_of_scikit_learn() -> None:
    vectors, labels = clusters(7, 100, noise=2.0)  # more clips than are compared at a time
    expected = silhouette_score(vectors.astype(np.float64), [some[0] for some in labels], metric="cosine")
    assert separation(vectors, labels).silhouette == pytest.approx(expected, abs=1e-6)


def test_the_silhouette_is_over_clips_of_one_label_that_is_on_two() -> None:
    vectors, labels = clusters(4, 10, noise=1.0)
    odd = [("class 00", "class 01"), ("alone",), ("alone", "class 02")]
    names = [some[0] for some in labels[3:]]
    expected = silhouette_score(vectors[3:].astype(np.float64), names, metric="cosine")
    assert separation(vectors, odd + labels[3:]).silhouette == pytest.approx(expected, abs=1e-6)


def test_equal_vectors_are_separated_by_nothing() -> None:
    vectors = np.tile(np.float32([0.6, 0.8]), (6, 1))
    assert separation(vectors, [("a",), ("b",)] * 3).silhouette == pytest.approx(0, abs=1e-6)


def test_mean_cosines_are_those_of_all_pairs() -> None:
    vectors, labels = clusters(5, 60, noise=1.5)
    labels = [some + (("wet",) if i % 7 == 0 else ()) for i, some in enumerate(labels)]
    within, between = [], []
    for i, j in combinations(range(len(labels)), 2):
        (within if set(labels[i]) & set(labels[j]) else between).append(float(vectors[i] @ vectors[j]))
    measured = separation(vectors, labels)
    assert measured.within == pytest.approx(np.mean(within), abs=1e-6)
    assert measured.between == pytest.approx(np.mean(between), abs=1e-6)
    assert measured.within > measured.between


@pytest.mark.parametrize("n_takes", [1, 3])
def test_the_nearest_neighbour_is_that_of_a_plain_loop(n_takes: int) -> None:
    vectors, labels = clusters(6, 51, dim=8, noise=0.8)
    labels = [*labels[:-3], ("alone",), ("twice",), ("twice",)]  # the two are takes of one recording if n_takes is 3
    groups = [f"{i // n_takes}" for i in range(306)]
    right = []
    for i in range(306):
        others = [j for j in range(306) if groups[j] != groups[i]]
        if any(set(labels[j]) & set(labels[i]) for j in others):
            nearest = max(others, key=lambda j: vectors[i] @ vectors[j])
            right.append(bool(set(labels[nearest]) & set(labels[i])))
    assert len(right) == (305 if n_takes == 1 else 303)
    assert separation(vectors, labels, groups).nearest_neighbour == pytest.approx(np.mean(right))


def test_takes_of_one_recording_are_no_neighbours() -> None:
    rng = np.random.default_rng(0)
    vectors = unit(np.repeat(rng.standard_normal((40, 64)), 3, axis=0) + 0.01 * rng.standard_normal((120, 64)))
    labels = [(f"class {i % 4}",) for i in np.repeat(rng.permutation(40), 3)]
    assert separation(vectors, labels).nearest_neighbour == 1.0
    assert separation(vectors, labels, [str(i // 3) for i in range(120)]).nearest_neighbour < 0.5


def test_classes_that_lie_apart_have_a_silhouette_near_one() -> None:
    vectors, labels = clusters(3, 20, noise=0.02)
    measured = separation(vectors, labels)
    assert measured.silhouette > 0.99
    assert measured.nearest_neighbour == 1.0
    assert measured.within > 0.99 > measured.between


def test_what_cannot_be_taken_is_none_and_the_rest_plain_numbers() -> None:
    vectors, labels = clusters(3, 1)
    assert separation(vectors, labels) == Separation(
        None, None, pytest.approx(separation(vectors, labels).between), None
    )
    assert separation(vectors[:1], labels[:1]) == Separation(None, None, None, None)
    assert separation(vectors[:0], []) == Separation(None, None, None, None)
    vectors, labels = clusters(1, 5)
    assert separation(vectors, labels, ["one"] * 5).nearest_neighbour is None
    record = json.loads(json.dumps(asdict(separation(vectors, labels))))
    assert record["nearest_neighbour"] == 1.0
    assert record["silhouette"] is record["between"] is None
