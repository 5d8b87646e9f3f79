"""Matroska, QuickTime, and whatever else tinytag does not read: tags and chapters through PyAV."""

import os
from io import FileIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from clapsearch import media
from clapsearch.metadata.dates import unix_s
from clapsearch.metadata.record import Gathering
from clapsearch.metadata.tags import SKIPPED
from clapsearch.metadata.text import name_of

if TYPE_CHECKING:
    from av.container import InputContainer

SUFFIXES = media.AUDIO_SUFFIXES | media.VIDEO_SUFFIXES


def read_container(path: bytes, gathering: Gathering) -> None:
    """Read tags, unless tinytag found some, and chapters.

    Parameters
    ----------
    path : bytes
    gathering : Gathering
        Takes them.
    """
    with open(path, "rb", buffering=0) as file, _open(file) as container:
        texts = _texts(container)
        for name, text in texts.items() if gathering.is_empty else ():
            gathering.add(f"tag.{name}", text)
        if gathering.recorded_at is None:
            dates = (unix_s(texts.get(name, "")) for name in ("creation_time", "date"))
            gathering.recorded_at = next((date for date in dates if date is not None), None)
        for chapter in container.chapters():
            _mark(dict(chapter), gathering)


def _open(file: FileIO) -> "InputContainer":
    """Open within the limits of `media`, but for the end of the file, where APE tags are."""
    import av

    source = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell)
    options = media.demuxer_options()
    return av.open(source, "r", container_options=options, metadata_errors="replace", io_open=media.refuse)


def _texts(container: "InputContainer") -> dict[str, str]:
    """Return the tags of the file, and those of its first sound that the file does not have."""
    sounds = [dict(track.metadata) for track in container.streams.audio[:1]]
    found: dict[str, str] = {}
    for source in [dict(container.metadata), *sounds]:
        for key, text in source.items():
            name = name_of(os.fspath(key))
            if name and name not in SKIPPED:
                found.setdefault(name, text)
    return found


def _mark(chapter: dict[str, Any], gathering: Gathering) -> None:
    at_s = float(chapter["start"] * chapter["time_base"])
    gathering.mark(at_s, str(chapter["metadata"].get("title", "")))
