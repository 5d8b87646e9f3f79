"""A collection: the clips of a manifest in a library of their own, made by the pipeline that users run."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.choice import embedder_for_measuring
from clapsearch.embedder import Embedder
from clapsearch.errors import ClapsearchError
from clapsearch.evaluation.clips import Clip, Manifest
from clapsearch.filesystem import relative
from clapsearch.mel import FrontEnd
from clapsearch.present import plural, printable
from clapsearch.search import search
from clapsearch.settings import DEFAULT_CHECKPOINT, Settings
from clapsearch.store import Library
from clapsearch.weights import locate, weights_hash
from indexer.pipeline import Options, index
from indexer.report import Progress


@dataclass(frozen=True)
class Collection:
    """Clips with their embeddings.

    Attributes
    ----------
    library : Library
        Holds the clips, and perhaps other sounds.
    embedder : Embedder
    clips : list of Clip
        Those that have an embedding, in the order in which a search shows equal scores.
    vectors : list of np.ndarray, each shape (n, dim), float32
        The embedding of each clip: the whole first, then its moments.
    durations_s : list of float
    missing : list of str
        Paths of the manifest where no sound file is.
    failed : list of (path, reason)
        Files that could not be embedded.
    """

    library: Library
    embedder: Embedder
    clips: list[Clip]
    vectors: list[npt.NDArray[np.float32]]
    durations_s: list[float]
    paths: dict[bytes, int]
    missing: list[str]
    failed: list[tuple[str, str]]

    def search(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Search for each vector, the way users do, until every clip is found; scores of shape (n_queries, n_clips)."""
        with self.library.reading() as reading:
            n_sounds = reading.counts().sounds
        scores = np.full((len(vectors), len(self.clips)), -np.inf)
        for row, vector in enumerate(vectors):
            for hit in search(self.library, vector, top_k=n_sounds, include_offline=True):
                column = self.paths.get(os.fsencode(hit.path))
                if column is not None:
                    scores[row, column] = hit.score
        return scores


@contextlib.contextmanager
def collect(
    manifest: Manifest,
    clips: Sequence[Clip],
    settings: Settings,
    work: Path,
    *,
    adapt: Callable[[FrontEnd], FrontEnd] = lambda front_end: front_end,
    n_workers: int = 2,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Iterator[Collection]:
    """Embed clips, or find the embeddings that an earlier run left in `work`.

    Parameters
    ----------
    work : Path
        A folder for the libraries, one for each checkpoint and front end.
    adapt : callable
        Changes the checkpoint's front end, to measure what that does.

    Raises
    ------
    ClapsearchError
        If no clip is there, or none can be embedded.
    """
    files = {os.fsencode(manifest.file(clip)): clip for clip in clips}
    there = {path: clip for path, clip in files.items() if os.path.isfile(path)}
    if not there:
        raise ClapsearchError(_nothing_there(manifest, files))
    embedder = embedder_for_measuring(settings, adapt)
    with contextlib.closing(Library.open(work / _name(settings, embedder.front_end), create=True)) as library:
        options = Options(n_workers=n_workers, retry_failed=True, video=True)
        report = index(
            library,
            embedder,
            _folders(manifest, there),
            options,
            is_ready=lambda path, file: path in there,
            on_progress=on_progress,
        )
        failed = {path: reason for path, reason in report.failed if path in there}
        yield _collection(library, embedder, files, there, failed)


def _collection(
    library: Library, embedder: Embedder, files: dict[bytes, Clip], there: dict[bytes, Clip], failed: dict[bytes, str]
) -> Collection:
    with library.reading() as reading:
        stored = {found.id: found.vectors for found in reading.embeddings()}
        rows = sorted((row for row in reading.sounds(list(stored)) if row.path in there), key=lambda row: row.path)
    if not rows:
        reason = next(iter(failed.values()), "none of them is a sound file by its name")
        raise ClapsearchError(f"no sound of the manifest could be embedded; the first: {reason}")
    embedded = {row.path for row in rows}
    unknown = dict.fromkeys(there.keys() - embedded - failed.keys(), "no sound file by its name")
    return Collection(
        library=library,
        embedder=embedder,
        clips=[files[row.path] for row in rows],
        vectors=[stored[row.embedding_id].astype(np.float32) for row in rows],
        durations_s=[row.duration_s for row in rows],
        paths={row.path: i for i, row in enumerate(rows)},
        missing=[clip.path for path, clip in files.items() if path not in there],
        failed=sorted((files[path].path, reason) for path, reason in (failed | unknown).items()),
    )


def _folders(manifest: Manifest, files: Mapping[bytes, Clip]) -> list[Path]:
    """Return where to look: the audio folder, and for files that are not in it, theirs."""
    audio = os.fsencode(manifest.audio)
    folders = {os.path.dirname(path) if relative(path, audio) is None else audio for path in files}
    return [Path(os.fsdecode(folder)) for folder in sorted(folders)]


def _name(settings: Settings, front_end: FrontEnd) -> str:
    """Name the library of one checkpoint and front end: embeddings of others never mix with it."""
    weights = weights_hash(locate(settings.checkpoint or DEFAULT_CHECKPOINT, offline=settings.offline))
    return hashlib.sha256(f"{weights} {front_end.identity}".encode()).hexdigest()[:16] + ".sqlite3"


def _nothing_there(manifest: Manifest, files: dict[bytes, Clip]) -> str:
    example = printable(next(iter(files), b""))
    return (
        f"none of the {plural(len(files), 'sound')} of {printable(manifest.name)} is there, such as {example}; "
        "say where they are with --audio DIR"
    )
