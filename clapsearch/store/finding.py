"""Finding: the questions of a search, by vectors' ids, by words, and within limits."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Select, and_, false, func, literal_column, or_, select, true

from clapsearch.criteria import Criteria
from clapsearch.schema import WORDS, background, content, embedding, facet, library, root, saved, sound, words
from clapsearch.store.matching import Condition, Ids, limits, match, plain
from clapsearch.store.reading import Reading, chunks

# A word in a name says more than one in the name of a folder, which holds many sounds, or in a long description.
_BM25 = func.bm25(literal_column("words"), 10.0, 3.0, 2.0)
# Sounds that are quickly looked at one by one.
FEW = 20_000
_MARKS: tuple[Any, ...] = (literal_column("'['"), literal_column("']'"), literal_column("'...'"), 12)


@dataclass(frozen=True)
class SoundRow:
    """A sound that holds an embedded content; `path` is absolute, as bytes; `sr` in Hz."""

    sound_id: int
    content_id: int
    embedding_id: int
    root_id: int
    path: bytes
    duration_s: float
    sr: int
    channels: int


@dataclass(frozen=True)
class Scope:
    """Which sounds may be found.

    Attributes
    ----------
    conditions : tuple of Condition
        What they meet; no index is used for these.
    is_limited : bool
        Whether they meet more than to be there.
    few : Ids or None
        If one of the conditions lets only a few sounds through, the ids of these.
    """

    conditions: tuple[Condition, ...]
    is_limited: bool
    few: Ids | None = None


class Finding(Reading):
    """Questions of a search, in one transaction."""

    def scope(self, criteria: Criteria, *, without_roots: Sequence[int] = ()) -> Scope:
        """Return where to search: what meets criteria, is not missing, and is in none of the roots named."""
        here = [sound.c.missing_since.is_(None)]
        if without_roots:
            here.append(plain(sound.c.root_id).not_in(without_roots))
        found = limits(criteria, self.roots()) if criteria else []
        few = self._fewest([limit.ids for limit in found if limit.ids is not None])
        return Scope((*here, *(limit.condition for limit in found)), bool(criteria), few)

    def _fewest(self, lists: Sequence[Ids]) -> Ids | None:
        """Return the shortest of some lists of ids, if it has no more than `FEW`."""
        # None needs to be counted further than the shortest so far.
        shortest, n_shortest = None, FEW + 1
        for ids in lists:
            some = ids.limit(n_shortest).subquery()
            n = self._scalar(select(func.count()).select_from(some))
            if n < n_shortest:
                shortest, n_shortest = ids, n
        return shortest

    def sounds(self, embedding_ids: Sequence[int], scope: Scope | None = None) -> list[SoundRow]:
        """Return the sounds in a scope (default: all that are not missing) that hold these embeddings."""
        query = self._rows(scope or self.scope(Criteria()))
        return [
            _sound(row)
            for some in chunks(embedding_ids)
            for row in self._connection.execute(query.where(embedding.c.id.in_(some)))
        ]

    def embedding_ids(self, scope: Scope) -> npt.NDArray[np.int64]:
        """Return the embeddings of the sounds in a scope, shape (n,)."""
        found = self._connection.scalars(_few(self._within(scope, embedding.c.id), scope)).all()
        return np.fromiter(found, np.int64, len(found))

    def first(self, scope: Scope, n: int) -> list[SoundRow]:
        """Return the first sounds of a scope, by path."""
        query = _by_path(_few(self._rows(scope), scope)).limit(n)
        return [_sound(row) for row in self._connection.execute(query)]

    def said(self, expression: str, scope: Scope, n: int) -> list[SoundRow]:
        """Return the sounds in a scope whose words meet an FTS5 expression of `matching`, best first (BM25)."""
        if not expression:
            return []
        query = self._rows(scope).join(words, words.c.rowid == sound.c.id).where(match(expression))
        ordered = _by_path(query.order_by(_BM25)).limit(n)
        return [_sound(row) for row in self._connection.execute(ordered)]

    def n_saying(self, expression: str) -> int:
        """Count the sounds, wherever they are, whose words meet an FTS5 expression."""
        return self._scalar(select(func.count()).select_from(words).where(match(expression)))

    def n_named(self) -> int:
        """Count the sounds that have words at all."""
        return self._scalar(select(func.count()).select_from(sound))

    def saying(self, expression: str, sound_ids: Sequence[int]) -> set[int]:
        """Return those among some sounds whose words meet an FTS5 expression."""
        query = select(words.c.rowid).where(match(expression))
        some = (query.where(words.c.rowid.in_(ids)) for ids in chunks(sound_ids))
        return {id_ for each in some for id_ in self._connection.scalars(each)}

    def called(self, names: Sequence[tuple[str, str | None]], scope: Scope, n: int) -> list[SoundRow]:
        """Return the first sounds in a scope, by path, whose file names are just some words.

        Parameters
        ----------
        names : sequence of (str, str or None)
            The words of a name less its ending, run together, and the ending, lower case; None for any.
        """
        named = [and_(facet.c.called == name, true() if ext is None else facet.c.ext == ext) for name, ext in names]
        query = self._rows(scope).where(sound.c.id.in_(select(facet.c.sound_id).where(or_(false(), *named))))
        return [_sound(row) for row in self._connection.execute(_by_path(query).limit(n))]

    def extracts(self, expression: str, sound_ids: Sequence[int]) -> dict[int, dict[str, str]]:
        """Return, by sound, what of its name, folder and metadata meets an FTS5 expression, marked by brackets."""
        found: dict[int, dict[str, str]] = {}
        for i, column in enumerate(WORDS if expression else ()):
            extract = func.snippet(literal_column("words"), i, *_MARKS)
            where = (match(f"{column} : ({expression})"), words.c.rowid.in_(sound_ids))
            for sound_id, text in self._connection.execute(select(words.c.rowid, extract).where(*where)):
                found.setdefault(sound_id, {})[column] = text
        return found

    def background(self) -> npt.NDArray[np.float32] | None:
        """Return the best score here of each background text, ascending; None where there are none."""
        active = select(library.c.checkpoint_id).scalar_subquery()
        stored = self._connection.scalar(select(background.c.scores).where(background.c.checkpoint_id == active))
        return np.frombuffer(stored, "<f4") if stored else None

    def folders(self) -> list[str]:
        """Return the names of all folders that hold sounds, each once, sorted; those that can be typed."""
        query = select(root.c.path, sound.c.relpath).join(root, root.c.id == sound.c.root_id)
        names: set[bytes] = set()
        for base, relpath in self._connection.execute(query.where(sound.c.missing_since.is_(None))):
            names.update(os.path.dirname(relpath).split(os.fsencode(os.sep)), (os.path.basename(base),))
        return sorted(name for name in map(os.fsdecode, names) if name and name.isprintable())

    def saved(self) -> dict[str, str]:
        """Return the searches that were named: name to query."""
        return {row.name: row.query for row in self._connection.execute(select(saved).order_by(saved.c.name))}

    def _rows(self, scope: Scope) -> Select[tuple[object, ...]]:
        numbers = (content.c.duration_s, content.c.sr, content.c.channels)
        places = (sound.c.id, content.c.id, embedding.c.id, root.c.id, root.c.path, sound.c.relpath)
        return self._within(scope, *places, *numbers).join(root, root.c.id == sound.c.root_id)

    def _within(self, scope: Scope, *columns: object) -> Select[tuple[object, ...]]:
        """Select columns of the embedded sounds in a scope."""
        joined = (
            select(*columns)  # type: ignore[call-overload]
            .select_from(sound)
            .join(content, content.c.id == sound.c.content_id)
            .join(embedding, embedding.c.content_id == content.c.id)
        )
        if scope.is_limited:
            joined = joined.join(facet, facet.c.sound_id == sound.c.id)
        query: Select[tuple[object, ...]] = joined.where(embedding.c.checkpoint_id.in_(self.space()), *scope.conditions)
        return query


def _few(query: Select[Any], scope: Scope) -> Select[Any]:
    """Let a query start from the few sounds of a scope."""
    return query if scope.few is None else query.where(sound.c.id.in_(scope.few))


def _by_path(query: Select[Any]) -> Select[Any]:
    return query.order_by(root.c.path, sound.c.relpath)


def _sound(row: Any) -> SoundRow:
    sound_id, content_id, embedding_id, root_id, base, relpath, *numbers = row
    return SoundRow(sound_id, content_id, embedding_id, root_id, os.path.join(base, relpath), *numbers)
