"""Why a hit came up: the parts of the query, the words, the places."""

import math
from pathlib import Path

import numpy as np
import pytest
from catalogue import Entry, add, ask, score
from test_store import unit_rows

from clapsearch import snapshot
from clapsearch.explanation import Reason, explain
from clapsearch.query import Query, parse
from clapsearch.search import Hit
from clapsearch.store import Library

TEXTS = {text: unit_rows(1, seed=seed)[0] for seed, text in enumerate(["rain", "thunder", "tin roof"], 900)}
FILES = {Path("a/ref.wav"): unit_rows(1, seed=950)[0], Path("b/ref.wav"): unit_rows(1, seed=951)[0]}
ENTRIES = [
    Entry("/sounds/weather/HeavyRain_02.wav", tags="Drops on a metal roof, tin"),
    Entry("/sounds/tin/roof.wav"),
    Entry("/sounds/other/dog.wav", duration_s=30.0, vectors=unit_rows(6, seed=77)),
]


def reasons(library: Library, text: str, hits: list[Hit]) -> list[Reason]:
    return explain(library, parse(text), hits, TEXTS.__getitem__, FILES.__getitem__)


@pytest.fixture
def library(library: Library) -> Library:
    add(library, ENTRIES[:2])
    snapshot.refresh(library)
    add(library, ENTRIES[2:])
    return library


def by_name(library: Library, text: str, *, by_words: bool = False) -> dict[str, Reason]:
    how = {"mode": "words"} if by_words else {}
    hits = ask(library, None if by_words else TEXTS["rain"], parse(text), **how)
    return {hit.path.name: reason for hit, reason in zip(hits, reasons(library, text, hits), strict=True)}


def test_each_part_is_compared_with_the_moment_nearest_to_it(library: Library) -> None:
    found = by_name(library, 'rain -2:thunder 0.5:"tin roof" like:a/ref.wav -like:b/ref.wav')
    vectors = {
        "rain": TEXTS["rain"],
        "-2:thunder": TEXTS["thunder"],
        "0.5:tin roof": TEXTS["tin roof"],
        "like:ref.wav": FILES[Path("a/ref.wav")],
        "-like:ref.wav": FILES[Path("b/ref.wav")],
    }
    for entry in ENTRIES:
        parts = dict(found[Path(entry.path).name].parts)
        assert parts == pytest.approx({name: score(entry, vector) for name, vector in vectors.items()})


def test_files_of_one_name_are_two_parts(library: Library) -> None:
    (reason, *_) = by_name(library, "like:a/ref.wav like:b/ref.wav").values()
    assert [name for name, _ in reason.parts] == ["like:ref.wav", "like:ref.wav"]
    assert reason.parts[0][1] != reason.parts[1][1]


def test_words_are_shown_where_they_stand(library: Library) -> None:
    found = by_name(library, "rain on a tin roof", by_words=True)
    assert found["HeavyRain_02.wav"].words == {
        "name": "heavy [rain] 2 heavyrain 02",
        "tags": "drops on a metal [roof] [tin]",
    }
    assert found["roof.wav"].words == {"name": "[roof]", "folder": "[tin]"}
    assert "dog.wav" not in found


def test_a_hit_by_sound_alone_has_no_words(library: Library) -> None:
    assert by_name(library, "rain")["dog.wav"].words == {}


def test_places_are_those_of_the_search(library: Library) -> None:
    hits = ask(library, TEXTS["rain"], parse("rain"))
    assert [reason.places for reason in reasons(library, "rain", hits)] == [hit.places for hit in hits]
    assert {"sound", "words"} <= set().union(*(hit.places for hit in hits))


def test_what_is_called_so_is_a_reason_where_it_had_a_say(library: Library) -> None:
    hits = ask(library, TEXTS["rain"], parse("rain"))
    found = reasons(library, "rain", hits)
    assert [reason.namesakes for reason in found] == [hit.namesakes for hit in hits]
    assert found[0].namesakes == pytest.approx(1, abs=1e-3)  # the only one
    assert {reason.namesakes for reason in by_name(library, "thunder").values()} == {None}
    assert {reason.namesakes for reason in by_name(library, "rain", by_words=True).values()} == {None}


def test_words_alone_ask_no_model(library: Library) -> None:
    def never(what: object) -> np.ndarray:
        raise AssertionError("asked")

    hits = ask(library, None, parse("rain"), mode="words")
    (reason,) = explain(library, parse("rain"), hits, never, never)
    assert reason.parts == ()
    assert "name" in reason.words
    assert explain(library, parse("rain"), [], never, never) == []


def test_a_sound_replaced_since_the_search_is_no_error(library: Library) -> None:
    hits = ask(library, TEXTS["rain"], parse("rain"), mode="sound")
    with library.writing() as writing:
        writing.drop_embeddings([hits[0].embedding_id])
        writing.withdraw()
    first, *others = reasons(library, "rain", hits)
    assert math.isnan(first.parts[0][1])
    assert not any(math.isnan(each.parts[0][1]) for each in others)


def test_filters_alone_have_nothing_to_explain(library: Library) -> None:
    hits = ask(library, None, parse("ext:wav"))
    found = explain(library, parse("ext:wav"), hits, TEXTS.__getitem__, FILES.__getitem__)
    assert found == [Reason((), {}, {})] * 3
    assert explain(library, Query(), hits[:1], TEXTS.__getitem__, FILES.__getitem__) == found[:1]
