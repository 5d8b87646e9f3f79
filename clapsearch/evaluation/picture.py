"""A picture of the embedding space: its two principal components, coloured by class."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clapsearch.drawing import check_picture, save
from clapsearch.present import plural, printable

# Paul Tol's muted scheme and black: told apart without colour vision too, the more so with the markers.
_COLOURS = (
    *("#332288", "#cc6677", "#117733", "#ddcc77", "#88ccee"),
    *("#882255", "#44aa99", "#999933", "#aa4499", "#000000"),
)
_MARKERS = "os^DvPdX<>"
_REST = "#bbbbbb"
_LONGEST_NAME = 32  # characters

Points = npt.NDArray[np.float64]


def pca(vectors: npt.NDArray[np.float32]) -> tuple[Points, Points]:
    """Project on the two directions of most variance.

    Parameters
    ----------
    vectors : np.ndarray, shape (n, dim), float32
        At least one; dim at least 2.

    Returns
    -------
    points : np.ndarray, shape (n, 2), float64
        Around 0. The largest component of each direction is positive, so that the same vectors give the same picture.
    explained : np.ndarray, shape (2,), float64
        Their shares of the variance, 0 to 1, the larger first.
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    variances, directions = np.linalg.eigh(centred.T @ centred)  # ascending
    first = directions[:, :-3:-1]
    first = first * np.sign(first[np.abs(first).argmax(axis=0), [0, 1]])
    variances = variances.clip(min=0)
    return centred @ first, variances[:-3:-1] / (variances.sum() or 1.0)


def draw(path: Path, vectors: npt.NDArray[np.float32], labels: Sequence[tuple[str, ...]], *, checkpoint: str) -> None:
    """Write a picture of the vectors; it replaces a file of that name as a whole.

    Parameters
    ----------
    path : Path
        Its suffix, one of `drawing.SUFFIXES`, says what it is.
    vectors : np.ndarray, shape (n, dim), float32, unit norm
    labels : sequence of n tuples of str
        The ten most frequent have colours; a clip with several has that of the most frequent.
    checkpoint : str
        For the title.

    Raises
    ------
    ClapsearchError
        As from `check_picture`, or if the file cannot be written.
    """
    check_picture(path)
    points, explained = pca(vectors)
    save(_figure(points, explained, labels, f"{checkpoint}, {plural(len(points), 'sound')}"), path)


def _figure(points: Points, explained: Points, labels: Sequence[tuple[str, ...]], title: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), dpi=150)
    axes = figure.add_subplot()
    axes.set_title(printable(title), parse_math=False)
    axes.set_xlabel(f"principal component 1 ({explained[0]:.1%} of the variance)")
    axes.set_ylabel(f"principal component 2 ({explained[1]:.1%} of the variance)")
    axes.set_aspect("equal", adjustable="datalim")
    names, dots = zip(*_scatter(axes, points, labels), strict=True)
    legend = axes.legend(dots, ["class"] * len(dots), loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    # Named here and not above, where a name that starts with "_" would be left out and "$" begin a formula.
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)
    return figure


def _scatter(axes: Any, points: Points, labels: Sequence[tuple[str, ...]]) -> list[tuple[str, Any]]:
    """Draw the named classes over the others; return the words for the legend and what they stand for."""
    ranked = [label for label, _ in Counter(sorted(label for some in labels for label in some)).most_common()]
    rank = {label: i for i, label in enumerate(ranked)}
    best = np.array([min((rank[label] for label in some), default=len(_COLOURS)) for some in labels])
    rest = best >= len(_COLOURS)
    others = (f"all others ({rest.sum():,})", axes.scatter(*points[rest].T, s=12, c=_REST, linewidths=0))
    named = []
    for i, (label, colour, marker) in enumerate(zip(ranked, _COLOURS, _MARKERS, strict=False)):
        mine = points[best == i]
        dots = axes.scatter(*mine.T, s=28, c=colour, marker=marker, linewidths=0.4, edgecolors="white")
        named.append((f"{_short(printable(label))} ({len(mine):,})", dots))
    return [*named, others] if rest.any() else named


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
