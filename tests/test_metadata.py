"""What files say of themselves, written byte by byte here, comes out as it went in."""

import os
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from chunks import SR, aiff, bext, chunk, cues, flac, id3, info, ixml, marks, rf64, vorbis, wav, written
from encoders import add_sound, encode, frames_of
from signals import noise

from clapsearch.audio import probe
from clapsearch.errors import UnreadableError
from clapsearch.metadata import Field, Marker, Metadata, read_metadata

IXML = """<?xml version="1.0" encoding="UTF-8"?>
<BWFXML><IXML_VERSION>1.61</IXML_VERSION><PROJECT>Harbour</PROJECT><SCENE>12A</SCENE><TAKE>3</TAKE>
<NOTE>gulls &amp; wind</NOTE><SPEED><MASTER_SPEED>25/1</MASTER_SPEED></SPEED>
<TRACK_LIST><TRACK_COUNT>1</TRACK_COUNT><TRACK><CHANNEL_INDEX>1</CHANNEL_INDEX><NAME>Boom</NAME></TRACK></TRACK_LIST>
<BEXT><BWF_ORIGINATION_DATE>2019-03-02</BWF_ORIGINATION_DATE><BWF_ORIGINATION_TIME>04:05:06</BWF_ORIGINATION_TIME></BEXT>
</BWFXML>"""
DESCRIPTION = "sSPEED=025.000 Möwen am Hafen"
RICH = (
    bext(DESCRIPTION.encode(), b"ZOOM H5", b"REF1", b"2021-05-04", b"12:34:56", b"A=PCM,F=48000\r\nA=MPEG\r\n", 99),
    ixml(IXML),
    info(INAM=b"Harbour morning", ICMT="naïve".encode("cp1252"), ICRD=b"2020-01-02"),
    cues((7, 4_800, b"gull"), (3, 2_400, "Möwe".encode())),
    chunk(b"id3 ", id3(TIT2="In the harbour", TPE1="Someone", TXXX="UCS\0DOORWood")),
)


def read(path: Path, content: bytes) -> Metadata:
    return read_metadata(written(path, content))


def texts(metadata: Metadata) -> dict[str, str]:
    return {field.name: field.text for field in metadata.fields}


def unix(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()


RICH_TEXTS = {
    "bext.description": DESCRIPTION,
    "bext.originator": "ZOOM H5",
    "bext.originator_reference": "REF1",
    "bext.date": "2021-05-04",
    "bext.time": "12:34:56",
    "bext.coding_history": "A=PCM,F=48000 A=MPEG",
    "bext.time_reference": "99",
    "ixml.project": "Harbour",
    "ixml.scene": "12A",
    "ixml.take": "3",
    "ixml.note": "gulls & wind",
    "ixml.track.name": "Boom",
    "ixml.bext.origination_date": "2019-03-02",
    "ixml.bext.origination_time": "04:05:06",
    "info.title": "Harbour morning",
    "info.comment": "naïve",
    "info.created_date": "2020-01-02",
    "tag.title": "In the harbour",
    "tag.artist": "Someone",
    "tag.ucs": "DOORWood",
}


@pytest.mark.parametrize(
    "content",
    [wav(*RICH), wav(before=b"".join(RICH)), rf64(*RICH), rf64(before=b"".join(RICH)), rf64(*RICH, magic=b"BW64")],
    ids=["after", "before", "rf64", "rf64-before", "bw64"],
)
def test_everything_in_a_wav_is_read(tmp_path: Path, content: bytes) -> None:
    told = read(tmp_path / "a.wav", content)
    assert texts(told) == RICH_TEXTS
    assert told.markers == (Marker(0.05, "Möwe"), Marker(0.1, "gull"))
    assert told.recorded_at == unix(2021, 5, 4, 12, 34, 56)
    assert told.problems == ()


def test_the_files_of_these_tests_are_sounds(tmp_path: Path) -> None:
    """Else they would prove nothing about real files."""
    for content in (wav(*RICH), rf64(*RICH)):
        assert probe(written(tmp_path / "a.wav", content)).n_samples == 4_800
    assert probe(written(tmp_path / "a.aif", aiff(marks((1, b"one"))))).sr == SR


def test_json_gives_the_same_back(tmp_path: Path) -> None:
    told = read(tmp_path / "a.wav", wav(*RICH, bext()))
    assert Metadata.from_json(told.to_json()) == told
    assert "\n" not in told.to_json()
    assert Metadata.from_json(Metadata().to_json()) == Metadata()
    for other in ("", "[]", "{}", '{"fields": [1], "markers": [], "recorded_at": null, "problems": []}'):
        with pytest.raises((ValueError, LookupError, TypeError)):
            Metadata.from_json(other)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_ixml_in_any_unicode(tmp_path: Path, encoding: str) -> None:
    text = "<BWFXML><NOTE>Möwe 鷗</NOTE></BWFXML>"
    assert texts(read(tmp_path / "a.wav", wav(ixml(text, encoding)))) == {"ixml.note": "Möwe 鷗"}


def test_an_encoding_that_ixml_only_claims_does_not_matter(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><BWFXML><NOTE>Möwe</NOTE></BWFXML>'
    assert texts(read(tmp_path / "a.wav", wav(ixml(text)))) == {"ixml.note": "Möwe"}


def test_a_text_cut_inside_a_character_keeps_the_rest(tmp_path: Path) -> None:
    description = b"x" * 255 + "ö".encode()
    assert texts(read(tmp_path / "a.wav", wav(bext(description)))) == {"bext.description": "x" * 255}


def test_chunks_that_are_not_padded_are_found(tmp_path: Path) -> None:
    odd = b"junk" + (3).to_bytes(4, "little") + b"abc"
    assert texts(read(tmp_path / "a.wav", wav(odd, info(INAM=b"even")))) == {"info.title": "even"}
    entries = b"INAM" + (3).to_bytes(4, "little") + b"abc" + b"IART" + (2).to_bytes(4, "little") + b"me"
    assert texts(read(tmp_path / "b.wav", wav(chunk(b"LIST", b"INFO" + entries)))) == {
        "info.title": "abc",
        "info.artist": "me",
    }


def test_the_first_of_two_chunks_counts(tmp_path: Path) -> None:
    assert texts(read(tmp_path / "a.wav", wav(info(INAM=b"one"), info(INAM=b"two")))) == {"info.title": "one"}


def test_a_note_stands_in_for_a_label(tmp_path: Path) -> None:
    points = cues((1, 480, b""))
    adtl = chunk(b"LIST", b"adtl" + chunk(b"note", b"\1\0\0\0a note\0"))
    lone = points[: points.index(b"LIST")]
    assert read(tmp_path / "a.wav", wav(lone, adtl)).markers == (Marker(0.01, "a note"),)
    assert read(tmp_path / "b.wav", wav(lone)).markers == (Marker(0.01, ""),)


def test_aiff_texts_tags_and_markers(tmp_path: Path) -> None:
    chunks = ((b"NAME", b"Bell"), (b"AUTH", b"Someone"), (b"ID3 ", id3(TCOM="A composer")))
    told = read(tmp_path / "a.aif", aiff(*chunks, marks((480, b"hit"), (960, b"tail"))))
    assert texts(told) == {"tag.title": "Bell", "tag.artist": "Someone", "tag.composer": "A composer"}
    assert told.markers == (Marker(0.01, "hit"), Marker(0.02, "tail"))
    assert told.problems == ()


def test_flac_comments(tmp_path: Path) -> None:
    comments = vorbis(b"TITLE=Rain", "ARTIST=Ümit".encode(), b"DATE=2018-07-06", b"My Own Key=x", b"TITLE=Roof")
    told = read(tmp_path / "a.flac", flac(comments))
    assert told.fields == (
        *(Field("tag.title", "Rain"), Field("tag.artist", "Ümit"), Field("tag.date", "2018-07-06")),
        *(Field("tag.my_own_key", "x"), Field("tag.title", "Roof")),
    )
    assert told.recorded_at == unix(2018, 7, 6)


ENCODED = [
    ("a.mp3", "libmp3lame", {}),
    ("a.ogg", "vorbis", {}),
    ("a.opus", "libopus", {}),
    ("a.flac", "flac", {}),
    ("a.m4a", "aac", {}),
    ("a.m4a", "alac", {}),
    ("a.wma", "wmav2", {"format": "asf"}),
    ("a.mka", "flac", {}),
    ("a.wv", "wavpack", {}),
    ("a.wav", "pcm_s16le", {}),
    ("a.aiff", "pcm_s16be", {"options": {"write_id3v2": "1"}}),
]


def tagged(path: Path, codec: str, tags: dict[str, str], how: dict[str, Any]) -> Path:
    """Let ffmpeg write a sound with tags."""
    with av.open(str(path), "w", **how) as container:
        container.metadata.update(tags)
        stream = add_sound(container, codec, SR, 2)
        stream.bit_rate = 128_000
        encode(container, stream, frames_of(np.stack([noise(0.3)] * 2, axis=1), SR))
    return path


@pytest.mark.parametrize(("name", "codec", "how"), ENCODED)
def test_tags_that_ffmpeg_writes(tmp_path: Path, name: str, codec: str, how: dict[str, Any]) -> None:
    tags = {"title": "Regen 雨", "artist": "Ümit", "comment": "two rooms", "date": "2017-02-03"}
    told = read_metadata(tagged(tmp_path / name, codec, tags, how))
    found = {field.text for field in told.fields}
    assert {"Regen 雨", "Ümit", "two rooms"} <= found
    assert told.recorded_at == unix(2017, 2, 3)
    assert told.problems == ()


@pytest.mark.parametrize(("name", "codec"), [("a.mka", "pcm_s16le"), ("a.m4a", "aac")])
def test_chapters_are_markers(tmp_path: Path, name: str, codec: str) -> None:
    ends = (("start", 0, 100), ("drop", 100, 300))
    chapters = [
        {"id": i, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
        for i, (title, start, end) in enumerate(ends)
    ]
    with av.open(str(tmp_path / name), "w") as container:
        container.set_chapters(chapters)
        encode(container, add_sound(container, codec, SR, 1), frames_of(noise(0.3), SR))
    assert read_metadata(tmp_path / name).markers == (Marker(0.0, "start"), Marker(0.1, "drop"))


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"no sound at all\n" * 9, b"\0" * 100, wav(), b"ID3", b"OggS", b"fLaC"]
)
def test_files_that_say_nothing(tmp_path: Path, content: bytes) -> None:
    told = read(tmp_path / "a.wav", content)
    assert (told.fields, told.markers, told.recorded_at) == ((), (), None)


def test_names_of_any_kind(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"\xff\n.wav")
    with open(path, "wb") as file:
        file.write(wav(info(INAM=b"odd name")))
    for spelled in (path, os.fsdecode(path), Path(os.fsdecode(path))):
        assert texts(read_metadata(spelled)) == {"info.title": "odd name"}


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="No such file"):
        read_metadata(tmp_path / "gone.wav")
    with pytest.raises(UnreadableError, match="not a regular file"):
        read_metadata(tmp_path)
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(UnreadableError, match="not a regular file"):
        read_metadata(tmp_path / "pipe.wav")


def test_the_sound_is_passed_over(tmp_path: Path) -> None:
    """Of a gigabyte, with the metadata behind it, only the ends are touched."""
    path = tmp_path / "long.wav"
    n_data = 1 << 30
    with path.open("wb") as file:
        start = wav()[:36]
        file.write(start + b"data" + n_data.to_bytes(4, "little"))
        file.seek(n_data, os.SEEK_CUR)
        file.write(bext(b"at the end"))
    before = Path("/proc/self/io").read_text() if Path("/proc/self/io").exists() else None
    assert texts(read_metadata(path)) == {"bext.description": "at the end"}
    if before is None:
        pytest.skip("this system does not count what a process reads")
    after = Path("/proc/self/io").read_text()
    n_read = int(after.split()[1]) - int(before.split()[1])
    assert n_read < 1 << 20


def test_soundfile_writes_what_is_read(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a.wav", "w", SR, 1) as file:
        file.title, file.artist = "from libsndfile", "someone"
        file.write(noise(0.1))
    told = texts(read_metadata(tmp_path / "a.wav"))
    assert (told["info.title"], told["info.artist"]) == ("from libsndfile", "someone")
