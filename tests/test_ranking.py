"""One order out of several, and what a match of words is worth in it."""

import numpy as np
import pytest
from shelf import Shelf, shelf

from clapsearch.candidates import Candidates
from clapsearch.criteria import Criteria
from clapsearch.query import parse
from clapsearch.ranking import K, fuse, percentile, rarity, words_worth
from clapsearch.search import open_index

__all__ = ["shelf"]  # a fixture


def test_a_place_counts_by_its_rank_and_by_what_it_is_worth() -> None:
    fused = fuse({"a": 1.0, "b": 1.0}, {"b": 0.5, "c": 2.0})
    assert fused == pytest.approx({"a": 1 / (K + 1), "b": 1 / (K + 2) + 0.5 / (K + 1), "c": 2 / (K + 2)})


def test_rarer_words_are_worth_more_and_none_is_worth_nothing() -> None:
    worth = [rarity(n, 1000) for n in (0, 1, 10, 100, 1000)]
    assert worth == sorted(worth, reverse=True)
    assert worth[-1] > 0


def test_saying_half_counts_less_than_sounding_right_and_saying_all_counts_more() -> None:
    assert words_worth(0) == 0
    assert words_worth(0.5) < 1 < words_worth(1)


def test_a_percentile_of_no_number_is_none() -> None:
    background = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    assert percentile(background, 0.25) == 0.5
    assert percentile(background, float("nan")) is None


def covered(shelf: Shelf, query: str) -> dict[str, float]:
    with shelf.library.reading() as reading:
        scope = reading.scope(Criteria())
        candidates = Candidates(reading, open_index(reading, shelf.library.snapshots), scope)
        rows = reading.first(scope, 100)
        found = candidates.coverage(parse(query), rows)
        return {row.path.rpartition(b"/")[2].decode(): round(found[row.sound_id], 6) for row in rows}


@pytest.fixture
def doors(shelf: Shelf) -> Shelf:
    shelf.add("sounds", "door slam.wav", "door creak.wav", "door open.wav", "doors/wood slams.wav", "rain.wav")
    return shelf


def test_coverage_is_the_share_of_a_query_that_a_sound_says(doors: Shelf) -> None:
    found = covered(doors, "the slamming door")
    assert found["door slam.wav"] == found["wood slams.wav"] == 1  # folders count, endings and "the" do not
    assert found["rain.wav"] == 0
    n_door, n_slam = rarity(4, 5), rarity(2, 5)
    assert found["door creak.wav"] == pytest.approx(n_door / (n_door + n_slam), abs=1e-6)
    assert found["door creak.wav"] < 0.5  # nearly all have a door


def test_a_word_that_no_sound_says_is_missed_most(doors: Shelf) -> None:
    assert covered(doors, "slam zeppelin")["door slam.wav"] < 0.5


def test_quoted_words_count_together_and_weights_count(doors: Shelf) -> None:
    assert covered(doors, '"slam door"')["door slam.wav"] == 0
    assert covered(doors, '"door slam"')["door slam.wav"] == 1
    assert covered(doors, "3:rain 1:zeppelin")["rain.wav"] > covered(doors, "1:rain 3:zeppelin")["rain.wav"]


def test_nothing_says_what_is_asked_for_by_a_sound(doors: Shelf) -> None:
    assert covered(doors, "rain")["rain.wav"] == 1
    assert covered(doors, "rain like:a.wav")["rain.wav"] == 0.5
    assert covered(doors, "rain -like:a.wav")["rain.wav"] == 1


def test_a_sound_that_says_little_of_the_query_does_not_push_away_one_that_sounds_so(shelf: Shelf) -> None:
    shelf.add("sounds", *(f"{i}.wav" for i in range(20)), "a rifle shot.wav", "hoof shot.wav")
    best = shelf.hits(query=parse("x"), mode="sound")[0].path.name
    asked = parse("an antique flintlock rifle shot in a wide valley")
    assert shelf.hits(query=asked)[0].path.name == best
    hits = shelf.hits(query=parse("rifle shot + wav"), mode="words")  # alone, words keep their order
    assert [hit.path.name for hit in hits] == ["a rifle shot.wav", "hoof shot.wav"]


def test_a_sound_that_says_all_of_the_query_comes_before_one_that_only_sounds_so(shelf: Shelf) -> None:
    shelf.add("sounds", *(f"{i}.wav" for i in range(20)), "a rifle shot far away.wav")
    assert shelf.hits(query=parse("rifle shot"))[0].path.name == "a rifle shot far away.wav"
