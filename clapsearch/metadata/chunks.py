"""The chunks of RIFF, RF64 and IFF files: found by seeking, read within limits. Sizes lie, so nothing relies on one."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_CHUNKS = 1_000
MAX_BYTES = 1 << 20  # of one chunk; none that is read here needs more
_WHOLE = 0xFFFFFFFF  # the size is in the chunk ds64, or was never filled in


@dataclass(frozen=True)
class Chunk:
    """One chunk: four characters, and its bytes, as far as they are there and within the limit."""

    ident: bytes
    data: bytes


def file_chunks(
    file: BinaryIO, wanted: frozenset[bytes], problem: Callable[[str], None], *, big_endian: bool = False
) -> Iterator[Chunk]:
    """Yield the wanted chunks of an open file, in its order; all others are passed over by seeking.

    Parameters
    ----------
    file : binary file
        At the start of its first chunk.
    problem : callable
        Hears, in a line, why not all was read.
    big_endian : bool
        As in AIFF.
    """
    end, at, n_data = os.fstat(file.fileno()).st_size, file.tell(), None
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        header = file.read(8)
        if len(header) < 8:
            return
        ident, size = header[:4], int.from_bytes(header[4:], "big" if big_endian else "little")
        if not _is_ident(ident):
            problem(f"no chunk at byte {at:,}; what follows is left out")
            return
        if size == _WHOLE and ident == b"data":
            size = end - at - 8 if n_data is None else n_data
        if ident == b"ds64":
            n_data = int.from_bytes(file.read(16)[8:], "little")
        elif ident in wanted:
            yield Chunk(ident, _read(file, ident, min(size, end - at - 8), size, problem))
        at = _next(file, at + 8 + size, size)
        if at > end + 1:
            return
    problem(f"more than {MAX_CHUNKS:,} chunks; what follows is left out")


def list_chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks inside a list chunk's bytes, after its four characters of kind."""
    at = 4
    for _ in range(MAX_CHUNKS):
        header = data[at : at + 8]
        if len(header) < 8 or not _is_ident(header[:4]):
            return
        size = int.from_bytes(header[4:], "little")
        yield Chunk(header[:4], data[at + 8 : at + 8 + size])
        at += 8 + size
        at += size % 2 and not _is_ident(data[at : at + 4])


def packed(ident: bytes, data: bytes) -> bytes:
    """Return a chunk with its true size, padded."""
    return ident + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def _read(file: BinaryIO, ident: bytes, n_there: int, size: int, problem: Callable[[str], None]) -> bytes:
    name = ident.decode("latin-1")
    if n_there < size:
        problem(f"chunk {name} promises {size:,} bytes, the file holds {n_there:,}")
    if n_there > MAX_BYTES:
        problem(f"chunk {name} has {n_there:,} bytes; read are {MAX_BYTES:,}")
    return file.read(min(n_there, MAX_BYTES))


def _next(file: BinaryIO, at: int, size: int) -> int:
    """Return where the next chunk starts: at an even byte, though some writers do not pad."""
    if size % 2 == 0:
        return at
    file.seek(at)
    padded = file.read(5)
    return at if _is_ident(padded[:4]) and not _is_ident(padded[1:]) else at + 1


def _is_ident(ident: bytes) -> bool:
    return len(ident) == 4 and all(0x20 <= byte < 0x7F for byte in ident)
