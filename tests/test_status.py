"""What ``status`` tells: what is missing or offline since when, what failed, how the watcher is."""

import json
import os
import time

import pytest
from peek import permissions_count
from shelf import Shelf, shelf

from clapsearch.cli.app import run
from clapsearch.present import date
from clapsearch.store import Place
from indexer.health import Health

__all__ = ["shelf"]


@pytest.fixture
def tell(shelf: Shelf, capsys: pytest.CaptureFixture[str]):
    """Run ``status``; returns its lines, or its JSON."""

    def run_it(*flags: str):
        assert run(["status", "--library", str(shelf.library.path), *flags]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return json.loads(out) if flags else out.splitlines()

    return run_it


def test_a_library_at_rest(shelf: Shelf, tell) -> None:
    folder = shelf.add("a", "x.wav", "y.wav")
    assert tell()[1:] == [
        "checkpoint  test",
        "sounds      2 in 2 contents, 2 vectors, 0.00 hours; 0 missing",
        f"folder      {folder}: 2 sounds",
    ]
    found = tell("--json")
    assert (found["missing"], found["failures"], found["watcher"]) == ([], [], None)
    assert (found["roots"][0]["is_there"], found["roots"][0]["offline_since"]) == (True, None)


def test_a_library_without_folders(tell) -> None:
    assert tell()[1:] == ["checkpoint  none yet", "sounds      0 in 0 contents, 0 vectors, 0.00 hours; 0 missing"]
    assert tell("--json")["roots"] == []


def test_missing_sounds_are_told_with_the_time(shelf: Shelf, tell) -> None:
    folder = shelf.add("a", "x.wav", "y.wav")
    shelf.lose("a/x.wav")
    assert f"folder      {folder}: 1 sound, 1 missing" in tell()
    assert tell()[-1] == f"missing     {folder}/x.wav since {date(5.0)}"
    assert tell("--json")["missing"] == [{"path": f"{folder}/x.wav", "since": 5.0}]


def test_folders_that_are_not_there_are_told_with_the_time_a_run_found_out(shelf: Shelf, tell) -> None:
    folder = shelf.add("a", "x.wav")
    folder.rename(shelf.folder / "unplugged")
    assert tell()[-1] == f"folder      {folder} (offline): 1 sound"
    with shelf.library.writing() as writing:
        writing.mark_offline(writing.roots()[0].id, 5.0)
    assert tell()[-1] == f"folder      {folder} (offline since {date(5.0)}): 1 sound"
    (root,) = tell("--json")["roots"]
    assert (root["is_there"], root["offline_since"]) == (False, 5.0)
    (shelf.folder / "unplugged").rename(folder)
    assert tell()[-1] == f"folder      {folder}: 1 sound"


@pytest.mark.parametrize("names", [(), ("x.wav",)])
def test_a_folder_that_must_not_be_read_is_told_with_the_reason(shelf: Shelf, tell, names: tuple[str, ...]) -> None:
    folder = shelf.add("a", *names)
    assert tell("--json")["roots"][0]["refusal"] is None
    folder.chmod(0)
    with permissions_count():
        line, (root,) = tell()[-1], tell("--json")["roots"]
    folder.chmod(0o755)
    assert line.startswith(f"folder      {folder} (cannot be read: Permission denied): ")
    assert (root["is_there"], root["refusal"]) == (False, "Permission denied")


def test_what_a_folder_leaves_out_and_takes_in_is_told(shelf: Shelf, tell) -> None:
    folder = shelf.add("a", "x.wav")
    with shelf.library.writing() as writing:
        writing.add_root(os.fsencode(folder), ["old", "*.mp3"], True)
    assert tell()[-1] == f"folder      {folder}: 1 sound, without old *.mp3, with videos"
    (root,) = tell("--json")["roots"]
    assert (root["exclude"], root["video"]) == (["old", "*.mp3"], True)


@pytest.mark.parametrize(("n_bad", "n_lines"), [(20, 20), (21, 21), (50, 21)])
def test_many_failures_are_counted_in_text_and_all_in_json(shelf: Shelf, tell, n_bad: int, n_lines: int) -> None:
    folder = shelf.add("a", "x.wav")
    with shelf.library.writing() as writing:
        for number in range(n_bad):
            place = Place(writing.roots()[0].id, b"%02d.wav" % number, 10, 1)
            writing.fail_sound(place, b"%d" % number, "no sound", transient=False)
    lines = [line for line in tell() if line.startswith("failed")]
    assert len(lines) == n_lines
    assert lines[0] == f"failed      {folder}/00.wav: no sound"
    if n_bad > 20:
        assert lines[-1] == f"failed      and {n_bad - 20} more; --json lists them all"
    assert tell("--json")["failures"] == [
        {"path": f"{folder}/{number:02}.wav", "reason": "no sound"} for number in range(n_bad)
    ]


def test_many_missing_sounds_are_counted_in_text_and_all_in_json(shelf: Shelf, tell) -> None:
    names = [f"{number:02}.wav" for number in range(23)]
    shelf.add("a", *names)
    shelf.lose(*(f"a/{name}" for name in names))
    assert tell()[-1] == "missing     and 3 more; --json lists them all"
    assert len(tell("--json")["missing"]) == 23


def test_a_running_watcher_is_told_with_what_it_does(shelf: Shelf, tell) -> None:
    shelf.add("a", "x.wav")
    health = Health.new()
    health.modes, health.n_changes = {"/a": "events", "/nas": "rescans (nfs is a network file system)"}, 1234
    health.write(shelf.library.health)
    assert tell()[-3:] == [
        f"watcher     process {os.getpid()} since {date(health.since)}, 1,234 changes",
        "            /a: events",
        "            /nas: rescans (nfs is a network file system)",
    ]
    health.waiting, health.problem, health.last_batch_at = 2, "the disk is full\x1b", time.time()
    health.write(shelf.library.health)
    lines = tell()[-5:]
    assert lines[0].endswith(f"1,234 changes, last batch {date(health.last_batch_at)}")
    assert lines[1:3] == ["            waiting for 2 files still written", "            the disk is full\\x1b"]
    watcher = tell("--json")["watcher"]
    assert (watcher["pid"], watcher["waiting"], watcher["problem"]) == (os.getpid(), 2, health.problem)
    assert watcher["modes"] == health.modes


@pytest.mark.parametrize("said", ["", "{", "[]", '{"pid": 1}', '{"pid": 999999999, "since": 0, "began": 0}'])
def test_what_no_running_watcher_says_is_not_told(shelf: Shelf, tell, said: str) -> None:
    shelf.library.health.write_text(said)
    assert tell("--json")["watcher"] is None
    assert not any(line.startswith("watcher") for line in tell())


def test_no_name_reaches_a_terminal_raw(shelf: Shelf, tell) -> None:
    odd = os.fsdecode(b"red\x1b[31m\xff")
    shelf.add(odd, f"{odd}.wav", f"{odd}2.wav")
    shelf.lose(f"{odd}/{odd}.wav")
    assert all(line.isprintable() for line in tell())
    assert "path_b64" in tell("--json")["missing"][0]
    assert "path_b64" in tell("--json")["roots"][0]
