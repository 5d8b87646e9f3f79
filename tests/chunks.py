"""WAV and AIFF files with metadata, written byte by byte from the formats' descriptions."""

import struct
from pathlib import Path

import numpy as np
from signals import noise

SR = 48_000


def chunk(ident: bytes, data: bytes, *, size: int | None = None) -> bytes:
    """Return a chunk of RIFF; `size` is what it says, if that is a lie."""
    return ident + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


def bext(
    description: bytes = b"",
    originator: bytes = b"",
    reference: bytes = b"",
    date: bytes = b"",
    time: bytes = b"",
    history: bytes = b"",
    samples: int = 0,
) -> bytes:
    """Return the chunk of EBU Tech 3285, version 1."""
    fixed = struct.pack("<256s32s32s10s8sQH64s190x", description, originator, reference, date, time, samples, 1, b"")
    assert len(fixed) == 602
    return chunk(b"bext", fixed + history)


def ixml(text: str, encoding: str = "utf-8") -> bytes:
    return chunk(b"iXML", text.encode(encoding))


def info(**texts: bytes) -> bytes:
    """Return a LIST of kind INFO, by the names of its entries: ``info(INAM=b"a title")``."""
    return chunk(b"LIST", b"INFO" + b"".join(chunk(name.encode(), text + b"\0") for name, text in texts.items()))


def cues(*points: tuple[int, int, bytes]) -> bytes:
    """Return cue points, each a number, a sample and a label, and the LIST of their labels."""
    entries = (struct.pack("<II4sIII", number, at, b"data", 0, 0, at) for number, at, _ in points)
    labels = (chunk(b"labl", struct.pack("<I", number) + label + b"\0") for number, _, label in points)
    return chunk(b"cue ", struct.pack("<I", len(points)) + b"".join(entries)) + chunk(
        b"LIST", b"adtl" + b"".join(labels)
    )


def id3(**frames: str) -> bytes:
    """Return a tag of ID3v2.4, by the names of its frames: ``id3(TIT2="a title")``."""
    body = b"".join(
        name.encode() + _synchsafe(len(text.encode()) + 1) + b"\0\0\3" + text.encode() for name, text in frames.items()
    )
    return b"ID3\4\0\0" + _synchsafe(len(body)) + body


def wav(*chunks: bytes, before: bytes = b"", samples: np.ndarray | None = None) -> bytes:
    """Return a WAV of 16 bits, mono, with chunks before and after its sound."""
    sound = noise(0.1) if samples is None else samples
    form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, SR, 2 * SR, 2, 16))
    data = chunk(b"data", (sound * 32767).astype("<i2").tobytes())
    return chunk(b"RIFF", b"WAVE" + form + before + data + b"".join(chunks))


def rf64(*chunks: bytes, before: bytes = b"", magic: bytes = b"RF64") -> bytes:
    """Return the same with its sizes in 64 bits."""
    plain = wav(*chunks, before=before)[12:]
    at = plain.index(b"data")
    n_data = struct.unpack("<I", plain[at + 4 : at + 8])[0]
    body = plain[: at + 4] + b"\xff" * 4 + plain[at + 8 :]
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 4 + 36 + len(body), n_data, n_data // 2, 0))
    return magic + b"\xff" * 4 + b"WAVE" + ds64 + body


def aiff(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return an AIFF of 16 bits, mono, 48 kHz, with chunks after its sound."""
    sound = (noise(0.1) * 32767).astype(">i2").tobytes()
    common = struct.pack(">hLh", 1, len(sound) // 2, 16) + b"\x40\x0e\xbb\x80" + b"\0" * 6
    body = b"".join(_big(*each) for each in [(b"COMM", common), (b"SSND", b"\0" * 8 + sound), *chunks])
    return b"FORM" + struct.pack(">I", 4 + len(body)) + b"AIFF" + body


def marks(*points: tuple[int, bytes]) -> tuple[bytes, bytes]:
    """Return the chunk of an AIFF's markers, each a sample and a name."""
    data = struct.pack(">H", len(points))
    for number, (at, name) in enumerate(points, 1):
        text = bytes([len(name)]) + name
        data += struct.pack(">HI", number, at) + text + b"\0" * (len(text) % 2)
    return b"MARK", data


def flac(comments: bytes) -> bytes:
    """Return a FLAC that is only its header: the block of comments, as it is given, after an empty description."""
    assert len(comments) < 1 << 24
    info_block = bytes([0, 0, 0, 34]) + struct.pack(">HH", 4096, 4096) + b"\0" * 6 + b"\x0b\xb8\x00\xf0" + b"\0" * 20
    return b"fLaC" + info_block + b"\x84" + len(comments).to_bytes(3, "big") + comments


def vorbis(*comments: bytes, n_promised: int | None = None) -> bytes:
    """Return Vorbis comments, such as ``b"TITLE=rain"``."""
    n = len(comments) if n_promised is None else n_promised
    texts = b"".join(struct.pack("<I", len(each)) + each for each in comments)
    return struct.pack("<I", 4) + b"test" + struct.pack("<I", n) + texts


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _big(ident: bytes, data: bytes) -> bytes:
    return ident + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)


def _synchsafe(n: int) -> bytes:
    return bytes([n >> 21 & 127, n >> 14 & 127, n >> 7 & 127, n & 127])
