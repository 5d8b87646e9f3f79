"""Criteria: each alone and with others lets through just what it says, whatever the names are."""

import itertools
import os
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import PurePath
from typing import Any

import pytest
from catalogue import Entry, add, ask, paths, score
from sqlalchemy import event
from test_store import unit_rows

from clapsearch.criteria import Choice, Criteria
from clapsearch.metadata.ucs import parse_name
from clapsearch.query import Phrase, Query, parse
from clapsearch.store import Library, finding
from clapsearch.wording import words

ROOTS = ("/sounds/Foley Room", "/sounds", "/field")
APART = unicodedata.normalize("NFD", "/field/Été/mer.wav")
UNDECODABLE = os.fsdecode(b"/field/caf\xe9 \xff/rain.wav")


def day(year: int, month: int = 1, of_month: int = 1) -> float:
    return datetime(year, month, of_month).astimezone().timestamp()


ENTRIES = (
    Entry("/sounds/Foley Room/steps/Take_03.wav", 2.0, dated=day(2020), tags="boots on gravel"),
    Entry("/sounds/Foley Room/steps/take 3 alt.flac", 2.5, sr=96_000, channels=2, dated=day(2021), tags="boots"),
    Entry("/sounds/Foley Room/RAINVege_Leaves.wav", 10.0, sr=44_100, channels=2, dated=day(2022), tags="Zoom H6"),
    Entry("/sounds/rain/RAINVege_Fern.WAV", 3.0, sr=192_000, dated=day(2023), tags="zoom h5 rain"),
    Entry("/sounds/rain/heavy/DOORWood_Rain on door.aif", 30.0, channels=6, dated=day(2024, 5, 17)),
    Entry("/sounds/rain", 0.5, dated=day(2024, 5, 18)),  # a file called as a folder is elsewhere
    Entry("/sounds/rain-old/x.wav", 0.2, dated=day(2024, 6)),
    Entry("/sounds/rain.wav", 100.0),
    Entry("/field/rain/heavy.mp3", 5.0, sr=22_050, tags="heavy rain"),
    Entry("/field/a OR b.wav", 1.5),
    Entry('/field/say "hi" NOT (x)*^.wav', 1.6),
    Entry("/field/no_ending", 1.7),
    Entry(APART, 1.8),
    Entry(UNDECODABLE, 1.9),
    Entry("/field/50%_off_100.wav", 2.1, tags="100% 'quoted'; DROP TABLE sound"),
)
Test = Callable[[Entry], bool]


def says(text: str, wanted: str) -> bool:
    return f" {' '.join(words(wanted))} " in f" {' '.join(words(text))} "


def ends(*endings: str) -> Test:
    return lambda each: PurePath(each.path).suffix.lower() in endings


def cat(name: str) -> Test:
    def is_it(each: Entry) -> bool:
        found = parse_name(PurePath(each.path).stem)
        return found is not None and name in {found.cat_id, found.category}

    return is_it


def under(folder: str) -> Test:
    return lambda each: each.path == folder or each.path.startswith(f"{folder}/")


def inside(name: str) -> Test:
    return lambda each: says(os.path.dirname(each.path), name)


def called(text: str) -> Test:
    return lambda each: says(PurePath(each.path).stem, text)


def tags(each: Entry) -> str:
    """Return what is in the metadata, and the category that the name says."""
    name = parse_name(PurePath(each.path).stem)
    return f"{each.tags} {name.category} {name.subcategory}" if name else each.tags


def told(text: str) -> Test:
    return lambda each: says(tags(each), text)


def negated(test: Test) -> Test:
    return lambda each: not test(each)


SINGLE: dict[str, Test] = {
    "ext:wav": ends(".wav"),
    "ext:wav ext:.FLAC": ends(".wav", ".flac"),
    "-ext:wav": negated(ends(".wav")),
    "-ext:wav -ext:flac": negated(ends(".wav", ".flac")),
    "ext:mp3": ends(".mp3"),
    "ext:none": ends(".none"),
    "cat:RAIN": cat("RAIN"),
    "cat:rainvege": cat("RAINVege"),
    "cat:rain cat:doorwood": lambda each: cat("RAIN")(each) or cat("DOORWood")(each),
    "-cat:rain": negated(cat("RAIN")),
    "dur:<2": lambda each: each.duration_s < 2,
    "dur:2..3": lambda each: 2 <= each.duration_s <= 3,
    "dur:>2 dur:<=3": lambda each: 2 < each.duration_s <= 3,
    "sr:96k": lambda each: each.sr == 96_000,
    "sr:>=96000": lambda each: each.sr >= 96_000,
    "ch:2": lambda each: each.channels == 2,
    "ch:>2": lambda each: each.channels > 2,
    "sr:44100 sr:96k": lambda each: each.sr in {44_100, 96_000},
    "-ch:1": lambda each: each.channels != 1,
    "-sr:48k -sr:96k": lambda each: each.sr not in {48_000, 96_000},
    "ch:1..2 -dur:<2": lambda each: each.channels <= 2 and each.duration_s >= 2,
    "-after:2023": lambda each: each.dated < day(2023),
    "after:2023": lambda each: each.dated >= day(2023),
    "before:2024-05-18": lambda each: each.dated < day(2024, 5, 18),
    "after:2024-05-17 before:2024-05-18": lambda each: each.dated == day(2024, 5, 17),
    'name:"take 3"': called("take 3"),
    "name:TAKE_003": called("take 3"),
    "name:rain": called("rain"),
    "-name:rain": negated(called("rain")),
    "name:Take_03.wav": lambda each: each.path.endswith("Take_03.wav"),
    "-name:TAKE_03.WAV": lambda each: not each.path.endswith("Take_03.wav"),
    "name:rain.wav name:heavy.mp3": lambda each: (
        (called("rain")(each) and ends(".wav")(each)) or each.path.endswith("heavy.mp3")
    ),
    "name:rain name:take": lambda each: called("rain")(each) or called("take")(each),
    "tag:zoom": told("zoom"),
    'tag:"heavy rain"': told("heavy rain"),
    "-tag:zoom": negated(told("zoom")),
    "in:rain": inside("rain"),
    "-in:rain": negated(inside("rain")),
    "in:heavy": inside("heavy"),
    'in:"Foley Room"': inside("foley room"),
    "in:foley": inside("foley"),
    "in:field in:heavy": lambda each: inside("field")(each) or inside("heavy")(each),
    "in:rain/heavy": inside("rain heavy"),
    "in:sounds": inside("sounds"),
    "in:/sounds": under("/sounds"),
    "in:/sounds/": under("/sounds"),
    "in:/sounds/rain": under("/sounds/rain"),
    "-in:/sounds/rain": negated(under("/sounds/rain")),
    "in:/sounds/rain in:/field/rain": lambda each: under("/sounds/rain")(each) or under("/field/rain")(each),
    "in:/sounds/rain/../rain.wav": under("/sounds/rain.wav"),
    "in:/": lambda each: True,
    "in:/elsewhere": lambda each: False,
    "-in:/field": negated(under("/field")),
    "-in:/elsewhere": lambda each: True,
    "in:/sounds/rai": lambda each: False,
    'in:"/sounds/Foley Room/steps"': under("/sounds/Foley Room/steps"),
    "in:/field/Été": under(os.path.dirname(APART)),
    "in:été": lambda each: each.path == APART,
}


@pytest.fixture(params=[finding.FEW, 0], ids=["from the few", "from all"])
def library(library: Library, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Library:
    """The entries, searched from the shortest list of ids, or as if all lists were long."""
    monkeypatch.setattr(finding, "FEW", request.param)
    add(library, ENTRIES, roots=ROOTS)
    return library


def let_through(library: Library, criteria: Criteria) -> set[str]:
    """Return the paths that meet criteria: by every question of a search the same."""
    vector = unit_rows(1, seed=5)[0]
    with library.reading() as reading:
        scope = reading.scope(criteria)
        ids = reading.embedding_ids(scope)
        everything = [each.id for each in reading.embeddings()]
        found = {os.fsdecode(row.path) for row in reading.first(scope, 1000)}
        assert {os.fsdecode(row.path) for row in reading.sounds(ids.tolist())} == found
        assert {os.fsdecode(row.path) for row in reading.sounds(everything, scope)} == found
        assert len(ids) == len(found)
        rain = {os.fsdecode(row.path) for row in reading.said('"rain"', scope, 1000)}
        assert rain == found & {os.fsdecode(row.path) for row in reading.said('"rain"', reading.scope(Criteria()), 99)}
    hits = ask(library, vector, Query(criteria=criteria), top_k=1000)
    expected = [each for each in ENTRIES if each.path in found]
    ordered = sorted(expected, key=lambda each: (-score(each, vector), os.fsencode(each.path)))
    assert paths(hits) == [each.path for each in ordered]
    return found


def test_nothing_asked_lets_all_through(library: Library) -> None:
    assert let_through(library, Criteria()) == {each.path for each in ENTRIES}


@pytest.mark.parametrize("text", SINGLE)
def test_no_criterion_is_walked_through_where_ids_are_given(library: Library, text: str) -> None:
    """SQLite would take ``ext = 'wav'`` for rarer than a few ids, and read all WAV files for each of them."""
    plans: list[list[str]] = []

    def explained(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "embedding.id IN" in statement:
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.append([detail for *_, detail in plan])

    event.listen(library._reader, "before_cursor_execute", explained)
    with library.reading() as reading:
        reading.sounds([1, 2, 3], reading.scope(parse(text).criteria))
    (plan,) = plans
    assert plan[0] == "SEARCH embedding USING INTEGER PRIMARY KEY (rowid=?)"
    assert not any("ix_facet" in step or "ix_content" in step for step in plan)


@pytest.mark.parametrize("text", SINGLE)
def test_one_criterion(library: Library, text: str) -> None:
    found = let_through(library, parse(text).criteria)
    assert found == {each.path for each in ENTRIES if SINGLE[text](each)}


def test_every_test_of_one_criterion_can_fail() -> None:
    trivial = {"in:/", "in:/elsewhere", "-in:/elsewhere", "in:/sounds/rai", "ext:none"}
    for text in SINGLE.keys() - trivial:
        assert 0 < sum(map(SINGLE[text], ENTRIES)) < len(ENTRIES), text


def test_different_criteria_must_all_apply(library: Library) -> None:
    some = ("ext:wav", "-cat:rain", "dur:2..3", "ch:2", "before:2024-05-18", "name:rain", "-tag:zoom", "in:rain")
    for first, second in itertools.combinations([*some, "-in:/field"], 2):
        expected = {each.path for each in ENTRIES if SINGLE[first](each) and SINGLE[second](each)}
        criteria = parse(f"{first} {second}").criteria
        with library.reading() as reading:
            found = reading.first(reading.scope(criteria), 1000)
        assert {os.fsdecode(row.path) for row in found} == expected, (first, second)


def test_a_criterion_starts_from_the_shortest_list(library: Library) -> None:
    with library.reading() as reading:
        few = reading.scope(parse("ext:wav ch:6 in:/sounds").criteria).few
    if finding.FEW:
        assert "channels" in str(few)
    else:
        assert few is None


def test_a_folder_with_a_name_that_is_not_text(library: Library) -> None:
    criteria = Criteria(under=Choice((os.path.dirname(UNDECODABLE),)))
    assert let_through(library, criteria) == {UNDECODABLE}
    assert let_through(library, replace(criteria, under=Choice((), criteria.under.any_of))) == {
        each.path for each in ENTRIES if each.path != UNDECODABLE
    }


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_in_a_path_may_be_written_both_ways(library: Library, form: str) -> None:
    wanted = unicodedata.normalize(form, os.path.dirname(APART))
    assert let_through(library, Criteria(under=Choice((wanted,)))) == {APART}


HOSTILE = [
    "a OR b",
    '"',
    '""',
    "'",
    "'; DROP TABLE sound; --",
    "NOT",
    "NOT x",
    "a AND (b",
    "*",
    "ra*",
    "^rain",
    "name : rain",
    "{name folder} : rain",
    "NEAR(rain heavy, 2)",
    "rain + heavy",
    "-rain",
    "rain\0heavy",
    "50%",
    "_",
    "100",
    "\\",
    "\ud800",
    "🎵",
    "雨",
    "𐐷",
    "",
    " ",
    "the of",
    "x" * 10_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_only_its_words(library: Library, text: str) -> None:
    """Operators and quotes of full-text search mean nothing, and nothing breaks."""
    for field, of in (("name", lambda each: PurePath(each.path).stem), ("tag", tags)):
        expected = {each.path for each in ENTRIES if words(text) and says(of(each), text)}
        with library.reading() as reading:
            some = reading.first(reading.scope(Criteria(**{field: Choice((text,))})), 1000)
            others = reading.first(reading.scope(Criteria(**{field: Choice((), (text,))})), 1000)
        assert {os.fsdecode(row.path) for row in some} == expected
        assert {os.fsdecode(row.path) for row in others} == {each.path for each in ENTRIES} - expected


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("is_exact", [True, False])
def test_a_phrase_is_only_its_words(library: Library, text: str, is_exact: bool) -> None:
    if not words(text):
        return  # the parser refuses it
    query = Query((Phrase(text, is_exact=is_exact), Phrase('x" OR "rain', -1.0, is_exact=is_exact)))
    for path in paths(ask(library, None, query, mode="words", top_k=1000)):
        (entry,) = [each for each in ENTRIES if each.path == path]
        said = words(f"{entry.path} {tags(entry)}")
        assert set(words(text)) & set(said)


def test_what_is_quoted_stands_in_a_row_and_what_is_not_wanted_is_left_out(library: Library) -> None:
    def found(text: str) -> set[str]:
        return {PurePath(path).name for path in paths(ask(library, None, parse(text), mode="words", top_k=99))}

    assert "heavy.mp3" in found('"heavy rain"')  # its metadata
    assert "DOORWood_Rain on door.aif" not in found('"heavy rain"')
    assert "DOORWood_Rain on door.aif" in found("heavy rain")
    assert "DOORWood_Rain on door.aif" not in found("heavy rain -door")
