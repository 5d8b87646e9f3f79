"""Hits as files for other programs, read back by readers that are not ours."""

import base64
import csv
import io
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import m3u8
import pytest

from clapsearch.outputs import hits_csv, hits_jsonl, hits_m3u8
from clapsearch.search import Hit

ODD = [
    b"/s/\x1b[31mred.wav",
    b"/s/two\nlines.wav",
    b"/s/cr\r\n.wav",
    b"/s/\xff\xfe.wav",
    "/s/next\u0085line.wav".encode(),
    "/s/\u2028.wav".encode(),
    "/s/\u009b31m.wav".encode(),
    b"/s/\x7f.wav",
]
PLAIN = [
    "/s/rain.wav",
    '/s/say "hi", twice.wav',
    "/s/#1; a\\b.wav",
    "/s/Gewitter\u00fcber Z\u00fcrich \u96e8.wav",
    "/s/u\u0308.wav",
    "/s/,=@.wav",
]
NAMES = [os.fsencode(name) for name in PLAIN] + ODD


def hit(raw: bytes, rank: int = 1, **times: float) -> Hit:
    times = {"start_s": 0.0, "end_s": 2.5, "duration_s": 2.5, **times}
    return Hit(rank, 0.51234567, Path(os.fsdecode(raw)), **times)


COLUMNS = [
    "rank",
    "score",
    "standing",
    "path",
    "path_b64",
    "start_s",
    "end_s",
    "duration_s",
    "sr",
    "channels",
    "offline",
    "takes",
]
HITS = [hit(raw, rank) for rank, raw in enumerate(NAMES, start=1)]
PART = hit(b"/s/long.wav", start_s=65.0, end_s=75.0, duration_s=3700.0)


def raw_path(record: dict[str, str]) -> bytes:
    return base64.b64decode(record["path_b64"]) if record.get("path_b64") else record["path"].encode()


def test_jsonl_is_one_object_a_line_for_every_reader() -> None:
    text = hits_jsonl(HITS)
    assert text.encode("utf-8").decode("utf-8") == text
    assert text.endswith("\n")
    for lines in (text.splitlines(), text[:-1].split("\n"), list(io.StringIO(text))):
        records = [json.loads(line) for line in lines]
        assert [raw_path(record) for record in records] == NAMES
    assert records[0]["score"] == 0.512346
    assert all(char.isprintable() or char == "\n" for char in text)
    assert hits_jsonl([]) == ""


def test_csv_comes_back_from_the_csv_module() -> None:
    text = hits_csv(HITS)
    rows = list(csv.DictReader(io.StringIO(text.encode("utf-8").decode("utf-8"), newline="")))
    assert [raw_path(row) for row in rows] == NAMES
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, len(NAMES) + 1)]
    assert [row["path"] for row in rows[: len(PLAIN)]] == PLAIN
    assert {row["path_b64"] for row in rows[: len(PLAIN)]} == {""}
    assert rows[0]["offline"] == "False"


def test_csv_has_a_line_a_hit_after_rfc_4180() -> None:
    text = hits_csv(HITS)
    assert text.splitlines()[0] == ",".join(COLUMNS)
    lines = text.split("\r\n")
    assert len(lines) == len(HITS) + 2
    assert lines[-1] == ""
    assert all(char.isprintable() for line in lines for char in line)
    assert hits_csv([]).count("\r\n") == 1


@pytest.mark.parametrize("raw", [raw for raw in NAMES if raw not in ODD])
def test_a_playlist_parser_finds_the_files(raw: bytes) -> None:
    export = hits_m3u8([hit(raw), PART])
    first, second = m3u8.loads(export.text).segments
    assert os.fsencode(first.uri) == raw
    assert (first.duration, second.duration) == (2.5, 3700.0)
    assert first.title == f"0.512 {os.path.basename(os.fsdecode(raw))}"
    assert (second.uri, second.title) == ("/s/long.wav", "0.512 long.wav (1:05 to 1:15)")
    assert export.notices == ()


def test_a_playlist_tells_vlc_the_moment_unless_asked_not_to() -> None:
    lines = hits_m3u8([PART]).text.splitlines()
    assert lines == [
        "#EXTM3U",
        "#EXTINF:3700.000,0.512 long.wav (1:05 to 1:15)",
        "#EXTVLCOPT:start-time=65.000",
        "#EXTVLCOPT:stop-time=75.000",
        "/s/long.wav",
    ]
    assert hits_m3u8([PART], moments=False).text.splitlines()[1:] == ["#EXTINF:3700.000,0.512 long.wav", "/s/long.wav"]
    assert "VLCOPT" not in hits_m3u8([HITS[0]]).text


@pytest.mark.parametrize("raw", [*ODD, b"/s/blank.wav "])
def test_what_cannot_stand_in_a_playlist_is_left_out_and_said(raw: bytes) -> None:
    export = hits_m3u8([hit(b"/s/a.wav"), hit(raw), hit(b"/s/b.wav")])
    assert [segment.uri for segment in m3u8.loads(export.text).segments] == ["/s/a.wav", "/s/b.wav"]
    assert export.text.encode("utf-8")
    (notice,) = export.notices
    assert notice.startswith("left out /s/")
    assert notice.isprintable()
    assert "its path" in notice


def test_an_empty_playlist_is_one() -> None:
    assert hits_m3u8([]).text == "#EXTM3U\n"


def test_csv_counts_the_takes_that_a_hit_stands_for() -> None:
    takes = (Path("/s/rain 2.wav"), Path("/s/rain 3.wav"))
    text = hits_csv([HITS[0], replace(HITS[1], takes=takes)])
    assert [row["takes"] for row in csv.DictReader(io.StringIO(text, newline=""))] == ["0", "2"]


def test_a_hit_that_was_not_heard_has_no_score() -> None:
    unheard = Hit(1, math.nan, Path("/s/rain.wav"), 0.0, 2.5, 2.5)
    (row,) = csv.DictReader(io.StringIO(hits_csv([unheard]), newline=""))
    assert row["score"] == ""
    assert json.loads(hits_jsonl([unheard]))["score"] is None
    assert m3u8.loads(hits_m3u8([unheard]).text).segments[0].title == "rain.wav"
