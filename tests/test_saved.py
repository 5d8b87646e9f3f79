"""Searches that the user named: kept, listed, run, forgotten."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from catalogue import Entry, add
from peek import rows

import clapsearch
from clapsearch.cli.app import run
from clapsearch.errors import QueryError, UsageError
from clapsearch.query import Likeness, parse
from clapsearch.store import Library

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(library: Library, capsys: pytest.CaptureFixture[str]) -> Said:
    """Run a command on the library: ``said("search", "rain")`` is its exit code, stdout and stderr."""

    def command(verb: str, *arguments: str) -> tuple[int, str, str]:
        code = run([verb, "--library", str(library.path), *arguments])
        return code, *capsys.readouterr()

    return command


def saved(library: Library) -> dict[str, str]:
    with library.reading() as reading:
        return reading.saved()


def test_a_new_library_has_none(library: Library) -> None:
    assert saved(library) == {}


def test_searches_are_kept_as_they_were_typed_and_listed_by_name(library: Library) -> None:
    typed = {"zebra": 'name:"take 3" -ext:mp3', "Ärger": "2:whoosh   0.5:fire", "it's; DROP TABLE saved": "雨"}
    with library.writing() as writing:
        for name, query in typed.items():
            assert writing.save_search(name, query) is False
    assert saved(library) == typed
    assert list(saved(library)) == sorted(typed)


def test_a_name_given_again_takes_the_new_search_and_none_forgets_it(library: Library) -> None:
    with library.writing() as writing:
        writing.save_search("wet", "rain")
        assert writing.save_search("wet", "rain + wind") is True
        assert writing.saved() == {"wet": "rain + wind"}
        assert writing.save_search("wet", None) is True
        assert writing.save_search("wet", None) is False
    assert saved(library) == {}


def test_paths_are_kept_whole_and_all_else_as_it_was_typed(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    (tmp_path / "my  sounds").mkdir()
    with clapsearch.open(library.path) as session:
        session.save("near", 'rain  -2:LIKE:./a.wav like:"b c.wav" -in:.. in:Foley in:/x/../y like:~/d.wav -"far away"')
        assert session.saved()["near"] == (
            f'rain  -2:like:{tmp_path}/a.wav like:"{tmp_path}/b c.wav" -in:{tmp_path.parent} in:Foley in:/x/../y'
            ' like:/home/someone/d.wav -"far away"'
        )
        monkeypatch.chdir("my  sounds")
        session.save("blanks", "like:a.wav + rain")
        kept = parse(session.saved()["blanks"])
    assert kept.likenesses == (Likeness(tmp_path / "my  sounds" / "a.wav"),)


def test_a_path_that_no_query_can_name_is_not_kept(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'a "b').mkdir()
    monkeypatch.chdir(tmp_path / 'a "b')
    with clapsearch.open(library.path) as session, pytest.raises(QueryError, match="cannot be written in a query"):
        session.save("near", "rain like:./a.wav")
    assert saved(library) == {}


def test_a_name_that_is_taken_over_is_said_to_be(library: Library, said: Said) -> None:
    assert said("save", "wet", "rain") == (0, "", "")
    assert said("save", "wet", "wind") == (0, "", "clapsearch: replaced wet, which was: rain\n")
    assert said("save", "wet", "--forget") == (0, "", "")


def test_a_name_of_nothing_can_be_forgotten_but_not_given(library: Library, said: Said) -> None:
    with library.writing() as writing:
        writing.save_search("", "rain")
    with clapsearch.open(library.path) as session, pytest.raises(UsageError, match="needs a name"):
        session.save(" ", "rain")
    assert said("save", "", "--forget")[0] == 0
    assert saved(library) == {}


def test_a_query_that_cannot_be_read_is_not_kept(library: Library) -> None:
    with clapsearch.open(library.path) as session:
        session.save("wet", "rain")
        with pytest.raises(QueryError, match="did you mean dur"):
            session.save("wet", "rain durr:<3")
        assert session.saved() == {"wet": "rain"}


def test_a_saved_search_is_run_by_its_name(library: Library, said: Said) -> None:
    add(library, [Entry("/sounds/heavy rain.wav"), Entry("/sounds/heavy rain.mp3"), Entry("/sounds/wind.wav")])
    assert said("save", "wet", "rain -ext:mp3")[0] == 0
    code, out, _ = said("search", "--saved", "wet", "--mode", "words", "--paths", "--include-offline")
    assert (code, out) == (0, "/sounds/heavy rain.wav\n")


def test_what_is_typed_beside_it_is_added(library: Library, said: Said) -> None:
    add(library, [Entry("/sounds/a/rain.wav"), Entry("/sounds/b/rain.wav")])
    said("save", "wet", "rain")
    more = ("--mode", "words", "--paths", "--include-offline")
    assert said("search", "--saved", "wet", "in:b", *more)[1] == "/sounds/b/rain.wav\n"


def test_the_list_is_text_or_json_and_names_cannot_harm_a_terminal(library: Library, said: Said) -> None:
    with library.writing() as writing:
        writing.save_search("red\x1b[31m", "rain")
    code, out, _ = said("saved")
    assert code == 0
    assert "\x1b" not in out
    assert "rain" in out
    assert json.loads(said("saved", "--json")[1]) == {"red\x1b[31m": "rain"}


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("search", "--saved", "none"), 1, "clapsearch saved lists them"),
        (("save", "none", "--forget"), 1, "clapsearch saved lists them"),
        (("save", "wet"), 2, "save takes a NAME and a QUERY"),
        (("save", "", "rain"), 2, "a saved search needs a name"),
        (("save", "wet", "rain", "--forget"), 2, "save takes a NAME and a QUERY"),
        (("save", "wet", 'rain "tin'), 2, "this quote is not closed"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    library: Library, said: Said, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    found, out, err = said(*arguments)
    assert (found, out) == (code, "")
    assert reason in err
    assert rows(library.path, "SELECT * FROM saved") == []
