"""Which names a walk takes: audio suffixes, hidden names, the user's globs. Names are bytes: they need not be text."""

import fnmatch
import os
import re
from collections.abc import Callable, Sequence

from clapsearch import media

_SNDFILE = b".wav .wave .bwf .rf64 .w64 .aif .aiff .aifc .au .snd .caf .flac .ogg .oga .opus .mp3 .mp2".split()
_AUDIO = media.AUDIO_SUFFIXES.union(_SNDFILE)
_AUDIO_OR_VIDEO = _AUDIO | media.VIDEO_SUFFIXES


def is_audio(name: bytes, *, video: bool = False) -> bool:
    """Whether a file name ends like a format that can be decoded; that of a video only if asked for."""
    dot = name.rfind(b".")
    return dot > 0 and name[dot:].lower() in (_AUDIO_OR_VIDEO if video else _AUDIO)


def is_hidden(name: bytes) -> bool:
    """Whether a name is hidden by convention; AppleDouble files (``._name``) are too."""
    return name.startswith(b".")


def excluder(globs: Sequence[str]) -> Callable[[bytes], bool]:
    """Compile globs into a test of relative paths.

    A glob matches a whole relative path or a single name in it, so that ``old``, ``*.mp3`` and ``takes/*/bad_*`` do
    what they say; case counts. A byte that is not text counts as one character.
    """
    if not globs:
        return lambda relpath: False
    pattern = re.compile("|".join(fnmatch.translate(glob.strip("/")) for glob in globs))

    def is_excluded(relpath: bytes) -> bool:
        portable = os.fsdecode(relpath).replace(os.sep, "/")
        return bool(pattern.match(portable) or pattern.match(portable.rpartition("/")[2]))

    return is_excluded


def is_left_out(relpath: bytes, is_excluded: Callable[[bytes], bool]) -> bool:
    """Whether a walk never comes to a file, because it or a folder above it is excluded."""
    names = relpath.split(os.sep.encode())
    return any(is_excluded(os.sep.encode().join(names[:depth])) for depth in range(1, len(names) + 1))
