"""Results as text: nothing in a name reaches a terminal raw, and bytes come back as they were."""

import base64
import json
import os
import time
from pathlib import Path

import pytest

from clapsearch import present
from clapsearch.search import Hit
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
        "offline": False,
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
