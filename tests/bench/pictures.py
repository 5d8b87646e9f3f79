"""Curves as pictures: times over sizes, both axes logarithmic; for light and for dark pages."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clapsearch.drawing import save

if TYPE_CHECKING:
    from growth import Curve

# Seen on white and on black.
GREY = "#808890"
COLOURS = ("#3b82f6", "#e0711c", "#1fa37a", "#b84fc9", "#c9a20e")
PANELS = {"writing": "seconds", "searching": "milliseconds"}


def draw(folder: Path, curves: Sequence["Curve"]) -> list[Path]:
    """Draw one picture a panel into a folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "clapsearch"})  # letters stay text: small files
    paths = []
    for panel, unit in PANELS.items():
        here = [curve for curve in curves if curve.panel == panel]
        if here:
            paths.append(folder / f"{panel}.svg")
            save(_figure(here, unit), paths[-1])
    return paths


def _figure(curves: Sequence["Curve"], unit: str) -> Figure:
    figure = Figure(figsize=(6.4, 3.8))
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    scale = 1000 if unit == "milliseconds" else 1
    for curve, colour in zip(curves, COLOURS, strict=False):
        sizes = sorted(curve.points)
        values = [curve.points[size].median * scale for size in sizes]
        label = f"{curve.name}, slope {curve.slope():.2f}"
        axes.loglog(sizes, values, marker="o", markersize=4, color=colour, label=label)
    axes.set_xlabel("sounds")
    axes.set_ylabel(unit)
    _soften(axes)
    return figure


def _soften(axes: Axes) -> None:
    """Draw all but the curves in grey, on nothing."""
    axes.patch.set_alpha(0)
    axes.grid(visible=True, color=GREY, alpha=0.25, linewidth=0.6)
    axes.tick_params(which="both", colors=GREY)
    for spine in axes.spines.values():
        spine.set_color(GREY)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_color(GREY)
    axes.legend(frameon=False, labelcolor=GREY, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
