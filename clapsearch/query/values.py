"""What stands behind the colon of a field: ranges of seconds, of Hz, of channels, and dates."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from clapsearch.criteria import Range

_COMPARED = re.compile(r"(<=|>=|<|>|=)?(.+)")
_SECONDS = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|s|m|min|h)?")
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")
_HERTZ = re.compile(r"(\d+(?:\.\d*)?)(k|khz|hz)?")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")


def seconds(text: str) -> float:
    """Read a duration: ``3``, ``500ms``, ``2m``, ``1:30``, ``1:02:03``; in seconds.

    Raises
    ------
    ValueError
    """
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, rest = clock.groups(default="0")
        return 3600 * int(hours) + 60 * int(minutes) + float(rest)
    number, unit = _parts(_SECONDS, text, "a duration is like 3, 500ms, 2m or 1:30")
    return float(number) * _UNIT_S[unit or "s"]


def hertz(text: str) -> float:
    """Read a sample rate: ``96000``, ``44.1k``; in Hz.

    Raises
    ------
    ValueError
    """
    number, unit = _parts(_HERTZ, text, "a sample rate is like 96000 or 96k")
    return float(number) * (1000 if unit in {"k", "khz"} else 1)


def count(text: str) -> float:
    """Read a number of channels.

    Raises
    ------
    ValueError
    """
    if not re.fullmatch(r"\d{1,4}", text):
        raise ValueError("a number of channels is like 2")
    return float(text)


def date(text: str) -> float:
    """Read the beginning of a day, month or year: ``2024-05-17``, ``2024-05``, ``2024``; a wall clock's unix seconds.

    Raises
    ------
    ValueError
    """
    match = _DATE.fullmatch(text)
    try:
        year, month, day = (int(part or 1) for part in match.groups()) if match else (0, 0, 0)
        return datetime(year, month, day, tzinfo=UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError("a date is like 2024-05-17, 2024-05 or 2024") from error


def compared(text: str, read: Callable[[str], float], *, about: float = 0.0) -> Range:
    """Read a range: ``<3``, ``>=96k``, ``2..5``, or a value, which then may be off by `about`.

    Raises
    ------
    ValueError
    """
    low, dots, high = text.partition("..")
    if dots and (low or high):
        return Range(read(low) if low else None, read(high) if high else None)
    match = _COMPARED.fullmatch(text)
    sign, value = match.groups() if match else (None, text)
    number = read(value)
    limits = {"<": Range(None, number, has_high=False), "<=": Range(None, number), ">=": Range(number)}
    limits[">"] = Range(number, has_low=False)
    return limits.get(sign or "", Range(number - about, number + about))


def _parts(pattern: re.Pattern[str], text: str, otherwise: str) -> tuple[str, str]:
    match = pattern.fullmatch(text.lower())
    if not match:
        raise ValueError(otherwise)
    return match[1], match[2] or ""
