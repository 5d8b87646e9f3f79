"""The commands moments, extract and duplicates, as users meet them."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib import image
from signals import noise

from clapsearch.api import Session
from clapsearch.cli.app import app, run

IS_WIRED = hasattr(Session, "timeline") and "moments" in {each.callback.__name__ for each in app.registered_commands}
pytestmark = pytest.mark.skipif(not IS_WIRED, reason="the commands are not registered")
SR = 48_000


@pytest.fixture
def cli(tmp_path: Path, fused_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Choose library and checkpoint through the environment; returns the library's path."""
    library = tmp_path / "cli" / "library.sqlite3"
    monkeypatch.setenv("CLAPSEARCH_LIBRARY", str(library))
    monkeypatch.setenv("CLAPSEARCH_CHECKPOINT", str(fused_folder))
    return library


@pytest.fixture
def takes(cli: Path, tmp_path: Path) -> Path:
    """Three takes with pauses between: 0 to 2 s, 3 to 4.5 s, 6 to 9 s; 24 bits, two channels."""
    path, pause = tmp_path / "takes.wav", np.zeros
    parts = [noise(2, seed=1), pause(SR), noise(1.5, seed=12), pause(SR * 3 // 2), noise(3, seed=5), pause(SR)]
    soundfile.write(path, np.stack([np.concatenate(parts)] * 2, axis=1), SR, subtype="PCM_24")
    return path


def test_moments_draws_and_lists(takes, tmp_path, capsys):
    assert run(["moments", str(takes), "a dog barks", "--png", str(tmp_path / "line.png")]) == 0
    out, err = capsys.readouterr()
    chart, table = out.split("\n\n")
    assert chart.splitlines()[-1].startswith("0:00")
    header, *rows = table.splitlines()
    assert header == "rank  score  moment"
    assert rows[0].split()[0] == "1"
    assert {row.split("  ")[-1] for row in rows} <= {"0:00.0 to 0:02.0", "0:03.0 to 0:04.5", "0:06.0 to 0:09.0"}
    assert err == ""
    assert image.imread(tmp_path / "line.png").std() > 0.01


def test_moments_as_json(takes, capsys):
    assert run(["moments", str(takes), "a dog barks", "--json", "-k", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == str(takes)
    assert told["duration_s"] == 10.0
    assert [(round(each["start_s"], 1), round(each["end_s"], 1)) for each in told["timeline"]] == [
        (0, 2),
        (3, 4.5),
        (6, 9),
    ]
    (best,) = told["moments"]
    assert best["score"] == max(each["score"] for each in told["timeline"])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["moments", "gone.wav", "rain"], 1, "gone.wav: cannot be read"),
        (["moments", "takes.wav", " "], 2, "query is empty"),
        (["moments", "takes.wav", "rain", "-k", "0"], 2, "-k is 0"),
        (["moments", "takes.wav", "rain", "--png", "x.gif"], 2, "ends in .png"),
        (["moments", "takes.wav", "dur:<3"], 2, "moments of one file cannot be filtered"),
        (["moments", "takes.wav", "rain dur:<3"], 2, "moments of one file cannot be filtered"),
        (["extract", "takes.wav", "1", "x.wav", "2", "3"], 2, "extract takes FILE START END OUT.wav"),
        (["extract", "takes.wav", "one", "2", "x.wav"], 2, "'one' is no time"),
        (["extract", "takes.wav", "2", "1", "x.wav"], 2, "is no stretch of time"),
        (["extract", "takes.wav", "1", "60", "x.wav"], 1, "takes.wav: it lasts 10.000 s"),
        (["extract", "takes.wav", "1", "2", "x.mp3"], 2, "ends in .wav"),
        (["extract", "takes.wav", "1", "2", "takes.wav", "--force"], 2, "it is the file to cut from"),
        (["duplicates", "--min-similarity", "2"], 1, "no library"),
    ],
)
def test_what_cannot_be_is_one_line(takes, tmp_path, monkeypatch, capsys, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))
    assert run(arguments) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert sorted(os.listdir(tmp_path)) == before


def test_extract_by_times(takes, tmp_path, capsys):
    out = tmp_path / "cut.wav"
    assert run(["extract", str(takes), "0:03.25", "4", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}  3.250 to 4.000 s, 48000 Hz, 2 ch, PCM_24\n"
    whole, cut = (soundfile.read(path, dtype="int32")[0] for path in (takes, out))
    np.testing.assert_array_equal(cut, whole[int(3.25 * SR) : 4 * SR])
    assert run(["extract", str(takes), "0", "1", str(out)]) == 1
    assert run(["extract", str(takes), "0", "1", str(out), "--force"]) == 0


def test_extract_by_words_cuts_the_best_moment(takes, tmp_path, capsys):
    out = tmp_path / "cut.wav"
    assert run(["moments", str(takes), "a dog barks", "--json"]) == 0
    best = json.loads(capsys.readouterr().out)["moments"][0]
    assert run(["extract", str(takes), "a dog barks", str(out)]) == 0
    whole, cut = (soundfile.read(path, dtype="int32")[0] for path in (takes, out))
    np.testing.assert_array_equal(cut, whole[round(best["start_s"] * SR) : round(best["end_s"] * SR)])


def test_duplicates(cli, takes, tmp_path, capsys):
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(takes, folder / "a.wav")
    shutil.copy(takes, folder / "b\n.wav")
    waveform, _ = soundfile.read(takes)
    soundfile.write(folder / "c.flac", waveform, SR, subtype="PCM_24")
    assert run(["index", str(folder), "--device", "cpu"]) == 0
    capsys.readouterr()
    assert run(["duplicates"]) == 0
    out, err = capsys.readouterr()
    same, near = out.rstrip("\n").split("\n\n")
    assert same.splitlines() == [f"same bytes  {folder}/a.wav", f"same bytes  {folder}/b\\n.wav"]
    assert f"{folder}/a.wav  (and 1 exact copy)" in near
    assert f"1.000  {folder}/c.flac" in near
    assert err.splitlines() == [
        "clapsearch: 2 sounds in 1 group with the same bytes as others",
        "clapsearch: 2 sounds in 1 group nearly the same as others",
    ]
    assert run(["duplicates", "--exact", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [[each["path"] for each in group] for group in told["exact"]] == [[f"{folder}/a.wav", f"{folder}/b\n.wav"]]
    assert told["near"] == []
    assert run(["duplicates", "--json"]) == 0
    ((first, second),) = json.loads(capsys.readouterr().out)["near"]
    assert {first["copies"], second["copies"]} == {0, 1}
    assert run(["duplicates", "--min-similarity", "2"]) == 2
