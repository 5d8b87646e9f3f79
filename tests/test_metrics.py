"""Measures of ranked lists, held against ir-measures (trec_eval) and scikit-learn."""

import numpy as np
import pytest
from ir_measures import AP, RR, Qrel, ScoredDoc, Success, iter_calc
from scipy.stats import bootstrap
from sklearn.metrics import average_precision_score

from clapsearch.evaluation.classification import classify
from clapsearch.evaluation.metrics import (
    MAP_AT,
    RECALL_AT,
    Outcomes,
    average_precisions,
    difference,
    mean_interval,
    rank,
)

N_QUERIES, N_CANDIDATES = 60, 40


def random_task(seed: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Scores with many ties, one to fifteen right answers a query."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 8, (N_QUERIES, N_CANDIDATES)) / 8
    right = np.zeros((N_QUERIES, N_CANDIDATES), bool)
    for row in right:
        row[rng.choice(N_CANDIDATES, rng.integers(1, 16), replace=False)] = True
    return [f"query {i}" for i in range(N_QUERIES)], scores, right


def outcomes_of(seed: int) -> Outcomes:
    return rank(*random_task(seed))


def by_trec_eval(seed: int) -> dict[tuple[str, str], float]:
    """Return measure and query to value; trec_eval puts the last name first among equal scores."""
    queries, scores, right = random_task(seed)
    names = [f"{N_CANDIDATES - column:03}" for column in range(N_CANDIDATES)]
    cells = [(i, j) for i in range(N_QUERIES) for j in range(N_CANDIDATES)]
    qrels = [Qrel(queries[i], names[j], int(right[i, j])) for i, j in cells]
    run = [ScoredDoc(queries[i], names[j], float(scores[i, j])) for i, j in cells]
    measures = [AP @ MAP_AT, RR, *(Success @ k for k in RECALL_AT)]
    return {(str(found.measure), found.query_id): found.value for found in iter_calc(measures, qrels, run)}


@pytest.mark.parametrize("seed", range(5))
def test_measures_equal_trec_evals_on_ties_and_several_right_answers(seed: int) -> None:
    queries, _, right = random_task(seed)
    outcomes, theirs = outcomes_of(seed), by_trec_eval(seed)
    n_right = right.sum(axis=1)
    share = np.minimum(n_right, MAP_AT) / n_right  # trec_eval divides by all right answers, though it cuts at ten
    precision = [theirs[f"AP@{MAP_AT}", query] for query in queries]
    assert outcomes.average_precision * share == pytest.approx(np.array(precision), abs=1e-9)
    assert 1 / outcomes.ranks == pytest.approx(np.array([theirs["RR", query] for query in queries]), abs=1e-9)
    for k in RECALL_AT:
        mean = np.mean([theirs[f"Success@{k}", query] for query in queries])
        assert outcomes.figures()[f"recall@{k}"] == pytest.approx(mean, abs=1e-9)
    assert outcomes.figures()["median_rank"] == np.median(outcomes.ranks)


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_of_classes_equals_scikit_learns(seed: int) -> None:
    _, scores, right = random_task(seed)
    theirs = [average_precision_score(right[:, i], scores[:, i]) for i in range(N_CANDIDATES)]
    assert average_precisions(scores, right) == pytest.approx(np.array(theirs), abs=1e-9)


def test_a_class_without_a_clip_has_no_precision() -> None:
    scores, right = np.array([[1.0, 0.0], [0.5, 0.2]]), np.array([[True, False], [True, False]])
    assert average_precisions(scores, right).tolist() == pytest.approx([1.0, float("nan")], nan_ok=True)


def test_equal_scores_stand_in_the_order_of_the_candidates() -> None:
    outcomes = rank(["q"], np.zeros((1, 4)), np.array([[False, False, True, True]]))
    assert outcomes.ranks.tolist() == [3]
    assert outcomes.average_precision[0] == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_more_right_answers_than_the_list_is_long_can_still_be_all_right() -> None:
    right = np.array([[True] * 12 + [False] * 3])
    assert rank(["q"], -np.arange(15.0)[None], right).average_precision[0] == pytest.approx(1)


def test_a_query_without_a_right_answer_is_not_asked() -> None:
    outcomes = rank(["a", "b"], np.zeros((2, 2)), np.array([[False, False], [True, False]]))
    assert outcomes.queries == ["b"]


def test_bootstrap_intervals_are_scipys() -> None:
    values = np.random.default_rng(1).random(200)
    theirs = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=0).confidence_interval
    assert mean_interval(values) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_every_figure_lies_in_its_interval_and_the_same_run_gives_the_same() -> None:
    outcomes = outcomes_of(3)
    intervals = outcomes.intervals()
    for name, value in outcomes.figures().items():
        low, high = intervals[name]
        assert low < value < high, name
    assert outcomes_of(3).intervals() == intervals


def test_pairing_sees_what_two_intervals_hide() -> None:
    rng = np.random.default_rng(0)
    precision = rng.random(100)
    base = Outcomes([str(i) for i in range(100)], rng.integers(1, 50, 100), precision)
    better = Outcomes(base.queries, base.ranks, precision + 0.01)
    assert better.intervals()["map@10"][0] < base.intervals()["map@10"][1]
    change = difference(better, base)
    assert change.figures["map@10"] == pytest.approx(0.01)
    assert change.intervals["map@10"] == pytest.approx((0.01, 0.01))
    assert change.figures["recall@10"] == 0


def test_runs_are_paired_by_query_not_by_place() -> None:
    one = Outcomes(["a", "b", "c"], np.array([1, 2, 3]), np.array([1.0, 0.5, 0.2]))
    other = Outcomes(["c", "x", "a"], np.array([3, 1, 1]), np.array([0.2, 1.0, 1.0]))
    change = difference(one, other)
    assert change.n_queries == 2
    assert set(change.figures.values()) == {0}
    with pytest.raises(ValueError, match="no query in common"):
        difference(one, Outcomes(["z"], np.array([1]), np.array([1.0])))


def test_outcomes_survive_json() -> None:
    outcomes = outcomes_of(1)
    again = Outcomes.from_records(outcomes.records())
    assert again.queries == outcomes.queries
    assert np.array_equal(again.values, outcomes.values)


def test_accuracy_counts_any_label_and_confusions_name_the_right_class_first() -> None:
    scores = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.1], [0.3, 0.6, 0.1], [0.1, 0.7, 0.2]])
    labels = [("dog",), ("dog", "rain"), ("dog",), ("wind",)]
    found = classify(["a", "b", "c", "d"], labels, ["dog", "rain", "wind"], scores)
    record = found.record()
    assert record["accuracy"] == 0.5
    assert sorted((m["label"], m["predicted"], m["n"]) for m in record["confusions"]) == [
        ("dog", "rain", 1),
        ("wind", "rain", 1),
    ]
    right = np.array([[name in own for name in ["dog", "rain", "wind"]] for own in labels])
    assert record["map"] == pytest.approx(average_precision_score(right, scores, average="macro"), abs=1e-9)
