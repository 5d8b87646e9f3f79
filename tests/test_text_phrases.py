"""Phrases by a seed, their inflections and disguises, and captions of keywords."""

import re
import sys

import numpy as np
import pytest

from clapsearch.errors import ClapsearchError
from clapsearch.training import inflection
from clapsearch.training.patterns import PATTERNS
from clapsearch.training.phrases import (
    WORDS,
    PhraseGenerator,
    as_typed,
    caption_from_keywords,
    common_words,
    lessons,
    read_words,
)

_DOING = rf"an? ({'|'.join(read_words(WORDS)[1]['source', 'action'])}) (\w+ing)"
GIVEN = ["a kettle boiling over", "wading through a swamp", "the lighthouse"]


@pytest.fixture(scope="module")
def generator() -> PhraseGenerator:
    return PhraseGenerator(GIVEN, ["astrolabe", "hovercraft"])


def test_the_same_seed_gives_the_same_phrases(generator: PhraseGenerator) -> None:
    phrases = generator.distinct(2000, seed=1)
    assert len(set(phrases)) == 2000
    assert phrases == generator.distinct(2000, seed=1)
    assert len(set(phrases) & set(generator.distinct(2000, seed=2))) < 400


def test_phrases_are_many_short_and_clean(generator: PhraseGenerator) -> None:
    phrases = generator.distinct(20_000, seed=3)
    assert not [phrase for phrase in phrases if re.search(r"[{}:\[\]]|  |^ | $", phrase)]
    lengths = [len(phrase.split()) for phrase in phrases]
    assert min(lengths) == 1
    assert 3 <= np.mean(lengths) <= 8
    assert max(lengths) < 40


@pytest.mark.parametrize("part", ["kettle boiling over", "in the background", "hovercraft", "footsteps on", "distant"])
def test_phrases_vary_what_was_given_and_what_is_known(generator: PhraseGenerator, part: str) -> None:
    assert sum(part in phrase for phrase in generator.distinct(5000, seed=4)) >= 10


def test_a_source_does_what_it_can(generator: PhraseGenerator) -> None:
    sections, pairs = read_words(WORDS)
    seen = [found.groups() for text in generator.distinct(20_000, seed=5) if (found := re.fullmatch(_DOING, text))]
    assert len(seen) > 100
    actions = {source: {*map(inflection.gerund, some)} for source, some in pairs["source", "action"].items()}
    assert not [(source, doing) for source, doing in seen if doing not in {*actions[source], *sections["distance"]}]


def test_too_many_phrases_are_refused() -> None:
    generator = PhraseGenerator(GIVEN, ["astrolabe"])
    generator._patterns["phrase"] = (["{given}", "{given} and {given}"], [1, 2])
    with pytest.raises(ClapsearchError, match="no more than 12 different phrases come out; ask for fewer than 13"):
        generator.distinct(13, seed=0)


def test_every_slot_of_every_pattern_can_be_filled() -> None:
    sections, pairs = read_words(WORDS)
    names = {*PATTERNS, *sections, "given", "word", *(name for both in pairs for name in both)}
    slots = {slot for some in PATTERNS.values() for pattern in some for slot in re.findall(r"{([^}]+)}", pattern)}
    assert {slot.rpartition(" ")[2] for slot in slots} <= names
    assert {slot.rpartition(" ")[0] for slot in slots} <= set(inflection.INFLECTIONS)


def test_word_lists_are_read_whole() -> None:
    sections, pairs = read_words(WORDS)
    assert {"metal", "wood"} <= set(sections["material"])
    assert set(pairs) == {("source", "action"), ("act", "object")}
    assert pairs["source", "action"]["person"][0] == "walk"
    assert pairs["source", "action"]["person"][-1] == "grunt"
    assert "a rubber duck" in pairs["act", "object"]["squeeze"]
    lists = [*sections.values(), *(some for entries in pairs.values() for some in entries.values())]
    assert all(word == word.strip().lower() and word for some in lists for word in some)


@pytest.mark.parametrize(
    ("inflect", "word", "expected"),
    [
        (inflection.gerund, "drip", "dripping"),
        (inflection.gerund, "close", "closing"),
        (inflection.gerund, "walk on", "walking on"),
        (inflection.gerund, "blow", "blowing"),
        (inflection.gerund, "neigh", "neighing"),
        (inflection.third_person, "cry", "cries"),
        (inflection.third_person, "play", "plays"),
        (inflection.third_person, "crash into", "crashes into"),
        (inflection.plural, "car door", "car doors"),
        (inflection.plural, "match", "matches"),
        (inflection.plural, "mouse", "mice"),
        (inflection.with_article, "owl", "an owl"),
        (inflection.with_article, "the sea", "the sea"),
        (inflection.without_article, "A door", "door"),
        (inflection.without_article, "apple", "apple"),
    ],
)
def test_words_are_inflected(inflect: object, word: str, expected: str) -> None:
    assert inflect(word) == expected  # type: ignore[operator]


def test_lessons_say_what_a_mistyped_text_means() -> None:
    texts, meanings = lessons(GIVEN, ["astrolabe", "hovercraft"], 2000, seed=8)
    assert len(texts) == len(meanings)
    assert all(texts.count(given) >= 4 for given in GIVEN)
    assert {"astrolabe", "hovercraft"} <= set(texts)
    typed = [(text, meaning) for text, meaning in zip(texts, meanings, strict=True) if text != meaning]
    assert 150 <= len(typed) <= 200
    assert (texts, meanings) == lessons(GIVEN, ["astrolabe", "hovercraft"], 2000, seed=8)
    names = [(text, meaning) for text, meaning in typed if text.endswith(".wav") and "_" in text]
    assert names
    assert all(text.removesuffix(".wav").replace("_", " ") == meaning.rstrip(".") for text, meaning in names)


def test_a_disguise_keeps_the_letters_in_order() -> None:
    rng = np.random.default_rng(6)
    typed = {as_typed("heavy rain falling", rng) for _ in range(200)}
    assert {"heavy_rain_falling", "heavy-rain-falling.wav", "heavyrain falling", "heavy rainfalling"} <= typed
    assert any(re.fullmatch(r"heavy_rain_falling_\d\d", text) for text in typed)
    slips = {text for text in typed if text.count(" ") == 2}
    assert len(slips) > 10
    assert all(abs(len(text) - len("heavy rain falling")) <= 1 for text in slips)
    assert [as_typed("rain", np.random.default_rng(seed)) for seed in range(20)] != ["rain"] * 20


def test_keywords_become_a_sentence() -> None:
    rng = np.random.default_rng(7)
    captions = {caption_from_keywords(["rain", "city", "HEAVY", "Thunder_Storm"], rng) for _ in range(500)}
    assert "a recording of heavy rain in a city" in captions
    assert "heavy rain and thunder storm in a city" in captions
    assert "the sound of rain" in captions
    assert not any("_" in caption or "HEAVY" in caption for caption in captions)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [(["dog"], "dog"), (["park"], "a recording of ambience in a park"), (["loud"], "loud noise")],
)
def test_even_one_keyword_becomes_a_sentence(tags: list[str], expected: str) -> None:
    captions = {caption_from_keywords(tags, np.random.default_rng(seed)) for seed in range(60)}
    assert expected in captions
    assert len(captions) >= 5


def test_common_words_are_words_by_how_common_they_are() -> None:
    words = common_words(1000)
    assert len(set(words)) == 1000
    assert words.index("the") < words.index("water")
    assert all(word.isalpha() and len(word) > 2 for word in words)


def test_without_the_word_list_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spellchecker", None)
    with pytest.raises(ClapsearchError, match=r"needs pyspellchecker; pip install 'clapsearch\[train\]'"):
        common_words(10)
