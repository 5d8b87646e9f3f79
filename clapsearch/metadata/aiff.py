"""The markers of AIFF files; their texts come through tinytag."""

from typing import BinaryIO

from clapsearch.metadata.chunks import file_chunks
from clapsearch.metadata.record import MAX_MARKERS, Gathering
from clapsearch.metadata.text import decoded


def is_aiff(head: bytes) -> bool:
    """Whether a file that begins so is read here."""
    return head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}


def read_markers(file: BinaryIO, gathering: Gathering) -> None:
    """Read the chunk MARK of an open file."""
    file.seek(12)
    wanted = frozenset({b"COMM", b"MARK"})
    found = {chunk.ident: chunk.data for chunk in file_chunks(file, wanted, gathering.problem, big_endian=True)}
    if b"MARK" not in found:
        return
    sr = _extended(found.get(b"COMM", b"")[8:18])
    if not sr:
        gathering.problem("markers without a sample rate")
        return
    data, at = found[b"MARK"], 2
    for _ in range(min(int.from_bytes(data[:2], "big"), MAX_MARKERS + 1)):
        if at + 7 > len(data):
            gathering.problem("chunk MARK ends early")
            return
        n_chars = data[at + 6]
        gathering.mark(int.from_bytes(data[at + 2 : at + 6], "big") / sr, decoded(data[at + 7 : at + 7 + n_chars]))
        at += 7 + n_chars + (n_chars + 1) % 2  # the count and its text fill an even number of bytes


def _extended(raw: bytes) -> float:
    """Return an 80-bit float, as AIFF gives the sample rate; 0 for one that is no rate."""
    exponent = int.from_bytes(raw[:2], "big") - 0x3FFF
    if len(raw) < 10 or not 0 <= exponent < 32:
        return 0.0
    return int.from_bytes(raw[2:], "big") * 2.0 ** (exponent - 63)
