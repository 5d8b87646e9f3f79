"""The one door: a file to its metadata. What is damaged is left out and said; sound data is passed over."""

import os
import stat
from typing import BinaryIO

from clapsearch.errors import UnreadableError
from clapsearch.metadata import aiff, containers, tags, wav
from clapsearch.metadata.record import Gathering, Metadata

# Raise it when other fields come out: libraries then read all files anew at their next run, without embedding.
METADATA_VERSION = 1


def read_metadata(path: bytes | str | os.PathLike[str]) -> Metadata:
    """Read what a file says of itself, in milliseconds.

    Parameters
    ----------
    path : bytes, str or path-like

    Returns
    -------
    Metadata
        Empty for a file that says nothing, or is of a kind that is not known.

    Raises
    ------
    UnreadableError
        If the bytes cannot be read. Damaged metadata is no error, but among the problems.
    """
    raw, gathering = os.fsencode(path), Gathering()
    try:
        if not stat.S_ISREG(os.stat(raw).st_mode):  # a pipe would block
            raise UnreadableError("not a regular file")
        with open(raw, "rb") as file:
            _read(file, gathering)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    if os.path.splitext(raw)[1].lower() in containers.SUFFIXES:
        with gathering.damage("its container"):
            containers.read_container(raw, gathering)
    return gathering.metadata()


def _read(file: BinaryIO, gathering: Gathering) -> None:
    head = file.read(12)
    if wav.is_wav(head):
        wav.read_wav(file, gathering)
        return
    with gathering.damage("tags"):
        tags.read_tags(file, os.fstat(file.fileno()).st_size, gathering)
    if aiff.is_aiff(head):
        with gathering.damage("markers"):
            aiff.read_markers(file, gathering)
