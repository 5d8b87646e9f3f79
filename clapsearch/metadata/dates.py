"""Dates as recorders and taggers write them."""

import re
from datetime import UTC, datetime, timedelta

# Separators differ by device: 2021-05-04, 2021:05:04, 2021_05_04, 2021/05/04, 20210504; a year or month alone also.
_DATE = re.compile(r"\s*(\d{4})(?:[-:_/. ]?(\d\d)(?:[-:_/. ]?(\d\d))?)?(?:[T ]\s*(\S.*))?\s*$", re.ASCII)
_TIME = re.compile(r"\s*(\d\d)[-:_/. ]?(\d\d)(?:[-:_/. ]?(\d\d)(?:[.,]\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?\s*$", re.ASCII)
# Earlier, nothing was recorded; later, a clock was wrong. Clocks that were never set stand at these beginnings.
_YEARS = range(1877, 2100)
_UNSET = frozenset({(1904, 1, 1), (1970, 1, 1), (1980, 1, 1)})


def unix_s(date: str, time: str = "") -> float | None:
    """Return a date, and a time of the day if there is one, in unix seconds; None where they make no sense.

    Parameters
    ----------
    date : str
        ``2021-05-04`` with any separator, a year, a year and month, or an ISO 8601 date and time.
    time : str
        ``12:34:56`` with any separator. Without an offset it is taken as UTC: recorders do not say where they are.
    """
    found = _DATE.match(date)
    if not found:
        return None
    year, month, day = int(found[1]), int(found[2] or 1), int(found[3] or 1)
    if year not in _YEARS or (found[3] and (year, month, day) in _UNSET):
        return None
    try:
        midnight = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None
    return (midnight + _since_midnight(time or found[4] or "")).timestamp()


def _since_midnight(time: str) -> timedelta:
    """Return a time of the day; nothing for one that makes no sense: the day is known all the same."""
    found = _TIME.match(time)
    if not found or int(found[1]) > 23 or int(found[2]) > 59:
        return timedelta()
    since = timedelta(hours=int(found[1]), minutes=int(found[2]), seconds=min(int(found[3] or 0), 59))
    offset = (found[4] or "Z").replace(":", "")
    if offset == "Z":
        return since
    east = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
    return since + (east if offset[0] == "-" else -east)
