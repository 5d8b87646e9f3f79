"""Hits for other programs: one JSON object a line, a spreadsheet, a playlist. Pure functions; always valid UTF-8."""

import base64
import csv
import io
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clapsearch.present import clock, hit_record, is_part, printable

if TYPE_CHECKING:
    from clapsearch.search import Hit

# What a terminal obeys, what ends a line for some reader, and bytes that os.fsdecode could not decode.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\udc80-\udcff]")
_COLUMNS = [
    "rank",
    "score",
    "standing",
    "path",
    "path_b64",
    "start_s",
    "end_s",
    "duration_s",
    "sr",
    "channels",
    "offline",
    "takes",
]


@dataclass(frozen=True)
class Export:
    """A file for another program.

    Attributes
    ----------
    text : str
        To be written as UTF-8.
    notices : tuple of str
        One line for each hit that cannot stand in such a file, and why.
    """

    text: str
    notices: tuple[str, ...] = ()


def hits_jsonl(hits: "Sequence[Hit]") -> str:
    """Return one JSON object a line, as `present.hits_json` has them in its array."""
    lines = (json.dumps(hit_record(hit), ensure_ascii=False) + "\n" for hit in hits)
    return "".join(_UNSAFE.sub(lambda char: f"\\u{ord(char[0]):04x}", line[:-1]) + "\n" for line in lines)


def hits_csv(hits: "Sequence[Hit]") -> str:
    r"""Return a table after RFC 4180, with a header; its lines end in ``\r\n``.

    Where a path holds bytes or control characters that cannot stand there, they are replaced, and ``path_b64`` has the
    path's bytes. ``takes`` is the number of sounds that are nearly the same, for which the hit stands.
    """
    rows = ({**hit_record(hit), **path_cells(hit.path), "takes": len(hit.takes)} for hit in hits)
    return table(_COLUMNS, rows)


def table(columns: Sequence[str], rows: "Sequence[dict[str, object]] | Iterator[dict[str, object]]") -> str:
    """Return rows as csv; what has no column is left out."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def path_cells(path: str | os.PathLike[str], name: str = "path") -> dict[str, str]:
    """Return the cells ``path`` and ``path_b64``, the second empty unless something had to be replaced."""
    text = os.fspath(path)
    safe = _UNSAFE.sub("\ufffd", text)
    return {name: safe, f"{name}_b64": "" if safe == text else base64.b64encode(os.fsencode(text)).decode()}


def hits_m3u8(hits: "Sequence[Hit]", *, moments: bool = True) -> Export:
    """Return an extended M3U playlist: length in seconds, score and name of each hit.

    Parameters
    ----------
    moments : bool
        Tell players that know it (VLC) to play only the best moment of a long sound.
    """
    fit, notices = fitting(hits, "a playlist", _line_problem)
    entries = "".join(_entry(hit, moments) for hit in fit)
    return Export(f"#EXTM3U\n{entries}", notices)


def fitting(
    hits: "Sequence[Hit]", what: str, problem_of: Callable[[str], str | None]
) -> "tuple[list[Hit], tuple[str, ...]]":
    """Return the hits whose path can stand in a kind of file, and a notice for each of the others."""
    problems = [problem_of(os.fspath(hit.path)) for hit in hits]
    notices = tuple(
        f"left out {printable(hit.path)}: {problem}, which cannot stand in {what}; rename it, or use --json"
        for hit, problem in zip(hits, problems, strict=True)
        if problem
    )
    return [hit for hit, problem in zip(hits, problems, strict=True) if not problem], notices


def line_problem(path: str) -> str | None:
    """Return what keeps a path from standing in a file of text lines, if anything."""
    if found := _UNSAFE.search(path):
        is_byte = "\udc80" <= found[0] <= "\udcff"
        return f"its path holds {printable(found[0])}, {'no UTF-8' if is_byte else 'a control character'}"
    return None


def _line_problem(path: str) -> str | None:
    if path != path.strip():
        return "its path begins or ends with a blank"
    return line_problem(path)


def _entry(hit: "Hit", moments: bool) -> str:
    has_moment = moments and is_part(hit)
    moment = f" ({clock(hit.start_s)} to {clock(hit.end_s)})" if has_moment else ""
    score = "" if math.isnan(hit.score) else f"{hit.score:.3f} "
    lines = [f"#EXTINF:{hit.duration_s:.3f},{score}{printable(hit.path.name)}{moment}"]
    if has_moment:
        lines += [f"#EXTVLCOPT:start-time={hit.start_s:.3f}", f"#EXTVLCOPT:stop-time={hit.end_s:.3f}"]
    return "\n".join([*lines, os.fspath(hit.path), ""])
