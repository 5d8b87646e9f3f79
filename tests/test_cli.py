"""The command line as users meet it: output, exit codes, one-line errors."""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from shelf import Shelf, shelf
from signals import noise
from typer.main import get_command

import clapsearch
from clapsearch.cli.app import app, run
from clapsearch.cli.index import _show
from indexer.report import Report

__all__ = ["shelf"]


@pytest.fixture
def cli(tmp_path: Path, fused_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Choose library and checkpoint through the environment; returns the library's path."""
    library = tmp_path / "cli" / "library.sqlite3"
    monkeypatch.setenv("CLAPSEARCH_LIBRARY", str(library))
    monkeypatch.setenv("CLAPSEARCH_CHECKPOINT", str(fused_folder))
    return library


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test that needs an indexed folder leaves it, with its library, for the others."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def indexed(cli: Path, sounds: Path, kept: Path) -> Path:
    if not (kept / "cli").exists():
        with contextlib.redirect_stdout(io.StringIO()):
            assert run(["index", str(sounds), "--device", "cpu"]) == 0
        shutil.copytree(sounds, kept / "sounds")
        shutil.copytree(cli.parent, kept / "cli")
    else:
        shutil.copytree(kept / "sounds", sounds, dirs_exist_ok=True)
        shutil.copytree(kept / "cli", cli.parent)
        with clapsearch.open() as session:
            session.relocate(os.fsdecode(session.status().roots[0].path), sounds)
    return sounds


def shell(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "clapsearch", *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=120, **options)  # type: ignore[call-overload]


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    return err


def test_index_reports_what_it_did(cli: Path, sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sounds / "bad.wav").write_text("text")
    assert run(["index", str(sounds), "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("9 indexed, 0 unchanged, 1 failed\n")
    assert re.search(r"0\.01 hours of sound in .* s: walk .* s, decode .* s, embed .* s, store .* s", out)
    assert re.search(r"the bottleneck was (walk|decode|embed|store|snapshot)\n$", out)
    assert err == f"skipping {sounds}/bad.wav: not a sound file that can be decoded (Format not recognised.)\n"
    assert run(["index", "--strict"]) == 1  # it failed before, and still would
    assert capsys.readouterr().out == "0 indexed, 9 unchanged, 0 failed, 1 still failed\n"


def test_strict_makes_failures_exit_1(cli: Path, sounds: Path) -> None:
    (sounds / "bad.wav").write_text("text")
    assert run(["index", str(sounds), "--strict", "--device", "cpu"]) == 1


def test_search_prints_a_table(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "rain on a tin roof", "-k", "3"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ["rank", "score", "moment", "path"]
    assert len(lines) == 4
    assert all(line.split()[-1].startswith(str(indexed)) for line in lines[1:])
    assert err == ""


def test_search_prints_json(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "rain", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["rank"] for record in records] == list(range(1, 10))
    assert set(records[0]) == {
        *("rank", "score", "standing", "path", "start_s", "end_s", "duration_s"),
        *("sr", "channels", "offline", "takes", "moments"),
    }
    long = next(record for record in records if record["path"].endswith("long.wav"))
    assert long["end_s"] - long["start_s"] == 10


def test_paths_and_nul(indexed: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    odd = indexed / os.fsdecode(b"new\nline \xff.wav")
    soundfile.write(os.fsencode(odd), noise(0.4, seed=50), 48_000, format="WAV")
    assert run(["index", "--device", "cpu"]) == 0
    capsysbinary.readouterr()
    assert run(["search", "rain", "--all", "--paths", "-k", "100"]) == 0
    by_line = capsysbinary.readouterr().out
    assert run(["search", "rain", "--all", "-0", "-k", "100"]) == 0
    by_nul = capsysbinary.readouterr().out
    assert by_nul.count(b"\0") == 10
    assert os.fsencode(odd) in by_nul.split(b"\0")
    assert by_line.replace(b"\n", b"") == by_nul.replace(b"\0", b"").replace(b"\n", b"")
    assert run(["search", "rain", "--all", "-k", "100"]) == 0
    assert rb"new\nline \xff.wav" in capsysbinary.readouterr().out


def test_similar_and_describe(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["similar", str(indexed / "long.wav"), "--json", "-k", "100"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert len(records) == 8
    assert not any(record["path"].endswith("long.wav") for record in records)
    assert run(["describe", str(indexed / "long.wav"), "--json", "-k", "2"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [set(record) for record in records] == [{"rank", "text", "score", "probability"}] * 2
    assert run(["describe", str(indexed / "long.wav")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 11


def test_describe_with_labels_of_ones_own(indexed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("# mine\nrain\n\na dog\n")
    assert run(["describe", str(indexed / "long.wav"), "--labels", str(labels), "--json"]) == 0
    assert {record["text"] for record in json.loads(capsys.readouterr().out)} == {"rain", "a dog"}


def test_status(indexed: Path, cli: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (indexed / "bad.wav").write_text("text")
    (indexed / "long.wav").unlink()
    run(["index"])
    capsys.readouterr()
    assert run(["status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["library"] == str(cli)
    assert status["counts"] == {
        "sounds": 8,
        "missing": 1,
        "contents": 8,
        "vectors": 8,
        "hours": pytest.approx(0.0014, abs=1e-4),
    }
    assert status["roots"][0]["path"] == str(indexed)
    assert status["roots"][0]["is_there"] is True
    assert [bad["path"] for bad in status["failures"]] == [str(indexed / "bad.wav")]
    assert status["checkpoint"]["precision"] == "float32"
    assert status["library_bytes"] > 0
    assert run(["status"]) == 0
    text = capsys.readouterr().out
    assert "1 missing" in text
    assert "failed" in text
    indexed.rename(indexed.with_name("unplugged"))
    run(["status"])
    assert "(offline)" in capsys.readouterr().out


def test_an_offline_folder_keeps_its_sounds(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    indexed.rename(indexed.with_name("unplugged"))
    assert run(["index"]) == 0
    assert "offline" in capsys.readouterr().err
    assert run(["search", "rain", "--json", "--include-offline"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 9
    indexed.with_name("unplugged").rename(indexed)
    assert run(["search", "rain", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 9


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["search", ""], 2, "the query is empty"),
        (["search", "rain", "--json", "-0"], 2, "choose one"),
        (["index", ""], 2, "a path is empty"),
        (["describe", "/dev/zero"], 1, "/dev/zero: not a regular file"),
        (["search", "rain", "-k", "0"], 2, "-k is 0; ask for at least 1"),
        (["similar", "{none}"], 1, "none.wav: cannot be read: No such file"),
        (["similar", "{text}"], 1, "text.wav: not a sound file"),
        (["describe", "{text}"], 1, "text.wav: not a sound file"),
        (["describe", "{sound}", "--labels", "{none}"], 1, "cannot read labels"),
        (["index", "{none}"], 1, "does not exist"),
        (["index", "{text}"], 1, "is a file; give the folder"),
        (["index", "{sounds}", "--checkpoint", "{none}"], 1, "no checkpoint folder"),
        (["index", "{sounds}", "--checkpoint", "no/such", "--offline"], 1, "--offline forbids"),
        (["index", "--device", "tpu", "--full"], 2, "--device is tpu; it is one of auto, cuda, mps, cpu"),
        (["search", "rain", "--library", "{text}"], 1, "is no clapsearch library"),
        (["search", "rain", "--library", "{none}"], 1, "no library at"),
        (["status", "--library", "{none}"], 1, "no library at"),
    ],
)
def test_bad_input_is_one_line_and_the_right_exit_code(
    indexed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    text = tmp_path / "text.wav"
    text.write_text("this is no sound and no database " * 50)
    places = {"none": tmp_path / "none.wav", "text": text, "sounds": indexed, "sound": indexed / "long.wav"}
    assert run([argument.format(**places) for argument in arguments]) == code
    assert message in error_line(capsys)


# Looking after a library: no model is needed for it


@pytest.fixture
def shelved(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Choose a library with a folder of two sounds through the environment; returns the folder."""
    monkeypatch.setenv("CLAPSEARCH_LIBRARY", str(shelf.library.path))
    return shelf.add("sounds", "rain/a.wav", "b.wav")


def test_forget(shelf: Shelf, shelved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = "is still there, and a run that looks there takes it again; --exclude keeps it out"
    assert run(["forget", str(shelved / "rain"), "--dry-run"]) == 0
    assert capsys.readouterr() == ("would forget 1 sound\n", "")
    assert run(["forget", str(shelved / "rain")]) == 0
    assert capsys.readouterr() == ("forgot 1 sound\n", f"clapsearch: {shelved}/rain {again}\n")
    (shelved / "b.wav").unlink()
    assert run(["forget", str(shelved / "b.wav")]) == 0
    assert capsys.readouterr() == ("forgot 1 sound\n", "")
    assert run(["forget", f"{shelved}/"]) == 0
    assert capsys.readouterr().out == "forgot 0 sounds\n"
    assert shelf.roots() == []


def test_relocate(shelf: Shelf, shelved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shelved.rename(shelf.folder / "new")
    assert run(["relocate", f"{shelved}/", str(shelf.folder / "new")]) == 0
    assert capsys.readouterr() == ("relocated 2 sounds\n", "")
    assert shelf.found() == ["new/b.wav", "new/rain/a.wav"]


def test_a_moved_folder_is_told_with_the_command_for_it(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = indexed.rename(indexed.with_name("new place"))
    run(["index", str(new), "--workers", "1"])
    capsys.readouterr()
    assert run(["index"]) == 0
    offline, hint = capsys.readouterr().err.splitlines()
    assert offline == f"offline: {indexed} is not there or empty; its sounds are kept"
    assert hint.startswith("it seems to have moved; if so: clapsearch relocate ")
    assert run(shlex.split(hint.partition("clapsearch ")[2])) == 0
    run(["index"])
    assert capsys.readouterr() == ("relocated 9 sounds\n0 indexed, 9 unchanged, 0 failed\n", "")


def test_backup(shelf: Shelf, shelved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = shelf.folder / "copy\x1b"
    assert run(["backup", str(copy)]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"backed up to .*/copy\\x1b, \d+\.\d kB\n", out)
    assert err == ""
    assert run(["status", "--library", str(copy)]) == 0
    assert f"folder      {shelved}: 2 sounds" in capsys.readouterr().out
    assert run(["backup", str(copy)]) == 1
    assert run(["backup", str(copy), "--force"]) == 0


def test_reembed(indexed: Path, unfused_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["reembed", "--checkpoint", str(unfused_folder), "--device", "cpu", "--workers", "1"]) == 0
    assert capsys.readouterr().out.startswith("9 indexed, 0 unchanged, 0 failed\n")
    run(["status"])
    assert f"checkpoint  {unfused_folder}\n" in capsys.readouterr().out
    (indexed / "bad.wav").write_text("text")
    assert run(["reembed", "--strict", "--device", "cpu"]) == 1
    assert capsys.readouterr().out.startswith("9 indexed, 0 unchanged, 1 failed\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_watch_ends_with_a_signal(
    indexed: Path, cli: Path, capsys: pytest.CaptureFixture[str], number: int, code: int
) -> None:
    is_over, health = threading.Event(), cli.with_name(cli.name + ".watcher")

    def end() -> None:
        while not (health.exists() and '"last_batch_at": 1' in health.read_text()) and not is_over.wait(0.01):
            pass
        if not is_over.is_set():
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=end)
    thread.start()
    try:
        assert run(["watch", "--device", "cpu", "--workers", "1"]) == code
    finally:
        is_over.set()
        thread.join()
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"\S+ \S+ watching {indexed} by (events|rescans.*)\n\S+ \S+ stopped\n", err)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["forget", "{none}"], 1, "the library knows no sound at or under {none}; clapsearch status lists its folders"),
        (["forget", ""], 2, "a path is empty; an unset variable?"),
        (["forget", "{folder}", "--library", "{none}"], 1, "no library at {none}"),
        (["relocate", "{folder}", "{none}"], 1, "{none} is no folder that can be read; plug it in first"),
        (["relocate", "{folder}", "{empty}"], 1, "{empty} has none of the 2 sounds of {folder}"),
        (["relocate", "{none}", "{folder}"], 1, "{none} is no folder of the library; it has {folder}"),
        (["relocate", "{folder}", "{folder}/."], 2, "{folder} is where it was"),
        (["relocate", "", "{folder}"], 2, "a path is empty"),
        (
            ["backup", "{folder}/b.wav"],
            1,
            "{folder}/b.wav is there already; choose another name, or replace it with --f",
        ),
        (["backup", "{library}", "--force"], 1, "{library} is the library itself; choose another name"),
        (["backup", "{none}/x"], 1, "cannot back up the library to {none}/x (No such file or directory)"),
        (["backup", "{none}", "--library", "{empty}/none"], 1, "no library at"),
        (["reembed", "--library", "{none}"], 2, "the library has no folders yet"),
        (["reembed", "--checkpoint", "{none}"], 1, "no checkpoint folder {none}"),
    ],
)
def test_bad_upkeep_is_one_line_and_the_right_exit_code(
    shelf: Shelf, shelved: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    (shelf.folder / "empty").mkdir()
    places = {name: str(shelf.folder / name) for name in ("none", "empty")}
    places |= {"folder": str(shelved), "library": str(shelf.library.path)}
    before = shelf.dump()
    assert run([argument.format(**places) for argument in arguments]) == code
    assert message.format(**places) in error_line(capsys)
    assert shelf.dump() == before
    assert not (shelf.folder / "none").exists()


@pytest.mark.parametrize(
    "arguments", [["forget"], ["relocate", "x"], ["backup"], ["watch", "--rescan", "0"], ["forget", "-x"]]
)
def test_wrong_arguments_exit_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"Usage: clapsearch {arguments[0]}" in err


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("search", ["--include-offline", "--json", "--paths", "-0"]),
        ("similar", ["--include-offline"]),
        ("index", ["--video", "--no-video", "--exclude"]),
        ("watch", ["--rescan", "--poll", "--systemd", "--launchd", "--exclude"]),
        ("forget", ["--dry-run"]),
        ("reembed", ["--checkpoint", "--strict"]),
        ("backup", ["--force"]),
    ],
)
def test_help_names_the_flags(capsys: pytest.CaptureFixture[str], command: str, flags: list[str]) -> None:
    assert run([command, "-h"]) == 0
    out = capsys.readouterr().out
    assert all(flag in out for flag in flags)


def test_usage_errors_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search"]) == 2
    assert run(["nonsense"]) == 2
    assert run(["search", "rain", "--top", "many"]) == 2
    assert run(["index", "--workers", "0"]) == 2
    assert capsys.readouterr().out == ""


def test_huge_k_gives_all(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "rain", "-k", "100000", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 9


def test_two_thousand_words_warn_and_answer(indexed: Path) -> None:
    result = shell("search", "rain " * 2000, "--json")
    assert result.returncode == 0
    assert len(json.loads(result.stdout)) == 9
    assert re.fullmatch(
        rb"clapsearch: the text has \d+ tokens, the checkpoint reads 77: the rest is ignored\n", result.stderr
    )


def test_a_run_that_is_stopped_early_does_not_say_that_there_are_no_sounds(capsys: pytest.CaptureFixture[str]) -> None:
    _show(Report(cancelled=True))
    out, err = capsys.readouterr()
    assert out == "0 indexed, 0 unchanged, 0 failed\n"
    assert err == "clapsearch: stopped early; run the same command again to go on\n"


def test_a_folder_without_sounds(cli: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert run(["index", str(tmp_path / "empty"), "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert out == "0 indexed, 0 unchanged, 0 failed\n"
    assert "no sound files there" in err
    assert run(["search", "rain"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "no sounds in the library yet" in err


@pytest.mark.parametrize("checkpoint", ["mini", "no/such-model"])
def test_index_without_folders_needs_some(cli: Path, capsys: pytest.CaptureFixture[str], checkpoint: str) -> None:
    assert run(["index", "--checkpoint", checkpoint]) == 2
    assert "name one: clapsearch index FOLDER" in error_line(capsys)
    assert not cli.exists()


def test_exclude_is_remembered_and_undone(cli: Path, sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["index", str(sounds), "--exclude", "group0", "--device", "cpu"]) == 0
    assert capsys.readouterr().out.startswith("5 indexed")
    run(["index"])
    assert capsys.readouterr().out.startswith("0 indexed, 5 unchanged")
    run(["status"])
    assert "5 sounds, without group0" in capsys.readouterr().out
    run(["index", str(sounds), "--exclude", ""])
    assert capsys.readouterr().out.startswith("4 indexed, 5 unchanged")


def test_a_closed_pipe_is_silent(indexed: Path) -> None:
    script = f"{sys.executable} -m clapsearch similar {indexed / 'long.wav'} --paths | true"
    result = subprocess.run(["bash", "-c", script], capture_output=True, check=False, timeout=120)
    assert result.stderr == b""


def test_the_library_of_another_user_is_one_line(indexed: Path, cli: Path, fused_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    for folder in [*cli.parent.parents][:-1]:
        folder.chmod(folder.stat().st_mode | 0o055)
    cli.parent.chmod(0o700)
    # Run once as root, so that everything is imported: the interpreter itself may be out of the other user's reach.
    script = (
        "import contextlib, io, os, sys; from clapsearch.cli.app import run\n"
        "with contextlib.redirect_stdout(io.StringIO()): assert run(['status']) == 0\n"
        "os.setuid(65534); sys.exit(run(['status']))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=60)
    assert result.returncode == 1, result.stderr
    assert result.stderr.count(b"\n") == 1, result.stderr
    assert b"Permission denied" in result.stderr or b"unable to open" in result.stderr


def test_help_imports_nothing_heavy() -> None:
    result = shell("--help", env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
    modules = {line.rsplit(b"|", 1)[-1].strip().split(b".")[0] for line in result.stderr.splitlines()}
    assert b"typer" in modules
    heavy = {
        b"torch",
        b"transformers",
        b"faiss",
        b"sqlalchemy",
        b"librosa",
        b"alembic",
        b"numpy",
        b"rich",
        b"soundfile",
    }
    assert modules & heavy == set()


def test_status_imports_no_model_and_no_index(indexed: Path) -> None:
    result = shell("status", env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
    modules = {line.rsplit(b"|", 1)[-1].strip().split(b".")[0] for line in result.stderr.splitlines()}
    assert b"sqlalchemy" in modules
    assert modules & {b"torch", b"transformers", b"faiss", b"librosa", b"alembic"} == set()


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    commands = list(get_command(app).commands)  # type: ignore[attr-defined]
    questions = ["search", "similar", "describe", "moments", "extract", "collect", "play", "open", "save", "saved"]
    upkeep = ["info", "duplicates", "status", "verify", "forget", "relocate", "reembed", "backup"]
    assert commands == ["index", "watch", *questions, *upkeep, "eval", "train", "demo"]
    for command in commands:
        assert run([command, "--help"]) == 0
        assert f"Usage: clapsearch {command}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert re.fullmatch(r"clapsearch \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_sigterm_saves_and_says_how_to_go_on(cli: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for seed in range(16):
        soundfile.write(folder / f"{seed}.wav", noise(60, seed=seed, sr=8_000), 8_000)
    command = [sys.executable, "-m", "clapsearch", "index", str(folder), "--device", "cpu", "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not _has_workers(process):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"run the same command again to go on" in err


def _has_workers(process: subprocess.Popen[bytes]) -> bool:
    """Whether the run has started its first worker, which is after its signal handlers."""
    return bool(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_bytes().split())


def test_numbers_in_json_are_plain(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["search", "rain", "--json"])
    record = json.loads(capsys.readouterr().out)[0]
    assert all(isinstance(record[name], float) for name in ("score", "start_s", "end_s", "duration_s"))
    assert np.isfinite(record["score"])


def test_results_that_cannot_be_written_are_one_line(indexed: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "clapsearch", "status"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr == b"clapsearch: cannot write the results: No space left on device\n"


def test_moved_files_are_not_called_missing(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (indexed / "group0").rename(indexed / "renamed")
    (indexed / "long.wav").unlink()
    run(["index"])
    assert capsys.readouterr().out == "0 indexed, 4 moved, 4 unchanged, 1 missing, 0 failed\n"


def test_a_link_to_a_known_folder_is_that_folder(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = indexed.with_name("link")
    link.symlink_to(indexed)
    run(["index", str(link)])
    assert capsys.readouterr().out == "0 indexed, 9 unchanged, 0 failed\n"
    run(["status", "--json"])
    assert len(json.loads(capsys.readouterr().out)["roots"]) == 1
