"""Hits as a project of REAPER: each one an item that starts at its moment. A pure function.

The format is lines of words, nested by ``<`` and ``>``; a word with blanks stands in one of three quotes, and nothing
escapes a quote.
"""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from clapsearch.media import is_media
from clapsearch.outputs import Export, fitting, line_problem
from clapsearch.present import printable

if TYPE_CHECKING:
    from clapsearch.search import Hit

_QUOTES = "\"'`"
# REAPER's names of its readers; its WAVE reads AIFF and the 64-bit kinds too.
_SOURCES = {b".mp3": "MP3", b".mp2": "MP3", b".flac": "FLAC", b".wv": "WAVPACK", b".opus": "OPUS"}
_SOURCES |= dict.fromkeys((b".ogg", b".oga"), "VORBIS")
# The oldest version that may read it; a newer one than REAPER's own would make it ask.
_VERSION = '0.1 "6.0" 0'


def reaper_project(
    hits: "Sequence[Hit]", *, sr: int = 48_000, track_each: bool = False, gap_s: float = 1.0, title: str = "clapsearch"
) -> Export:
    """Lay out hits one after the other in time, best first.

    Parameters
    ----------
    hits : sequence of Hit
    sr : int
        Sample rate of the project in Hz.
    track_each : bool
        Give every hit a track of its own, named after its file, instead of one for all.
    gap_s : float
        Silence between two items, in seconds.
    title : str
        The name of the one track, such as the query.

    Returns
    -------
    Export
        A .rpp file; its notices tell of paths that REAPER cannot be told.
    """
    fit, notices = fitting(hits, "a REAPER project", _problem)
    items, position_s = [], 0.0
    for hit in fit:
        items.append((hit.path.name, list(_item(hit, position_s))))
        position_s += hit.end_s - hit.start_s + gap_s
    if track_each:
        tracks = [line for name, item in items for line in _track(name, item)]
    else:
        tracks = list(_track(title, [line for _, item in items for line in item]))
    lines = [f"<REAPER_PROJECT {_VERSION}", f"  SAMPLERATE {sr} 1 0", *_indented(tracks), ">"]
    return Export("\n".join(lines) + "\n", notices)


def quoted(text: str) -> str:
    """Return a word of the format; with all three quotes in it, backticks become apostrophes, as REAPER has it."""
    for quote in _QUOTES:
        if quote not in text:
            return f"{quote}{text}{quote}"
    return "`{}`".format(text.replace("`", "'"))


def source_type(path: str | os.PathLike[str]) -> str:
    """Return which of REAPER's readers a file is for, by its suffix."""
    suffix = os.path.splitext(os.fsencode(path))[1].lower()
    return _SOURCES.get(suffix, "VIDEO" if is_media(path) else "WAVE")


def _problem(path: str) -> str | None:
    if all(quote in path for quote in _QUOTES):
        return "its path holds all of \" ' `"
    return line_problem(path)


def _track(name: str, items: Sequence[str]) -> Iterator[str]:
    yield "<TRACK"
    yield f"  NAME {quoted(printable(name))}"
    yield from _indented(items)
    yield ">"


def _item(hit: "Hit", position_s: float) -> Iterator[str]:
    yield "<ITEM"
    yield f"  POSITION {position_s:.6f}"
    yield f"  LENGTH {hit.end_s - hit.start_s:.6f}"
    yield "  LOOP 0"
    yield f"  NAME {quoted(hit.path.name)}"
    yield f"  SOFFS {hit.start_s:.6f}"
    yield f"  <SOURCE {source_type(hit.path)}"
    yield f"    FILE {quoted(os.fspath(hit.path))}"
    yield "  >"
    yield ">"


def _indented(lines: Sequence[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
