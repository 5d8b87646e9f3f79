"""The query language: what each piece means, what cannot be read and where, and the vector that comes of it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from test_store import unit_rows

from clapsearch.cli.asking import Flags, joined, question
from clapsearch.criteria import Choice, Criteria, Range
from clapsearch.errors import QueryError
from clapsearch.query import Likeness, Phrase, Query, embed, parse

PAGE = Path(__file__).parents[1] / "docs" / "query.md"
# The cells of its tables' first column.
EXAMPLES = [
    cell for row in re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE) for cell in re.findall("`(.+?)`", row)
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_page_is_read(text: str) -> None:
    query = parse(text)
    assert query.is_sounding or query.criteria


def test_the_page_has_examples_of_every_field() -> None:
    from clapsearch.query.parser import FIELDS

    assert {field for field in FIELDS if any(f"{field}:" in text for text in EXAMPLES)} == set(FIELDS)


def test_words_that_follow_each_other_are_one_phrase_whatever_stands_between() -> None:
    assert parse("rain on -thunder a tin ext:wav roof").phrases == (
        Phrase("thunder", -0.5),
        Phrase("rain on a tin roof"),
    )


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("rain + wind", [("rain", 1, False), ("wind", 1, False)]),
        ("rain +wind blows", [("rain", 1, False), ("wind", 1, False), ("blows", 1, False)]),
        ('"glass   break"', [("glass break", 1, True)]),
        ('-"far away" rain', [("far away", -0.5, True), ("rain", 1, False)]),
        ("2:whoosh .5:fire", [("whoosh", 2, False), ("fire", 0.5, False)]),
        ("-0.5:fire lo-fi rain", [("fire", -0.5, False), ("lo-fi rain", 1, False)]),
        ('2:"min-score:0.3" rain', [("min-score:0.3", 2, True), ("rain", 1, False)]),
        ("16:9", [("9", 16, False)]),
        ("3:10 to yuma", [("10", 3, False), ("to yuma", 1, False)]),
        ("1,000 birds", [("1,000 birds", 1, False)]),
        ("rain 🐕", [("rain 🐕", 1, False)]),
    ],
)
def test_phrases(text: str, phrases: list[tuple[str, float, bool]]) -> None:
    found = parse(text).phrases
    assert sorted((each.text, each.weight, each.is_exact) for each in found) == sorted(phrases)


@pytest.mark.parametrize(
    "quoted",
    ["“%s”", "„%s“", "”%s”", "«%s»", "« %s »", "»%s«", "\u2039%s\u203a", "\uff02%s\uff02", "「%s」", '“%s"', "‟%s”"],
)
def test_typographic_quotes_are_quotes_and_apostrophes_are_not(quoted: str) -> None:
    said = quoted % "glass break"
    assert parse(f"don\u2019t {said} -{said}").phrases == (
        Phrase("glass break", 1, is_exact=True),
        Phrase("glass break", -0.5, is_exact=True),
        Phrase("don\u2019t"),
    )


def test_sounds_to_be_like() -> None:
    query = parse('like:"my file.wav" -2:like:b.wav')
    assert query.likenesses == (Likeness(Path("my file.wav")), Likeness(Path("b.wav"), -2.0))


@pytest.mark.parametrize("name", ["two  blanks.wav", "a “curly” name.wav"])
def test_a_file_in_quotes_is_called_just_so(name: str) -> None:
    assert parse(f'like:" {name} "').likenesses == (Likeness(Path(name)),)


@pytest.mark.parametrize(
    ("text", "column", "values"),
    [
        ("dur:<3", "duration_s", Range(None, 3, has_high=False)),
        ("dur:>=500ms", "duration_s", Range(0.5)),
        ("dur:1:30..2m", "duration_s", Range(90, 120)),
        ("dur:1:00:05..", "duration_s", Range(3605)),
        ("dur:3", "duration_s", Range(2.5, 3.5)),
        ("dur:>1 dur:<=4", "duration_s", Range(1, 4, has_low=False)),
        ("dur:1..4 dur:>2", "duration_s", Range(2, 4, has_low=False)),
        ("sr:44.1k sr:96k sr:>50k", "sr", Range(96_000, 96_000)),
        ("-dur:<=3", "duration_s", Range(3, has_low=False)),
        ("-before:2024", "dated", Range(datetime(2024, 1, 1, tzinfo=UTC).timestamp())),
        ("sr:>=96k", "sr", Range(96_000)),
        ("sr:44.1k", "sr", Range(44_100, 44_100)),
        ("ch:2", "channels", Range(2, 2)),
        ("after:2024-05", "dated", Range(datetime(2024, 5, 1, tzinfo=UTC).timestamp())),
        ("before:2024-05-17", "dated", Range(None, datetime(2024, 5, 17, tzinfo=UTC).timestamp(), has_high=False)),
    ],
)
def test_ranges(text: str, column: str, values: Range) -> None:
    assert parse(text).criteria.numbers == ((column, (values,)),)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("ch:1 ch:2", (Range(1, 1), Range(2, 2))),
        ("ch:1..2 ch:6", (Range(1, 2), Range(6, 6))),
        ("-ch:2", (Range(None, 2, has_high=False), Range(2, has_low=False))),
        (
            "-ch:2 -ch:1",
            (Range(None, 1, has_high=False), Range(1, 2, has_low=False, has_high=False), Range(2, has_low=False)),
        ),
        ("-ch:2 ch:1..6", (Range(1, 2, has_high=False), Range(2, 6, has_low=False))),
    ],
)
def test_values_are_alternatives_and_a_minus_excludes(text: str, ranges: tuple[Range, ...]) -> None:
    ((column, found),) = parse(text).criteria.numbers
    assert (column, set(found)) == ("channels", set(ranges))


@pytest.mark.parametrize("text", ["ext:wav", "ext:.wav", "ext:*.wav", "ext:*.WAV"])
def test_an_ending_may_be_typed_as_a_pattern(text: str) -> None:
    assert parse(text).criteria.ext == Choice(("wav",))


def test_choices() -> None:
    found = parse('in:Foley -in:old ext:.WAV ext:flac -ext:mp3 cat:RAIN name:"take 3" tag:zoom').criteria
    assert found == Criteria(
        under=Choice(("Foley",), ("old",)),
        ext=Choice(("wav", "flac"), ("mp3",)),
        cat=Choice(("rain",)),
        name=Choice(("take 3",)),
        tag=Choice(("zoom",)),
    )


def test_a_folder_written_as_a_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("in:./a/../b").criteria.under == Choice((str(tmp_path / "b"),))


@pytest.mark.parametrize(
    ("text", "caret", "reason"),
    [
        ('rain "tin', "     ^", "this quote is not closed"),
        ("rain foo:bar", "     ^^^^^^^", "no field is called foo:; there are like:, in:"),
        ("rain durr:<3", "     ^^^^^^^", "did you mean dur:?"),
        ("dur:>5 dur:<3", "       ^^^^^^", "no sound can meet this range"),
        ("dur:3..1", "^^^^^^^^", "this range ends before it begins; turn it round: dur:1..3"),
        ("dur:>9 dur:3..1", "       ^^^^^^^^", "this range ends before it begins; turn it round: dur:1..3"),
        ("dur:..", "^^^^^^", "a duration is like"),
        ("ch:2 -ch:1..4", "     ^^^^^^^^", "no sound can meet this range, with the others"),
        ("rain min-score:0.3", "     ^^^^^^^^^^^^^", "no field is called min-score:; there is the flag --min-score ("),
        ("max_duration: 3", "^^^^^^^^^^^^^", "there is dur:, or the flag --max-duration ("),
        ("-min-dur:3", "^^^^^^^^^^", "did you mean dur:?"),
        ("rain “tin", "     ^", "this quote is not closed"),
        ("rain ext:*.", "     ^^^^^^", "there is no word in it"),
        ("ch:>2 ch:<=2", "      ^^^^^^", "no sound can meet this range"),
        ("sr:>=abc", "^^^^^^^^", "a sample rate is like"),
        ("dur:<", "^^^^^", "a duration is like"),
        ("before:2024-13", "^^^^^^^^^^^^^^", "a date is like"),
        ("ch:two", "^^^^^^", "a number of channels is like"),
        ("rain - thunder", "     ^", "a minus stands right before"),
        ("0:rain", "^^^^^^", "a weight is above 0 and at most 100"),
        ("101:rain", "^^^^^^^^", "a weight is above 0 and at most 100, as in 2:rain or 0.5:rain"),
        ("wind 1e9:rain", "     ^^^^^^^^", "a weight is above 0 and at most 100, as in 2:rain or 0.5:rain"),
        ("0,5:rain", "^^^^^^^^", "a weight is above 0 and at most 100, as in 2:rain or 0.5:rain"),
        ("-0,5:like:a.wav", "^^^^^^^^^^^^^^^", "a weight is above 0 and at most 100"),
        ("2:ext:wav", "^^^^^^^^^", "takes no weight"),
        ("rain in:", "     ^^^", "nothing stands after in:"),
        ('rain ""', "     ^^", "there is nothing between the quotes"),
        ('rain -"!!"', "     ^^^^^", "there is no word in it"),
        ("🐕", "^", "there is no word in it to search for"),
        ("ext:wav ?!", "        ^^", "there is no word in it to search for"),
        ("rain + 🐕", "       ^", "there is no word in it to search for"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text: str, caret: str, reason: str) -> None:
    with pytest.raises(QueryError, match=r"^cannot read the query: ") as error:
        parse(text)
    first, shown, marks = str(error.value).split("\n")
    assert reason in first
    assert (shown, marks) == (f"  {text}", f"  {caret}")


@pytest.mark.parametrize("text", ["", "   ", "+"])
def test_a_query_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="the query is empty"):
        parse(text)


@pytest.mark.parametrize("text", ["a\0b", "rain\x1b[31m", "rain\x07"])
def test_control_characters_are_refused(text: str) -> None:
    with pytest.raises(QueryError, match="control characters"):
        parse(text)


def test_flags_say_the_same_as_the_query(tmp_path: Path) -> None:
    flags = Flags(
        without=["far away"],
        like=["a.wav"],
        under=["Foley", str(tmp_path)],
        ext=["wav"],
        cat=["RAIN"],
        name=["take 3"],
        tag=["zoom"],
        min_duration="1",
        max_duration="2m",
        sr=">=96k",
        channels="2",
        before="2025",
        after="2024",
        min_score=0.2,
    )
    said = f'rain like:a.wav in:Foley in:{tmp_path} ext:wav cat:RAIN name:"take 3" tag:zoom dur:1..2m sr:>=96k ch:2'
    expected = parse(f"{said} before:2025 after:2024", min_score=0.2)
    found = question("rain", flags)
    assert (found.criteria, found.likenesses, found.min_score) == (expected.criteria, expected.likenesses, 0.2)
    assert set(found.phrases) == {Phrase("rain"), Phrase("far away", -0.5)}


def test_a_flag_that_cannot_be_read_is_named() -> None:
    with pytest.raises(QueryError, match=r"cannot read dur:'>=long': a duration is like"):
        question("rain", Flags(min_duration="long"))


def test_several_arguments_are_one_query_and_keep_the_quotes_that_the_shell_took() -> None:
    assert joined(["rain", "name:take 3", "-ext:mp3"]) == 'rain name:"take 3" -ext:mp3'
    assert joined(['name:"take 3" rain']) == 'name:"take 3" rain'
    assert joined(["-2:like:./my file.wav", "2:far away"]) == '-2:like:"./my file.wav" 2:"far away"'
    assert joined(["name:take 3 - alt", "rain"]) == 'name:"take 3 - alt" rain'
    assert joined(["like:a “curly” name.wav", "rain"]) == "like:a “curly” name.wav rain"
    assert joined(["like:“curly” name.wav", "rain"]) == "like:“curly” name.wav rain"


@pytest.mark.parametrize(
    "text",
    [
        "like:./new.ogg + metallic",
        "-in:muges -in:berklee rain",
        "name:take 3 dur:<3",
        "in:Foley -thunder",
        'in:Foley "glass break"',
        "dur:<3 rain",
        "ext:wav rain",
    ],
)
def test_an_argument_that_is_a_piece_of_a_query_is_read_as_one(text: str) -> None:
    assert joined([text, "ext:mp3"]) == f"{text} ext:mp3"


# The vector.

AXES = dict(zip(["rain", "thunder", "wind"], np.eye(3, 8, dtype=np.float32), strict=True))


def vector(text: str) -> np.ndarray:
    found = embed(parse(text), AXES.__getitem__, lambda file: AXES[file.stem])
    assert found is not None
    return found


def test_a_phrase_alone_is_its_own_vector() -> None:
    rain = unit_rows(1, seed=3)[0]
    np.testing.assert_allclose(embed(parse("rain"), lambda text: rain, lambda file: rain), rain, atol=1e-7)


def test_weights_scale_a_minus_subtracts_and_sums_are_unit() -> None:
    found = vector("2:rain -1:thunder 0.5:like:wind.wav")
    np.testing.assert_allclose(found[:3], np.array([2, -1, 0.5]) / np.sqrt(5.25), atol=1e-6)
    assert np.linalg.norm(found) == pytest.approx(1)


def sample(n: int) -> np.ndarray:
    """Return vectors that rain and thunder tell apart a little, and wind ten times as well."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal((n, 8)) * [0.01, 0.01, 0.1, 0, 0, 0, 0, 0]).astype(np.float32)


def test_words_and_a_sound_tell_the_library_apart_alike_times_their_weights() -> None:
    rows = sample(1000)

    def spread(text: str, part: str) -> float:
        """Return how much one part of a query says of the sample."""
        found = embed(parse(text), AXES.__getitem__, lambda file: AXES[file.stem], lambda: rows)
        axis = AXES[part]
        return float((rows @ axis).std() * (found @ axis))

    assert spread("rain like:wind.wav", "rain") == pytest.approx(spread("rain like:wind.wav", "wind"), rel=1e-4)
    both = "rain -thunder 3:like:wind.wav"
    assert spread(both, "wind") == pytest.approx(3 * spread(both, "rain"), rel=1e-4)
    assert spread(both, "thunder") == pytest.approx(-0.5 * spread(both, "rain"), rel=1e-4)


@pytest.mark.parametrize("text", ["rain -thunder", "2:like:rain.wav -like:wind.wav", "rain", "like:rain.wav"])
def test_queries_of_one_kind_ask_for_no_sample(text: str) -> None:
    def never() -> np.ndarray:
        raise AssertionError("asked")

    found = embed(parse(text), AXES.__getitem__, lambda file: AXES[file.stem], never)
    np.testing.assert_array_equal(found, vector(text))


def test_a_few_sounds_balance_nothing() -> None:
    text = "rain like:wind.wav"
    found = embed(parse(text), AXES.__getitem__, lambda file: AXES[file.stem], lambda: sample(19))
    np.testing.assert_array_equal(found, vector(text))


def test_sounds_that_are_all_the_same_balance_nothing() -> None:
    text, rows = "rain like:wind.wav", np.ones((100, 8), np.float32)
    found = embed(parse(text), AXES.__getitem__, lambda file: AXES[file.stem], lambda: rows)
    np.testing.assert_array_equal(found, vector(text))


def test_filters_alone_have_no_vector() -> None:
    assert embed(parse("ext:wav"), AXES.__getitem__, lambda file: AXES[file.stem]) is None


@pytest.mark.parametrize(
    ("text", "reason"), [("-rain", "only what is unwanted"), ("rain -1:rain", "cancel each other")]
)
def test_a_query_without_a_direction_is_refused(text: str, reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        vector(text)


def test_what_is_outside_of_a_range() -> None:
    assert Range(1, 3, has_high=False).outside == (Range(None, 1, has_high=False), Range(3))
    assert Range().outside == ()


def test_ranges_meet() -> None:
    assert Range(1, 3) & Range(2, None, has_low=False) == Range(2, 3, has_low=False)
    assert Range(1) & Range(1, has_low=False) == Range(1, has_low=False)
    assert (Range(2) & Range(None, 2)).is_empty is False
    assert (Range(2, has_low=False) & Range(None, 2)).is_empty is True


def test_a_query_is_a_value() -> None:
    assert parse("rain ext:wav") == parse("ext:wav  rain")
    assert Query() != parse("rain")
