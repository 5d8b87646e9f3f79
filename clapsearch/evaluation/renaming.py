"""Renaming: a collection whose files are called nothing, to tell what a search owes to names."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from clapsearch import migrate
from clapsearch.embedder import Embedder
from clapsearch.errors import ClapsearchError
from clapsearch.evaluation.collection import Collection
from clapsearch.filesystem import relative
from clapsearch.metadata import METADATA_VERSION, Metadata
from clapsearch.present import printable
from clapsearch.store import Library
from indexer.pipeline import Options, index

# Neutral names are numbers that nobody asks for; a query with a 2 in it would find 00002.wav by its words.
FIRST_NUMBER = 10_001


@contextlib.contextmanager
def renamed(
    collection: Collection, share: float, *, seed: int = 0, work: Path | None = None, n_workers: int = 2
) -> Iterator[Collection]:
    """Give some files neutral names, and take out of all what they say of themselves.

    Titles inside files tell what names hide, so no file keeps its metadata. The sounds are copies in a folder that is
    deleted afterwards, in a library that holds nothing else; they are recognised, so that nothing is embedded again.

    Parameters
    ----------
    share : float
        Of the files that get a neutral name, 0 to 1; the others keep their folders and names. What is renamed with a
        smaller share is renamed with a larger one, too.
    seed : int
        Decides which.
    work : Path, optional
        Where to put the copies: hard links where that folder is on the same disk as the sounds.
    n_workers : int
        Processes that read files.

    Raises
    ------
    ClapsearchError
        If the files cannot be copied, or changed since they were embedded.
    """
    with tempfile.TemporaryDirectory(prefix="clapsearch-renamed-", dir=work) as scratch:
        place = Path(os.path.realpath(scratch))
        paths = _new_paths(collection, os.fsencode(place / "sounds"), share, seed)
        for file, path in zip(_in_order(collection.paths), paths, strict=True):
            _link(file, path)
        migrate.backup(collection.library.path, place / "library.sqlite3")
        with contextlib.closing(Library.open(place / "library.sqlite3")) as library:
            _silence(library)
            _move(library, collection.embedder, place / "sounds", n_workers)
            yield _reordered(collection, library, paths)


def _in_order(paths: Mapping[bytes, int]) -> list[bytes]:
    return sorted(paths, key=paths.__getitem__)


def _new_paths(collection: Collection, folder: bytes, share: float, seed: int) -> list[bytes]:
    """Return the new path of every clip: in a folder that stands for its root, or in that of the neutral names."""
    with collection.library.reading() as reading:
        roots = {root.path: b"%d" % root.id for root in reading.roots()}
    numbers = np.random.default_rng(seed).permutation(len(collection.clips)).tolist()
    n_renamed = round(share * len(numbers))
    return [
        os.path.join(folder, _neutral(file, number) if number < n_renamed else _kept(file, roots))
        for file, number in zip(_in_order(collection.paths), numbers, strict=True)
    ]


def _neutral(file: bytes, number: int) -> bytes:
    return os.path.join(b"neutral", b"%d" % (FIRST_NUMBER + number) + os.path.splitext(file)[1])


def _kept(file: bytes, roots: Mapping[bytes, bytes]) -> bytes:
    root = max((root for root in roots if relative(file, root) is not None), key=len)
    return os.path.join(roots[root], relative(file, root) or b"")


def _link(file: bytes, copy: bytes) -> None:
    """Make a hard link, or a copy where that cannot be."""
    source = os.path.realpath(file)
    try:
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        try:
            os.link(source, copy)
        except OSError:
            shutil.copy2(source, copy)
    except OSError as error:
        raise ClapsearchError(
            f"cannot copy {printable(file)} to give it another name ({error.strerror}); "
            "check free disk space, or choose another disk with --work"
        ) from error


def _silence(library: Library) -> None:
    """Take out of a library what its sounds say of themselves."""
    with library.writing() as writing:
        embedding_ids = [stored.id for stored in writing.embeddings()]
        for content_id in {row.content_id for row in writing.sounds(embedding_ids)}:
            writing.add_tags(content_id, Metadata().to_json(), METADATA_VERSION)


def _move(library: Library, embedder: Embedder, sounds: Path, n_workers: int) -> None:
    """Let a library know the copies, and forget all else: what others are called decides what a word is worth."""
    with library.reading() as reading:
        old = reading.roots()
    report = index(library, embedder, sorted(sounds.iterdir()), Options(video=True, n_workers=n_workers))
    for path, reason in report.failed:
        raise ClapsearchError(f"cannot measure with other names: {printable(path)}: {reason}")
    with library.writing() as writing:
        for root in old:
            writing.forget(root.id, b"")
            writing.drop_root(root.id)


def _reordered(collection: Collection, library: Library, paths: Sequence[bytes]) -> Collection:
    """Return the collection under its new paths, in their order."""
    order = sorted(range(len(paths)), key=lambda i: paths[i])
    return replace(
        collection,
        library=library,
        clips=[collection.clips[i] for i in order],
        vectors=[collection.vectors[i] for i in order],
        durations_s=[collection.durations_s[i] for i in order],
        paths={paths[i]: place for place, i in enumerate(order)},
    )
