"""Everything that is known of one file: lines for reading, a record for programs. Pure functions."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from clapsearch.audio import AudioInfo
from clapsearch.metadata.record import Metadata
from clapsearch.metadata.ucs import UcsName
from clapsearch.present import path_record, plural, printable, size

MAX_LINES = 40


def listing(path: str | os.PathLike[str], n_bytes: int, info: AudioInfo, told: Metadata, ucs: UcsName | None) -> str:
    """Lay out a file for reading, a line for each thing known.

    Parameters
    ----------
    path : path-like
    n_bytes : int
        Size of the file.
    info : AudioInfo
    told : Metadata
    ucs : UcsName or None
        What its name says, if it is one of the Universal Category System.
    """
    length = f"{info.duration_s:.3f} s" if info.n_samples else "not in the header"
    rows = [
        ("file", f"{printable(path)}, {size(n_bytes)}"),
        ("format", f"{info.format}, {info.sr:,} Hz, {plural(info.channels, 'channel')}"),
        ("duration", length),
        *([("recorded", recorded(told.recorded_at))] if told.recorded_at is not None else []),
        *((f"ucs.{name}", text) for name, text in ucs_record(ucs).items()),
        *((field.name, field.text) for field in told.fields),
        *_markers(told),
        *(("problem", line) for line in told.problems),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {printable(text)}" for name, text in rows)


def record(
    path: str | os.PathLike[str], n_bytes: int, info: AudioInfo, told: Metadata, ucs: UcsName | None
) -> dict[str, Any]:
    """Return the same as `listing`, for JSON; `duration_s` is null where the header does not say it."""
    return {
        **path_record(path),
        "bytes": n_bytes,
        "format": info.format,
        "sr": info.sr,
        "channels": info.channels,
        "duration_s": round(info.duration_s, 6) if info.n_samples else None,
        "recorded_at": told.recorded_at,
        "ucs": ucs_record(ucs) or None,
        "fields": [asdict(field) for field in told.fields],
        "markers": [asdict(marker) for marker in told.markers],
        "problems": list(told.problems),
    }


def ucs_record(ucs: UcsName | None) -> dict[str, str]:
    """Return the parts of a name that are there."""
    return {name: text for name, text in asdict(ucs).items() if text} if ucs else {}


def recorded(unix_s: float) -> str:
    """Return the clock of the recorder, ``2021-05-04 12:34:56``: it is not known where that was."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _markers(told: Metadata) -> Iterator[tuple[str, str]]:
    for marker in told.markers[:MAX_LINES]:
        yield "marker", f"{_clock(marker.at_s)} {marker.label}".rstrip()
    left = len(told.markers) - MAX_LINES
    if left > 0:
        yield "marker", f"and {left:,} more; --json lists them all"


def _clock(at_s: float) -> str:
    minutes, second = divmod(round(at_s, 3), 60)
    return f"{int(minutes)}:{second:06.3f}"
