"""Charts of a timeline: lines of text for a terminal, a picture by matplotlib."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clapsearch.drawing import check_picture, save
from clapsearch.present import clock, printable
from clapsearch.timeline import Peak, Timeline

MIN_WIDTH = 20
_BLOCKS, _ASCII = " ▁▂▃▄▅▆▇█", " .:#"
_HEIGHT = 4  # lines
_TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_TICK_COLUMNS = 10  # at least from one label to the next
_MARKED = 9  # peaks have one digit


def text_chart(timeline: Timeline, peaks: Sequence[Peak], *, width: int = 80, unicode: bool = True) -> str:
    """Draw the score over time with characters.

    Parameters
    ----------
    timeline : Timeline
    peaks : sequence of Peak
        The first nine are marked by their rank.
    width : int
        Columns, at least `MIN_WIDTH`.
    unicode : bool
        Use block characters; otherwise ASCII only.

    Returns
    -------
    str
        Lines of at most `width` columns: marks, curve, axis, times.
    """
    width = max(width, MIN_WIDTH)
    blocks = _BLOCKS if unicode else _ASCII
    levels = _levels(_columns(timeline, width), _HEIGHT * (len(blocks) - 1))
    n = len(blocks) - 1
    curve = [
        "".join(blocks[int(np.clip(level - row * n, 0, n))] for level in levels.tolist())
        for row in reversed(range(_HEIGHT))
    ]
    ticks = list(_ticks(timeline.duration_s, width))
    axis = _placed([("┬" if unicode else "+", column) for column, _ in ticks], width, fill="─" if unicode else "-")
    lines = [_marks(timeline, peaks, width), *curve, axis, _placed([(clock(s), column) for column, s in ticks], width)]
    return "\n".join(line.rstrip() for line in lines)


def picture(path: Path, timeline: Timeline, peaks: Sequence[Peak], *, title: str) -> None:
    """Write a picture of the score over time; it replaces a file of that name as a whole.

    Parameters
    ----------
    path : Path
        Its suffix, one of `drawing.SUFFIXES`, says what it is.
    title : str

    Raises
    ------
    UsageError, ClapsearchError
        As from `check_picture`, or if the file cannot be written.
    """
    check_picture(path)
    save(_figure(timeline, peaks, title), path)


def _columns(timeline: Timeline, width: int) -> npt.NDArray[np.float64]:
    """Return the best score of the stretches over each column, shape (width,); NaN where there is none."""
    best = np.full(width, -np.inf)
    # A stretch counts where its middle half is: the whole of it would smear a peak over its neighbours.
    quarter_s = (timeline.end_s - timeline.start_s) / 4
    columns_per_s = width / timeline.duration_s
    first = np.floor((timeline.start_s + quarter_s) * columns_per_s).astype(np.int64).clip(0, width - 1)
    end = np.ceil((timeline.end_s - quarter_s) * columns_per_s).astype(np.int64)
    for low, high, score in zip(first.tolist(), np.maximum(end, first + 1).tolist(), timeline.scores, strict=True):
        best[low:high] = np.maximum(best[low:high], score)
    return np.where(np.isfinite(best), best, np.nan)


def _levels(scores: npt.NDArray[np.float64], n_levels: int) -> npt.NDArray[np.int64]:
    """Scale scores to 1 (the least) up to `n_levels` (the most); 0 for a pause."""
    low, high = np.nanmin(scores), np.nanmax(scores)
    shares = (scores - low) / (high - low) if high > low else np.where(np.isnan(scores), scores, 0)
    return np.asarray(np.nan_to_num(1 + np.rint(shares * (n_levels - 1)), nan=0), np.int64)


def _marks(timeline: Timeline, peaks: Sequence[Peak], width: int) -> str:
    """Place ranks over the middles of their peaks; where two fall together, the better one stays."""
    marks: dict[int, str] = {}
    for peak in peaks[:_MARKED]:
        middle_s = (peak.start_s + peak.end_s) / 2
        marks.setdefault(min(width - 1, int(middle_s / timeline.duration_s * width)), str(peak.rank))
    return _placed([(mark, column) for column, mark in marks.items()], width)


def _ticks(duration_s: float, width: int) -> list[tuple[int, float]]:
    """Return columns and times of the axis, as many as labels fit."""
    least_s = duration_s * _TICK_COLUMNS / width
    step_s = next((step for step in _TICKS_S if step >= least_s), _TICKS_S[-1])
    times_s = itertools.takewhile(lambda s: s < duration_s, itertools.count(0.0, step_s))
    return [(int(s / duration_s * width), s) for s in times_s]


def _placed(texts: Sequence[tuple[str, int]], width: int, *, fill: str = " ") -> str:
    """Write texts at their columns; one that would not fit stays out."""
    line = list(fill * width)
    for text, column in texts:
        if column + len(text) <= width:
            line[column : column + len(text)] = text
    return "".join(line)


def _figure(timeline: Timeline, peaks: Sequence[Peak], title: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3), dpi=150)
    axes = figure.add_subplot()
    axes.set_title(printable(title), parse_math=False)
    axes.plot(timeline.middle_s, timeline.scores, color="#332288", linewidth=1)
    for peak in peaks[:_MARKED]:
        at = ((peak.start_s + peak.end_s) / 2, peak.score)
        axes.plot(*at, "o", color="#cc6677", markersize=4)
        axes.annotate(f"{peak.rank}", at, textcoords="offset points", xytext=(4, 4))
    axes.set_xlim(0, timeline.duration_s)
    axes.set_xlabel("time")
    axes.set_ylabel("score (standard deviations)")
    axes.xaxis.set_major_formatter(lambda seconds, _: clock(max(0.0, seconds)))
    return figure
