"""The read path: a query and its unit vector in, the best sounds out. It never writes."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.approximate import open_approximate
from clapsearch.candidates import Candidates, Vector
from clapsearch.duplicates import collapse as collapse_near
from clapsearch.errors import UsageError
from clapsearch.filesystem import is_there
from clapsearch.mel import moment_hop_s
from clapsearch.orders import DEPTH, Orders, orders_of
from clapsearch.query import Query
from clapsearch.ranking import fuse, percentile
from clapsearch.store import Finding, Library, Snapshot, SoundRow
from clapsearch.vectors import MemorySegment, Segment, SnapshotSegment, VectorIndex, Vectors, open_snapshot

ANYTHING = Query()
MODES = ("hybrid", "sound", "words")
MAX_MOMENTS = 10  # of one sound


@dataclass(frozen=True)
class Moment:
    """A stretch of a sound, and its cosine to the query."""

    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class Hit:
    """One search result.

    Attributes
    ----------
    rank : int
        From 1, the order shown.
    score : float
        Cosine, higher is better; not a number where nothing was compared by sound.
    path : Path
        Absolute.
    start_s, end_s : float
        The best moment; the whole sound if it is no longer than one window.
    duration_s : float
    is_offline : bool
        The folder that holds it is not there now.
    sr : int
        Hz.
    channels : int
    moments : tuple of Moment
        Of a long sound, those that do not overlap, best first.
    standing : float or None
        The share of ordinary texts to which nothing in the library comes as near, 0 to 1. None where it is not known,
        and for a query with like: or with an unwanted part, whose cosines are on other scales than those of a text.
    places : mapping of str to int
        Its rank by ``sound`` and by ``words``, where it has one; ``name`` if it is called what was asked for.
    namesakes : float or None
        Its cosine to the mean of the sounds that say most of the query, where these had a say in the order by sound.
    takes : tuple of Path
        Sounds that are nearly the same, for which this one stands, as they were ranked.
    sound_id, embedding_id : int
        In the library.
    """

    rank: int
    score: float
    path: Path
    start_s: float
    end_s: float
    duration_s: float
    is_offline: bool = False
    sr: int = 0
    channels: int = 0
    moments: tuple[Moment, ...] = ()
    standing: float | None = None
    places: Mapping[str, int] = field(default_factory=dict)
    namesakes: float | None = None
    takes: tuple[Path, ...] = ()
    sound_id: int = 0
    embedding_id: int = 0


def search(
    library: Library,
    vector: Vector | None,
    query: Query = ANYTHING,
    *,
    mode: str = "hybrid",
    top_k: int = 10,
    exclude: Sequence[Path] = (),
    include_offline: bool = False,
    collapse: bool = False,
    exact: bool = False,
) -> list[Hit]:
    """Find the sounds that fit a query best.

    Parameters
    ----------
    vector : np.ndarray, shape (dim,), float32, unit norm, or None
        What to sound like; None asks for words or filters only.
    query : Query
        Its words, and what the results have to meet.
    mode : str
        ``sound``: by the vector; ``words``: by names, folders and metadata; ``hybrid``: both orders fused, and sounds
        that say the query teach what to listen for.
    top_k : int
        Number of sounds, at least 1; equal ones are ordered by path.
    exclude : sequence of Path
        Files that are not to be results of themselves.
    include_offline : bool
        Find sounds in folders that are not there now, too.
    collapse : bool
        Let the best of sounds that are nearly the same stand for all of them; what filters alone list is never folded.
    exact : bool
        Use no approximate index; a search with filters never does.

    Raises
    ------
    LibraryError
        If the library cannot be read.
    UsageError
        If there is no such mode, or the query asks for what it does not compare.
    """
    _check(vector, query, mode)
    with library.reading() as reading:
        checkpoint = reading.checkpoint()
        if checkpoint is None:
            return []
        index = open_index(reading, library.snapshots, exact=exact or bool(query.criteria))
        offline = frozenset(root.id for root in reading.roots() if not is_there(root.path))
        scope = reading.scope(query.criteria, without_roots=() if include_offline else tuple(offline))
        candidates = Candidates(reading, index, scope, exclude)
        found, namesakes = _best(candidates, vector, query, mode, top_k, collapse)
        alike = {} if namesakes is None else candidates.scores(namesakes, [each.row for each in found])
        # The background is of plain texts: scores of sounds are on another scale, and what is subtracted lowers them.
        is_plain = query.wanted == query.phrases and not query.likenesses
        background = reading.background() if query.wanted and is_plain else None
        hits = [_hit(each, index, vector, checkpoint.window_s, offline, background) for each in found]
    return [replace(hit, rank=rank, namesakes=alike.get(hit.embedding_id)) for rank, hit in enumerate(hits, start=1)]


def _check(vector: Vector | None, query: Query, mode: str) -> None:
    """Refuse what would be left out without a word."""
    if mode not in MODES:
        raise UsageError(f"--mode is {mode}; it is one of {', '.join(MODES)}")
    if mode == "words" and query.likenesses:
        raise UsageError("--mode words compares words only; leave out like:, or take --mode hybrid")
    if mode == "words" and query.phrases and not query.wanted:
        raise UsageError('--mode words compares words only; say what is wanted, too: "rain -thunder"')
    if query.min_score is not None:
        _check_min_score(query.min_score, vector, query)


def _check_min_score(min_score: float, vector: Vector | None, query: Query) -> None:
    if not -1 <= min_score <= 1:  # nan is not, either
        raise UsageError(f"--min-score is {min_score:g}; it is a cosine, from -1 to 1")
    if vector is None and query.is_sounding:
        raise UsageError("--min-score is a cosine, and --mode words compares none; leave one of them out")
    if vector is None:
        raise UsageError("--min-score is a cosine, and filters alone have none; leave it out, or say how it sounds")


@dataclass(frozen=True)
class _Found:
    row: SoundRow
    places: Mapping[str, int]
    score: float = math.nan
    takes: tuple[SoundRow, ...] = ()


def _best(
    candidates: Candidates, vector: Vector | None, query: Query, mode: str, top_k: int, collapse: bool
) -> tuple[list[_Found], Vector | None]:
    """Return the best sounds, `top_k` unless there are fewer, and what those are like that say most of the query."""
    is_list = vector is None and not query.wanted  # of filters: nothing in it stands for what ranks lower
    depth = max(DEPTH, top_k) if query.wanted and mode != "sound" else top_k
    while True:
        if is_list:
            orders, ranked = Orders({}), [_Found(row, {}) for row in candidates.by_path(depth)]
        else:
            orders = orders_of(candidates, vector, query, mode, depth)
            ranked = _rank(orders)
        fit = _fit(candidates, vector, query.min_score, ranked)
        found = _collapsed(fit, candidates.index) if collapse and not is_list else fit
        if len(found) >= top_k or len(ranked) < depth or (query.min_score is not None and _is_all(fit, orders, depth)):
            return _scored(candidates, vector, found[:top_k]), orders.namesakes
        depth *= 4


def _fit(candidates: Candidates, vector: Vector | None, min_score: float | None, ranked: list[_Found]) -> list[_Found]:
    """Return those whose score is not too low."""
    if min_score is None:
        return ranked
    return [each for each in _scored(candidates, vector, ranked) if each.score >= min_score]


def _is_all(fit: Sequence[_Found], orders: Orders, depth: int) -> bool:
    """Whether all of the lowest score wanted were found: not even all of the nearest by sound have it."""
    return "sound" in orders.by and sum("sound" in each.places for each in fit) < depth


def _scored(candidates: Candidates, vector: Vector | None, found: list[_Found]) -> list[_Found]:
    """Return the same with their cosines to a vector."""
    if vector is None:
        return found
    scores = candidates.scores(vector, [each.row for each in found])
    return [replace(each, score=scores.get(each.row.embedding_id, math.nan)) for each in found]


def _rank(orders: Orders) -> list[_Found]:
    """Return all sounds of the orders, best first."""
    rows = {row.sound_id: row for order in orders.by.values() for row in order.rows}
    fused = fuse(*(order.worth for order in orders.by.values()))
    places = _places(orders)
    found = [_Found(row, places[id_]) for id_, row in rows.items()]
    # What is called exactly so comes first: whoever knows the name wants that file.
    return sorted(found, key=lambda each: ("name" not in each.places, -fused[each.row.sound_id], each.row.path))


def _collapsed(ranked: list[_Found], index: VectorIndex) -> list[_Found]:
    """Keep the best of those that are nearly the same."""
    vectors = index.wholes(np.array([each.row.embedding_id for each in ranked], np.int64))
    durations_s = np.array([each.row.duration_s for each in ranked])
    groups = collapse_near(vectors, durations_s)
    return [replace(ranked[group.row], takes=tuple(ranked[i].row for i in group.others)) for group in groups]


def _places(orders: Orders) -> dict[int, dict[str, int]]:
    """Return the rank of each sound in each order that it is in."""
    places: dict[int, dict[str, int]] = {}
    for name, order in orders.by.items():
        for rank, sound_id in enumerate(order.worth, start=1):
            places.setdefault(sound_id, {})[name] = rank
    return places


def sample(library: Library, n: int = 1_000) -> npt.NDArray[np.float32]:
    """Return some vectors of a library, evenly from all, shape (at most n, dim)."""
    with library.reading() as reading:
        return open_index(reading, library.snapshots, exact=True).sample(n)


def open_index(reading: Finding, folder: Path, *, exact: bool = False) -> VectorIndex:
    """Open the newest snapshot and what is newer; without a usable snapshot, everything comes from the database.

    Parameters
    ----------
    exact : bool
        Leave the approximate index alone, if there is one.
    """
    published, base = reading.newest_snapshot(), None
    if published:
        path = folder / published.name
        base = open_snapshot(path, n_vectors=published.n_vectors, n_bytes=published.n_bytes)
    after_id = published.max_embedding_id if published and base else 0
    newer = MemorySegment(Vectors(stored.id, stored.vectors) for stored in reading.embeddings(after_id=after_id))
    if published is None or base is None:
        return VectorIndex([newer])
    return VectorIndex([base if exact else _hastened(reading, folder, published, base), newer])


def _hastened(reading: Finding, folder: Path, published: Snapshot, base: SnapshotSegment) -> Segment:
    """Return a snapshot with the approximate index beside it, or as it is."""
    tried = reading.approximation()
    if tried is None or tried.tuned is None or tried.snapshot != published.name:
        return base
    tuned = tried.tuned
    return open_approximate(folder / tuned.name, base, n_bytes=tuned.n_bytes, n_probe=tuned.n_probe) or base


def _hit(
    found: _Found,
    index: VectorIndex,
    vector: Vector | None,
    window_s: float,
    offline: frozenset[int],
    background: npt.NDArray[np.float32] | None,
) -> Hit:
    row = found.row
    moments: tuple[Moment, ...] = ()
    if vector is not None:
        moments = tuple(_moments(index.moment_scores(vector, row.embedding_id), row.duration_s, window_s))
    best = moments[0] if moments else Moment(0.0, row.duration_s, found.score)
    return Hit(
        rank=0,
        score=found.score if math.isnan(found.score) else min(1.0, found.score),  # float16 rows are not quite unit
        path=Path(os.fsdecode(row.path)),
        start_s=best.start_s,
        end_s=best.end_s,
        duration_s=row.duration_s,
        is_offline=row.root_id in offline,
        sr=row.sr,
        channels=row.channels,
        moments=moments,
        standing=None if background is None else percentile(background, found.score),
        places=found.places,
        takes=tuple(Path(os.fsdecode(take.path)) for take in found.takes),
        sound_id=row.sound_id,
        embedding_id=row.embedding_id,
    )


def _moments(scores: npt.NDArray[np.float64], duration_s: float, window_s: float) -> Iterator[Moment]:
    """Yield the moments of a long sound that overlap no better one, best first."""
    # The last moment is right-aligned, see mel.moment_starts.
    starts = np.minimum(np.arange(len(scores)) * moment_hop_s(window_s), max(0.0, duration_s - window_s))
    taken: list[float] = []
    for i in np.argsort(-scores, kind="stable").tolist():
        start_s = float(starts[i])
        if all(abs(start_s - other) >= window_s for other in taken):
            taken.append(start_s)
            yield Moment(start_s, min(start_s + window_s, duration_s), min(1.0, float(scores[i])))
        if len(taken) == MAX_MOMENTS:
            return
