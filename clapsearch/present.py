"""Results to text: a table for people, JSON for programs, bare paths for pipes. Pure functions."""

import base64
import json
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clapsearch.search import Hit
    from clapsearch.vocabulary import Description


def hits_table(hits: "Sequence[Hit]") -> str:
    """Lay out hits for reading: rank, score, the best moment of a long sound, path."""
    lines = ["rank  score  moment           path"]
    for hit in hits:
        is_part = (hit.start_s, hit.end_s) != (0.0, hit.duration_s)
        moment = f"{clock(hit.start_s)} to {clock(hit.end_s)}" if is_part else ""
        mark = "  (offline)" if hit.is_offline else ""
        lines.append(f"{hit.rank:>4} {hit.score:6.3f}  {moment:<15}  {printable(hit.path)}{mark}")
    return "\n".join(lines)


def hits_json(hits: "Sequence[Hit]") -> str:
    """Return one JSON array; a path that is not valid text has its bytes in ``path_b64``."""
    return json.dumps([_hit_record(hit) for hit in hits], indent=2, ensure_ascii=False)


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


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that os.fsdecode could not decode
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


def _hit_record(hit: "Hit") -> dict[str, Any]:
    times = {"start_s": hit.start_s, "end_s": hit.end_s, "duration_s": hit.duration_s}
    rounded = {name: round(seconds, 3) for name, seconds in times.items()}
    record = {"rank": hit.rank, "score": round(hit.score, 6), **path_record(hit.path), **rounded}
    return {**record, "offline": hit.is_offline}
