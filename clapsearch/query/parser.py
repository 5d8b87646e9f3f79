"""A query as people type it: words, sounds, weights and filters in any order."""

import difflib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from clapsearch.criteria import Choice, Criteria, Range
from clapsearch.errors import QueryError
from clapsearch.query import values
from clapsearch.query.lexer import Token, pointing, tokens
from clapsearch.query.model import Likeness, Phrase, Query
from clapsearch.wording import words

MAX_WEIGHT = 100.0
# Of -WORD, unless it is given: it more than halves what is unwanted among the results and keeps most of what is wanted;
# a whole one costs twice as much of that (``clapsearch eval --choice minus``).
UNWANTED = 0.5
EXAMPLE = 'describe a sound, as in: clapsearch search "rain on a tin roof"'
# Fields by name: what a value is one of, or a number of.
CHOICES = ("in", "ext", "cat", "name", "tag")
NUMBERS: dict[str, tuple[str, Callable[[str], Range]]] = {
    "dur": ("duration_s", lambda text: values.compared(text, values.seconds, about=0.5)),
    "sr": ("sr", lambda text: values.compared(text, values.hertz)),
    "ch": ("channels", lambda text: values.compared(text, values.count)),
    "before": ("dated", lambda text: Range(None, values.date(text), has_high=False)),
    "after": ("dated", lambda text: Range(values.date(text))),
}
FIELDS = ("like", *CHOICES, *NUMBERS)


def parse(text: str, parts: Sequence[Token] = (), *, min_score: float | None = None) -> Query:
    """Read a query; the page on the query language says what it may hold.

    Parameters
    ----------
    parts : sequence of Token
        More of it, made by `part`.
    min_score : float, optional
        Lowest cosine of a result.

    Raises
    ------
    QueryError
        If it cannot be read; the message points at the place.
    """
    if "\0" in text or not "".join(text.split()).isprintable():
        raise QueryError("the query has control characters in it; type it as plain words")
    query = replace(_Reader(text).read(parts), min_score=min_score)
    if replace(query, min_score=None) == Query():
        raise QueryError(f"the query is empty; {EXAMPLE}")
    return query


def part(field: str, value: str, *, sign: str = "") -> Token:
    """Return one part of a query, as ``field:value`` is one; without a field, a phrase."""
    return Token(-1, -1, sign, "", field, value.strip(), is_quoted=not field and not sign)


@dataclass
class _Reader:
    """Takes one token after the other; words that follow each other are one phrase."""

    text: str
    words: list[str] = field(default_factory=list)
    phrases: list[Phrase] = field(default_factory=list)
    likenesses: list[Likeness] = field(default_factory=list)
    any_of: dict[str, list[str]] = field(default_factory=dict)
    none_of: dict[str, list[str]] = field(default_factory=dict)
    numbers: dict[str, Range] = field(default_factory=dict)

    def read(self, parts: Sequence[Token] = ()) -> Query:
        for token in [*tokens(self.text), *parts]:
            self._take(token)
        self._end_phrase()
        choices = {
            name: Choice(tuple(self.any_of.get(name, ())), tuple(self.none_of.get(name, ()))) for name in CHOICES
        }
        criteria = Criteria(under=choices.pop("in"), **choices, numbers=tuple(sorted(self.numbers.items())))
        return Query(tuple(self.phrases), tuple(self.likenesses), criteria)

    def _take(self, token: Token) -> None:
        if token.sign == "+":
            self._end_phrase()
        if not token.text:
            self._take_empty(token)
        elif token.field == "like":
            self.likenesses.append(Likeness(Path(token.text), self._weight(token)))
        elif token.field:
            self._filter(token)
        elif token.sign or token.weight or token.is_quoted:
            self._phrase(token)
        else:
            self.words.append(token.text)

    def _take_empty(self, token: Token) -> None:
        """Nothing is fine after a plus, and nowhere else."""
        if token.field or token.weight:
            what = token.field or token.weight
            raise self._error(token, f"nothing stands after {what}:, as in {what}:{_example(token.field)}")
        if token.is_quoted:
            raise self._error(token, "there is nothing between the quotes")
        if token.sign == "-":
            raise self._error(token, "a minus stands right before what is unwanted, as in -thunder")

    def _phrase(self, token: Token) -> None:
        if not words(token.text):
            raise self._error(token, "there is no word in it")
        self.phrases.append(Phrase(token.text, self._weight(token), is_exact=token.is_quoted))

    def _end_phrase(self) -> None:
        text = " ".join(self.words)
        if words(text):
            self.phrases.append(Phrase(text))
        self.words.clear()

    def _weight(self, token: Token) -> float:
        weight = float(token.weight or (UNWANTED if token.sign == "-" else 1))
        if not 0 < weight <= MAX_WEIGHT:
            raise self._error(
                token, f"a weight is above 0 and at most {MAX_WEIGHT:g}; a minus subtracts, as in -thunder"
            )
        return -weight if token.sign == "-" else weight

    def _filter(self, token: Token) -> None:
        if token.weight:
            raise self._error(token, f"{token.field}: is a filter and takes no weight")
        if token.field in NUMBERS:
            self._limit(token)
        elif token.field in CHOICES:
            side = self.none_of if token.sign == "-" else self.any_of
            side.setdefault(token.field, []).append(self._choice(token))
        else:
            near = difflib.get_close_matches(token.field, FIELDS, 1)
            hint = f"did you mean {near[0]}:?" if near else f"there are {', '.join(f'{name}:' for name in FIELDS)}"
            raise self._error(token, f"no field is called {token.field}:; {hint} (words with a colon go in quotes)")

    def _choice(self, token: Token) -> str:
        if token.field == "in":
            return place(token.text)
        if token.field in {"ext", "cat"}:
            return token.text.removeprefix(".").lower()
        if not words(token.text):
            raise self._error(token, "there is no word in it")
        return token.text

    def _limit(self, token: Token) -> None:
        column, read = NUMBERS[token.field]
        if token.sign == "-":
            raise self._error(token, "a range cannot be subtracted; turn it round, as in dur:>3 for -dur:<=3")
        try:
            self.numbers[column] = self.numbers.get(column, Range()) & read(token.text)
        except ValueError as error:
            raise self._error(token, str(error)) from error
        if self.numbers[column].is_empty:
            raise self._error(token, "no sound can meet this range, with the others")

    def _error(self, token: Token, reason: str) -> QueryError:
        if token.start < 0:  # it came from a flag
            return QueryError(f"cannot read {token.sign}{token.field and token.field + ':'}{token.text!r}: {reason}")
        return pointing(self.text, token.start, token.end, reason)


def place(text: str) -> str:
    """Return a folder to search in: absolute if it is written as a path, else the names to find in paths."""
    if text.startswith(("/", "./", "../", "~")) or text in {".", ".."} or os.path.isabs(text):
        return os.path.abspath(os.path.expanduser(text))
    return text.strip("/\\")


def _example(name: str) -> str:
    examples = {
        "dur": "<3",
        "sr": ">=96k",
        "ch": "2",
        "before": "2024",
        "after": "2024-05",
        "ext": "wav",
        "in": "Foley",
    }
    return {"like": "./ref.wav", "cat": "RAIN", **examples}.get(name, "rain")
