"""Figures, and the one table of them: Markdown, which a terminal shows as well, and JSON."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

COLUMNS = ("figure", "ours", "theirs", "ratio", "target", "met", "runs", "note")
_SCALES = {"s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")), "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))}


@dataclass(frozen=True)
class Sample:
    """What was measured of one thing, in several runs; the median speaks for them.

    Attributes
    ----------
    values : tuple of float
    unit : str
        ``s``, ``B`` (bytes), or empty for a share or a number.
    """

    values: tuple[float, ...]
    unit: str = "s"

    @property
    def median(self) -> float:
        """The median of the runs."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        return quantity(self.median, self.unit)


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes
    ----------
    name : str
    ours, theirs : Sample or None
    ratio : float or None
        Ours through theirs.
    said : str
        The ratio in words.
    target : str
        Empty where nothing was asked.
    is_met : bool or None
    note : str
        What theirs is, and what has to be known.
    """

    name: str
    ours: Sample | None = None
    theirs: Sample | None = None
    ratio: float | None = None
    said: str = ""
    target: str = ""
    is_met: bool | None = None
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return what stands in the columns."""
        met = {None: "", True: "met", False: "**NOT MET**"}[self.is_met]
        values = ("" if sample is None else str(sample) for sample in (self.ours, self.theirs))
        n_runs = str(len(self.ours.values)) if self.ours else ""
        return self.name, *values, self.said, self.target, met, n_runs, self.note


def quantity(value: float, unit: str) -> str:
    """Say a value with three digits and its unit."""
    if unit not in _SCALES:
        return f"{value:.3f}".rstrip("0").rstrip(".") + (f" {unit}" if unit else "")
    scale, name = next((each for each in _SCALES[unit] if abs(value) >= each[0]), _SCALES[unit][-1])
    digits = max(0, 3 - len(str(int(abs(value) / scale))))
    return f"{value / scale:.{digits}f} {name}"


def alone(
    name: str, ours: Sample, *, at_most: float | None = None, at_least: float | None = None, note: str = ""
) -> Figure:
    """A value of ours, perhaps with a limit."""
    if at_most is not None:
        return Figure(name, ours, target=f"<= {quantity(at_most, ours.unit)}", is_met=ours.median <= at_most, note=note)
    if at_least is not None:
        is_met = ours.median >= at_least
        return Figure(name, ours, target=f">= {quantity(at_least, ours.unit)}", is_met=is_met, note=note)
    return Figure(name, ours, note=note)


def within(name: str, ours: Sample, theirs: Sample, *, at_most: float | None = None, note: str = "") -> Figure:
    """A value of ours that should not be many times theirs."""
    ratio = ours.median / theirs.median
    target, is_met = ("", None) if at_most is None else (f"<= {at_most:g} times", ratio <= at_most)
    return Figure(name, ours, theirs, ratio, f"{ratio:.2f} times", target, is_met, note)


def faster(name: str, ours: Sample, theirs: Sample, *, at_least: float | None = None, note: str = "") -> Figure:
    """A time of ours that should be many times shorter than theirs."""
    ratio = ours.median / theirs.median
    target, is_met = ("", None) if at_least is None else (f">= {at_least:g} times as fast", 1 / ratio >= at_least)
    times = f"{1 / ratio:.{1 if ratio < 1 else 3}f}"
    return Figure(name, ours, theirs, ratio, f"{times} times as fast", target, is_met, note)


def failed(name: str, error: BaseException) -> Figure:
    """A line for what could not be measured, with the reason."""
    first = next(iter(str(error).strip().splitlines()), "")
    return Figure(name, is_met=False, target="measured", note=f"{type(error).__name__}: {first}")


def markdown(figures: Sequence[Figure]) -> str:
    """Return the table, its columns aligned."""
    rows = [COLUMNS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]])


def write(path: Path, about: dict[str, str], figures: Sequence[Figure]) -> None:
    """Write the table and what it was measured on as ``.md`` and ``.json``."""
    lines = [f"- {name}: {value}" for name, value in about.items()]
    path.with_suffix(".md").write_text("\n".join([*lines, "", markdown(figures), ""]), encoding="utf-8")
    parts = {"about": about, "figures": [asdict(figure) for figure in figures]}
    path.with_suffix(".json").write_text(json.dumps(parts, indent=1), encoding="utf-8")
