"""The verbs collect, play and open on an indexed folder."""

import contextlib
import csv
import os
import re
import shutil
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from test_cli import cli, indexed, kept
from test_player import OPENER, Speaker, desktop, program, speaker
from world import POSIX_ONLY

import clapsearch
from clapsearch.cli import out
from clapsearch.cli.app import run
from clapsearch.errors import ClapsearchError
from clapsearch.store import Library

__all__ = ["cli", "desktop", "indexed", "kept", "speaker"]
QUERY = ["rain", "on", "a tin roof"]


def test_collect(indexed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out.collect(str(tmp_path / "c"), QUERY, top=3)
    said, err = capsys.readouterr()
    assert said == f"collected 3 sounds; {tmp_path}/c/manifest.csv lists them\n"
    assert err == ""
    with open(tmp_path / "c" / "manifest.csv", encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert [row["rank"] for row in listed] == ["1", "2", "3"]
    for row in listed:
        assert (tmp_path / "c" / row["name"]).read_bytes() == Path(row["path"]).read_bytes()


def test_collect_takes_a_saved_search_and_what_is_added(indexed: Path, tmp_path: Path, capsys) -> None:
    with clapsearch.open() as session:
        session.save("roof", "rain on a tin roof")
    out.collect(str(tmp_path / "c"), saved="roof", top=3)
    out.collect(str(tmp_path / "d"), ["name:long"], saved="roof")
    names = [sorted(path.name for path in (tmp_path / each).glob("*.wav")) for each in "cd"]
    assert (len(names[0]), names[1]) == (3, ["long.wav"])
    with pytest.raises(ClapsearchError, match="no search is saved as 'wet'"):
        out.collect(str(tmp_path / "e"), saved="wet")
    assert not (tmp_path / "e").exists()
    capsys.readouterr()


def test_collect_links_and_says_what_is_left_out(indexed: Path, tmp_path: Path, capsys) -> None:
    (indexed / "group0" / "sound0.wav").unlink()
    out.collect(str(tmp_path / "c"), QUERY, link=True, top=100)
    said, err = capsys.readouterr()
    assert said.startswith("collected 8 sounds as hard links: to edit one is to edit the original; ")
    assert err == f"clapsearch: left out {indexed}/group0/sound0.wav: the file is gone\n"
    assert (tmp_path / "c" / "long.wav").samefile(indexed / "long.wav")


def test_collect_without_a_folder_collects_nowhere(
    indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    assert run(["collect", "", "rain"]) == 2
    assert capsys.readouterr() == ("", "clapsearch: a path is empty; an unset variable?\n")
    assert os.listdir() == []


def test_near_duplicates_come_with_all_and_are_counted_without(
    speaker: Speaker, indexed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(indexed / "long.wav", indexed / "longer.wav")
    assert run(["index", "--device", "cpu"]) == 0
    capsys.readouterr()
    for every, n_sounds, line in (
        (False, 9, "left out 1 file nearly the same as these; --all lists them"),
        (True, 10, ""),
    ):
        all_ = ["--all"] if every else []
        assert run(["collect", str(tmp_path / f"{every}"), "rain", *all_]) == 0
        said, err = capsys.readouterr()
        assert said.startswith(f"collected {n_sounds} sounds; ")
        assert err == (f"clapsearch: {line}\n" if line else "")
        assert run(["play", "rain", *all_]) == 0
        said, err = capsys.readouterr()
        assert len(said.splitlines()) == n_sounds
        assert err == (f"clapsearch: {line}\n" if line else "")


def test_a_rank_is_that_of_the_search_with_all_too(indexed: Path, desktop: Path, capsys) -> None:
    program(desktop / OPENER, "true")
    shutil.copy(indexed / "long.wav", indexed / "longer.wav")
    assert run(["index", "--device", "cpu"]) == 0
    with pytest.raises(ClapsearchError, match="the search finds 9 sounds"):
        out.open_(QUERY, rank=10)
    out.open_(QUERY, rank=10, every=True)
    assert re.search(r"^ *10 ", capsys.readouterr().out, re.MULTILINE)


def test_collect_says_that_nothing_matches_well(indexed: Path, tmp_path: Path, capsys) -> None:
    with (
        contextlib.closing(Library.open(Path(os.environ["CLAPSEARCH_LIBRARY"]))) as library,
        library.writing() as writing,
    ):
        writing.set_background(np.array([2], "<f4").tobytes())
    out.collect(str(tmp_path / "c"), QUERY, top=1)
    assert capsys.readouterr().err.startswith("clapsearch: nothing here matches well: for 100% of ordinary queries")


def test_play_plays_each_moment_once_when_piped(speaker: Speaker, indexed: Path, capsys) -> None:
    out.play(QUERY, top=100)
    said, err = capsys.readouterr()
    lines = said.splitlines()
    assert len(lines) == len(speaker.plays) == 9
    assert [int(line.split()[0]) for line in lines] == list(range(1, 10))
    assert all(re.match(r" *\d+ +-?\d\.\d{3}  /", line) for line in lines)
    long = next(n for n, line in enumerate(lines) if "long.wav" in line)
    assert re.search(r"long\.wav  \(0:\d\d to 0:\d\d\)$", lines[long])
    assert sum(map(len, speaker.plays[long])) == 10 * 48_000
    assert err == ""


def test_play_says_what_cannot_be_played_and_goes_on(speaker: Speaker, indexed: Path, capsys) -> None:
    (indexed / "long.wav").unlink()
    out.play(QUERY, top=100)
    said, err = capsys.readouterr()
    assert len(said.splitlines()) == 9
    assert len(speaker.plays) == 8
    assert re.fullmatch(r"clapsearch: .*/long\.wav: .*No such file.*\n", err)


def test_play_plays_a_file(speaker: Speaker, cli: Path, sounds: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(sounds)
    for name in ("./long.wav", str(sounds / "long.wav")):
        out.play([name])
        assert len(speaker.heard) == 22 * 48_000
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ClapsearchError, match=r"\./gone\.wav: there is no such file"):
        out.play(["./gone.wav"])


def test_play_without_a_device_does_not_search(speaker: Speaker, cli: Path) -> None:
    speaker.device = {}
    with pytest.raises(ClapsearchError, match="no audio device"):
        out.play(QUERY)


def test_open(indexed: Path, desktop: Path, tmp_path: Path, capsys) -> None:
    program(desktop / OPENER, f'printf "%s" "$*" > {tmp_path}/opened')
    out.open_(QUERY, rank=2)
    said = capsys.readouterr().out
    assert re.match(r" *2 ", said)
    assert (tmp_path / "opened").read_text() in said
    with pytest.raises(ClapsearchError, match="--rank is 10, and the search finds 9 sounds"):
        out.open_(QUERY, rank=10)


class Terminal:
    """A terminal, and who sits at it."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()

    def press(self, key: str) -> None:
        """Press a key once one is waited for: before that, it would be dropped."""
        wait_for(lambda: not termios.tcgetattr(self.theirs)[3] & termios.ICANON)
        os.write(self.ours, key.encode())


def wait_for(is_so: Callable[[], object], limit_s: float = 10) -> None:
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.005)


@contextlib.contextmanager
def auditioning(top: int = 100) -> Iterator[tuple[Terminal, list[type[BaseException]]]]:
    """Play hits at a terminal that is standard input and output; within the block it goes on, after it it is over."""
    terminal, raised = Terminal(), []

    def play() -> None:
        try:
            out.play(QUERY, top=top)
        except KeyboardInterrupt as error:
            raised.append(type(error))

    with (
        pytest.MonkeyPatch.context() as patch,
        open(terminal.theirs, closefd=False) as stdin,
        open(terminal.theirs, "w", closefd=False) as stdout,
    ):
        patch.setattr(sys, "stdin", stdin)
        patch.setattr(sys, "stdout", stdout)
        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        yield terminal, raised
        thread.join(timeout=20)
    assert not thread.is_alive()
    os.close(terminal.ours)
    os.close(terminal.theirs)


@POSIX_ONLY
@pytest.mark.parametrize(
    ("keys", "n_plays"),
    [("q", 1), ("nq", 2), ("rrq", 3), ("\rN\nq", 4), ("n" * 9, 9), ("r\x04", 2), ("\x1b", 1)],
)
def test_keys(speaker: Speaker, indexed: Path, keys: str, n_plays: int) -> None:
    with auditioning() as (terminal, _):
        for n, key in enumerate(keys, start=1):
            wait_for(lambda n=n: len(speaker.plays) == n)
            terminal.press(key)
    assert len(speaker.plays) == n_plays


@POSIX_ONLY
def test_a_key_ends_a_sound_at_once(speaker: Speaker, indexed: Path) -> None:
    speaker.block_s = 0.1
    with auditioning(top=1) as (terminal, _):
        wait_for(lambda: speaker.plays)
        terminal.press("q")
    assert speaker.stopped


@POSIX_ONLY
def test_an_interrupt_ends_it(speaker: Speaker, indexed: Path) -> None:
    with auditioning() as (terminal, raised):
        wait_for(lambda: speaker.plays)
        terminal.press("\x03")
    assert raised == [KeyboardInterrupt]
    assert len(speaker.plays) == 1
