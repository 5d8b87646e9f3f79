"""What may be found: the sounds nearest to a vector, and those that say the right words, each in their own order."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.query import Query, normalised
from clapsearch.ranking import rarity
from clapsearch.store import Finding, Scope, SoundRow
from clapsearch.store.matching import saying, terms
from clapsearch.vectors import VectorIndex
from clapsearch.wording import run_together, words

Vector = npt.NDArray[np.float32]
Scored = list[tuple[float, SoundRow]]
# Candidates are proposed in float32; a cut-off this far under the last hit cannot have dropped an equal score.
_MARGIN = 1e-5
_MIN_CANDIDATES = 64
_MAX_CANDIDATES = 50_000
_ENDING_WORDS = 2  # at most: mp3 is two


@dataclass(frozen=True)
class Candidates:
    """The sounds of one scope, in one read transaction.

    Attributes
    ----------
    exclude : sequence of Path
        Files that are not to be results of themselves.
    """

    reading: Finding
    index: VectorIndex
    scope: Scope
    exclude: Sequence[Path] = ()

    def by_sound(self, vector: Vector, n: int) -> Scored:
        """Return the n sounds nearest to a unit vector, as exact as the index, and no tie cut; equal scores by path."""
        if self.scope.few is not None:
            return self._all_by_sound(vector, n)
        n_vectors = max(_MIN_CANDIDATES, 4 * n)
        while True:
            embedding_ids, scores = self.index.top(vector, n_vectors)
            ranked = self._best(embedding_ids, scores, n)
            is_enough = len(ranked) >= n and scores[-1] < ranked[n - 1][0] - _MARGIN
            if is_enough or n_vectors >= len(self.index):
                return ranked
            if self.scope.is_limited and n_vectors > _MAX_CANDIDATES:  # what is near is out of scope
                return self._all_by_sound(vector, n)
            n_vectors *= 4

    def by_words(self, query: Query, n: int) -> list[SoundRow]:
        """Return the n sounds whose names, folders and metadata say best what a query says."""
        said = expression(query)
        return self._first(lambda most: self.reading.said(said, self.scope, most), n)

    def coverage(self, query: Query, rows: Sequence[SoundRow]) -> dict[int, float]:
        """Return how much of a query each sound says, by sound id: 0 to 1, rare words counting more.

        What a query asks for by a sound, nothing says.
        """
        n_sounds, ids = self.reading.n_named(), [row.sound_id for row in rows]
        said = dict.fromkeys(ids, 0.0)
        total = 0.0
        for phrase in query.wanted:
            for term in terms(phrase.text, is_exact=phrase.is_exact) if ids else ():
                worth = phrase.weight * rarity(self.reading.n_saying(term), n_sounds)
                total += worth
                for sound_id in self.reading.saying(term, ids):
                    said[sound_id] += worth
        return {sound_id: query.share_in_words * worth / total for sound_id, worth in said.items()}

    def by_path(self, n: int) -> list[SoundRow]:
        """Return the first n sounds of the scope."""
        return self._first(lambda most: self.reading.first(self.scope, most), n)

    def called(self, query: Query, n: int) -> list[SoundRow]:
        """Return the sounds whose file name is what the query says, with or without the ending; at most n."""
        said = words(" ".join(phrase.text for phrase in query.wanted))
        cuts = range(max(1, len(said) - _ENDING_WORDS), len(said))
        endings = [(run_together(said[:cut]), "".join(said[cut:])) for cut in cuts]
        names = [(run_together(said), None), *endings]
        return self._first(lambda most: self.reading.called(names if said else [], self.scope, most), n)

    def scores(self, vector: Vector, rows: Sequence[SoundRow]) -> dict[int, float]:
        """Return the cosine of the best moment of sounds, by embedding id."""
        wanted = np.array([row.embedding_id for row in rows], np.int64)
        return dict(zip(*(values.tolist() for values in self.index.of(vector, wanted)), strict=True))

    def mean(self, rows: Sequence[SoundRow]) -> Vector | None:
        """Return the mean of the vectors of whole sounds, unit norm; None if they are gone or cancel out."""
        return normalised(self.index.wholes(np.array([row.embedding_id for row in rows], np.int64)).sum(axis=0))

    def _all_by_sound(self, vector: Vector, n: int) -> Scored:
        """Score the whole scope."""
        return self._best(*self.index.of(vector, self.reading.embedding_ids(self.scope)), n)

    def _best(self, embedding_ids: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], n: int) -> Scored:
        """Return the n best sounds of scored embeddings; asks the database for few more than that."""
        n_kept = n + len(self.exclude)
        while True:
            is_kept = scores >= (-np.partition(-scores, n_kept - 1)[n_kept - 1] if len(scores) > n_kept else -np.inf)
            ranked = self._ranked(embedding_ids[is_kept], scores[is_kept])
            if len(ranked) >= n or is_kept.all():
                return ranked[:n]
            n_kept *= 4

    def _ranked(self, embedding_ids: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]) -> Scored:
        """Return the sounds of scored embeddings, best first; of one that is there twice the higher score counts."""
        best: dict[int, float] = {}
        for embedding_id, score in zip(embedding_ids.tolist(), scores.tolist(), strict=True):
            best[embedding_id] = max(score, best.get(embedding_id, score))
        rows = self._others(self.reading.sounds(list(best), self.scope))
        return sorted(((best[row.embedding_id], row) for row in rows), key=lambda hit: (-hit[0], hit[1].path))

    def _first(self, rows: Callable[[int], list[SoundRow]], n: int) -> list[SoundRow]:
        """Return n rows of those that a limit is asked of, the excluded ones not counted."""
        return self._others(rows(n + len(self.exclude)))[:n]

    def _others(self, rows: list[SoundRow]) -> list[SoundRow]:
        own = [os.fsencode(path) for path in self.exclude]
        return [row for row in rows if not any(_is_same(row.path, path) for path in own)]


def expression(query: Query) -> str:
    """Return what to look for in words: FTS5's language."""
    unwanted = [(phrase.text, phrase.is_exact) for phrase in query.phrases if phrase.weight < 0]
    return saying([(phrase.text, phrase.is_exact) for phrase in query.wanted], unwanted)


def _is_same(path: bytes, other: bytes) -> bool:
    """Whether two paths name one file, links resolved; cheap unless the names agree."""
    if path == other:
        return True
    return os.path.basename(path) == os.path.basename(other) and os.path.realpath(path) == os.path.realpath(other)
