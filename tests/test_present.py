"""Results as text: nothing in a name reaches a terminal raw, and bytes come back as they were."""

import base64
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from clapsearch import present
from clapsearch.explanation import Reason
from clapsearch.search import Hit, Moment
from clapsearch.vocabulary import Description

NASTY = b"/s/\x1b[31mred\n\xff.wav"
HITS = [
    Hit(1, 0.51234567, Path("/s/rain.wav"), 0.0, 2.5, 2.5),
    Hit(2, -0.25, Path(os.fsdecode(NASTY)), 65.0, 75.0, 3700.0, is_offline=True),
]


def test_the_table_has_a_line_a_hit_and_escapes_names() -> None:
    lines = present.hits_table(HITS).splitlines()
    assert lines == [
        "rank  score  moment           path",
        "   1  0.512                   /s/rain.wav",
        "   2 -0.250  1:05 to 1:15     /s/\\x1b[31mred\\n\\xff.wav  (offline)",
    ]


def test_json_is_one_array_and_keeps_undecodable_bytes() -> None:
    first, second = json.loads(present.hits_json(HITS))
    assert first == {
        "rank": 1,
        "score": 0.512346,
        "path": "/s/rain.wav",
        "start_s": 0.0,
        "end_s": 2.5,
        "duration_s": 2.5,
        "standing": None,
        "sr": 0,
        "channels": 0,
        "offline": False,
        "takes": [],
        "moments": [],
    }
    assert second["offline"] is True
    assert base64.b64decode(second["path_b64"]) == NASTY
    assert "path_b64" not in first


def test_json_is_valid_utf8_whatever_the_names() -> None:
    assert json.loads(present.hits_json(HITS).encode("utf-8"))[1]["path"].endswith("\ufffd.wav")


def test_paths_are_raw_bytes() -> None:
    assert present.paths(HITS, end=b"\0").split(b"\0") == [b"/s/rain.wav", NASTY, b""]
    assert present.paths([]) == b""


def test_descriptions() -> None:
    found = [Description(1, "a dog", 0.4, 0.75), Description(2, "a cat", 0.1, 0.25)]
    assert present.descriptions_table(found).splitlines()[1] == "   1  0.400        75.0%  a dog"
    assert json.loads(present.descriptions_json(found))[1] == {
        "rank": 2,
        "text": "a cat",
        "score": 0.1,
        "probability": 0.25,
    }


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (65.9, "1:05"), (3600, "1:00:00"), (7384, "2:03:04")])
def test_clock(seconds: float, text: str) -> None:
    assert present.clock(seconds) == text


@pytest.mark.parametrize(("n", "text"), [(0, "0 sounds"), (1, "1 sound"), (2, "2 sounds"), (12_345, "12,345 sounds")])
def test_plural(n: int, text: str) -> None:
    assert present.plural(n, "sound") == text


def test_dates_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    shown = present.date(1_795_000_000.9)
    monkeypatch.undo()
    time.tzset()
    assert shown == "2026-11-18 13:06"


@pytest.mark.parametrize(("n", "text"), [(999, "1.0 kB"), (2_500_000, "2.5 MB"), (3_000_000_000, "3.0 GB")])
def test_size(n: int, text: str) -> None:
    assert present.size(n) == text


def test_right_to_left_overrides_are_escaped() -> None:
    assert present.printable("a\u202eb") == "a\\u202eb"


def test_what_is_asked_for_stands_under_a_hit() -> None:
    moments = (Moment(5.0, 15.0, 0.4), Moment(20.0, 30.0, 0.25))
    hit = replace(HITS[0], duration_s=30.0, start_s=5.0, end_s=15.0, moments=moments, standing=0.9)
    taken = replace(hit, takes=(Path("/s/b.wav"), Path("/s/c.wav")))
    reason = Reason((("rain", 0.4), ("-wind", 0.1)), {"sound": 2, "words": 1}, {"name": "[rain] 1"}, namesakes=0.75)
    assert present.hits_table([taken], [reason], moments=True).splitlines() == [
        "rank  score  beats  moment           path",
        "   1  0.512    90%  0:05 to 0:15     /s/rain.wav  (+2 alike)",
        "      0.250         0:20 to 0:30",
        "             rank 2 by sound, 1 by words",
        "             heard: rain 0.400, -wind 0.100, what is called so 0.750",
        "             name: [rain] 1",
    ]
    (record,) = json.loads(present.hits_json([taken], [reason]))
    assert record["takes"] == [{"path": "/s/b.wav"}, {"path": "/s/c.wav"}]
    assert record["moments"][1] == {"start_s": 20.0, "end_s": 30.0, "score": 0.25}
    assert record["why"] == {
        "parts": {"rain": 0.4, "-wind": 0.1},
        "namesakes": 0.75,
        "ranks": {"sound": 2, "words": 1},
        "words": {"name": "[rain] 1"},
    }


def test_filters_alone_give_no_reason_to_show() -> None:
    table = present.hits_table(HITS[:1], [Reason((), {}, {})])
    assert table == present.hits_table(HITS[:1])


def test_no_score_is_blank_in_a_table_and_null_in_json() -> None:
    hit = replace(HITS[0], score=float("nan"))
    assert present.hits_table([hit]).splitlines()[1] == "   1                          /s/rain.wav"
    assert json.loads(present.hits_json([hit]))[0]["score"] is None
