"""Metadata that lies, is cut, floods or means harm: what is readable is kept, the rest is a line."""

import struct
from pathlib import Path

import numpy as np
import pytest
from chunks import aiff, bext, chunk, cues, flac, id3, info, ixml, marks, rf64, vorbis, wav, written
from test_metadata import RICH, RICH_TEXTS, tagged, texts

from clapsearch.metadata import Metadata, read_metadata
from clapsearch.metadata.record import MAX_FIELDS, MAX_MARKERS, MAX_PROBLEM, MAX_PROBLEMS, MAX_TEXT

N_MUTATIONS = 60


def read(path: Path, content: bytes) -> Metadata:
    told = read_metadata(written(path, content))
    check(told)
    return told


def check(told: Metadata) -> None:
    """Whatever was read, it is within the limits and safe to show."""
    assert len(told.fields) <= MAX_FIELDS
    assert len(told.markers) <= MAX_MARKERS
    assert len(told.problems) <= MAX_PROBLEMS
    assert all(0 < len(field.text) <= MAX_TEXT and field.text.isprintable() for field in told.fields)
    assert all(field.name.isascii() and field.name.isprintable() for field in told.fields)
    assert all(marker.label.isprintable() and marker.at_s >= 0 for marker in told.markers)
    assert all(len(line) <= MAX_PROBLEM and line.isprintable() for line in told.problems)
    assert Metadata.from_json(told.to_json()) == told


def problem(told: Metadata) -> str:
    (line,) = told.problems
    return line


# --- one thing wrong ---


def test_a_chunk_that_promises_more_than_the_file_holds(tmp_path: Path) -> None:
    told = read(tmp_path / "a.wav", wav(info(INAM=b"kept"), chunk(b"iXML", b"<A><NOTE>cut</NOTE></A>", size=1 << 31)))
    assert texts(told) == {"info.title": "kept", "ixml.note": "cut"}
    assert problem(told) == "chunk iXML promises 2,147,483,648 bytes, the file holds 24"


def test_a_short_bext_keeps_what_is_there(tmp_path: Path) -> None:
    told = read(tmp_path / "a.wav", wav(chunk(b"bext", b"only a description".ljust(256, b"\0") + b"ZOOM")))
    assert texts(told) == {"bext.description": "only a description", "bext.originator": "ZOOM"}
    assert problem(told) == "chunk bext has 260 bytes, not 602"


def test_entries_of_info_that_lie_about_their_size(tmp_path: Path) -> None:
    entries = chunk(b"INAM", b"title\0") + chunk(b"IART", b"artist", size=1 << 30)
    told = read(tmp_path / "a.wav", wav(chunk(b"LIST", b"INFO" + entries)))
    assert texts(told) == {"info.title": "title", "info.artist": "artist"}


def test_more_cue_points_promised_than_there_are(tmp_path: Path) -> None:
    entry = struct.pack("<II4sIII", 1, 0, b"data", 0, 0, 4_800)
    told = read(tmp_path / "a.wav", wav(chunk(b"cue ", struct.pack("<I", 0xFFFFFFFF) + entry)))
    assert [marker.at_s for marker in told.markers] == [0.1]
    assert problem(told) == "chunk cue promises 4,294,967,295 points, it holds 1"


def test_broken_xml_keeps_what_comes_before(tmp_path: Path) -> None:
    told = read(tmp_path / "a.wav", wav(ixml("<BWFXML><SCENE>12</SCENE><TAKE>3")))
    assert texts(told) == {"ixml.scene": "12", "ixml.take": "3"}


@pytest.mark.parametrize("text", ["", "no markup", "<", "\0\0\0", "<?xml version='1.0'?>"])
def test_ixml_that_is_no_xml_costs_only_itself(tmp_path: Path, text: str) -> None:
    assert texts(read(tmp_path / "a.wav", wav(ixml(text), info(INAM=b"kept")))) == {"info.title": "kept"}


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
BOMB = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><BWFXML><NOTE>&l11;</NOTE></BWFXML>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><BWFXML><NOTE>&e;</NOTE></BWFXML>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("text", [BOMB, OUTSIDE])
def test_entities_are_never_expanded(tmp_path: Path, text: str, encoding: str) -> None:
    told = read(tmp_path / "a.wav", wav(ixml(text, encoding), info(INAM=b"kept")))
    assert texts(told) == {"info.title": "kept"}
    assert problem(told) == "chunk iXML cannot be read: ValueError it declares entities, which are not expanded"


def test_xml_of_a_hundred_thousand_levels(tmp_path: Path) -> None:
    told = read(tmp_path / "a.wav", wav(ixml("<A>" + "<B>" * 100_000 + "deep"), info(INAM=b"kept")))
    assert texts(told)["info.title"] == "kept"


def test_xml_of_a_hundred_thousand_elements(tmp_path: Path) -> None:
    told = read(tmp_path / "a.wav", wav(ixml("<A>" + "<B></B>" * 100_000 + "</A>")))
    assert told.problems == ("chunk iXML has more than 2,000 elements; the rest is left out",)


def test_no_text_has_control_characters_or_line_breaks(tmp_path: Path) -> None:
    evil = b"a\x1b[31mred\x07\r\nb\tc\x7f\xc2\x85d\xe2\x80\xae"  # the last: text from here on runs backwards
    told = read(
        tmp_path / "a.wav", wav(bext(evil), info(INAM=evil), cues((1, 1, evil)), ixml("<A><NOTE>\x1b]0;x</NOTE></A>"))
    )
    assert texts(told) == {"bext.description": "a[31mred b c d", "info.title": "a[31mred b c d", "ixml.note": "]0;x"}
    assert told.markers[0].label == "a[31mred b c d"


def test_a_text_ends_at_its_nul(tmp_path: Path) -> None:
    told = read(tmp_path / "a.wav", wav(bext(b"seen\0hidden"), info(INAM=b"seen\0hidden")))
    assert texts(told) == {"bext.description": "seen", "info.title": "seen"}


def test_bytes_that_are_no_utf8(tmp_path: Path) -> None:
    told = read(tmp_path / "a.wav", wav(bext(b"caf\xe9 \x93quoted\x94 \x81")))
    assert texts(told) == {"bext.description": "café “quoted” �"}
    assert texts(read(tmp_path / "a.flac", flac(vorbis(b"TITLE=caf\xe9")))) == {"tag.title": "caf�"}


def test_megabytes_of_text_are_cut(tmp_path: Path) -> None:
    told = read(tmp_path / "a.wav", wav(info(INAM=b"x" * 3_000_000, IART=b"kept"), ixml("<A><NOTE>" + "y" * 9_000)))
    assert texts(told) == {"info.title": "x" * MAX_TEXT, "ixml.note": "y" * MAX_TEXT}
    assert told.problems == (
        "chunk LIST has 3,000,028 bytes; read are 1,048,576",
        "ixml.note has 9,000 characters; kept are 4,000",
        "info.title has 1,048,564 characters; kept are 4,000",
    )


def test_a_flood_of_fields_markers_and_chunks(tmp_path: Path) -> None:
    fields = read(tmp_path / "a.flac", flac(vorbis(*(b"KEY%d=x" % i for i in range(5_000)))))
    assert (len(fields.fields), problem(fields)) == (MAX_FIELDS, "more than 200 fields; the rest is left out")
    markers = read(tmp_path / "a.wav", wav(cues(*((i, i, b"") for i in range(5_000)))))
    assert (len(markers.markers), problem(markers)) == (MAX_MARKERS, "more than 1,000 markers; the rest is left out")
    told = read(tmp_path / "b.wav", wav(*[chunk(b"junk", b"")] * 5_000, info(INAM=b"behind")))
    assert (told.fields, problem(told)) == ((), "more than 1,000 chunks; what follows is left out")
    marked = read(tmp_path / "a.aif", aiff(marks(*((i, b"") for i in range(5_000)))))
    assert (len(marked.markers), problem(marked)) == (MAX_MARKERS, "more than 1,000 markers; the rest is left out")


def test_tags_that_are_cut_keep_what_comes_before(tmp_path: Path) -> None:
    told = read(tmp_path / "a.flac", flac(vorbis(b"TITLE=kept", n_promised=1_000_000)))
    assert texts(told) == {"tag.title": "kept"}
    assert problem(told).startswith("tags cannot be read to their end")
    whole = id3(TIT2="kept", TPE1="cut" * 100)
    assert texts(read(tmp_path / "a.mp3", whole[:-290]))["tag.title"] == "kept"


def test_tags_larger_than_the_limit_are_not_read(tmp_path: Path) -> None:
    told = read(tmp_path / "a.flac", flac(vorbis(b"TITLE=kept", b"BLOB=" + b"x" * 9_000_000)))
    assert texts(told) == {"tag.title": "kept"}
    assert problem(told) == "tags cannot be read to their end: ValueError they are larger than the limit of 8 MB"


def test_markers_without_a_rate_or_beyond_reason(tmp_path: Path) -> None:
    no_rate = wav(cues((1, 1, b"x"))).replace(struct.pack("<HHIIHH", 1, 1, 48_000, 96_000, 2, 16), b"\0" * 16)
    told = read(tmp_path / "a.wav", no_rate)
    assert (told.markers, problem(told)) == ((), "cue points without a sample rate")
    for rate in (b"\0" * 10, b"\x7f\xff" + b"\xff" * 8):
        told = read(tmp_path / "a.aif", aiff(marks((1, b"x"))).replace(b"\x40\x0e\xbb\x80" + b"\0" * 6, rate))
        assert (told.markers, problem(told)) == ((), "markers without a sample rate")


def test_a_wav_without_sizes_is_passed_over_to_its_end(tmp_path: Path) -> None:
    unclosed = wav(before=info(INAM=b"first")).replace(b"data" + struct.pack("<I", 9_600), b"data" + b"\xff" * 4)
    told = read(tmp_path / "a.wav", unclosed)
    assert (texts(told), told.problems) == ({"info.title": "first"}, ())


# --- everything wrong ---

WHOLE = {
    "a.wav": lambda path: written(path, wav(before=b"".join(RICH))),
    "rf64.wav": lambda path: written(path, rf64(before=b"".join(RICH))),
    "a.aif": lambda path: written(
        path, aiff((b"NAME", b"Bell"), (b"ID3 ", id3(TIT2="x")), marks((1, b"hit"), (2, b"")))
    ),
    "a.flac": lambda path: written(path, flac(vorbis(b"TITLE=Rain", b"X=y", b"DATE=2018-07-06"))),
    "a.mp3": lambda path: tagged(path, "libmp3lame", TAGS, {}),
    "a.ogg": lambda path: tagged(path, "vorbis", TAGS, {}),
    "a.m4a": lambda path: tagged(path, "aac", TAGS, {}),
    "a.wma": lambda path: tagged(path, "wmav2", TAGS, {"format": "asf"}),
    "a.mka": lambda path: tagged(path, "flac", TAGS, {}),
    "a.wv": lambda path: tagged(path, "wavpack", TAGS, {}),
}
TAGS = {"title": "Regen", "artist": "Someone", "date": "2017-02-03", "comment": "x" * 300, "genre": "7"}


@pytest.mark.parametrize("name", WHOLE)
def test_no_file_cut_anywhere_fails(tmp_path: Path, name: str) -> None:
    content = WHOLE[name](tmp_path / name).read_bytes()
    n_fields = len(read_metadata(tmp_path / name).fields)
    assert n_fields
    step = max(1, min(len(content), 4_000) // 150)
    for end in range(0, min(len(content), 4_000), step):
        assert len(read(tmp_path / f"cut_{name}", content[:end]).fields) <= n_fields + 1


@pytest.mark.parametrize("name", WHOLE)
def test_no_file_with_changed_bytes_fails(tmp_path: Path, name: str) -> None:
    content = np.frombuffer(WHOLE[name](tmp_path / name).read_bytes(), np.uint8)
    rng = np.random.default_rng(5)
    head = min(len(content), 3_000)
    for _ in range(N_MUTATIONS):
        changed = content.copy()
        at = rng.integers(0, head, size=rng.integers(1, 12))
        changed[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, *rng.integers(0, 256, 3)], size=len(at))
        read(tmp_path / f"changed_{name}", changed.tobytes())


def test_the_whole_one_of_these_is_read_whole(tmp_path: Path) -> None:
    assert texts(read_metadata(WHOLE["a.wav"](tmp_path / "a.wav"))) == RICH_TEXTS
