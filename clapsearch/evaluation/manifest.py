"""Manifests: csv and jsonl files that say what each sound is, and the published data sets as they are."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.evaluation import layouts
from clapsearch.evaluation.clips import Clip, Manifest, clean, merged
from clapsearch.present import plural, printable

# What further columns mean something to an evaluation; any other can be chosen by, too.
KNOWN = frozenset({"path", "split", "fold", "group", "sha1", "start_s", "end_s"})
Row = dict[str, Any]


def read_manifest(path: Path, audio: Path | None = None) -> Manifest:
    """Read a manifest.

    Parameters
    ----------
    path : Path
        A csv or jsonl file with the columns path, caption (or caption_1, caption_2, ...; in jsonl also a list) and
        label (or labels, separated by ``;``), or a published data set: see `layouts`.
    audio : Path, optional
        The folder that paths start from; by default where the data set has its sounds, else the manifest's folder.

    Raises
    ------
    ClapsearchError
        If it cannot be read.
    UsageError
        If its columns say nothing that can be measured.
    """
    if audio is not None and not audio.is_dir():
        raise ClapsearchError(f"--audio {printable(audio)} is no folder")
    layout = layouts.recognise(path)
    if layout is not None:
        folder = Path(os.path.abspath(audio or layout.audio))
        return Manifest(layout.name, folder, merged(layout.clips(folder)))
    rows = list(_rows(path))
    notes = _check(path, rows)
    clips = merged(_clip(path, number, row) for number, row in rows)
    return Manifest(path.name, Path(os.path.abspath(audio or path.parent)), clips, notes)


def _rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield line number and row."""
    read = _read_jsonl if path.suffix.lower() in {".jsonl", ".ndjson"} else _read_csv
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from read(file)
    except (OSError, ValueError, csv.Error) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        reason = error.strerror if isinstance(error, OSError) else error
        raise ClapsearchError(f"cannot read {printable(path)}: {reason}; give a csv or jsonl file in UTF-8") from error


def _read_csv(file: Any) -> Iterator[tuple[int, Row]]:
    reader = csv.DictReader(file, restkey="", restval="")
    for row in reader:
        row.pop("", None)  # fields beyond the header
        yield reader.line_num, row


def _read_jsonl(file: Any) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number} is not JSON ({error.msg})") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no JSON object")
            yield number, row


def _check(path: Path, rows: Sequence[tuple[int, Row]]) -> list[str]:
    """Refuse columns that say nothing; return notes on the others."""
    if not rows:
        raise UsageError(f"{printable(path)} has no rows; a manifest has a line for every sound")
    columns = list(dict.fromkeys(str(name) for _, row in rows for name in row))
    there = printable(", ".join(columns))
    if "path" not in columns:
        raise UsageError(f"{printable(path)} has no column path; it has {there}")
    if not any(_is_caption(name) or _is_label(name) for name in columns):
        raise UsageError(f"{printable(path)} has neither a column caption nor label; it has {there}")
    unknown = [name for name in columns if not (name in KNOWN or _is_caption(name) or _is_label(name))]
    notes = [f"columns that mean nothing here but to --where: {printable(', '.join(unknown))}"] if unknown else []
    n_empty = sum(1 for _, row in rows if any(map(_is_caption, columns)) and not _texts(row, _is_caption))
    notes += [f"{plural(n_empty, 'row')} without a caption"] if n_empty else []
    return notes


def _clip(path: Path, number: int, row: Row) -> Clip:
    name = row["path"] if isinstance(row.get("path"), str) else ""
    if not name.strip() or "\0" in name:
        raise ClapsearchError(f"{printable(path)}, line {number}: no path")
    texts = {key: str(value).strip() for key, value in row.items() if isinstance(value, str | int | float)}
    columns = {
        key: text for key, text in texts.items() if text and not (key == "path" or _is_caption(key) or _is_label(key))
    }
    return Clip(name, _texts(row, _is_caption), _texts(row, _is_label), columns)


def _is_caption(column: str) -> bool:
    return column in {"caption", "captions"} or (column.startswith("caption_") and column[8:].isdigit())


def _is_label(column: str) -> bool:
    return column in {"label", "labels"}


def _texts(row: Row, is_wanted: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the texts of some columns, white space tidied, each once."""
    found: list[str] = []
    for column, value in row.items():
        if is_wanted(column):
            separator = ";" if column == "labels" else None
            values = value if isinstance(value, list) else str(value or "").split(separator) if separator else [value]
            found += [words for text in values if (words := clean(str(text or "")))]
    return tuple(dict.fromkeys(found))
