"""A REAPER project, read back by a parser of its format that is not ours."""

import os
from pathlib import Path

import pytest
import rpp

from clapsearch.reaper import quoted, reaper_project, source_type
from clapsearch.search import Hit

HITS = [
    Hit(1, 0.5, Path("/s/rain on tin.wav"), 0.0, 2.5, 2.5),
    Hit(2, 0.4, Path("/s/long.flac"), 65.0, 75.0, 3700.0),
    Hit(3, 0.3, Path("/s/thud.mp3"), 0.0, 0.125, 0.125),
]
NAMES = [
    "plain.wav",
    "two words.wav",
    'say "hi".wav',
    "it's.wav",
    "`tick`.wav",
    'it\'s "here".wav',
    'a`b"c.wav',
    "#1; <b> |c >.wav",
    "\u96e8 \u00fc.wav",
    "a\\b.wav",
]


def of(name: str) -> Hit:
    return Hit(1, 0.5, Path("/s") / name, 1.0, 3.0, 9.0)


def values(element: rpp.Element, name: str) -> list[str]:
    return [child[1] for child in element if isinstance(child, list) and child[0] == name]


def test_items_follow_each_other_and_start_at_their_moments() -> None:
    export = reaper_project(HITS, sr=96_000, gap_s=0.5, title="rain")
    project = rpp.loads(export.text)
    assert project.tag == "REAPER_PROJECT"
    assert project.find("SAMPLERATE")[1:3] == ["96000", "1"]
    (track,) = project.findall("TRACK")
    assert values(track, "NAME") == ["rain"]
    items = track.findall("ITEM")
    assert [float(item.find("POSITION")[1]) for item in items] == [0.0, 3.0, 13.5]
    assert [float(item.find("LENGTH")[1]) for item in items] == [2.5, 10.0, 0.125]
    assert [float(item.find("SOFFS")[1]) for item in items] == [0.0, 65.0, 0.0]
    assert [item.find("NAME")[1] for item in items] == ["rain on tin.wav", "long.flac", "thud.mp3"]
    assert [item.find("SOURCE").attrib for item in items] == [["WAVE"], ["FLAC"], ["MP3"]]
    assert [item.find("SOURCE").find("FILE")[1] for item in items] == [str(hit.path) for hit in HITS]


def test_a_track_each() -> None:
    tracks = rpp.loads(reaper_project(HITS, track_each=True).text).findall("TRACK")
    assert [values(track, "NAME") for track in tracks] == [["rain on tin.wav"], ["long.flac"], ["thud.mp3"]]
    assert [len(track.findall("ITEM")) for track in tracks] == [1, 1, 1]
    positions = [float(track.find("ITEM").find("POSITION")[1]) for track in tracks]
    assert positions == sorted(set(positions))


@pytest.mark.parametrize("name", NAMES)
def test_every_name_comes_back(name: str) -> None:
    export = reaper_project([of(name)], title=name)
    track = rpp.loads(export.text).find("TRACK")
    item = track.find("ITEM")
    assert item.find("SOURCE").find("FILE")[1] == f"/s/{name}"
    assert item.find("NAME")[1] == name
    assert values(track, "NAME") == [name]
    assert export.notices == ()


@pytest.mark.parametrize("name", ["two\nlines.wav", os.fsdecode(b"\xff.wav"), "all \"'`.wav", "a\u2028b.wav"])
def test_what_reaper_cannot_be_told_is_left_out_and_said(name: str) -> None:
    export = reaper_project([of(name), HITS[0]])
    (item,) = rpp.loads(export.text).find("TRACK").findall("ITEM")
    assert item.find("NAME")[1] == "rain on tin.wav"
    assert float(item.find("POSITION")[1]) == 0.0  # no hole
    assert export.text.encode("utf-8")
    (notice,) = export.notices
    assert notice.startswith("left out /s/")
    assert notice.isprintable()


def test_a_title_with_everything_in_it_is_one_word() -> None:
    track = rpp.loads(reaper_project(HITS, title="a \"b\" 'c' `d`\ne").text).find("TRACK")
    assert values(track, "NAME") == ["a \"b\" 'c' 'd'\\ne"]
    assert quoted("") == '""'


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("a.WAV", "WAVE"),
        ("a.aiff", "WAVE"),
        ("a.w64", "WAVE"),
        ("a.ogg", "VORBIS"),
        ("a.opus", "OPUS"),
        ("a.wv", "WAVPACK"),
        ("a.m4a", "VIDEO"),
        ("a.mkv", "VIDEO"),
    ],
)
def test_the_reader_is_chosen_by_suffix(name: str, reader: str) -> None:
    assert source_type(name) == reader


def test_no_hits_are_an_empty_project() -> None:
    assert rpp.loads(reaper_project([]).text).find("TRACK").findall("ITEM") == []
