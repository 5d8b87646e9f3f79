"""Folders that are not there now: their sounds are kept, left out of searches, and shown marked when asked for."""

import json
import os
import re
import shutil
from pathlib import Path

import peek
import pytest
from shelf import QUERY, Shelf, shelf
from test_store import CHECKPOINT, INFO

import clapsearch
from clapsearch import snapshot
from clapsearch.cli.app import run
from clapsearch.store import Place
from clapsearch.upkeep import relocate

__all__ = ["shelf"]


@pytest.fixture
def halves(shelf: Shelf) -> Shelf:
    """Two roots of two sounds each, one of them unplugged."""
    shelf.add("here", "x.wav", "y.wav")
    shelf.add("there", "x.wav", "z.wav").rename(shelf.folder / "unplugged")
    return shelf


def test_sounds_in_a_folder_that_is_not_there_are_left_out(halves: Shelf) -> None:
    assert halves.found() == ["here/x.wav", "here/y.wav"]
    assert [hit.rank for hit in halves.hits()] == [1, 2]


def test_they_are_shown_marked_when_asked_for(halves: Shelf) -> None:
    marks = {hit.path.parent.name: hit.is_offline for hit in halves.hits(include_offline=True)}
    assert marks == {"here": False, "there": True}
    assert halves.found(include_offline=True) == ["here/x.wav", "here/y.wav", "there/x.wav", "there/z.wav"]


def test_what_came_back_is_shown_at_once_without_a_run(halves: Shelf) -> None:
    with halves.library.writing() as writing:
        writing.mark_offline(writing.roots()[1].id, 5.0)
    (halves.folder / "unplugged").rename(halves.folder / "there")
    assert len(halves.found()) == 4
    assert not any(hit.is_offline for hit in halves.hits())


def test_an_empty_folder_is_the_mount_point_of_an_unplugged_drive(halves: Shelf) -> None:
    (halves.folder / "there").mkdir()
    assert halves.found() == ["here/x.wav", "here/y.wav"]


def test_a_folder_out_of_reach_is_not_there(shelf: Shelf) -> None:
    folder = shelf.add("here", "x.wav")
    folder.chmod(0)
    with peek.permissions_count():
        assert shelf.found() == []
    folder.chmod(0o755)
    assert shelf.found() == ["here/x.wav"]


def test_a_root_in_one_that_is_not_there_is_on_its_own(shelf: Shelf) -> None:
    shelf.add("outer", "x.wav")
    shelf.add("outer/inner", "y.wav")
    shutil.rmtree(shelf.folder / "outer" / "inner")
    assert shelf.found() == ["outer/x.wav"]


def test_a_copy_that_is_there_is_shown_alone(shelf: Shelf) -> None:
    shelf.add("here", "copy.wav", content="shared")
    shelf.add("there", "original.wav", content="shared").rename(shelf.folder / "unplugged")
    assert shelf.found(top_k=1) == ["here/copy.wav"]


@pytest.mark.parametrize("is_published", [True, False])
def test_k_sounds_are_found_though_all_better_ones_are_offline(shelf: Shelf, is_published: bool) -> None:
    shelf.add("here", *(f"{number}.wav" for number in range(5)))
    worst = min(hit.score for hit in shelf.hits())
    with shelf.library.writing() as writing:
        root_id = writing.add_root(os.fsencode(shelf.folder / "there")).id
        for number in range(600):
            content_id = writing.add_content(b"%d" % number, INFO)
            writing.add_embedding(content_id, writing.add_checkpoint(CHECKPOINT), QUERY[None], replaces=[])
            writing.place_sound(Place(root_id, b"%03d.wav" % number, 10, 1), content_id)
    if is_published:
        assert snapshot.refresh(shelf.library)
    assert [hit.is_offline for hit in shelf.hits(include_offline=True, top_k=600)] == [True] * 600
    assert shelf.found(top_k=5) == [f"here/{number}.wav" for number in range(5)]
    assert min(hit.score for hit in shelf.hits(top_k=5)) == pytest.approx(worst)


def test_folders_without_sounds_are_not_told(halves: Shelf) -> None:
    halves.add("bare").rmdir()
    halves.add("lost", "x.wav")
    halves.lose("lost/x.wav")
    with clapsearch.open(halves.library.path) as session:
        assert session.offline() == [os.fsencode(halves.folder / "there")]


# The command line. `similar` needs no model for a file whose content is known.


@pytest.fixture
def example(world, tmp_path: Path) -> Path:
    return shutil.copyfile(world.a, tmp_path / "example.wav")


@pytest.fixture
def ask(world, example: Path, capsys: pytest.CaptureFixture[str]):
    """Ask for what is like a known sound; returns stdout and stderr."""

    def run_it(*flags: str) -> tuple[str, str]:
        assert run(["similar", str(example), "--all", "--library", str(world.library.path), *flags]) == 0
        out, err = capsys.readouterr()
        return out, err

    return run_it


@pytest.fixture
def unplugged(world, example: Path, no_model, tmp_path: Path) -> Path:
    """A second root with a copy of a sound; the first one is unplugged."""
    (tmp_path / "copies").mkdir()
    shutil.copyfile(example, tmp_path / "copies" / "copy.wav")
    world.index(no_model, tmp_path / "copies")
    return world.folder.rename(world.folder.parent / "unplugged")


def test_a_search_says_which_folders_it_left_out(world, unplugged, ask) -> None:
    out, err = ask()
    assert [line.split()[-1].rsplit("/", 1)[-1] for line in out.splitlines()] == ["path", "copy.wav"]
    assert err == f"clapsearch: {world.folder} is offline; --include-offline shows its sounds too\n"


def test_what_is_offline_is_marked_in_the_table(world, unplugged, ask) -> None:
    out, err = ask("--include-offline")
    assert err == ""
    assert len(re.findall(rf"{world.folder}/.*  \(offline\)$", out, re.MULTILINE)) == 5
    assert re.search(r"copies/copy\.wav$", out, re.MULTILINE)


def test_what_is_offline_is_marked_in_json(unplugged, ask) -> None:
    records = json.loads(ask("--json", "--include-offline")[0])
    assert sorted(record["offline"] for record in records) == [False] + [True] * 5
    out, err = ask("--json")
    assert [record["offline"] for record in json.loads(out)] == [False]
    assert "is offline" in err


def test_bare_paths_are_of_what_is_there(world, unplugged, ask) -> None:
    assert ask("--paths")[0].count("\n") == 1
    assert ask("-0", "--include-offline")[0].count("\0") == 6


def test_where_everything_is_offline_nobody_says_that_nothing_was_indexed(world, ask) -> None:
    world.folder.rename(world.folder.parent / "unplugged")
    out, err = ask()
    assert out == ""
    assert err == f"clapsearch: {world.folder} is offline; --include-offline shows its sounds too\n"


def test_an_unplugged_folder_comes_back_by_itself(world, unplugged, ask, no_model) -> None:
    world.index(no_model)
    unplugged.rename(world.folder)
    out, err = ask()
    assert len(out.splitlines()) == 7
    assert err == ""


def test_the_name_of_a_folder_reaches_no_terminal_raw(world, ask, example: Path) -> None:
    odd = world.folder.rename(world.folder.parent / os.fsdecode(b"red\x1b[31m\xff"))
    relocate(world.library, world.folder, odd)
    odd.rename(world.folder.parent / "unplugged")
    assert r"red\x1b[31m\xff is offline" in ask()[1]
