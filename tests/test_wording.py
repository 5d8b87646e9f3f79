"""Names as words."""

import unicodedata

import pytest

from clapsearch.wording import FUNCTION_WORDS, indexed, run_together, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ThunderClap_02", ["thunder", "clap", "2"]),
        ("thunder clap 2", ["thunder", "clap", "2"]),
        ("DOORWood-Creak", ["door", "wood", "creak"]),
        ("RAIN", ["rain"]),
        ("take3of12", ["take", "3", "of", "12"]),
        ("000", ["0"]),
        ("007", ["7"]),
        ("mp3", ["mp", "3"]),
        ("ÉcoleMusique", ["école", "musique"]),
        ("Straße_雨音.v2", ["straße", "雨音", "v", "2"]),
        ("a.b-c_d (e) [f]", ["a", "b", "c", "d", "e", "f"]),
        ("___ ... !?", []),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize("text", ["école", "Ångström", "naïveté", "Ảo thuật"])
def test_accents_written_apart_are_the_same_word(text: str) -> None:
    apart = unicodedata.normalize("NFD", text)
    assert apart != text
    assert words(apart) == words(text)
    assert len(words(apart)) == len(text.split())
    assert indexed(apart) == indexed(text)


def test_what_is_indexed_can_be_found_as_it_was_written_and_by_its_parts() -> None:
    assert indexed("ThunderClap_02").split() == ["thunder", "clap", "2", "thunderclap", "02"]


def test_what_was_not_split_is_indexed_once() -> None:
    assert indexed("rain on tin, Rain").split() == ["rain", "on", "tin", "rain"]


def test_names_become_nothing_that_full_text_search_would_take_for_its_own() -> None:
    text = 'a" OR b* NOT (c) ^d {e} : f + - g\0h'
    assert all(word.isalnum() for word in [*words(text), *indexed(text).split()])


def test_function_words_are_words() -> None:
    assert all(words(word) == [word] for word in FUNCTION_WORDS)
    assert {"the", "of"} <= FUNCTION_WORDS
    assert "rain" not in FUNCTION_WORDS


def test_a_name_is_the_same_with_and_without_spaces() -> None:
    names = ("ThunderClap_02", "thunderclap 02", "thunder-clap2", "Thunder Clap 2")
    assert len({run_together(words(name)) for name in names}) == 1
    assert run_together(words("take 1 2")) != run_together(words("take 12"))
    assert run_together([]) == ""
