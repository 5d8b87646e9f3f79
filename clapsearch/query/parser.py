"""A query as people type it: words, sounds, weights and filters in any order."""

import difflib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from clapsearch.criteria import Choice, Criteria, Range, common
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
# Flags of the command line that people write as fields, and the field that says the same.
FLAGS = {
    "not": "",
    "under": "in",
    "min-duration": "dur",
    "max-duration": "dur",
    "channels": "ch",
    "min-score": "",
    "mode": "",
    "top": "",
}
NO_WORD = "there is no word in it to search for"


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
    if not is_plain(text):
        raise QueryError("the query has control characters in it; type it as plain words")
    query = replace(_Reader(text).read(parts), min_score=min_score)
    if replace(query, min_score=None) == Query():
        raise QueryError(f"the query is empty; {EXAMPLE}")
    return query


def part(field: str, value: str, *, sign: str = "") -> Token:
    """Return one part of a query, as ``field:value`` is one; without a field, a phrase."""
    return Token(-1, -1, sign, "", field, value.strip(), is_quoted=not field and not sign)


def is_plain(text: str) -> bool:
    """Whether a text has nothing but characters to see, and blanks."""
    return "\0" not in text and "".join(text.split()).isprintable()


@dataclass
class _Reader:
    """Takes one token after the other; words that follow each other are one phrase."""

    text: str
    words: list[Token] = field(default_factory=list)
    phrases: list[Phrase] = field(default_factory=list)
    likenesses: list[Likeness] = field(default_factory=list)
    any_of: dict[str, list[str]] = field(default_factory=dict)
    none_of: dict[str, list[str]] = field(default_factory=dict)
    values: dict[str, list[Range]] = field(default_factory=dict)  # of which one must apply
    limits: dict[str, tuple[Range, ...]] = field(default_factory=dict)  # what is left by what must apply besides

    def read(self, parts: Sequence[Token] = ()) -> Query:
        for token in [*tokens(self.text), *parts]:
            self._take(token)
        self._end_phrase()
        choices = {
            name: Choice(tuple(self.any_of.get(name, ())), tuple(self.none_of.get(name, ()))) for name in CHOICES
        }
        numbers = tuple((column, self._ranges(column)) for column in sorted({*self.values, *self.limits}))
        criteria = Criteria(under=choices.pop("in"), **choices, numbers=numbers)
        return Query(tuple(self.phrases), tuple(self.likenesses), criteria)

    def _take(self, token: Token) -> None:
        if token.sign == "+":
            self._end_phrase()
        if token.field and token.field not in FIELDS:
            raise self._error(token, _no_field(token.field))
        if not token.text:
            self._take_empty(token)
        elif token.field == "like":
            self.likenesses.append(Likeness(Path(token.text), self._weight(token)))
        elif token.field:
            self._filter(token)
        elif token.sign or token.weight or token.is_quoted:
            self._phrase(token)
        else:
            self.words.append(token)

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
            raise self._error(token, NO_WORD)
        self.phrases.append(Phrase(token.text, self._weight(token), is_exact=token.is_quoted))

    def _end_phrase(self) -> None:
        text = " ".join(token.text for token in self.words)
        if text and not words(text):
            raise self._error(self.words[0], NO_WORD)
        if text:
            self.phrases.append(Phrase(text))
        self.words.clear()

    def _weight(self, token: Token) -> float:
        try:
            weight = float(token.weight or (UNWANTED if token.sign == "-" else 1))
        except ValueError:
            weight = 0.0
        if not 0 < weight <= MAX_WEIGHT:
            limits = f"above 0 and at most {MAX_WEIGHT:g}, as in 2:rain or 0.5:rain"
            raise self._error(token, f"a weight is {limits}; a minus subtracts, as in -thunder")
        return -weight if token.sign == "-" else weight

    def _filter(self, token: Token) -> None:
        if token.weight:
            raise self._error(token, f"{token.field}: is a filter and takes no weight")
        if token.field in NUMBERS:
            self._limit(token)
        else:
            side = self.none_of if token.sign == "-" else self.any_of
            side.setdefault(token.field, []).append(self._choice(token))

    def _choice(self, token: Token) -> str:
        if token.field == "in":
            return place(token.text)
        if not words(token.text):
            raise self._error(token, NO_WORD)
        if token.field == "ext":
            return token.text.removeprefix("*").removeprefix(".").lower()
        return token.text.lower() if token.field == "cat" else token.text

    def _limit(self, token: Token) -> None:
        column, read = NUMBERS[token.field]
        try:
            values = read(token.text)
        except ValueError as error:
            raise self._error(token, str(error)) from error
        if values.is_empty:
            low, _, high = token.text.partition("..")
            raise self._error(token, f"this range ends before it begins; turn it round: {token.field}:{high}..{low}")
        if values.is_bounded and token.sign != "-":
            self.values.setdefault(column, []).append(values)
        else:
            left = values.outside if token.sign == "-" else (values,)
            self.limits[column] = common(self.limits.get(column, (Range(),)), left)
        if not self._ranges(column):
            raise self._error(token, "no sound can meet this range, with the others")

    def _ranges(self, column: str) -> tuple[Range, ...]:
        """Return the ranges of which one must apply."""
        return common(self.values.get(column, [Range()]), self.limits.get(column, (Range(),)))

    def _error(self, token: Token, reason: str) -> QueryError:
        if token.start < 0:  # it came from a flag
            return QueryError(f"cannot read {token.sign}{token.field and token.field + ':'}{token.text!r}: {reason}")
        return pointing(self.text, token.start, token.end, reason)


def place(text: str) -> str:
    """Return a folder to search in: absolute if it is written as a path, else the names to find in paths."""
    if text.startswith(("/", "./", "../", "~")) or text in {".", ".."} or os.path.isabs(text):
        return whole(text)
    return text.strip("/\\")


def whole(path: str) -> str:
    """Return a path that means the same from every current folder."""
    return os.path.abspath(os.path.expanduser(path))


def _no_field(name: str) -> str:
    near = difflib.get_close_matches(name, FIELDS, 1)
    hint = f"did you mean {near[0]}:?" if near else f"there are {', '.join(f'{known}:' for known in FIELDS)}"
    if (flag := name.replace("_", "-")) in FLAGS:
        hint = f"there is {FLAGS[flag] and FLAGS[flag] + ':, or '}the flag --{flag}"
    return f"no field is called {name}:; {hint} (words with a colon go in quotes)"


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
