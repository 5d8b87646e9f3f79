"""Everything that is known of a file, for reading and for programs; the command `info`."""

import json
import os
from pathlib import Path

import pytest
import typer
from chunks import bext, chunk, cues, info, wav, written
from typer.testing import CliRunner

from clapsearch.audio import AudioInfo
from clapsearch.cli.info import info as info_command
from clapsearch.errors import AudioError
from clapsearch.listing import MAX_LINES, listing, record
from clapsearch.metadata import Marker, Metadata

SOUND = AudioInfo(4_800, 48_000, 1, "WAV/PCM_16")
NAME = "DOORWood-INT_Shed-Creak_AB_LIB.wav"
app = typer.Typer()
app.command()(info_command)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    chunks = bext(b"a shed", date=b"2021-05-04", time=b"12:34:56"), info(INAM=b"Creak"), cues((1, 2_400, b"slam"))
    return written(tmp_path / NAME, wav(*chunks, chunk(b"iXML", b"")))


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_a_line_for_everything_known(file: Path) -> None:
    lines = [line.split(None, 1) for line in run(str(file)).splitlines()]
    assert lines == [
        ["file", f"{file}, {file.stat().st_size / 1e3:.1f} kB"],
        ["format", "WAV/PCM_16, 48,000 Hz, 1 channel"],
        ["duration", "0.100 s"],
        ["recorded", "2021-05-04 12:34:56"],
        ["ucs.cat_id", "DOORWood"],
        ["ucs.category", "DOORS"],
        ["ucs.subcategory", "WOOD"],
        ["ucs.user_category", "INT"],
        ["ucs.vendor_category", "Shed"],
        ["ucs.fx_name", "Shed-Creak"],
        ["ucs.creator", "AB"],
        ["ucs.source", "LIB"],
        ["bext.description", "a shed"],
        ["bext.date", "2021-05-04"],
        ["bext.time", "12:34:56"],
        ["info.title", "Creak"],
        ["marker", "0:00.050 slam"],
        ["problem", "chunk iXML cannot be read: ValueError it is no XML"],
    ]


def test_json_has_the_same(file: Path) -> None:
    found = json.loads(run(str(file), "--json"))
    assert found["path"] == str(file)
    assert (found["sr"], found["channels"], found["duration_s"], found["format"]) == (48_000, 1, 0.1, "WAV/PCM_16")
    assert found["bytes"] == file.stat().st_size
    assert found["recorded_at"] == 1620131696.0
    assert found["ucs"]["user_category"] == "INT"
    assert {"name": "bext.description", "text": "a shed"} in found["fields"]
    assert found["markers"] == [{"at_s": 0.05, "label": "slam"}]
    assert len(found["problems"]) == 1


def test_a_file_without_metadata_or_length() -> None:
    plain = AudioInfo(0, 44_100, 2, "FLAC/PCM_16")
    lines = listing("/a.flac", 10, plain, Metadata(), None).splitlines()
    assert lines[1:] == ["format    FLAC/PCM_16, 44,100 Hz, 2 channels", "duration  not in the header"]
    found = record("/a.flac", 10, plain, Metadata(), None)
    assert (found["duration_s"], found["ucs"], found["fields"], found["recorded_at"]) == (None, None, [], None)


def test_names_are_safe_to_show() -> None:
    name = os.fsdecode(b"/a\x1b[31m\xff\n.wav")
    text = listing(name, 1, SOUND, Metadata(), None)
    assert text.startswith("file      /a\\x1b[31m\\xff\\n.wav, ")
    assert record(name, 1, SOUND, Metadata(), None)["path_b64"]


def test_many_markers_are_counted() -> None:
    markers = tuple(Marker(60.0 * i, "") for i in range(MAX_LINES + 5))
    lines = listing("/a.wav", 1, SOUND, Metadata(markers=markers), None).splitlines()
    assert lines[3:5] == ["marker    0:00.000", "marker    1:00.000"]
    assert lines[-1] == "marker    and 5 more; --json lists them all"


@pytest.mark.parametrize(("content", "reason"), [(b"no sound\n", "not a sound file"), (b"", "empty file")])
def test_what_is_no_sound_is_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = written(tmp_path / "a.wav", content)
    with pytest.raises(AudioError, match=f"{path}: {reason}"):
        run(str(path))
    with pytest.raises(AudioError, match="No such file"):
        run(str(tmp_path / "gone.wav"))
