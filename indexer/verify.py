"""Verify a library: the file, its vectors, its snapshot, the files on disk, and a sample embedded again. Reads only."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from clapsearch.embedder import Embedder
from clapsearch.errors import LibraryError, UsageError
from clapsearch.present import date, plural, printable
from clapsearch.store import Known, Library, Root
from indexer.faults import Check, Fault, Remedies, Verification
from indexer.integrity import compare_snapshot
from indexer.plan import Plan, make_plan
from indexer.sample import check_sample

SAMPLE = 5  # sounds
MAX_PROBLEMS = 100  # lines that SQLite says about one file
_FEW = 3  # names of many


def verify(
    library: Library,
    embedder: Callable[[], Embedder],
    *,
    n_sample: int = SAMPLE,
    on_check: Callable[[Check], None] = lambda check: None,
) -> Verification:
    """Check all that a library promises; takes no lock and works while others write.

    Parameters
    ----------
    embedder : callable
        Makes the library's embedder; called only to embed a sample.
    n_sample : int
        How many sounds to embed again; 0 for none.
    on_check : callable
        Hears of every check once it is done.

    Raises
    ------
    UsageError
        If `n_sample` is negative.
    ClapsearchError
        If the sample cannot be embedded here, whatever the library is like.
    """
    if n_sample < 0:
        raise UsageError(f"--sample is {n_sample}; 0 embeds none again")
    remedies = _remedies(library)
    checks = []
    for name, check in (
        ("database", lambda: _check_database(library, remedies)),
        ("vectors", lambda: _check_vectors(library, remedies)),
        ("snapshot", lambda: _check_snapshot(library, remedies)),
        ("files", lambda: _check_files(library, remedies)),
        ("sample", lambda: check_sample(library, embedder, n_sample, remedies)),
    ):
        checks.append(_survived(name, check, remedies))
        on_check(checks[-1])
    return Verification(tuple(checks))


def _remedies(library: Library) -> Remedies:
    """Name in the commands what can be read; the checks tell what cannot."""
    try:
        with library.reading() as reading:
            roots, checkpoint = tuple(root.path for root in reading.roots()), reading.checkpoint()
    except _DAMAGE:
        return Remedies(library.path)
    return Remedies(library.path, roots, checkpoint.name) if checkpoint else Remedies(library.path, roots)


# What comes of reading a damaged database: SQLite's own errors, and values of a kind or size that never was written.
_DAMAGE = (LibraryError, TypeError, ValueError, OverflowError)


def _survived(name: str, check: Callable[[], Check], remedies: Remedies) -> Check:
    try:
        return check()
    except _DAMAGE as error:
        reason = str(error).partition(";")[0] if isinstance(error, LibraryError) else f"damaged values ({error})"
        return Check(name, 0, "broken off", (Fault(printable(reason), remedies.restore),))


def _check_database(library: Library, remedies: Remedies) -> Check:
    with library.checking() as checking:
        n_pages, problems = checking.n_pages(), checking.problems(at_most=MAX_PROBLEMS)
        dangling = {} if problems else checking.dangling()  # in a broken file, rows mean nothing
    for (table, parent), row_ids in dangling.items():
        rows = f"{plural(len(row_ids), 'row')} ({_first(map(str, row_ids), len(row_ids))})"
        problems.append(f"{table}: {rows} without the {parent} it belongs to")
    faults = tuple(Fault(printable(problem), remedies.restore) for problem in problems)
    return Check("database", n_pages, f"integrity of {plural(n_pages, 'page')}, foreign keys", faults)


def _check_vectors(library: Library, remedies: Remedies) -> Check:
    n_embeddings = n_vectors = 0
    damaged: list[tuple[int, str]] = []
    with library.checking() as checking:
        for blob in checking.blobs():
            n_embeddings += 1
            n_vectors += blob.n
            if problem := blob.damage():
                damaged.append((blob.id, problem))
        sounds = {row.embedding_id: row.path for row in checking.sounds([id_ for id_, _ in damaged])}
    faults = tuple(_damaged(id_, problem, sounds.get(id_), remedies) for id_, problem in damaged)
    summary = f"{plural(n_embeddings, 'embedding')}, {plural(n_vectors, 'vector')}"
    return Check("vectors", n_embeddings, summary, faults)


def _damaged(embedding_id: int, problem: str, path: bytes | None, remedies: Remedies) -> Fault:
    of = f" of {printable(path)}" if path else ""
    return Fault(f"embedding {embedding_id}{of}: {problem}", remedies.repair, (path,) if path else ())


def _check_snapshot(library: Library, remedies: Remedies) -> Check:
    state = compare_snapshot(library)
    if state.published is None:
        return Check("snapshot", 0, "none yet, searches read the database")
    if state.is_missing:
        note = f"{state.published.name} is not there, as in a backup; made anew by: {remedies.index}"
        return Check("snapshot", 0, "none here, searches read the database", notes=(note,))
    faults = tuple(Fault(problem, remedies.repair) for problem in state.problems)
    n_vectors = state.published.n_vectors
    newer = f", {state.n_newer:,} newer in the database, where searches read them" if state.n_newer else ""
    return Check("snapshot", n_vectors, plural(n_vectors, "vector") + newer, faults)


@dataclass(frozen=True)
class _Differences:
    """Files that are not as the library knows them: paths by what is different, and the roots that are not there."""

    by_kind: Mapping[str, frozenset[bytes]]
    offline: tuple[Root, ...]
    n_files: int


def _check_files(library: Library, remedies: Remedies) -> Check:
    found = _differences(library)
    if any(found.by_kind.values()):
        again = _differences(library)  # what was settled meanwhile is no fault
        both = {kind: paths & again.by_kind[kind] for kind, paths in found.by_kind.items()}
        found = _Differences(both, again.offline, again.n_files)
    faults = tuple(_differing(kind, sorted(paths), remedies) for kind, paths in found.by_kind.items() if paths)
    notes = tuple(f"not checked: {printable(root.path)} is offline{_since(root)}" for root in found.offline)
    return Check("files", found.n_files, plural(found.n_files, "file"), faults, notes)


def _differences(library: Library) -> _Differences:
    with library.reading() as reading:
        roots, space = reading.roots(), reading.space()
    plan = make_plan(library, roots, space)
    n_files = plan.unchanged + plan.still_failed + len(plan.places) + len(plan.returned) + len(plan.gone)
    return _Differences(_by_kind(library, plan, space), tuple(plan.offline), n_files)


def _by_kind(library: Library, plan: Plan, space: list[int]) -> dict[str, frozenset[bytes]]:
    """Sort the candidates of a plan by why they are some."""
    with library.reading() as reading:
        known = {id_: reading.known(id_, space) for id_ in {place.root_id for place in plan.places.values()}}
    kinds: dict[str, set[bytes]] = {kind: set() for kind in ("new", "changed", "not embedded", "unreadable")}
    for path, place in plan.places.items():
        row = known[place.root_id].get(place.relpath)
        if row is None:
            kinds["new"].add(path)
            continue
        before = Known(*row)
        if (place.size, place.mtime_ns) != (before.size, before.mtime_ns):
            kinds["changed"].add(path)
        elif before.failed:  # in passing: a verdict about unchanged bytes needs no look
            kinds["unreadable"].add(path)
        else:
            kinds["not embedded"].add(path)
    kinds["unreadable"] |= {path for path, _ in plan.unreadable}
    kinds |= {"gone": set(plan.gone.values()), "back": set(plan.returned.values())}
    return {kind: frozenset(paths) for kind, paths in kinds.items()}


def _differing(kind: str, paths: list[bytes], remedies: Remedies) -> Fault:
    what = f"{plural(len(paths), 'file')} {kind}: {_first(map(printable, paths), len(paths))}"
    return Fault(what, remedies.index, tuple(paths[:_FEW]))


def _first(names: Iterable[str], n_names: int) -> str:
    """Return a few of many names."""
    few = [name for name, _ in zip(names, range(_FEW), strict=False)]
    return ", ".join(few) + (f" and {n_names - len(few):,} more" if n_names > len(few) else "")


def _since(root: Root) -> str:
    return f" since {date(root.offline_since)}" if root.offline_since else ""
