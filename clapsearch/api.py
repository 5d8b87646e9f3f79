"""The Python door: open a library, index folders, ask questions.

::

    import clapsearch

    with clapsearch.open("sounds.sqlite3", checkpoint="mini") as session:
        session.index(["Sounds"])
        for hit in session.search("rain on a tin roof"):
            print(hit.score, hit.path, hit.start_s)
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from clapsearch.errors import LibraryMissingError, QueryError, UnreadableError, UsageError
from clapsearch.filesystem import is_there
from clapsearch.settings import RESCAN_S, Settings, resolve

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from clapsearch.audio import AudioInfo
    from clapsearch.duplicates import Duplicates
    from clapsearch.embedder import Checkpoint, Embedder
    from clapsearch.evaluation.evaluation import Evaluation
    from clapsearch.explanation import Reason
    from clapsearch.mel import LogMel
    from clapsearch.query import Query
    from clapsearch.search import Hit
    from clapsearch.status import Status
    from clapsearch.store import Library
    from clapsearch.timeline import Timeline
    from clapsearch.vocabulary import Description
    from indexer.faults import Check, Verification
    from indexer.pipeline import Options
    from indexer.report import Entry, Progress, Report

# A watcher's batches are short: `index` waits for one rather than fail.
WRITER_WAIT_S = 10.0
AnyPath = str | os.PathLike[str]


def open(  # noqa: A001 (clapsearch.open mirrors gzip.open)
    library: AnyPath | None = None, *, checkpoint: str | None = None, device: str = "auto", offline: bool = False
) -> "Session":
    """Open a library; the first `Session.index` makes it if it is not there.

    Parameters
    ----------
    library : path-like, optional
        The library file; by default CLAPSEARCH_LIBRARY, else the one in the user's data folder.
    checkpoint : str, optional
        Hub id (``ID`` or ``ID@REVISION``), folder, or ``mini``; chooses only for a new library.
    device : str
        ``auto``, ``cuda``, ``mps`` or ``cpu``.
    offline : bool
        Never ask the hub.

    Returns
    -------
    Session
        A context manager.
    """
    path = Path(library) if library is not None else None
    return Session(resolve(library=path, checkpoint=checkpoint, device=device, offline=offline))


def evaluate(
    manifest: AnyPath,
    *,
    audio: AnyPath | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
    checkpoint: str | None = None,
    templates: Sequence[str] | None = None,
    probe: bool = False,
    work: AnyPath | None = None,
    device: str = "auto",
    offline: bool = False,
) -> "Evaluation":
    """Measure how well a checkpoint finds the sounds of a manifest, through the search that users get.

    Parameters
    ----------
    manifest : path-like
        A csv or jsonl file, or a published data set; see `clapsearch.evaluation.manifest.read_manifest`.
    audio : path-like, optional
        Where its paths start.
    where : mapping, optional
        Column to the values to choose sounds by, as in ``{"split": ["dev"]}``.
    templates : sequence of str, optional
        Prompts of the zero-shot classification, ``{}`` for the label.
    probe : bool
        Train a linear probe, too; needs scikit-learn.
    work : path-like, optional
        A folder that keeps the embeddings for the next run.
    checkpoint, device, offline
        As for `open`.

    Raises
    ------
    ClapsearchError
        One line that says what to do.
    """
    from clapsearch.evaluation.prompts import SOUND_OF
    from clapsearch.evaluation.run import Bench, Request

    request = Request(
        manifest=absolute(manifest),
        audio=absolute(audio) if audio is not None else None,
        where=where or {},
        templates=templates or (SOUND_OF,),
        work=absolute(work) if work is not None else None,
        n_workers=n_workers(None),
    )
    with Bench(resolve(checkpoint=checkpoint, device=device, offline=offline), request) as bench:
        return bench.evaluate(probe=probe)


class Session:
    """A library and the model that belongs to it; both open when they are first needed.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._library: Library | None = None
        self._embedder: Embedder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the library; the session opens it again when asked."""
        if self._library is not None:
            self._library.close()
            self._library = None

    def index(
        self,
        folders: AnyPath | Sequence[AnyPath] = (),
        *,
        exclude: Sequence[str] | None = None,
        video: bool | None = None,
        full: bool = False,
        repair: bool = False,
        retry_failed: bool = False,
        metadata: bool = False,
        workers: int | None = None,
        batch_size: int | None = None,
        on_progress: "Callable[[Progress], None]" = lambda progress: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> "Report":
        """Bring the library up to date with folders, or with all known ones.

        Parameters
        ----------
        folders : path-like or sequence of path-like
            Added as roots if they are new; without any, all roots are walked.
        exclude : sequence of str, optional
            Globs that the named roots leave out from now on.
        video : bool, optional
            Whether the named roots take the sound of video files from now on.
        full : bool
            Embed everything again; with another checkpoint, change over to it.
        repair : bool
            First drop what is damaged in the library, so that it is made anew.
        retry_failed : bool
            Look again at files that failed, though they did not change.
        metadata : bool
            Read the metadata of all sounds again, without embedding.
        workers : int, optional
            Decode processes; by default half the cores, at least 2.
        batch_size : int, optional
            Windows in one forward pass; by default 1 on a CPU, 64 elsewhere.
        on_progress, should_stop : callable
            See `indexer.pipeline.index`.

        Returns
        -------
        Report

        Raises
        ------
        ClapsearchError
            One line that says what to do; see `clapsearch.errors`.
        """
        from clapsearch.choice import embedder_for_index
        from indexer.pipeline import index
        from indexer.plan import check_folders

        paths = _paths(folders)
        check_folders(paths)
        if not paths and self._active() is None:
            raise UsageError("the library has no folders yet; name one: clapsearch index FOLDER")
        embedder = embedder_for_index(self.settings, self._active(), full=full, batch_size=batch_size)
        choices = {"full": full, "repair": repair, "retry_failed": retry_failed, "metadata": metadata}
        options = _options(exclude=exclude, video=video, workers=workers, **choices)
        library = self._open(create=True)
        report = index(library, embedder, paths, options, on_progress=on_progress, should_stop=should_stop)
        self._embedder = None  # the library may have another checkpoint now
        return report

    def watch(
        self,
        folders: AnyPath | Sequence[AnyPath] = (),
        *,
        exclude: Sequence[str] | None = None,
        video: bool | None = None,
        workers: int | None = None,
        rescan_s: float = RESCAN_S,
        rescan_only: bool = False,
        on_entry: "Callable[[Entry], None]" = lambda entry: None,
        say: Callable[[str], None] = lambda line: None,
        should_stop: Callable[[], bool],
    ) -> None:
        """Keep the library up to date with folders while they change, until `should_stop`.

        Parameters
        ----------
        rescan_s : float
            Seconds from one look at everything to the next; events in between come sooner.
        rescan_only : bool
            Use no events.
        exclude, video, workers
            As for `index`.
        on_entry, say, should_stop : callable
            See `indexer.watch.watch`.

        Raises
        ------
        ClapsearchError
            If it cannot start; what goes wrong later is said and tried again.
        """
        from clapsearch.choice import embedder_for_index
        from indexer.plan import check_folders
        from indexer.watch import Pace, watch

        paths = _paths(folders)
        if self._active() is None:  # before a library is made, or a checkpoint looked for
            check_folders(paths)
            if not paths:
                raise UsageError("the library has no folders yet; name one: clapsearch watch FOLDER")
        # Is the checkpoint there, and the right one? Asked before a library is made.
        embedder_for_index(self.settings, self._active(), full=False, batch_size=None)

        def open_embedder() -> "Embedder":
            active = self._active()
            settings = replace(self.settings, checkpoint=None) if active else self.settings
            return embedder_for_index(settings, active, full=False, batch_size=None)

        options = _options(exclude=exclude, video=video, workers=workers)
        pace, library = Pace(rescan_s, rescan_only), self._open(create=True)
        watch(library, open_embedder, paths, options, pace, on_entry=on_entry, say=say, should_stop=should_stop)

    def search(
        self,
        query: "str | Query",
        *,
        mode: str = "hybrid",
        top_k: int = 10,
        include_offline: bool = False,
        collapse: bool = True,
        exact: bool = False,
    ) -> "list[Hit]":
        """Find sounds by words, sounds and filters.

        Parameters
        ----------
        query : str or Query
            In the query language: ``"rain on a tin roof -thunder in:Foley dur:<3"``; see `clapsearch.query.parse`.
        mode : str
            ``hybrid``; ``sound``, by what is heard alone; ``words``, by names, folders and metadata alone.
        include_offline : bool
            Find sounds in folders that are not there now, too.
        collapse : bool
            Let the best of sounds that are nearly the same stand for all of them; what filters alone list is never
            folded.
        exact : bool
            Look at every sound, also where an approximate index is faster.

        Returns
        -------
        list of Hit
            Best first, at most `top_k` sounds.

        Raises
        ------
        QueryError
            If the query cannot be read.
        UsageError
            If there is no such mode, or the query asks for what it does not compare.
        AudioError
            If a sound file in it cannot be decoded.
        LibraryMissingError
            If nothing was indexed yet.
        """
        from clapsearch.query import check_top_k, embed
        from clapsearch.search import search

        parsed = _parsed(query)
        check_top_k(top_k)
        library = self._open()
        return search(
            library,
            embed(parsed, self._embed_text, self._embed_file, self._sample) if mode != "words" else None,
            parsed,
            mode=mode,
            top_k=top_k,
            exclude=[absolute(each.file) for each in parsed.likenesses],
            include_offline=include_offline,
            collapse=collapse,
            exact=exact,
        )

    def explain(self, query: "str | Query", hits: "Sequence[Hit]") -> "list[Reason]":
        """Say why each hit of a query came up; see `clapsearch.explanation.Reason`."""
        from clapsearch.explanation import explain

        parsed = _parsed(query)
        return explain(self._open(), parsed, hits, self._embed_text, self._embed_file)

    def saved(self) -> dict[str, str]:
        """Return the searches that were named: name to query."""
        with self._open().reading() as reading:
            return reading.saved()

    def save(self, name: str, query: str | None) -> bool:
        """Name a search, its relative paths made absolute; None forgets the name. Returns whether the name was known.

        Raises
        ------
        UsageError
            If the name is empty.
        QueryError
            If the query cannot be read.
        """
        from clapsearch.query import to_keep

        kept = None if query is None else to_keep(name, query)
        with self._open().writing() as writing:
            return writing.save_search(name, kept)

    def similar(
        self,
        file: AnyPath,
        *,
        top_k: int = 10,
        include_offline: bool = False,
        collapse: bool = True,
        exact: bool = False,
    ) -> "list[Hit]":
        """Find sounds that sound like a file, which need not be indexed; it is not its own result. See `search`.

        Raises
        ------
        AudioError
            If the file cannot be decoded.
        LibraryMissingError
            If nothing was indexed yet.
        """
        from clapsearch.query import Likeness, Query

        query = Query(likenesses=(Likeness(absolute(file)),))
        return self.search(query, top_k=top_k, include_offline=include_offline, collapse=collapse, exact=exact)

    def describe(
        self, file: AnyPath, *, labels: "AnyPath | Sequence[str] | None" = None, top_k: int = 10
    ) -> "list[Description]":
        """Rank texts by how well they describe a file; no library is needed.

        Parameters
        ----------
        labels : path-like or sequence of str, optional
            A file with one label a line, or the labels; by default the built-in vocabulary.

        Raises
        ------
        AudioError
            If the file cannot be decoded.
        """
        from clapsearch.query import check_top_k
        from clapsearch.vocabulary import candidates, describe

        check_top_k(top_k)
        texts = candidates(labels)
        sound = self._embed_file(Path(file))
        return describe(sound, self._questioner(), texts, top_k=top_k)

    def timeline(self, file: AnyPath, query: "str | Query") -> "Timeline":
        """Score a file over time by how well each stretch fits a query; no library is needed.

        Raises
        ------
        AudioError
            If the file cannot be decoded.
        QueryError
            If the query cannot be read, has filters, or says nothing of how it sounds.
        """
        from clapsearch.query import EXAMPLE, embed
        from clapsearch.timeline import of_sound
        from clapsearch.vocabulary import candidates

        parsed = _parsed(query)
        vector = embed(parsed, self._embed_text, self._embed_file, self._sample)
        if vector is None or parsed.criteria:
            raise QueryError(f"moments of one file cannot be filtered; {EXAMPLE}")
        info, log_mel = self._decode(absolute(file))
        return of_sound(log_mel, self._questioner(), vector, duration_s=info.duration_s, texts=candidates(None))

    def duplicates(self, *, exact_only: bool = False, threshold: float | None = None) -> "Duplicates":
        """Find the sounds that are in the library more than once; see `clapsearch.duplicates.find`."""
        from clapsearch.duplicates import THRESHOLD, find

        with self._open().reading() as reading:
            return find(reading, exact_only=exact_only, threshold=THRESHOLD if threshold is None else threshold)

    def status(self) -> "Status":
        """Report roots, counts, checkpoint, sizes and failures.

        Raises
        ------
        LibraryMissingError
            If there is no library.
        """
        from clapsearch.status import read_status
        from indexer.health import read_health

        library = self._open()
        return read_status(library, read_health(library.health))

    def verify(self, *, sample: int = 5, on_check: "Callable[[Check], None]" = lambda check: None) -> "Verification":
        """Check the library against itself and against the files; see `indexer.verify.verify`.

        Parameters
        ----------
        sample : int
            How many sounds to embed again.
        on_check : callable
            Hears of every check once it is done.
        """
        from indexer.verify import verify

        return verify(self._open(upgrade=False), self._questioner, n_sample=sample, on_check=on_check)

    def offline(self) -> list[bytes]:
        """Return the folders with sounds that are not there now."""
        with self._open().reading() as reading:
            return [root.path for root in reading.roots() if not is_there(root.path) and reading.has_sounds(root.id)]

    def folders(self) -> list[str]:
        """Return the names of all folders that hold sounds, each once, sorted."""
        with self._open().reading() as reading:
            return reading.folders()

    def is_empty(self) -> bool:
        """Whether the library has no sound that a search could find."""
        with self._open().reading() as reading:
            return reading.n_vectors() == 0

    def forget(self, path: AnyPath, *, dry_run: bool = False) -> int:
        """Delete what the library knows of a folder or file; see `clapsearch.upkeep.forget`."""
        from clapsearch.upkeep import forget

        return forget(self._open(), absolute(path), dry_run=dry_run)

    def relocate(self, old: AnyPath, new: AnyPath) -> int:
        """Say that a folder is at another path now; see `clapsearch.upkeep.relocate`."""
        from clapsearch.upkeep import relocate

        return relocate(self._open(), absolute(old), absolute(new))

    def backup(self, file: AnyPath, *, force: bool = False) -> int:
        """Copy the library to a file; see `clapsearch.upkeep.back_up`."""
        from clapsearch.upkeep import back_up

        return back_up(self._open(), absolute(file), force=force)

    def _open(self, *, create: bool = False, upgrade: bool = True) -> "Library":
        from clapsearch.store import Library

        if self._library is None:
            self._library = Library.open(self.settings.library, create=create, upgrade=upgrade)
        return self._library

    def _active(self) -> "Checkpoint | None":
        """Return the library's checkpoint; None where there is no library yet."""
        try:
            with self._open().reading() as reading:
                return reading.checkpoint()
        except LibraryMissingError:
            return None

    def _questioner(self) -> "Embedder":
        from clapsearch.choice import embedder_for_questions

        if self._embedder is None:
            self._embedder = embedder_for_questions(self.settings, self._active())
        return self._embedder

    def _embed_text(self, text: str) -> "npt.NDArray[np.float32]":
        vector: npt.NDArray[np.float32] = self._questioner().embed_text([text])[0]
        return vector

    def _sample(self) -> "npt.NDArray[np.float32]":
        """Return some vectors of the library; none where there is no library yet."""
        import numpy as np

        from clapsearch.search import sample

        return sample(self._open()) if self._active() else np.zeros((0, 0), np.float32)

    def _embed_file(self, path: Path) -> "npt.NDArray[np.float32]":
        """Return the vector of a whole file, shape (dim,): the stored one if its bytes are known, without a model."""
        import numpy as np

        from clapsearch.present import naming

        path = absolute(path)
        with naming(path):
            stored = self._stored(_hash(path))
        if stored is not None:
            return stored
        _, log_mel = self._decode(path)
        vectors = self._questioner().embed_audio([log_mel])[0]
        return np.asarray(vectors[0], np.float32)

    def _decode(self, path: Path) -> "tuple[AudioInfo, LogMel]":
        """Return what a file is, and its log-mel by the front end of the model."""
        from clapsearch.present import naming
        from indexer.decode import decode_one

        with naming(path):
            _check_is_file(path)
            return decode_one(os.fsencode(path), self._questioner().front_end)

    def _stored(self, content_hash: bytes) -> "npt.NDArray[np.float32] | None":
        import numpy as np

        if self._active() is None:
            return None
        with self._open().reading() as reading:
            vectors = reading.vectors_of(content_hash, reading.space())
        return None if vectors is None else np.asarray(vectors[0], np.float32)


def _parsed(query: "str | Query") -> "Query":
    from clapsearch.query import parse

    return parse(query) if isinstance(query, str) else query


def _check_is_file(path: Path) -> None:
    if path.exists() and not path.is_file():  # a pipe or device may have no end
        raise UnreadableError("not a regular file")


def _hash(path: Path) -> bytes:
    from indexer.worker import hash_content

    _check_is_file(path)
    return hash_content(os.fsencode(path))


def _paths(folders: AnyPath | Sequence[AnyPath]) -> list[Path]:
    several = [folders] if isinstance(folders, str | os.PathLike) else folders
    return [_expanded(folder) for folder in several]


def _expanded(path: AnyPath) -> Path:
    if os.fspath(path) == "":  # Path("") is the current folder: nobody means that
        raise UsageError("a path is empty; an unset variable?")
    return Path(os.path.expanduser(path))  # unlike Path.expanduser, it takes the name of a user that is not there


def absolute(path: AnyPath) -> Path:
    """Return a path that means the same from every current folder; links in it stay.

    Raises
    ------
    UsageError
        If it is empty.
    """
    return Path(os.path.abspath(_expanded(path)))


def _options(*, workers: int | None, **choices: Any) -> "Options":
    from indexer.pipeline import Options

    return Options(n_workers=n_workers(workers), wait_s=WRITER_WAIT_S, **choices)


def n_workers(chosen: int | None) -> int:
    """Return how many decode processes to run: the user's choice, or half the cores, at least 2."""
    return chosen or max(2, (os.cpu_count() or 2) // 2)
