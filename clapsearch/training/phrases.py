"""Phrases that people who look for sounds type, by a seed: from patterns, word lists and given texts."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path

import numpy as np

from clapsearch.errors import ClapsearchError
from clapsearch.training.inflection import INFLECTIONS
from clapsearch.training.patterns import PATTERNS

WORDS = Path(__file__).parent.parent / "data" / "sound_words.txt"
_MAX_REPEATS = 1000  # so many draws in a row that gave nothing new end the search
_FRAMES = ("{}", "{}", "the sound of {}", "a recording of {}", "sounds of {}", "this is a sound of {}.")

_GIVEN_REPEATS = 4

Sections = dict[str, list[str]]


class PhraseGenerator:
    """Draws phrases.

    Parameters
    ----------
    texts : sequence of str
        Captions and labels to vary; at least one.
    words : sequence of str
        Common words of any kind, for combinations that no pattern foresees; at least one.
    """

    def __init__(self, texts: Sequence[str], words: Sequence[str]) -> None:
        sections, self._pairs = read_words(WORDS)
        self._sections = {**sections, "given": list(texts), "word": list(words)}
        self._patterns = {name: (list(some), list(accumulate(some.values()))) for name, some in PATTERNS.items()}

    def draw(self, rng: np.random.Generator) -> str:
        """Return one phrase."""
        return self._expand("phrase", rng)

    def distinct(self, n: int, seed: int) -> list[str]:
        """Return `n` different phrases, the same for the same seed.

        Raises
        ------
        ClapsearchError
            If the patterns give no more new ones.
        """
        rng = np.random.default_rng(seed)
        phrases: dict[str, None] = {}
        n_repeats = 0
        while len(phrases) < n:
            phrase = self.draw(rng)
            n_repeats = n_repeats + 1 if phrase in phrases else 0
            if n_repeats > _MAX_REPEATS:
                raise ClapsearchError(f"no more than {len(phrases)} different phrases come out; ask for fewer than {n}")
            phrases[phrase] = None
        return list(phrases)

    def _expand(self, name: str, rng: np.random.Generator) -> str:
        patterns, sums = self._patterns[name]
        pattern = patterns[int(np.searchsorted(sums, rng.integers(sums[-1]), side="right"))]
        bound: dict[str, str] = {}

        def fill(slot: re.Match[str]) -> str:
            inflection, _, name = slot[1].rpartition(" ")
            return INFLECTIONS[inflection](self._word(name, bound, rng))

        return re.sub(r"{([^}]+)}", fill, pattern)

    def _word(self, name: str, bound: dict[str, str], rng: np.random.Generator) -> str:
        if name in self._patterns:
            return self._expand(name, rng)
        if name in self._sections:
            return _pick(self._sections[name], rng)
        if name not in bound:
            (first, second), partners = next((both, some) for both, some in self._pairs.items() if name in both)
            bound[first] = _pick(list(partners), rng)
            bound[second] = _pick(partners[bound[first]], rng)
        return bound[name]


def lessons(given: Sequence[str], words: Sequence[str], n: int, seed: int) -> tuple[list[str], list[str]]:
    """Return texts to learn from, and what each of them means.

    Parameters
    ----------
    given, words : sequence of str
        As of `PhraseGenerator`. What is given is there `_GIVEN_REPEATS` times, and so is learnt best; every word is
        there by itself, too.
    n : int
        Generated phrases; a tenth of all texts is there once more as somebody might type it.
    """
    generated = PhraseGenerator(given, words).distinct(n, seed)
    clean = [*given, *words, *generated]
    rng = np.random.default_rng([seed, 1])
    slips = [clean[i] for i in rng.permutation(len(clean))[: len(clean) // 10]]
    repeats = list(given) * (_GIVEN_REPEATS - 1)
    return [*clean, *repeats, *(as_typed(phrase, rng) for phrase in slips)], [*clean, *repeats, *slips]


def common_words(n: int) -> list[str]:
    """Return the `n` commonest English words of three letters or more, commonest first.

    Raises
    ------
    ClapsearchError
        If the package with the frequencies is not installed.
    """
    try:
        from spellchecker import SpellChecker
    except ImportError as error:
        raise ClapsearchError("training on texts needs pyspellchecker; pip install 'clapsearch[train]'") from error
    counts = SpellChecker(language="en").word_frequency
    by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [word for word, _ in by_count if word.isascii() and word.isalpha() and len(word) > 2][:n]


def as_typed(phrase: str, rng: np.random.Generator) -> str:
    """Return a phrase as it stands in a file name, without one of its spaces, or with a slip of the fingers."""
    words = phrase.rstrip(".").split()
    way = rng.integers(5)
    if way <= 1:
        name = ("_", "-")[way].join(words)
        return name + ("", f"_{rng.integers(1, 20):02}", ".wav")[rng.integers(3)]
    if way == 2 and len(words) > 1:
        i = int(rng.integers(1, len(words)))
        return " ".join([*words[: i - 1], words[i - 1] + words[i], *words[i + 1 :]])
    i = int(rng.integers(len(words)))
    words[i] = _slip(words[i], rng)
    return " ".join(words)


def caption_from_keywords(tags: Sequence[str], rng: np.random.Generator) -> str:
    """Make a sentence of some of a sound's keywords: of rain, city and heavy, ``a recording of heavy rain in a city``.

    Parameters
    ----------
    tags : sequence of str
        At least one.
    """
    n = int(rng.integers(1, len(tags) + 1))
    chosen = [" ".join(re.split(r"[\s_-]+", tags[i].strip().lower())) for i in rng.permutation(len(tags))[:n]]
    sections, _ = read_words(WORDS)
    places = [tag for tag in chosen if tag in sections["place"]]
    qualities = [tag for tag in chosen if tag in sections["quality"]]
    sounds = [tag for tag in chosen if tag not in {*places, *qualities}] or ["ambience" if places else "noise"]
    *others, last = sounds
    listed = f"{', '.join(others)} and {last}" if others else last
    where = f" in {INFLECTIONS['a'](places[0])}" if places else ""
    return _pick(_FRAMES, rng).format(" ".join([*qualities, listed]) + where)


@cache
def read_words(path: Path) -> tuple[Sections, dict[tuple[str, str], Sections]]:
    """Read word lists: sections of words by their name, sections of pairs by their two names."""
    sections: Sections = {}
    pairs: dict[tuple[str, str], Sections] = {}
    for name, body in re.findall(r"^\[(.+)\]\n([^\[]+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
        first, colon, second = name.partition(": ")
        if colon:
            entries = re.findall(r"^(\S[^:\n]*):((?:.|\n )+)", body, flags=re.MULTILINE)
            pairs[first, second] = {key: _words(values) for key, values in entries}
        else:
            sections[name] = _words(body)
    return sections, pairs


def _words(text: str) -> list[str]:
    return [" ".join(word.split()) for word in text.split(",") if word.strip()]


def _pick(words: Sequence[str], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


def _slip(word: str, rng: np.random.Generator) -> str:
    """Swap, drop or double a letter inside a word of five letters or more."""
    if len(word) < 5:
        return word
    i = int(rng.integers(1, len(word) - 2))
    return word[:i] + (word[i + 1] + word[i], "", word[i] * 2)[way := int(rng.integers(3))] + word[i + (2, 1, 1)[way] :]
