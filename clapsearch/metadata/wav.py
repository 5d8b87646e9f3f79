"""WAV, RF64 and BW64: bext, RIFF INFO, cue points and their labels, through wavinfo; ID3 through tinytag."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from clapsearch.metadata import ixml, tags
from clapsearch.metadata.chunks import Chunk, file_chunks, list_chunks, packed
from clapsearch.metadata.dates import unix_s
from clapsearch.metadata.record import MAX_MARKERS, Gathering
from clapsearch.metadata.text import recoded

_WANTED = frozenset({b"fmt ", b"bext", b"iXML", b"LIST", b"list", b"cue ", b"id3 ", b"ID3 "})
_BEXT_BYTES, _CUE_BYTES = 602, 24
# Our names, and wavinfo's where they differ.
_BEXT = {
    "description": "description",
    "originator": "originator",
    "originator_reference": "originator_ref",
    "date": "originator_date",
    "time": "originator_time",
    "coding_history": "coding_history",
}
_INFO = (
    *("title", "subject", "artist", "comment", "keywords", "genre", "product", "engineer", "technician", "source"),
    *("created_date", "copyright", "software", "tape", "archival_location", "commissioned"),
)


def is_wav(head: bytes) -> bool:
    """Whether a file that begins so is read here."""
    return head[:4] in {b"RIFF", b"RF64", b"BW64"} and head[8:12] == b"WAVE"


def read_wav(file: BinaryIO, gathering: Gathering) -> None:
    """Read all metadata of an open file.

    Parameters
    ----------
    file : binary file
    gathering : Gathering
        Takes it.
    """
    file.seek(12)
    found: dict[bytes, Chunk] = {}
    for chunk in file_chunks(file, _WANTED, gathering.problem):
        kind = chunk.data[:4] if chunk.ident in {b"LIST", b"list"} else chunk.ident
        found.setdefault(kind, chunk)
    readers = {
        b"bext": _read_bext,
        b"iXML": ixml.read_ixml,
        b"INFO": _read_info,
        b"id3 ": _read_id3,
        b"ID3 ": _read_id3,
    }
    for kind, read in readers.items():
        if kind in found:
            with gathering.damage(f"chunk {kind.decode()}"):
                read(found[kind].data, gathering)
    if b"cue " in found:
        with gathering.damage("chunk cue"):
            _read_cues(found, gathering)


def _read_bext(data: bytes, gathering: Gathering) -> None:
    from wavinfo.wave_bext_reader import WavBextReader

    if len(data) < _BEXT_BYTES:
        gathering.problem(f"chunk bext has {len(data)} bytes, not {_BEXT_BYTES}")
    bext = WavBextReader(data.ljust(_BEXT_BYTES, b"\0"), "latin-1")
    texts = {name: recoded(getattr(bext, theirs)) for name, theirs in _BEXT.items()}
    for name, text in texts.items():
        gathering.add(f"bext.{name}", text)
    if bext.time_reference:
        gathering.add("bext.time_reference", str(bext.time_reference))
    gathering.recorded_at = unix_s(texts["date"], texts["time"])


def _read_info(data: bytes, gathering: Gathering) -> None:
    from wavinfo.wave_info_reader import WavInfoChunkReader

    # Sizes inside it may lie: wavinfo gets what is there, packed anew.
    entries = b"".join(packed(chunk.ident, chunk.data) for chunk in list_chunks(data))
    file = io.BytesIO(packed(b"RIFF", b"WAVE" + packed(b"LIST", b"INFO" + entries)))
    info = WavInfoChunkReader(file, "latin-1")
    for name in _INFO:
        gathering.add(f"info.{name}", recoded(getattr(info, name)))
    if gathering.recorded_at is None:
        gathering.recorded_at = unix_s(recoded(info.created_date))


def _read_id3(data: bytes, gathering: Gathering) -> None:
    tags.read_tags(io.BytesIO(data), len(data), gathering)


def _read_cues(found: dict[bytes, Chunk], gathering: Gathering) -> None:
    from wavinfo.wave_cues_reader import CueEntry

    sr = int.from_bytes(found[b"fmt "].data[4:8], "little") if b"fmt " in found else 0
    if not sr:
        gathering.problem("cue points without a sample rate")
        return
    labels = dict(_labels(found[b"adtl"].data)) if b"adtl" in found else {}
    data = found[b"cue "].data
    n_promised, n_there = int.from_bytes(data[:4], "little"), max(0, len(data) - 4) // _CUE_BYTES
    if n_promised > n_there:
        gathering.problem(f"chunk cue promises {n_promised:,} points, it holds {n_there:,}")
    for i in range(min(n_promised, n_there, MAX_MARKERS + 1)):
        cue = CueEntry.read(data[4 + i * _CUE_BYTES : 4 + (i + 1) * _CUE_BYTES])
        gathering.mark(cue.sample_offset / sr, labels.get(cue.name, ""))


def _labels(adtl: bytes) -> Iterator[tuple[int, str]]:
    """Yield the labels of cue points, by their numbers; a note counts where there is no label."""
    from wavinfo.wave_cues_reader import LabelEntry

    for ident in (b"note", b"labl"):
        for chunk in list_chunks(adtl):
            if chunk.ident == ident and len(chunk.data) > 4:
                entry = LabelEntry.read(chunk.data, "latin-1")
                yield entry.name, recoded(entry.text)
