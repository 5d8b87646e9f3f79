"""Modes and minus, measured: the order is that of a search, and what words find goes with the names."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from test_renaming import LABELS, collection, make_set, settings

import clapsearch
from clapsearch.errors import UsageError
from clapsearch.evaluation import choices, retrieval
from clapsearch.evaluation.collection import Collection, collect
from clapsearch.evaluation.evaluation import query_vectors
from clapsearch.evaluation.metrics import difference
from clapsearch.evaluation.minus import WEIGHTS, Minus, minus
from clapsearch.evaluation.modes import DEPTH, SHARES, UNNAMED, UNSAID, by_mode, ranked
from clapsearch.evaluation.renaming import renamed
from clapsearch.query import Phrase, Query
from clapsearch.search import MODES, search
from clapsearch.settings import Settings

__all__ = ["collection", "settings"]
KEPT, HALF, NONE = SHARES
SEED = 3  # hides both takes of two labels


@pytest.fixture(scope="module")
def found(collection: Collection) -> dict[str, choices.Tasks]:
    return by_mode(collection, renamed)


@pytest.fixture(scope="module")
def answered(collection: Collection) -> Minus:
    return minus(collection)


def test_every_mode_answers_every_task(found: dict[str, choices.Tasks]) -> None:
    assert tuple(found) == MODES
    assert len({tuple(tasks) for tasks in found.values()}) == 1
    assert {task.partition(", ")[2] for task in found["hybrid"]} == {
        KEPT,
        HALF,
        f"{HALF}, {UNNAMED}",
        NONE,
        f"{NONE}, {UNSAID}",
        f"{NONE}, {UNNAMED}",
    }  # each label has two sounds, and one of them kept its name


def test_words_find_what_is_called_so_and_nothing_without_names(found: dict[str, choices.Tasks]) -> None:
    words = found["words"]
    assert words[f"text_to_audio by_label, {KEPT}"].figures()["map@10"] == 1
    assert 0 < words[f"text_to_audio by_label, {HALF}"].figures()["map@10"] < 1
    for kind in ("label", "caption"):
        figures = words[f"text_to_audio by_{kind}, {NONE}"].figures()
        assert figures["recall@10"] == 0  # though there are only eight sounds
        assert figures["map@10"] == 0


def test_sound_does_not_care_for_names_and_is_all_there_is_without(found: dict[str, choices.Tasks]) -> None:
    for kind in ("label", "caption"):
        at = [found["sound"][f"text_to_audio by_{kind}, {names}"] for names in SHARES]
        assert all(np.array_equal(each.values, at[0].values) for each in at)
        hybrid = found["hybrid"][f"text_to_audio by_{kind}, {NONE}"]
        assert np.array_equal(hybrid.values, at[0].values)
        unsaid = found["hybrid"][f"text_to_audio by_{kind}, {NONE}, {UNSAID}"]
        assert np.array_equal(unsaid.values, hybrid.values)


def test_hybrid_finds_by_name_what_sound_does_not(found: dict[str, choices.Tasks]) -> None:
    task = f"text_to_audio by_label, {KEPT}"
    assert difference(found["hybrid"][task], found["sound"][task]).figures["map@10"] > 0


def test_queries_that_no_right_sound_is_called_are_those_whose_words_are_hidden(collection: Collection) -> None:
    def changed(collection: Collection, share: float) -> AbstractContextManager[Collection]:
        return renamed(collection, share, seed=SEED)

    with changed(collection, 0.5) as half:
        kept = {half.clips[i].labels[0] for path, i in half.paths.items() if b"neutral" not in path}
    assert kept < set(LABELS)  # else nothing is tested
    tasks = by_mode(collection, changed)["sound"]
    assert tasks[f"text_to_audio by_label, {HALF}, {UNSAID}"].queries == sorted(set(LABELS) - kept)
    assert f"text_to_audio by_label, {KEPT}, {UNSAID}" not in tasks


def test_named_ones_left_out_are_neither_right_nor_in_the_way(
    collection: Collection, found: dict[str, choices.Tasks]
) -> None:
    with renamed(collection, SHARES[HALF]) as half:
        texts, right = retrieval.texts(half.clips, "label"), retrieval.right(half.clips, "label")
        for mode, tasks in found.items():
            outcomes = tasks[f"text_to_audio by_label, {HALF}, {UNNAMED}"]
            assert outcomes.queries == texts  # one of the two that are right has no name
            vectors = query_vectors(texts, half)
            for text, vector, those, rank in zip(texts, vectors, right, outcomes.ranks.tolist(), strict=True):
                hits = search(half.library, vector, Query((Phrase(text),)), mode=mode, include_offline=True)
                others = [half.paths[bytes(hit.path)] for hit in hits if text not in hit.path.name]
                places = [place for place, i in enumerate(others, start=1) if those[i]]
                assert rank == places[0] if places else rank > DEPTH


@pytest.mark.parametrize("mode", MODES)
def test_the_order_is_that_of_a_search(collection: Collection, mode: str) -> None:
    texts = retrieval.texts(collection.clips, "caption")
    queries = [Query((Phrase(text),)) for text in texts]
    scores = ranked(collection, queries, query_vectors(texts, collection), mode, np.full(len(texts), 10))
    with clapsearch.open(collection.library.path, device="cpu") as session:
        for text, row in zip(texts, scores, strict=True):
            hits = [hit.path.name for hit in session.search(text, mode=mode, top_k=10, collapse=False)]
            order = np.argsort(-row, kind="stable")[: np.isfinite(row).sum()]
            assert [Path(collection.clips[i].path).name for i in order] == hits


def test_the_choice_compares_with_hybrid(collection: Collection) -> None:
    record = choices.mode(collection, renamed).record()
    assert record["default"] == "hybrid"
    for way, tasks in record["variants"].items():
        for figures in tasks.values():
            assert ("difference" in figures) == (way != "hybrid")


def test_minus_asks_what_a_query_with_a_minus_asks(collection: Collection, answered: Minus) -> None:
    label_of = {Path(clip.path).name: clip.labels[0] for clip in collection.clips}
    with clapsearch.open(collection.library.path, device="cpu") as session:
        for mode, ways in answered.found.items():
            for weight, each in ways.items():
                for i, (wanted, unwanted) in enumerate(answered.pairs):
                    text = f"{wanted} -{weight:g}:{unwanted}" if weight else wanted
                    labels = [
                        label_of[hit.path.name] for hit in session.search(text, mode=mode, top_k=10, collapse=False)
                    ]
                    assert each.unwanted[i] == pytest.approx(labels.count(unwanted) / len(labels))
                    assert each.wanted[i] == labels.count(wanted) / 2


def test_minus_names_pairs_figures_and_differences(answered: Minus) -> None:
    record = answered.record()
    assert [wanted for wanted, _ in record["pairs"]] == sorted(set(LABELS))
    assert all(wanted != unwanted for wanted, unwanted in record["pairs"])
    for ways in record["modes"].values():
        assert list(ways) == ["0", *(f"{weight:g}" for weight in WEIGHTS)]
        assert "unwanted_difference" not in ways["0"]
        for weight in list(ways)[1:]:
            low, high = ways[weight]["unwanted_interval"]
            assert low <= ways[weight]["unwanted_difference"] <= high


def test_minus_needs_two_labels(settings: Settings, tmp_path: Path) -> None:
    manifest = make_set(tmp_path)
    alike = [clip for clip in manifest.clips if clip.labels == ("rain",)]
    with (
        collect(manifest, alike, settings, tmp_path / "work") as collected,
        pytest.raises(UsageError, match="two labels or more"),
    ):
        minus(collected)
