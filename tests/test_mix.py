"""A sound and words in one query, measured: each finds its own, as much as it says."""

import numpy as np
import pytest
from test_renaming import LABELS, collection, settings

from clapsearch.evaluation import choices
from clapsearch.evaluation.collection import Collection
from clapsearch.evaluation.evaluation import query_vectors
from clapsearch.evaluation.mix import by_balance
from clapsearch.query import vector

__all__ = ["collection", "settings"]


def test_every_clip_is_asked_with_a_label_that_it_does_not_have(collection: Collection) -> None:
    found = by_balance(collection)
    assert list(found) == ["balanced", "as they are"]
    for tasks in found.values():
        for outcomes in tasks.values():
            assert len(outcomes.queries) == len(LABELS)
            for query in outcomes.queries:
                path, _, label = query.partition(" + ")
                assert label in LABELS
                assert label not in path
            # One sound is right by the sound, two by the label, and seven others are there.
            assert set(outcomes.ranks) <= set(range(1, 8))


def test_the_sound_that_was_asked_with_is_no_answer(collection: Collection) -> None:
    outcomes = by_balance(collection)["as they are"]["mixed right_by_the_sound"]
    sounds = np.stack([rows[0] for rows in collection.vectors])
    for query, rank in zip(outcomes.queries, outcomes.ranks.tolist(), strict=True):
        path, _, label = query.partition(" + ")
        asked = next(i for i, clip in enumerate(collection.clips) if clip.path == path)
        scores = sounds @ (sounds[asked] + query_vectors([label], collection)[0])
        order = [i for i in np.argsort(-scores) if i != asked]
        assert collection.clips[order[rank - 1]].labels == collection.clips[asked].labels


def test_balance_moves_the_answers_to_the_words(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector, "_MIN_SAMPLE", 2)
    found = by_balance(collection)
    for task in found["balanced"]:
        assert not np.array_equal(found["balanced"][task].ranks, found["as they are"][task].ranks)


def test_the_choice_names_what_is_done(collection: Collection) -> None:
    record = choices.mixed(collection).record()
    assert record["default"] == "balanced"
    assert "difference" in record["variants"]["as they are"]["mixed right_by_the_label"]
