"""Service files: what systemd and launchd make of them is the command that was meant, whatever the names."""

import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clapsearch.cli import service
from clapsearch.cli.app import run
from clapsearch.errors import ClapsearchError

PLAIN = ["/usr/bin/python3", "-m", "clapsearch", "watch", "/home/me/Sounds"]
HOSTILE = [
    "two words",
    " ",
    "",
    'say "hi"',
    "it's",
    "100%",
    "%h/%n",
    "$HOME/${HOME}",
    "back\\slash\\n",
    "ends\\",
    "a;b",
    ";",
    "#hash",
    "*?[x]",
    "~",
    "@-:+!",
    "naïve café ♫",
]
CONTROL = ["two\nlines", "\ttab\r", "\x1b[31mred", "\u202eleft", os.fsdecode(b"\xff\xfe.wav"), "\xa0"]


def words(unit: str) -> list[bytes]:
    """Read ExecStart as systemd.service(5) and systemd.syntax(7) say: words, quotes, C escapes, %, then $."""
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|([^\s"\';]+)', line)
    assert re.sub(r'"(?:[^"\\]|\\.)*"|[^\s"\';]+', "", line).strip() == ""
    program, *arguments = (_unescaped(quoted or bare).replace(b"%%", b"%") for quoted, bare in found)
    assert all(word.replace(b"$$", b"").count(b"$") == 0 for word in arguments)
    return [program, *(word.replace(b"$$", b"$") for word in arguments)]


def _unescaped(word: str) -> bytes:
    assert word.isprintable()
    return re.sub(
        rb'\\(x[0-9a-f]{2}|[\\"])',
        lambda match: bytes.fromhex(match[1][1:].decode()) if match[1][:1] == b"x" else match[1],
        word.encode(),
    )


def test_a_plain_command_stays_readable() -> None:
    assert f"\nExecStart={' '.join(PLAIN)}\n" in service.systemd_unit(PLAIN)


@pytest.mark.parametrize("name", [*HOSTILE, *CONTROL])
def test_systemd_gets_every_name_as_it_is(name: str) -> None:
    whole = [*PLAIN, name, "--rescan", "60"]
    assert words(service.systemd_unit(whole)) == [os.fsencode(word) for word in whole]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_itself_reads_the_unit(tmp_path: Path) -> None:
    good = tmp_path / "good.service"
    good.write_text(service.systemd_unit([sys.executable, *HOSTILE, *CONTROL]))
    assert verified(good) == []
    # It says which program is not there, or may not be named so, which shows how it reads a word.
    for number, name in enumerate(name for name in HOSTILE if name.strip()):
        unit = tmp_path / f"unit{number}.service"
        unit.write_text(service.systemd_unit([f"/nowhere/{name}"]))
        understood = re.escape(f"/nowhere/{name}")
        complaint = rf"Command {understood} is not executable|special characters: {understood}$"
        assert re.search(complaint, "\n".join(verified(unit)), re.MULTILINE)


def verified(unit: Path) -> list[str]:
    """Return what systemd-analyze says of one unit; it may complain about others."""
    command = ["systemd-analyze", "--user", "verify", unit]
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(unit.parent), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False, timeout=60)
    return [line for line in done.stderr.splitlines() if unit.name in line]


@pytest.mark.parametrize("name", [name for name in HOSTILE + CONTROL if not re.search("[\r\x1b\udcff]", name)])
def test_launchd_gets_every_name_as_it_is(name: str) -> None:
    agent = plistlib.loads(service.launchd_agent([*PLAIN, name]).encode())
    assert agent["ProgramArguments"] == [*PLAIN, name]
    assert (agent["Label"], agent["RunAtLoad"]) == ("org.clapsearch.watch", True)


@pytest.mark.parametrize("name", ["\x1b[31mred", "tab\r", os.fsdecode(b"\xff.wav"), "\x00", "\uffff"])
def test_a_name_that_no_agent_can_hold_is_one_line(name: str) -> None:
    with pytest.raises(ClapsearchError, match=r"a launchd agent cannot hold the name \S+; rename it") as caught:
        service.launchd_agent([*PLAIN, name])
    assert str(caught.value).isprintable()


def test_the_command_runs_from_any_folder() -> None:
    done = subprocess.run([*service.command(["--version"])], cwd="/", capture_output=True, check=True, timeout=60)
    assert done.stdout.startswith(b"clapsearch ")


# What the verb prints


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return the arguments of the service that ``watch --systemd`` prints, after ``-m clapsearch``."""
    assert run(["watch", *arguments, "--systemd"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    program, *rest = [os.fsdecode(word) for word in words(out)]
    assert [program, *rest[:2]] == [sys.executable, "-m", "clapsearch"]
    return rest[2:]


def test_choices_made_anywhere_are_in_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("CLAPSEARCH_LIBRARY", "lib.sqlite3")
    monkeypatch.setenv("CLAPSEARCH_CHECKPOINT", "weights")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    flags = ["--exclude", "old", "--exclude", "*.mp3", "--video", "--workers", "3", "--rescan", "5", "--poll"]
    assert printed(capsys, "a b", "~/c/", *flags, "--device", "cpu") == [
        *("watch", f"{tmp_path}/a b", "/home/me/c"),
        *(
            "--library",
            f"{tmp_path}/lib.sqlite3",
            "--device",
            "cpu",
            "--checkpoint",
            f"{tmp_path}/weights",
            "--offline",
        ),
        *("--workers", "3", "--exclude", "old", "--exclude", "*.mp3", "--video", "--rescan", "5", "--poll"),
    ]


def test_without_choices_the_service_has_none_but_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    library = Path(os.environ["XDG_DATA_HOME"], "clapsearch", "library.sqlite3")
    assert printed(capsys) == ["watch", "--library", str(library), "--device", "auto", "--rescan", "60"]


def test_an_end_of_all_globs_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = printed(capsys, "/sounds", "--exclude", "")
    assert arguments[arguments.index("--exclude") + 1] == ""


def test_the_bundled_checkpoint_is_no_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini").mkdir()
    arguments = printed(capsys, "--checkpoint", "mini")
    assert arguments[arguments.index("--checkpoint") + 1] == "mini"


@pytest.mark.parametrize("form", ["--systemd", "--launchd"])
def test_the_service_is_a_command_that_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """Printing the service of a service changes nothing: all its flags are known, and mean the same."""
    monkeypatch.chdir(tmp_path)
    first = ["watch", "a", "--exclude", "", "--no-video", "--workers", "2", "--library", "l", form]
    assert run(first) == 0
    out = capsys.readouterr().out
    agent = plistlib.loads(out.encode()) if form == "--launchd" else {}
    whole = agent.get("ProgramArguments") or [os.fsdecode(word) for word in words(out)]
    monkeypatch.chdir("/")
    assert run([*whole[3:], form]) == 0
    assert capsys.readouterr().out == out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--systemd", "--launchd"], 2, "two forms of one service; choose one"),
        (["", "--systemd"], 2, "a path is empty"),
        (["--device", "tpu", "--systemd"], 2, "--device is tpu"),
        (["red\x1b", "--launchd"], 1, r"cannot hold the name /.*red\\x1b"),
    ],
)
def test_a_service_that_cannot_be_made_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert run(["watch", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(message, err)
    assert err.count("\n") == 1
