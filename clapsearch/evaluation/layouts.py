"""Published data sets read as they are distributed, and folders of class folders: which clips, and where they are."""

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from clapsearch.errors import ClapsearchError
from clapsearch.evaluation.clips import Clip, clean
from clapsearch.evaluation.datasets import DATASETS, Dataset, Row, words
from clapsearch.present import plural, printable
from indexer.filters import is_audio
from indexer.walk import File, walk

_HEADER_LIMIT = 1 << 16  # bytes of the first line that are looked at: a file of another kind may have no line ends


@dataclass(frozen=True)
class Layout:
    """A data set whose layout is known.

    Attributes
    ----------
    name : str
        As its authors call it; a folder's own name.
    audio : Path
        The folder where its sounds are after unpacking; absolute.
    clips : callable
        Takes the folder of the sounds, which may be another. Returns the clips, one a row, with paths relative to that
        folder: of the file there, whatever its suffix, else of the name its authors gave it. ClapsearchError, with file
        and line, if a table cannot be read.
    """

    name: str
    audio: Path
    clips: Callable[[Path], list[Clip]]


def recognise(path: Path) -> Layout | None:
    """Return the layout of a table or folder, told by the header or first row and never by a name alone.

    A folder may be a published data set's, with what it is evaluated on, or hold a folder of sounds for every class,
    such as GTZAN's ``genres``. None for our own manifests, and for whatever else is no published data set.
    """
    names = sorted({name for dataset in DATASETS for name in dataset.tables})
    tables = [path / name for name in names] if path.is_dir() else [path]
    found = {table: dataset for table in tables if (dataset := _dataset(table))}
    if not found:
        return _class_folders(path) if path.is_dir() else None
    dataset = next(iter(found.values()))
    tables = [table for table, its in found.items() if its is dataset]
    return Layout(dataset.name, _audio(dataset, tables), partial(_dataset_clips, dataset, tables))


def _dataset(table: Path) -> Dataset | None:
    if not table.is_file():  # what comes through a pipe can be read only once
        return None
    try:
        with table.open("rb") as file:
            first = next(csv.reader([file.readline(_HEADER_LIMIT).decode("utf-8-sig")]), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    return next((dataset for dataset in DATASETS if dataset.begins_with(first)), None)


def _audio(dataset: Dataset, tables: Iterable[Path]) -> Path:
    """Return the folder that holds the sounds of all tables."""
    folders = []
    for table in tables:
        split = table.stem.rpartition("_")[2]
        places = [table.parent / name.format(split=split) for name in dataset.audio]
        folders.append(os.path.abspath(next((place for place in places if place.is_dir()), table.parent)))
    return Path(os.path.commonpath(folders))


def _dataset_clips(dataset: Dataset, tables: Sequence[Path], audio: Path) -> list[Clip]:
    clips, stems = [], dict[str, list[str]]()
    for clip, others in _read(dataset, tables):
        clips.append(clip)
        # Rows of one sound may each have a name for it: any of them will do for all.
        stems.setdefault(clip.path, [_stem(clip.path)]).extend(others)
    there = {dataset.key(_stem(path)): path for path in reversed(_sounds(audio))}
    paths = {
        path: next((there[key] for key in map(dataset.key, names) if key in there), path)
        for path, names in stems.items()
    }
    return [replace(clip, path=paths[clip.path]) for clip in clips]


def _class_folders(path: Path) -> Layout | None:
    folder = Path(os.path.abspath(path))
    classes = {clip.labels for clip in _class_clips(folder)}
    return Layout(folder.name, folder, _class_clips) if len(classes) > 1 else None


def _class_clips(audio: Path) -> list[Clip]:
    """Return the sounds in the folders below, each labelled with the name of the folder it lies in."""
    labels = {path: words(os.path.basename(os.path.dirname(path))) for path in _sounds(audio)}
    return [Clip(path, labels=_texts([label])) for path, label in labels.items() if label]


def _sounds(folder: Path) -> list[str]:
    """Return the sounds below a folder, relative to it: by path, videos last."""
    found = [each.relpath for each in walk(os.fsencode(os.path.abspath(folder)), video=True) if isinstance(each, File)]
    return [os.fsdecode(relpath) for relpath in sorted(found, key=lambda each: (not is_audio(each), each))]


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _read(dataset: Dataset, tables: Iterable[Path]) -> Iterator[tuple[Clip, Iterable[str]]]:
    """Yield for every row its clip and the further names of its sound."""
    for table in tables:
        for number, row in _rows(dataset, table):
            try:
                clip, stems = dataset.clip(row), dataset.other_stems(row)
            except ValueError as error:
                raise _unreadable(table, number, str(error)) from error
            clip = replace(clip, captions=_texts(clip.captions), labels=_texts(clip.labels))
            if not (clip.captions or clip.labels):
                raise _unreadable(table, number, "it says nothing about its sound")
            yield clip, stems


def _texts(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(filter(None, map(clean, texts)))


def _rows(dataset: Dataset, table: Path) -> Iterator[tuple[int, Row]]:
    """Yield the number of the line where a row begins, and the row by column."""
    reader = csv.reader(io.StringIO(_text(table), newline=""), strict=True)
    columns: Sequence[str] = dataset.columns if dataset.first_row else next(reader)
    number = reader.line_num + 1
    try:
        for fields in reader:
            if len(fields) == len(columns):
                row = dict(zip(columns, fields, strict=True))
                if not row[dataset.columns[0]].strip():
                    raise _unreadable(table, number, f"no {dataset.columns[0]}")
                yield number, row
            elif fields:
                raise _unreadable(table, number, f"{plural(len(fields), 'field')}, not {len(columns)}")
            number = reader.line_num + 1
    except csv.Error as error:
        raise _unreadable(table, number, str(error)) from error


def _text(table: Path) -> str:
    try:
        raw = table.read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise ClapsearchError(f"cannot read {printable(table)}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _unreadable(table, raw.count(b"\n", 0, error.start) + 1, "it is not UTF-8 text") from error


def _unreadable(table: Path, number: int, reason: str) -> ClapsearchError:
    return ClapsearchError(
        f"cannot read {printable(table)}, line {number}: {printable(reason)}; mend it, or download the table again"
    )
