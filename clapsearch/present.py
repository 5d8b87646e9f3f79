"""Results to text: a table for people, JSON for programs, bare paths for pipes. Pure functions."""

import base64
import contextlib
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from clapsearch.errors import AudioError

if TYPE_CHECKING:
    from clapsearch.explanation import Reason
    from clapsearch.search import Hit
    from clapsearch.vocabulary import Description


def hits_table(hits: "Sequence[Hit]", reasons: "Sequence[Reason] | None" = None, *, moments: bool = False) -> str:
    """Lay out hits for reading: rank, score, standing, the best moment of a long sound, path; under it what is asked.

    Parameters
    ----------
    reasons : sequence of Reason, optional
        Why each hit came up.
    moments : bool
        Show the other moments of long sounds.
    """
    has_standing = any(hit.standing is not None for hit in hits)
    lines = [f"rank  score  {'beats  ' if has_standing else ''}moment           path"]
    for i, hit in enumerate(hits):
        beats = "" if not has_standing else f"{hit.standing:5.0%}  " if hit.standing is not None else " " * 7
        part = f"{clock(hit.start_s)} to {clock(hit.end_s)}" if is_part(hit) else ""
        marks = [f"(+{len(hit.takes)} alike)"] if hit.takes else []
        marks += ["(offline)"] if hit.is_offline else []
        score = " " * 6 if math.isnan(hit.score) else f"{hit.score:6.3f}"
        lines.append("  ".join([f"{hit.rank:>4} {score}  {beats}{part:<15}", printable(hit.path), *marks]))
        others = hit.moments[1:] if moments else ()
        lines += [
            f"{'':4} {each.score:6.3f}  {' ' * len(beats)}{clock(each.start_s)} to {clock(each.end_s)}"
            for each in others
        ]
        lines += [f"{'':13}{line}" for line in _reason_lines(reasons[i])] if reasons else []
    return "\n".join(lines)


def is_part(hit: "Hit") -> bool:
    """Whether the best moment of a hit is less than the whole sound."""
    return (hit.start_s, hit.end_s) != (0.0, hit.duration_s)


def hits_json(hits: "Sequence[Hit]", reasons: "Sequence[Reason] | None" = None) -> str:
    """Return one JSON array; a path that is not valid text has its bytes in ``path_b64``."""
    records = [hit_record(hit) for hit in hits]
    for record, reason in zip(records, reasons or (), strict=False):
        record["why"] = {
            "parts": dict(reason.parts),
            "namesakes": reason.namesakes,
            "ranks": dict(reason.places),
            "words": dict(reason.words),
        }
    return json.dumps(records, indent=2, ensure_ascii=False)


def paths(hits: "Sequence[Hit]", *, end: bytes = b"\n") -> bytes:
    """Return the raw paths, each followed by `end`."""
    return b"".join(os.fsencode(hit.path) + end for hit in hits)


def descriptions_table(descriptions: "Sequence[Description]") -> str:
    """Lay out descriptions for reading."""
    lines = ["rank  score  probability  text"]
    lines += [f"{each.rank:>4} {each.score:6.3f}  {each.probability:11.1%}  {each.text}" for each in descriptions]
    return "\n".join(lines)


def descriptions_json(descriptions: "Sequence[Description]") -> str:
    """Return one JSON array."""
    records = [
        {"rank": each.rank, "text": each.text, "score": round(each.score, 6), "probability": round(each.probability, 6)}
        for each in descriptions
    ]
    return json.dumps(records, indent=2, ensure_ascii=False)


def hit_record(hit: "Hit") -> dict[str, Any]:
    """Return what JSON says of a hit."""
    times = {"start_s": hit.start_s, "end_s": hit.end_s, "duration_s": hit.duration_s}
    rounded = {name: round(seconds, 3) for name, seconds in times.items()}
    record = {"rank": hit.rank, "score": _number(hit.score), **path_record(hit.path), **rounded}
    moments = [
        {"start_s": round(each.start_s, 3), "end_s": round(each.end_s, 3), "score": _number(each.score)}
        for each in hit.moments
    ]
    standing = {"standing": hit.standing, "sr": hit.sr, "channels": hit.channels}
    return {
        **record,
        **standing,
        "offline": hit.is_offline,
        "takes": [path_record(path) for path in hit.takes],
        "moments": moments,
    }


def path_record(path: str | bytes | os.PathLike[str]) -> dict[str, str]:
    """Return ``path`` as valid text, and ``path_b64`` where bytes had to be replaced."""
    raw = os.fsencode(path)
    text = raw.decode("utf-8", "replace")
    if text.encode() == raw:
        return {"path": text}
    return {"path": text, "path_b64": base64.b64encode(raw).decode()}


def printable(text: str | bytes | os.PathLike[str]) -> str:
    """Escape what a terminal would obey or could not show in a text or path: control characters, undecodable bytes."""
    return "".join(char if char.isprintable() else _escaped(char) for char in os.fsdecode(text))


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let an error about a sound begin with the file's name."""
    try:
        yield
    except AudioError as error:
        raise type(error)(f"{printable(path)}: {error}") from error


def clock(seconds: float) -> str:
    """Return a time as ``1:05`` or ``1:01:05``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def date(unix_s: float) -> str:
    """Return a time as ``2026-11-20 15:04``, local."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix_s))


def plural(n: int, noun: str) -> str:
    """Return ``1 sound``, ``2 sounds``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def size(n_bytes: int) -> str:
    """Return a size in kB, MB or GB (powers of 1000)."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.1f} {unit}"
    return f"{n_bytes / 1e3:.1f} kB"


def _reason_lines(reason: "Reason") -> list[str]:
    """Return lines that say why a hit came up."""
    ranks = ", ".join(f"{rank} by {name}" for name, rank in reason.places.items())
    heard = [*reason.parts, *([("what is called so", reason.namesakes)] if reason.namesakes is not None else [])]
    parts = ", ".join(f"{text} {score:.3f}" for text, score in heard)
    words = [f"{name}: {printable(text)}" for name, text in reason.words.items()]
    said = [f"rank {ranks}"] if ranks else []
    return [*said, *([f"heard: {printable(parts)}"] if parts else []), *words]


def _number(score: float) -> float | None:
    """Return a score as JSON has it: there is no such number as none."""
    return None if math.isnan(score) else round(score, 6)


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that os.fsdecode could not decode
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
