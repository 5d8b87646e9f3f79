"""Duplicates: sounds of one content, and near ones, which sound alike and last as long. Arrays in, row numbers out."""

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.errors import UsageError
from clapsearch.store import Finding

# Of the pairs among 3,326 recordings that last as long and have so much, .87 share their label and .77 their caption;
# from .95 on, .73 and .60. What is hidden as a take had better be one.
THRESHOLD = 0.97
MAX_DURATION_RATIO = 1.1
_BLOCK = 512  # rows compared at once
_BAND = 16_384  # with so many: 32 MB of float32
_SKETCH_DIM = 32
_PAIRS = 1 << 16  # gathered at once: 128 MB at 512 dimensions
_ROUNDING = 1e-4  # of a float32 product, generously

Vectors = npt.NDArray[np.float32]
Durations = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Sounds that are near-duplicates of its first one.

    Attributes
    ----------
    members : tuple of int
        Row numbers, at least two, the leader first, then the nearest to it.
    scores : tuple of float
        Cosine of each member with the leader; the leader's own is 1.
    """

    members: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Collapsed:
    """One place of a result list.

    Attributes
    ----------
    row : int
        The best of its group, by rank.
    others : tuple of int
        The candidates it stands for, as they were ranked.
    """

    row: int
    others: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many candidates there are in all."""
        return 1 + len(self.others)


def exact(content_ids: Sequence[int] | Rows) -> list[tuple[int, ...]]:
    """Group the sounds that hold one content.

    Parameters
    ----------
    content_ids : array-like, shape (n,), int
        What each sound holds.

    Returns
    -------
    list of tuple of int
        Row numbers of two or more, ascending; groups by their first row.
    """
    ids = np.asarray(content_ids, np.int64)
    order = np.argsort(ids, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(ids[order])) + 1)
    return sorted(tuple(part.tolist()) for part in parts if len(part) > 1)


def near(
    vectors: Vectors,
    durations_s: Durations,
    content_ids: Sequence[int] | Rows,
    *,
    threshold: float = THRESHOLD,
    max_ratio: float = MAX_DURATION_RATIO,
) -> list[Group]:
    """Group the contents that sound alike and last about as long.

    A group is a leader and what is near it, not a chain in which the last need not sound like the first. The longest
    sound leads first (of equal ones the smaller content id), so that the same library gives the same groups whatever
    its order.

    Parameters
    ----------
    vectors : np.ndarray, shape (n, dim), float32, unit rows
        Of whole sounds.
    durations_s : np.ndarray, shape (n,)
        In seconds, above 0.
    content_ids : array-like, shape (n,), int
        Of several sounds with one content the first row stands for all.
    threshold : float
        Least cosine, above 0.
    max_ratio : float
        Of the longer duration to the shorter, at least 1.

    Returns
    -------
    list of Group
        Largest first, then by row number of the leader.

    Raises
    ------
    UsageError
        If a limit is outside its range.
    """
    _check(threshold, max_ratio)
    ids, firsts = np.unique(np.asarray(content_ids, np.int64), return_index=True)
    order = firsts[np.lexsort((ids, -durations_s[firsts]))]
    leader, scores = _lead(vectors[order], durations_s[order], threshold, max_ratio, is_sorted=True)
    groups = [_group(order, rows, scores) for rows in _families(leader)]
    return sorted(groups, key=lambda group: (-len(group.members), group.members[0]))


def collapse(
    vectors: Vectors,
    durations_s: Durations,
    *,
    threshold: float = THRESHOLD,
    max_ratio: float = MAX_DURATION_RATIO,
) -> list[Collapsed]:
    """Let the best of near-duplicate results stand for all of them.

    Parameters
    ----------
    vectors : np.ndarray, shape (n, dim), float32, unit rows
        Of the whole sounds, in the order of their ranks; sounds of one content have equal rows.
    durations_s : np.ndarray, shape (n,)
        In seconds, above 0.
    threshold, max_ratio : float
        As for `near`.

    Returns
    -------
    list of Collapsed
        By rank; every candidate is in just one of them.

    Raises
    ------
    UsageError
        If a limit is outside its range.
    """
    _check(threshold, max_ratio)
    leader, _ = _lead(vectors, durations_s, threshold, max_ratio, is_sorted=False)
    others: dict[int, list[int]] = {}
    for row, first in enumerate(leader.tolist()):
        others.setdefault(first, []).append(row)
    return [Collapsed(first, tuple(rows[1:])) for first, rows in others.items()]


def _check(threshold: float, max_ratio: float) -> None:
    if not 0 < threshold <= 1:
        raise UsageError(f"the similarity of duplicates is {threshold:g}; give more than 0 and at most 1")
    if not max_ratio >= 1:
        raise UsageError(f"the ratio of durations of duplicates is {max_ratio:g}; give at least 1")


def _families(leader: Rows) -> Iterator[Rows]:
    """Yield the rows of each leader that has others, itself first."""
    order = np.argsort(leader, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(leader[order])) + 1):
        if len(rows) > 1:
            yield rows


def _group(order: Rows, rows: Rows, scores: npt.NDArray[np.float64]) -> Group:
    ranked = sorted(rows.tolist(), key=lambda row: (row != rows[0], -scores[row], order[row]))
    return Group(tuple(int(order[row]) for row in ranked), tuple(float(scores[row]) for row in ranked))


def _lead(
    vectors: Vectors, durations_s: Durations, threshold: float, max_ratio: float, *, is_sorted: bool
) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Give every row its leader, the first row near it that has none of its own, or itself; and the cosine with it.

    Only sounds that last about as long are compared; among them, a sketch of the vectors rules out nearly all pairs.
    """
    n = len(vectors)
    sketches, leader, scores = _sketch(vectors), np.arange(n), np.ones(n)
    for first in range(0, n, _BLOCK):
        end = n
        if is_sorted:  # durations fall: what is too short for the last of the block is too short for all of it
            shortest_s = durations_s[min(n, first + _BLOCK) - 1] / max_ratio
            end = int(np.searchsorted(-durations_s, -shortest_s, "right"))
        block = _without_leader(leader, first, min(n, first + _BLOCK))
        for start in range(first, end, _BAND):  # the first band settles which rows of the block lead
            band = _without_leader(leader, start, min(end, start + _BAND))
            some, others = np.nonzero(sketches[block] @ sketches[band].T >= threshold - _ROUNDING)
            rows, columns = block[some], band[others]
            later = (columns > rows) & _alike(durations_s[rows], durations_s[columns], max_ratio)
            _follow(leader, scores, *_near(vectors, rows[later], columns[later], threshold))
    return leader, scores


def _without_leader(leader: Rows, start: int, end: int) -> Rows:
    return start + np.flatnonzero(leader[start:end] == np.arange(start, end))


def _follow(
    leader: Rows, scores: npt.NDArray[np.float64], rows: Rows, columns: Rows, cosines: npt.NDArray[np.float64]
) -> None:
    """Let columns follow rows, both without a leader yet, the smallest row first; `rows` ascend."""
    ends = np.append(np.flatnonzero(np.diff(rows)) + 1, len(rows)).tolist()
    for start, end in itertools.pairwise([0, *ends] if len(rows) else []):
        row, ours = rows[start], columns[start:end]
        if leader[row] == row:
            free = leader[ours] == ours
            leader[ours[free]], scores[ours[free]] = row, cosines[start:end][free]


def _near(vectors: Vectors, rows: Rows, columns: Rows, threshold: float) -> tuple[Rows, Rows, npt.NDArray[np.float64]]:
    """Keep the pairs whose cosine reaches the threshold, computed pair by pair: BLAS rounds by the shape of a block."""
    pieces = [slice(start, start + _PAIRS) for start in range(0, len(rows), _PAIRS)]
    cosines = np.concatenate([np.zeros(0), *(_cosines(vectors[rows[p]], vectors[columns[p]]) for p in pieces)])
    is_near = cosines >= threshold
    return rows[is_near], columns[is_near], cosines[is_near]


def _cosines(some: Vectors, others: Vectors) -> npt.NDArray[np.float64]:
    return np.asarray(np.einsum("nd,nd->n", some, others, dtype=np.float64), np.float64)


def _alike(some_s: Durations, others_s: Durations, max_ratio: float) -> npt.NDArray[np.bool_]:
    return np.asarray(np.maximum(some_s, others_s) <= max_ratio * np.minimum(some_s, others_s), np.bool_)


def _sketch(vectors: Vectors) -> Vectors:
    """Shorten vectors so that the product of two sketches is never under their cosine.

    The coordinates along the directions that hold most, and the length of what is left: two rests cannot have a
    larger product than that of their lengths (Cauchy and Schwarz).
    """
    if vectors.shape[1] <= _SKETCH_DIM or len(vectors) <= vectors.shape[1]:  # too few to be worth it
        return vectors
    directions = np.linalg.eigh(vectors.T @ vectors)[1][:, -_SKETCH_DIM:].astype(np.float32)
    kept = vectors @ directions
    rest = np.sqrt(np.maximum(0, 1 - np.square(kept).sum(axis=1, dtype=np.float64)))
    return np.column_stack([kept, rest.astype(np.float32)])


# --- of a library ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """One content of a group of near-duplicates.

    Attributes
    ----------
    path : Path
        The first sound that holds it.
    duration_s : float
    score : float
        Cosine with the group's first member.
    n_copies : int
        How many more sounds hold just this.
    """

    path: Path
    duration_s: float
    score: float
    n_copies: int


@dataclass(frozen=True)
class Duplicates:
    """What a library holds more than once.

    Attributes
    ----------
    exact : tuple of tuple of Path
        The files of each content that several hold, by path.
    near : tuple of tuple of Member
        Contents that sound alike, largest group first; empty if they were not asked for.
    """

    exact: tuple[tuple[Path, ...], ...]
    near: tuple[tuple[Member, ...], ...]


@dataclass(frozen=True)
class _Sounds:
    """The sounds of a library by path; n is their number, m that of the contents."""

    paths: list[Path]
    numbers: Rows  # shape (n,), the row of each sound's content in `vectors`
    durations_s: Durations  # shape (n,)
    vectors: Vectors  # shape (m, dim)


def find(
    reading: Finding,
    *,
    exact_only: bool = False,
    threshold: float = THRESHOLD,
    max_ratio: float = MAX_DURATION_RATIO,
) -> Duplicates:
    """Find the duplicates of a library; sounds in folders that are not there now count, missing ones do not.

    Parameters
    ----------
    reading : Finding
    exact_only : bool
        Leave out the near ones.
    threshold, max_ratio : float
        As for `near`.

    Raises
    ------
    UsageError
        If a limit is outside its range.
    LibraryError
        If the library cannot be read.
    """
    _check(threshold, max_ratio)
    sounds = _read(reading)
    copies = exact(sounds.numbers)
    same = tuple(tuple(sounds.paths[row] for row in rows) for rows in copies)
    if exact_only:
        return Duplicates(same, ())
    firsts = np.unique(sounds.numbers, return_index=True)[1]
    vectors = sounds.vectors[sounds.numbers[firsts]]
    groups = near(vectors, sounds.durations_s[firsts], firsts, threshold=threshold, max_ratio=max_ratio)
    n_sounds = np.bincount(sounds.numbers)

    def member(row: int, score: float) -> Member:
        first = int(firsts[row])
        n_copies = int(n_sounds[sounds.numbers[first]]) - 1
        return Member(sounds.paths[first], float(sounds.durations_s[first]), score, n_copies)

    return Duplicates(same, tuple(tuple(map(member, group.members, group.scores)) for group in groups))


def _read(reading: Finding) -> _Sounds:
    stored = [(each.id, each.vectors[0]) for each in reading.embeddings()]
    number_of = {embedding_id: number for number, (embedding_id, _) in enumerate(stored)}
    rows = sorted(reading.sounds(list(number_of)), key=lambda row: row.path)
    vectors = np.stack([vector for _, vector in stored]).astype(np.float32) if stored else np.zeros((0, 1), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # float16 vectors are a little more or less than unit
    return _Sounds(
        [Path(os.fsdecode(row.path)) for row in rows],
        np.array([number_of[row.embedding_id] for row in rows], np.int64),
        np.array([row.duration_s for row in rows], np.float64),
        vectors,
    )
