"""ID3, Vorbis comments, MP4 atoms, ASF and AIFF texts, through tinytag."""

import io
from typing import TYPE_CHECKING, BinaryIO

from clapsearch.metadata.dates import unix_s
from clapsearch.metadata.record import DAMAGE, Gathering
from clapsearch.metadata.text import name_of

if TYPE_CHECKING:
    from tinytag import TinyTag

MAX_BYTES = 8 << 20  # read in all; pictures are passed over
_STANDARD = ("title", "artist", "album", "albumartist", "composer", "genre", "comment", "year", "track", "disc")
_OURS = {"year": "date"}
# Blobs, gain and gap numbers, and lists of pictures or chapters in binary.
SKIPPED = frozenset(
    (
        *("xmp", "itunnorm", "itunsmpb", "itunpgap", "itunes_cddb_1", "itunes_cddb_tracknumber"),
        *("itunes_cddb_ids", "tlen", "tsiz", "chap", "ctoc", "geob", "pcnt", "popm", "rva2", "rvad", "rvrb"),
        *("mcdi", "etco", "equa", "equ2", "mllt", "sytc", "ufid", "priv", "apic"),
        *("waveformatextensible_channel_mask", "major_brand", "minor_version", "compatible_brands"),
        *("encoder_settings", "tsse", "private", "show_movement", "duration"),
    )
)


class Bounded:
    """An open file that gives so many bytes in all, and no more: sizes in tags lie.

    Parameters
    ----------
    file : binary file
    n_bytes : int
    """

    def __init__(self, file: BinaryIO, n_bytes: int = MAX_BYTES) -> None:
        self._file, self._left, self.tell = file, n_bytes, file.tell

    def read(self, n_bytes: int = -1) -> bytes:
        """Read; ValueError where the limit is passed."""
        data = self._file.read(min(n_bytes, self._left + 1) if n_bytes >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("they are larger than the limit of 8 MB")
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Seek."""
        return self._file.seek(offset, whence)


def read_tags(file: BinaryIO, n_bytes: int, gathering: Gathering) -> None:
    """Read the tags of an open file; the beginning of the file says of which kind.

    Parameters
    ----------
    file : binary file
    n_bytes : int
        Its size.
    gathering : Gathering
        Takes them.
    """
    from tinytag import TinyTag, TinyTagException, UnsupportedFormatError

    file.seek(0)
    try:
        tag = TinyTag._get_parser_class(None, file)()
    except UnsupportedFormatError:
        return
    tag.filesize, tag._filehandler = n_bytes, Bounded(file)  # type: ignore[assignment]
    file.seek(0)
    try:
        # Not `TinyTag.get`, which gives nothing of tags that are damaged only at their end.
        tag._load(tags=True, duration=False)
    except (*DAMAGE, TinyTagException) as error:
        gathering.problem(f"tags cannot be read to their end: {type(error).__name__} {error}")
    finally:
        _take(tag, gathering)


def _take(tag: "TinyTag", gathering: Gathering) -> None:
    for name in _STANDARD:
        value = getattr(tag, name)
        gathering.add(f"tag.{_OURS.get(name, name)}", None if value is None else str(value))
    for other, values in tag.other.items():
        name = name_of(other)
        for value in values if name and name not in SKIPPED else ():
            gathering.add(f"tag.{_OURS.get(name, name)}", str(value))
    if gathering.recorded_at is None:
        dates = [tag.year or "", *tag.other.get("creation_time", [])]
        gathering.recorded_at = next((date for date in map(unix_s, dates) if date is not None), None)
