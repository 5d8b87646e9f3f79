"""Clips: the labelled and captioned sounds that an evaluation asks about, and how to choose among them."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from clapsearch.errors import UsageError


@dataclass(frozen=True)
class Clip:
    """One sound of a manifest.

    Attributes
    ----------
    path : str
        As in the manifest: relative to the audio folder, or absolute.
    captions, labels : tuple of str
        None, one or several; what counts as the right answer.
    columns : mapping
        Further columns by name, such as split, fold, group and sha1.
    """

    path: str
    captions: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """The clips of one data set.

    Attributes
    ----------
    name : str
        What to call it: the layout's name, or the file's.
    audio : Path
        The folder that relative paths start from; absolute.
    clips : list of Clip
        Each path once.
    notes : list of str
        What a reader should know: columns not used, empty captions.
    """

    name: str
    audio: Path
    clips: list[Clip]
    notes: list[str] = field(default_factory=list)

    def file(self, clip: Clip) -> Path:
        """Return where a clip's sound should be, absolute."""
        return Path(os.path.normpath(self.audio / clip.path))


def clean(text: str) -> str:
    """Return the printable words of a text with single spaces: what a query may hold."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def merged(clips: Iterable[Clip]) -> list[Clip]:
    """Join the rows that tell of one path: data sets write one row a caption, or one a label."""
    joined: dict[str, Clip] = {}
    for clip in clips:
        known = joined.get(clip.path)
        joined[clip.path] = clip if known is None else _join(known, clip)
    return list(joined.values())


def _join(clip: Clip, other: Clip) -> Clip:
    captions = tuple(dict.fromkeys(clip.captions + other.captions))
    return replace(clip, captions=captions, labels=tuple(dict.fromkeys(clip.labels + other.labels)))


def select(clips: Sequence[Clip], where: Mapping[str, Sequence[str]]) -> list[Clip]:
    """Return the clips whose columns hold one of the values asked for, all columns together; ``label`` is one of them.

    Raises
    ------
    UsageError
        If no clip has such a column, or none is left; the message has what there is.
    """
    chosen = list(clips)
    for column, values in where.items():
        there = sorted({value for clip in clips for value in _values(clip, column)})
        if not there:
            names = {name for clip in clips for name in clip.columns} | {"label" for clip in clips if clip.labels}
            known = ", ".join(sorted(names)) or "none"
            raise UsageError(f"the manifest has no column {column} to choose by; it has {known}")
        chosen = [clip for clip in chosen if set(_values(clip, column)) & set(values)]
        if not chosen:
            some = ", ".join(there[:10]) + (", ..." if len(there) > 10 else "")
            raise UsageError(f"no sound is left with {column}={','.join(values)}; {column} is one of {some}")
    return chosen


def _values(clip: Clip, column: str) -> tuple[str, ...]:
    if column == "label":
        return clip.labels
    return (clip.columns[column],) if column in clip.columns else ()
