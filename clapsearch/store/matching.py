"""Criteria, and words to look for, as SQL.

SQLite has no statistics here (nobody runs ANALYZE), and takes any ``column = value`` for a rare one: left to itself it
walks through all WAV files to find ten. So a limit comes twice: as a condition that no index can answer, and as the
list of the sounds that an index finds; `Finding` counts and takes the shortest list.
"""

import itertools
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, false, or_, select, union_all
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from clapsearch.criteria import Choice, Criteria, Range
from clapsearch.filesystem import relative
from clapsearch.schema import content, facet, sound, words
from clapsearch.store.reading import Root, at_or_below
from clapsearch.wording import FUNCTION_WORDS
from clapsearch.wording import words as split

Condition = ColumnElement[bool]
Ids = Select[Any] | CompoundSelect[Any]


@dataclass(frozen=True)
class Limit:
    """One of the criteria.

    Attributes
    ----------
    condition : Condition
        What a row of ``sound``, joined with ``content`` and ``facet``, has to meet; no index is used for it.
    ids : Ids or None
        Select the ids of the sounds that meet it, by an index (one may come twice); None where there is no short way.
    """

    condition: Condition
    ids: Ids | None = None


def limits(criteria: Criteria, roots: Sequence[Root]) -> list[Limit]:
    """Return what the sounds of a search have to meet."""
    found = [
        *_chosen(criteria.under, [_under(place, roots) for place in criteria.under.any_of + criteria.under.none_of]),
        *_chosen(Choice(criteria.ext.any_of), [_ending(ext) for ext in criteria.ext.any_of]),
        *_other_endings(criteria.ext.none_of),
        *_chosen(criteria.cat, [_category(cat) for cat in criteria.cat.any_of + criteria.cat.none_of]),
        *_chosen(criteria.name, [_named(text) for text in criteria.name.any_of + criteria.name.none_of]),
        *_chosen(criteria.tag, [_says("tags", text) for text in criteria.tag.any_of + criteria.tag.none_of]),
    ]
    return found + [_any([_number(column, values) for values in ranges]) for column, ranges in criteria.numbers]


def saying(wanted: Iterable[tuple[str, bool]], unwanted: Iterable[tuple[str, bool]] = ()) -> str:
    """Return the FTS5 expression for what says any of some texts and none of others; "" if nothing can meet it.

    Parameters
    ----------
    wanted, unwanted : iterable of (text, is_exact)
        Of an exact text all words are meant, in a row; of another, any that says something.
    """
    yes, no = " OR ".join(filter(None, map(_said, wanted))), " OR ".join(filter(None, map(_said, unwanted)))
    return f"({yes}) NOT ({no})" if yes and no else yes


def in_a_row(text: str, column: str = "") -> str:
    """Return the FTS5 expression for what has all words of a text, one after the other; "" if it has none."""
    said = " ".join(split(text))
    return f'{column and column + " : "}"{said}"' if said else ""


def terms(text: str, *, is_exact: bool) -> list[str]:
    """Return the FTS5 expressions for each thing that a text says: all its words in a row, or each that says something.

    Parameters
    ----------
    is_exact : bool
        The words belong together.
    """
    if is_exact:
        return list(filter(None, [in_a_row(text)]))
    said = (" ".join(split(part)) for part in text.split())  # what is written in one, such as take3, belongs together
    return [f'"{part}"' for part in dict.fromkeys(said) if part and part not in FUNCTION_WORDS]


def _said(phrase: tuple[str, bool]) -> str:
    text, is_exact = phrase
    return " OR ".join(terms(text, is_exact=is_exact))


def match(expression: str) -> Condition:
    """Return the condition that a row of ``words`` meets an FTS5 expression."""
    return words.c.words.op("MATCH", is_comparison=True)(expression)


def plain(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column as an expression that no index answers (SQLite's unary plus)."""
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def _chosen(choice: Choice, values: Sequence[Limit]) -> Iterator[Limit]:
    """Yield one limit for the values of which one must apply, and one for each that must not."""
    wanted, unwanted = values[: len(choice.any_of)], values[len(choice.any_of) :]
    if wanted:
        yield _any(wanted)
    for each in unwanted:
        # Not true rather than false: a sound without a category is in none.
        yield Limit(each.condition.is_not(True))


def _any(values: Sequence[Limit]) -> Limit:
    """One of some limits must apply."""
    return Limit(or_(*(each.condition for each in values)), _either([each.ids for each in values]))


def _either(parts: Iterable[Ids | None]) -> Ids:
    """Return the ids of several selections."""
    some = [part for part in parts if part is not None]
    return some[0] if len(some) == 1 else union_all(*(select(part.subquery().c[0]) for part in some))


def _ending(ext: str) -> Limit:
    return Limit(plain(facet.c.ext) == ext, select(facet.c.sound_id).where(facet.c.ext == ext))


def _other_endings(unwanted: Sequence[str]) -> Iterator[Limit]:
    """Where nearly all files are WAV, the others are few: what is before, between and after the unwanted ones."""
    if unwanted:
        ends = sorted(set(unwanted))
        gaps = [and_(facet.c.ext > low, facet.c.ext < high) for low, high in itertools.pairwise(ends)]
        ids = _either(
            select(facet.c.sound_id).where(gap) for gap in [facet.c.ext < ends[0], *gaps, facet.c.ext > ends[-1]]
        )
        yield Limit(plain(facet.c.ext).not_in(unwanted), ids)


def _category(cat: str) -> Limit:
    columns = (facet.c.cat_id, facet.c.category)
    ids = _either(select(facet.c.sound_id).where(column == cat) for column in columns)
    return Limit(or_(*(plain(column) == cat for column in columns)), ids)


def _named(text: str) -> Limit:
    """The name has the words of a text in a row; a pasted one has its ending, too, which is no word of the name."""
    stem, ending = os.path.splitext(text)
    said = _saying("name", stem)
    ids = select(facet.c.sound_id).where(facet.c.sound_id.in_(said), plain(facet.c.ext) == ending[1:].lower())
    return _any([_says("name", text), _listed(ids)]) if ending else _says("name", text)


def _says(column: str, text: str) -> Limit:
    """A column of ``words`` has the words of a text in a row."""
    return _listed(_saying(column, text))


def _saying(column: str, text: str) -> Select[Any]:
    expression = in_a_row(text, column)
    return select(words.c.rowid).where(match(expression) if expression else false())


def _listed(ids: Select[Any]) -> Limit:
    return Limit(plain(sound.c.id).in_(ids), ids)


def _under(place: str, roots: Sequence[Root]) -> Limit:
    """A file is in a folder: an absolute path, or names that follow each other in a path."""
    if os.path.isabs(place):
        # As it was typed, and as other systems write its accents.
        forms = (place, *(unicodedata.normalize(form, place) for form in ("NFC", "NFD")))
        return _below([os.fsencode(form) for form in dict.fromkeys(forms)], roots)
    said = f" {' '.join(split(place))} "
    here = [root.id for root in roots if said.strip() and said in f" {' '.join(split(os.fsdecode(root.path)))} "]
    named = _says("folder", place)
    if not here:
        return named
    ids = _either([named.ids, select(sound.c.id).where(sound.c.root_id.in_(here))])
    return Limit(or_(plain(sound.c.root_id).in_(here), named.condition), ids)


def _below(folders: Sequence[bytes], roots: Sequence[Root]) -> Limit:
    """A file is at or below one of some absolute paths."""
    places: list[tuple[int, bytes]] = []
    for wanted, root in itertools.product(folders, roots):
        if (below := relative(wanted, root.path)) is not None:
            places.append((root.id, below))
        elif relative(root.path, wanted) is not None:
            places.append((root.id, b""))
    if not places:
        return Limit(false(), select(sound.c.id).where(false()))
    ids = _either(select(sound.c.id).where(sound.c.root_id == id_, at_or_below(below)) for id_, below in places)
    return Limit(or_(*(and_(plain(sound.c.root_id) == id_, at_or_below(below)) for id_, below in places)), ids)


def _number(name: str, values: Range) -> Limit:
    if name == "dated":
        ids = select(facet.c.sound_id).where(*_within(facet.c.dated, values))
        return Limit(and_(*_within(plain(facet.c.dated), values)), ids)
    column = content.c[name]
    # Plain, so that contents come first.
    holding = select(sound.c.id).join(content, sound.c.content_id == plain(content.c.id))
    return Limit(and_(*_within(plain(column), values)), holding.where(*_within(column, values)))


def _within(column: ColumnElement[Any], values: Range) -> Iterator[Condition]:
    if values.low is not None:
        yield column >= values.low if values.has_low else column > values.low
    if values.high is not None:
        yield column <= values.high if values.has_high else column < values.high
