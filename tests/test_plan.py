"""What a run has to do: parts of roots, moves first, what may still be written later."""

import os
import shutil
from pathlib import Path

import pytest
from peek import Watched, permissions_count
from shelf import Shelf, shelf
from world import write

from clapsearch.cli.app import run
from clapsearch.store import Place
from clapsearch.upkeep import relocate
from indexer import plan as plan_module
from indexer.plan import Plan
from indexer.walk import File

__all__ = ["shelf"]


def names(shelf: Shelf, paths) -> list[str]:
    """Return paths below the shelf's folder, sorted."""
    return sorted(os.path.relpath(os.fsdecode(path), shelf.folder) for path in paths)


def parts(shelf: Shelf, **relpaths: list[bytes] | None) -> dict[bytes, list[bytes] | None]:
    return {os.fsencode(shelf.folder / root): some for root, some in relpaths.items()}


@pytest.fixture
def changed(shelf: Shelf) -> Shelf:
    """Two roots; in each, one sound of two in ``rain`` is gone and one is new; so in ``dogs``."""
    for root in ("a", "b"):
        shelf.add(root, *(f"{part}/{name}.wav" for part in ("rain", "dogs") for name in ("kept", "gone")))
        for part in ("rain", "dogs"):
            (shelf.folder / root / part / "gone.wav").unlink()
            (shelf.folder / root / part / "new.wav").write_bytes(b"new")
    return shelf


def summary(shelf: Shelf, plan: Plan) -> tuple[list[str], list[str], int]:
    return names(shelf, plan.places), names(shelf, plan.gone.values()), plan.unchanged


def test_a_plan_for_everything(changed: Shelf) -> None:
    folders = [f"{root}/{part}" for root in "ab" for part in ("dogs", "rain")]
    new, gone = [f"{folder}/new.wav" for folder in folders], [f"{folder}/gone.wav" for folder in folders]
    assert summary(changed, changed.plan()) == (new, gone, 4)
    assert summary(changed, changed.plan(under=parts(changed, a=None, b=None))) == (new, gone, 4)


def test_a_plan_for_parts_leaves_the_rest_alone(changed: Shelf) -> None:
    plan = changed.plan(under=parts(changed, a=[b"rain"]))
    assert summary(changed, plan) == (["a/rain/new.wav"], ["a/rain/gone.wav"], 1)
    assert [root.path for root in plan.online] == [os.fsencode(changed.folder / "a")]
    assert plan.offline == []


def test_a_root_may_be_looked_at_whole_beside_parts_of_another(changed: Shelf) -> None:
    plan = changed.plan(under=parts(changed, a=None, b=[b"dogs/gone.wav"]))
    assert names(changed, plan.gone.values()) == ["a/dogs/gone.wav", "a/rain/gone.wav", "b/dogs/gone.wav"]
    assert names(changed, plan.places) == ["a/dogs/new.wav", "a/rain/new.wav"]


def test_no_parts_are_no_work(changed: Shelf) -> None:
    assert summary(changed, changed.plan(under={})) == ([], [], 0)
    assert summary(changed, changed.plan(under=parts(changed, a=[]))) == ([], [], 0)
    assert summary(changed, changed.plan(under=parts(changed, a=[b"nowhere", b"rain/n.wav"]))) == ([], [], 0)


def test_a_part_in_another_is_counted_once(changed: Shelf) -> None:
    plan = changed.plan(under=parts(changed, a=[b"rain", b"rain/kept.wav", b"rain/new.wav"]))
    assert summary(changed, plan) == (["a/rain/new.wav"], ["a/rain/gone.wav"], 1)


def test_a_part_that_is_gone_takes_its_sounds_along(changed: Shelf) -> None:
    shutil.rmtree(changed.folder / "a" / "rain")
    plan = changed.plan(under=parts(changed, a=[b"rain"]))
    assert summary(changed, plan) == ([], ["a/rain/gone.wav", "a/rain/kept.wav"], 0)
    assert plan.offline == []


def test_a_file_that_became_a_folder_and_back(shelf: Shelf) -> None:
    shelf.add("a", "x.wav", "y.wav")
    (shelf.folder / "a" / "x.wav").rename(shelf.folder / "aside")
    (shelf.folder / "a" / "x.wav").mkdir()
    (shelf.folder / "aside").rename(shelf.folder / "a" / "x.wav" / "inner.wav")
    for under in (None, parts(shelf, a=[b"x.wav"])):
        plan = shelf.plan(under=under)
        assert summary(shelf, plan)[:2] == (["a/x.wav/inner.wav"], ["a/x.wav"])
        assert len(plan.leaving()) == 1
    shelf.add("a", "x.wav/inner.wav")
    shutil.rmtree(shelf.folder / "a" / "x.wav")
    shelf.add("a", "x.wav")
    for under in (None, parts(shelf, a=[b"x.wav"])):
        assert summary(shelf, shelf.plan(under=under))[:2] == ([], ["a/x.wav/inner.wav"])


@pytest.mark.parametrize("under", [None, [b"rain"], [b"nowhere"]])
def test_a_root_that_is_not_there_is_offline_and_nothing_is_gone(changed: Shelf, under) -> None:
    (changed.folder / "a").rename(changed.folder / "unplugged")
    plan = changed.plan(under=parts(changed, a=under))
    assert [root.path for root in plan.offline] == [os.fsencode(changed.folder / "a")]
    assert summary(changed, plan) == ([], [], 0)
    (changed.folder / "a").mkdir()
    assert len(changed.plan(under=parts(changed, a=under)).offline) == 1


@pytest.mark.parametrize("under", [None, [b"rain"]])
def test_a_root_that_must_not_be_read_is_unreadable_and_nothing_is_gone(changed: Shelf, under) -> None:
    root = changed.folder / "a"
    root.chmod(0)
    with permissions_count():
        plan = changed.plan(under=parts(changed, a=under))
    root.chmod(0o755)
    assert plan.unreadable == [(os.fsencode(root), "Permission denied")]
    assert (plan.offline, summary(changed, plan)) == ([], ([], [], 0))


def test_a_root_of_which_no_folder_may_be_read_is_not_suddenly_empty(shelf: Shelf) -> None:
    folder = shelf.add("a", "rain/x.wav") / "rain"
    folder.chmod(0)
    with permissions_count():
        plan = shelf.plan()
    folder.chmod(0o755)
    assert plan.unreadable == [(os.fsencode(folder), "Permission denied")]
    assert (plan.offline, plan.gone) == ([], {})


def test_a_run_that_must_not_read_a_root_says_so_and_keeps_its_sounds(world, capfd: pytest.CaptureFixture[str]) -> None:
    world.folder.chmod(0)
    with permissions_count():
        code = run(["index", "--strict", "--library", str(world.library.path)])
    world.folder.chmod(0o755)
    out, err = capfd.readouterr()
    assert (code, out) == (1, "0 indexed, 0 unchanged, 1 failed\n")
    assert err == f"skipping {world.folder}: cannot be read: Permission denied\n"
    with world.library.reading() as reading:
        assert (reading.counts().sounds, reading.counts().missing) == (5, 0)
        assert reading.roots()[0].offline_since is None


@pytest.mark.parametrize("under", [None, [b"x.wav"]])
def test_an_empty_root_that_holds_no_sounds_is_not_offline(shelf: Shelf, under) -> None:
    shelf.add("a")
    plan = shelf.plan(under=parts(shelf, a=under))
    assert (plan.offline, len(plan.online)) == ([], 1)


def test_parts_that_have_to_do_with_links_take_a_look_at_all_of_the_root(changed: Shelf) -> None:
    (changed.folder / "a" / "link").symlink_to("rain")
    whole = changed.plan(under=parts(changed, a=None))
    assert summary(changed, changed.plan(under=parts(changed, a=[b"link"]))) == summary(changed, whole)
    assert summary(changed, changed.plan(under=parts(changed, a=[b"rain"])))[2] == 1


def test_what_a_new_inner_root_holds_is_gone_from_the_outer_one(shelf: Shelf) -> None:
    shelf.add("a", "inner/x.wav", "y.wav")
    shelf.add("a/inner", "x.wav")
    plan = shelf.plan(under=parts(shelf, a=[b"inner/x.wav"]))
    assert summary(shelf, plan) == ([], ["a/inner/x.wav"], 0)
    assert (
        shelf.plan(under={**parts(shelf, a=[b"y.wav"]), os.fsencode(shelf.folder / "a/inner"): [b"x.wav"]}).gone == {}
    )


def test_excluded_parts_are_gone(changed: Shelf) -> None:
    with changed.library.writing() as writing:
        writing.add_root(os.fsencode(changed.folder / "a"), ["rain"])
    plan = changed.plan(under=parts(changed, a=[b"rain/kept.wav", b"dogs/kept.wav"]))
    assert summary(changed, plan) == ([], ["a/rain/kept.wav"], 1)


def test_missing_sounds_in_a_part_return(shelf: Shelf) -> None:
    folder = shelf.add("a", "x.wav", "y.wav")
    shutil.copy2(folder / "x.wav", shelf.folder / "kept")
    shelf.lose("a/x.wav")
    assert shelf.plan(under=parts(shelf, a=[b"x.wav"])).returned == {}
    shutil.copy2(shelf.folder / "kept", folder / "x.wav")
    assert names(shelf, shelf.plan(under=parts(shelf, a=[b"x.wav"])).returned.values()) == ["a/x.wav"]
    assert shelf.plan(under=parts(shelf, a=[b"y.wav"])).returned == {}


# Moves, and what has to wait


def place(name: bytes, size: int, mtime_ns: int = 1) -> Place:
    return Place(1, name, size, mtime_ns)


@pytest.fixture
def moves() -> Plan:
    """Candidates a to e; b and d look like sounds that are gone."""
    plan = Plan()
    for number, name in enumerate(b"edcba"):
        plan.places[b"/r/%c.wav" % name] = place(b"%c.wav" % name, 10 - number)
    plan.gone = {1: b"/r/was_b.wav", 2: b"/r/was_d.wav", 3: b"/r/other.wav", 4: b"/r/too.wav", 5: b"/r/was_b2.wav"}
    plan.looks = {(7, 1): [1, 5], (9, 1): [2], (8, 99): [3], (99, 1): [4]}
    return plan


def test_moves_come_first_the_rest_by_path(moves: Plan) -> None:
    assert moves.in_order() == [b"/r/b.wav", b"/r/d.wav", b"/r/a.wav", b"/r/c.wav", b"/r/e.wav"]


def test_only_what_looks_like_a_candidate_may_have_moved(moves: Plan) -> None:
    assert moves.leaving() == {1: b"/r/was_b.wav", 2: b"/r/was_d.wav", 5: b"/r/was_b2.wav"}


def test_what_may_still_be_written_waits_but_moves_do_not(moves: Plan) -> None:
    asked = []

    def is_ready(path: bytes, file: File | None) -> bool:
        if file is not None:
            asked.append((path, file))
        return path == b"/r/c.wav" or file is None

    moves.hold_back(is_ready)
    assert sorted(moves.places) == [b"/r/b.wav", b"/r/c.wav", b"/r/d.wav"]
    assert sorted(moves.waiting) == [b"/r/a.wav", b"/r/e.wav"]
    assert min(asked) == (b"/r/a.wav", File(b"a.wav", 6, 1))
    assert len(asked) == 3


def test_files_wait_by_what_the_walk_saw(changed: Shelf) -> None:
    plan = changed.plan(is_ready=lambda path, file: file is None or b"rain" in path)
    assert names(changed, plan.waiting) == ["a/dogs/new.wav", "b/dogs/new.wav"]
    assert names(changed, plan.places) == ["a/rain/new.wav", "b/rain/new.wav"]
    assert (len(plan.gone), plan.lingering) == (4, set())


def test_what_is_gone_may_be_given_time_to_turn_up_elsewhere(changed: Shelf) -> None:
    plan = changed.plan(is_ready=lambda path, file: file is not None or b"rain" in path)
    assert names(changed, plan.waiting) == ["a/dogs/gone.wav", "b/dogs/gone.wav"]
    assert {os.path.basename(plan.gone[sound_id]) for sound_id in plan.lingering} == {b"gone.wav"}
    assert (len(plan.gone), len(plan.lingering)) == (4, 2)


def test_moves_are_found_across_roots(shelf: Shelf) -> None:
    shelf.add("a", "x.wav", "y.wav")
    shelf.add("b", "z.wav")
    (shelf.folder / "a" / "x.wav").rename(shelf.folder / "b" / "moved.wav")
    assert names(shelf, shelf.plan().leaving().values()) == ["a/x.wav"]
    both = parts(shelf, a=[b"x.wav"], b=[b"moved.wav"])
    assert names(shelf, shelf.plan(under=both).leaving().values()) == ["a/x.wav"]
    assert shelf.plan(under=parts(shelf, b=[b"moved.wav"])).leaving() == {}


def test_now_and_then_it_is_told_how_many_files_were_found(changed: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "TELL_EVERY", 3)
    told: list[int] = []
    changed.plan(on_file=told.append)
    assert told == [3, 6]


# Folders that seem to have moved


@pytest.fixture
def moved(world, no_model):
    """The folder is at a new place, and was indexed there; something was missing from it before."""
    (world.folder / "dogs" / "c.wav").unlink()
    world.index(no_model)
    new = world.folder.rename(world.folder.parent / "new")
    assert world.index(no_model, new).recognised == 4
    return new


def relocated(world, embedder) -> list[tuple[str, str]]:
    return [tuple(os.path.basename(os.fsdecode(path)) for path in pair) for pair in world.index(embedder).relocated]


def test_a_folder_whose_sounds_are_all_elsewhere_seems_to_have_moved(world, moved, no_model) -> None:
    assert relocated(world, no_model) == [("sounds", "new")]
    assert relocated(world, no_model) == [("sounds", "new")]
    relocate(world.library, world.folder, moved)
    report = world.index(no_model)
    assert (report.relocated, report.offline, report.unchanged) == ((), (), 4)


def test_a_folder_of_which_something_is_not_elsewhere_has_not_moved(world, moved, no_model) -> None:
    (moved / "rain" / "a.wav").unlink()
    assert relocated(world, no_model) == []


def test_a_folder_that_was_copied_and_is_there_has_not_moved(world, no_model, tmp_path: Path) -> None:
    shutil.copytree(world.folder, tmp_path / "copy")
    world.index(no_model, tmp_path / "copy")
    assert relocated(world, no_model) == []


def test_an_edited_sound_at_the_same_place_is_another(world, moved, fused) -> None:
    write(moved / "rain" / "a.wav", 77)
    watched = Watched(fused)
    assert relocated(world, watched) == []
    assert watched.n_embedded == 1
