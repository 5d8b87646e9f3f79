"""Forgetting, relocating, backing up: what the library knows afterwards, and that nothing else changed."""

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from peek import Watched, found, permissions_count, rows
from shelf import Shelf, shelf
from test_store import add_sound, locked, start, tear
from world import ALL, write

import clapsearch
from clapsearch import snapshot, upkeep
from clapsearch.errors import ClapsearchError, LibraryBusyError, LibraryError, UsageError
from clapsearch.store import Library, reading
from clapsearch.upkeep import back_up, forget, relocate

__all__ = ["shelf"]

# Forgetting


@pytest.mark.parametrize("is_published", [True, False])
def test_a_forgotten_root_is_gone_at_once_with_its_vectors(shelf: Shelf, is_published: bool) -> None:
    shelf.add("a", "x.wav", "deep/y.wav")
    shelf.add("b", "z.wav")
    if is_published:
        assert snapshot.refresh(shelf.library)
    assert forget(shelf.library, shelf.folder / "a") == 2
    assert shelf.found() == ["b/z.wav"]
    assert shelf.roots() == ["b"]
    assert rows(shelf.library.path, "SELECT hash FROM content") == [(b"b/z.wav",)]
    assert rows(shelf.library.path, "SELECT embedding_id FROM dead ORDER BY 1") == [(1,), (2,)]
    assert (shelf.folder / "a" / "x.wav").exists()


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("r/rain", ["r/dogs/c.wav", "r/rain.wav", "r/rainy/d.wav"]),
        ("r/rain/a.wav", ["r/dogs/c.wav", "r/rain.wav", "r/rain/b.wav", "r/rainy/d.wav"]),
        ("r/rain.wav", ["r/dogs/c.wav", "r/rain/a.wav", "r/rain/b.wav", "r/rainy/d.wav"]),
    ],
)
def test_a_part_of_a_root_is_forgotten_and_what_begins_like_it_stays(shelf: Shelf, path: str, left: list[str]) -> None:
    shelf.add("r", "rain/a.wav", "rain/b.wav", "rain.wav", "rainy/d.wav", "dogs/c.wav")
    assert forget(shelf.library, shelf.folder / path) == 5 - len(left)
    assert shelf.found() == left
    assert shelf.roots() == ["r"]


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("name", ["drive", "link", "/"])
def test_a_folder_that_only_holds_roots_is_not_forgotten(shelf: Shelf, name: str, dry_run: bool) -> None:
    roots = [shelf.add(root, "x.wav") for root in ("drive/a", "drive/b", "drive2")]
    (shelf.folder / "link").symlink_to("drive")
    held = ", ".join(map(str, roots if name == "/" else roots[:2]))
    before = shelf.dump()
    with pytest.raises(UsageError) as caught:
        forget(shelf.library, shelf.folder / name, dry_run=dry_run)
    assert str(caught.value) == f"{shelf.folder / name} is no known folder, but holds {held}; name one of them"
    assert shelf.dump() == before


@pytest.mark.parametrize("name", ["outer", "outer/deep"])
def test_a_known_folder_or_one_in_it_is_forgotten_with_the_roots_in_it(shelf: Shelf, name: str) -> None:
    shelf.add("outer", "deep/x.wav")
    shelf.add("outer/deep/inner", "y.wav")
    assert forget(shelf.library, shelf.folder / name) == 2
    assert shelf.roots() == ([] if name == "outer" else ["outer"])
    assert shelf.found() == []


def test_a_root_in_another_is_forgotten_alone(shelf: Shelf) -> None:
    shelf.add("outer", "x.wav", "innermost/x.wav")
    shelf.add("outer/inner", "y.wav", "z.wav")
    assert forget(shelf.library, shelf.folder / "outer" / "inner" / "y.wav") == 1
    assert shelf.roots() == ["outer", "outer/inner"]
    assert forget(shelf.library, shelf.folder / "outer" / "inner") == 1
    assert shelf.roots() == ["outer"]
    assert shelf.found() == ["outer/innermost/x.wav", "outer/x.wav"]


def test_what_an_outer_root_still_knew_of_an_inner_one_goes_too(shelf: Shelf) -> None:
    shelf.add("outer", "inner/x.wav")
    shelf.lose("outer/inner/x.wav")
    shelf.add("outer/inner", "y.wav")
    assert forget(shelf.library, shelf.folder / "outer" / "inner") == 2
    assert shelf.contents() == {}


def test_names_that_are_not_text_are_forgotten_too(shelf: Shelf) -> None:
    odd = os.fsdecode(b"\xff\xfe")
    shelf.add("r", f"{odd}/a.wav", f"{odd}x/b.wav", f"c{odd}.wav")
    assert forget(shelf.library, shelf.folder / "r" / odd) == 1
    assert forget(shelf.library, shelf.folder / "r" / f"c{odd}.wav") == 1
    assert shelf.found() == [f"r/{odd}x/b.wav"]


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_content_that_another_sound_holds_stays(shelf: Shelf, is_missing: bool) -> None:
    shelf.add("a", "x.wav", content="shared")
    shelf.add("b", "y.wav", content="shared")
    if is_missing:
        shelf.lose("b/y.wav")
    assert forget(shelf.library, shelf.folder / "a") == 1
    assert rows(shelf.library.path, "SELECT content_id FROM embedding") == [(1,)]
    assert rows(shelf.library.path, "SELECT * FROM dead") == []
    assert shelf.contents() == {"b/y.wav": "shared"}


def test_copies_forgotten_together_take_their_content_along(shelf: Shelf) -> None:
    shelf.add("a", "x.wav", "y.wav", content="shared")
    assert forget(shelf.library, shelf.folder / "a") == 2
    assert (
        rows(shelf.library.path, "SELECT * FROM content") == rows(shelf.library.path, "SELECT * FROM embedding") == []
    )


def test_any_number_of_contents_is_forgotten(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MAX_VARIABLES", 2)
    shelf.add("a", *(f"{number}.wav" for number in range(5)))
    assert forget(shelf.library, shelf.folder / "a") == 5
    assert rows(shelf.library.path, "SELECT * FROM content") == []


def test_missing_and_failed_sounds_are_forgotten_too(world, bad, no_model) -> None:
    world.a.unlink()
    world.index(no_model)
    assert forget(world.library, world.folder / "rain") == 2
    assert forget(world.library, world.folder / "text.wav") == 0
    with world.library.reading() as reading_:
        assert (reading_.missing(), len(reading_.failures())) == ([], 3)
    with pytest.raises(ClapsearchError, match="knows no sound at or under"):
        forget(world.library, world.folder / "text.wav")


@pytest.mark.parametrize("verb", [forget, relocate])
def test_files_that_failed_are_not_counted_as_sounds(world, bad, no_model, verb) -> None:
    world.a.unlink()
    world.index(no_model)
    with world.library.reading() as reading_:
        counts = reading_.counts()
        assert (counts.sounds, counts.missing, len(reading_.failures())) == (4, 1, 4)
    new = world.folder.parent / "new"
    if verb is relocate:
        world.folder.rename(new)
    assert verb(world.library, world.folder, *([new] if verb is relocate else [])) == 5


def test_what_was_forgotten_is_embedded_again_by_the_next_run(world, fused) -> None:
    assert forget(world.library, world.folder / "rain") == 2
    assert found(world.library, fused) == ["c.wav", "d.wav", "long.wav"]
    assert world.index(watched := Watched(fused)).indexed == watched.n_embedded == 2
    assert found(world.library, fused) == ALL


def test_a_dry_run_counts_and_changes_nothing(shelf: Shelf) -> None:
    shelf.add("a", "x.wav", "y.wav")
    before = shelf.dump()
    assert forget(shelf.library, shelf.folder / "a", dry_run=True) == 2
    assert shelf.dump() == before
    assert shelf.found() == ["a/x.wav", "a/y.wav"]


@pytest.mark.parametrize("path", ["a/gone.wav", "a/x", "a/x.wav/y.wav", "ab", "", "../elsewhere"])
def test_what_the_library_does_not_know_cannot_be_forgotten(shelf: Shelf, path: str) -> None:
    shelf.add("a/b", "x.wav")
    before = shelf.dump()
    with pytest.raises(ClapsearchError, match="knows no sound at or under"):
        forget(shelf.library, Path(os.path.normpath(shelf.folder / "a" / "b" / path / "c")))
    assert shelf.dump() == before


@pytest.mark.parametrize(
    "name", ["{folder}/a/", "{folder}/./a/../a", "a", "./a/", "~/a", "{folder}/link", "{folder}/up/a"]
)
def test_a_folder_may_be_named_in_many_ways(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shelf.add("a", "x.wav")
    (shelf.folder / "link").symlink_to("a")
    (shelf.folder / "up").symlink_to(shelf.folder)
    monkeypatch.setenv("HOME", str(shelf.folder))
    monkeypatch.chdir(shelf.folder)
    with clapsearch.open(shelf.library.path) as session:
        assert session.forget(name.format(folder=shelf.folder)) == 1
    assert shelf.roots() == []


def test_a_root_that_is_a_link_is_known_by_its_real_name_too(shelf: Shelf) -> None:
    (shelf.folder / "real").mkdir()
    (shelf.folder / "link").symlink_to("real")
    shelf.add("link", "x.wav", "deep/y.wav")
    assert forget(shelf.library, shelf.folder / "real" / "deep") == 1
    assert forget(shelf.library, shelf.folder / "real") == 1


def test_a_link_in_a_root_is_forgotten_without_what_it_leads_to(shelf: Shelf) -> None:
    shelf.add("real", "x.wav")
    shelf.add("a")
    (shelf.folder / "a" / "link").symlink_to("../real")
    shelf.add("a", "link/x.wav", content="real/x.wav")
    assert forget(shelf.library, shelf.folder / "a" / "link") == 1
    assert shelf.found() == ["real/x.wav"]


def test_a_search_under_way_sees_what_it_began_with(shelf: Shelf) -> None:
    shelf.add("a", "x.wav", "y.wav")
    with shelf.library.reading() as under_way:
        before = under_way.counts()
        forget(shelf.library, shelf.folder / "a" / "x.wav")
        assert under_way.counts() == before
        assert len(list(under_way.embeddings())) == 2
    assert shelf.found() == ["a/y.wav"]


def test_searches_go_on_while_sounds_are_forgotten(shelf: Shelf) -> None:
    shelf.add("a", *(f"{number}.wav" for number in range(20)))
    assert snapshot.refresh(shelf.library)
    seen: list[int] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            seen.append(len(shelf.found()))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for number in range(19):
            forget(shelf.library, shelf.folder / "a" / f"{number}.wav")
    finally:
        is_over.set()
        thread.join()
    assert seen == sorted(seen, reverse=True)
    assert shelf.found() == ["a/19.wav"]


@pytest.mark.parametrize("verb", [forget, relocate])
def test_nothing_is_done_while_another_process_writes(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, verb) -> None:
    monkeypatch.setattr(upkeep, "WAIT_S", 0.0)
    shelf.add("a", "x.wav")
    places = [shelf.folder / "a", shelf.folder / "b"]
    other = Library(shelf.library.path)
    with other.exclusive(), pytest.raises(LibraryBusyError, match="is being written by process"):
        verb(shelf.library, *places[: 1 if verb is forget else 2])
    other.close()
    assert shelf.found() == ["a/x.wav"]


# Relocating


def test_a_relocated_root_has_its_new_paths_at_once_and_needs_no_work(shelf: Shelf) -> None:
    shelf.add("old", "x.wav", "deep/y.wav").rename(shelf.folder / "new")
    assert relocate(shelf.library, shelf.folder / "old", shelf.folder / "new") == 2
    assert shelf.found() == ["new/deep/y.wav", "new/x.wav"]
    plan = shelf.plan()
    assert (plan.unchanged, plan.places, plan.gone, plan.offline) == (2, {}, {}, [])


def test_the_next_run_after_a_move_reads_nothing(world, no_model) -> None:
    world.folder.rename(world.folder.parent / "new")
    relocate(world.library, world.folder, world.folder.parent / "new")
    report = world.index(no_model)
    assert (report.unchanged, report.offline, report.seconds["decode"]) == (5, (), 0.0)


def test_the_roots_on_a_renamed_drive_are_relocated_together(shelf: Shelf) -> None:
    for root in ("old/a", "old/b/c", "older"):
        shelf.add(root, "x.wav")
    (shelf.folder / "old").rename(shelf.folder / "new")
    assert relocate(shelf.library, shelf.folder / "old", shelf.folder / "new") == 2
    assert shelf.roots() == ["new/a", "new/b/c", "older"]
    assert shelf.plan().unchanged == 3


def test_a_relocated_root_keeps_its_globs_and_is_not_offline(shelf: Shelf) -> None:
    old = shelf.add("old", "x.wav").rename(shelf.folder / "new")
    with shelf.library.writing() as writing:
        before = writing.add_root(os.fsencode(shelf.folder / "old"), ["*.mp3"], True)
        writing.mark_offline(before.id, 5.0)
    relocate(shelf.library, shelf.folder / "old", old)
    with shelf.library.reading() as reading_:
        (root,) = reading_.roots()
    assert (root.path, root.exclude, root.video, root.offline_since) == (os.fsencode(old), ("*.mp3",), True, None)


def test_where_the_new_place_is_a_root_already_the_two_become_one(shelf: Shelf) -> None:
    shelf.add("old", "same.wav", content="same")
    shelf.add("old", "edited.wav", content="before")
    shelf.add("old", "back.wav", "only_old.wav")
    shelf.add("new", "same.wav", content="same")
    shelf.add("new", "edited.wav", content="after")
    shelf.add("new", "back.wav", "only_new.wav")
    shelf.lose("new/back.wav")
    (shelf.folder / "old" / "back.wav").rename(shelf.folder / "new" / "back.wav")
    (shelf.folder / "old" / "only_old.wav").rename(shelf.folder / "new" / "only_old.wav")
    with shelf.library.writing() as writing:
        writing.mark_offline(writing.roots()[0].id, 5.0)
    relocate(shelf.library, shelf.folder / "old", shelf.folder / "new")
    assert shelf.roots() == ["new"]
    assert shelf.contents() == {
        "new/back.wav": "old/back.wav",
        "new/edited.wav": "after",
        "new/only_new.wav": "new/only_new.wav",
        "new/only_old.wav": "old/only_old.wav",
        "new/same.wav": "same",
    }
    assert shelf.found() == sorted(shelf.contents())
    assert (shelf.plan().unchanged, shelf.plan().places) == (5, {})
    assert rows(shelf.library.path, "SELECT offline_since FROM root") == [(None,)]


def test_merging_forgets_no_content(shelf: Shelf) -> None:
    shelf.add("old", "x.wav", content="before")
    shelf.add("new", "x.wav", content="after")
    relocate(shelf.library, shelf.folder / "old", shelf.folder / "new")
    assert rows(shelf.library.path, "SELECT count(*) FROM embedding") == [(2,)]


def test_a_root_relocated_into_another_takes_over_what_that_one_found_there(shelf: Shelf) -> None:
    shelf.add("old", "x.wav", "deep/y.wav")
    shelf.add("outer", "x.wav")
    (shelf.folder / "old").rename(shelf.folder / "outer" / "inner")
    shelf.add("outer", "inner/x.wav", content="old/x.wav")
    shelf.add("outer", "inner/new.wav", "inner.wav")
    relocate(shelf.library, shelf.folder / "old", shelf.folder / "outer" / "inner")
    assert shelf.roots() == ["outer", "outer/inner"]
    known = ["outer/inner.wav", "outer/inner/deep/y.wav", "outer/inner/new.wav", "outer/inner/x.wav", "outer/x.wav"]
    assert sorted(shelf.contents()) == shelf.found() == known
    plan = shelf.plan()
    assert (plan.unchanged, list(plan.gone)) == (5 - len(plan.places), [])
    assert set(plan.places) <= {os.fsencode(shelf.folder / "outer" / "inner" / "x.wav")}  # it has another mtime


def test_a_root_relocated_around_another_leaves_that_one_its_sounds(shelf: Shelf) -> None:
    shelf.add("new/inner", "x.wav", content="x")
    shelf.add("new/inner", "gone.wav", content="gone")
    shelf.add("old", "inner/x.wav", content="x")
    shelf.add("old", "y.wav", "inner/z.wav")
    shelf.lose("new/inner/gone.wav")
    for relpath in ("y.wav", "inner/z.wav"):
        (shelf.folder / "old" / relpath).rename(shelf.folder / "new" / relpath)
    relocate(shelf.library, shelf.folder / "old", shelf.folder / "new")
    assert shelf.roots() == ["new", "new/inner"]
    assert shelf.found() == ["new/inner/x.wav", "new/inner/z.wav", "new/y.wav"]
    assert (shelf.plan().unchanged, shelf.plan().places, shelf.plan().gone) == (3, {}, {})


def test_a_root_is_relocated_out_of_another(shelf: Shelf) -> None:
    shelf.add("outer", "x.wav")
    shelf.add("outer/inner", "y.wav").rename(shelf.folder / "new")
    relocate(shelf.library, shelf.folder / "outer" / "inner", shelf.folder / "new")
    assert shelf.found() == ["new/y.wav", "outer/x.wav"]
    assert shelf.plan().unchanged == 2


@pytest.mark.parametrize("is_deeper", [True, False])
def test_old_and_new_may_lie_in_each_other_where_roots_do(shelf: Shelf, is_deeper: bool) -> None:
    before, after = ("top", "top/down") if is_deeper else ("top/down", "top")
    shelf.add(before, "x.wav")
    shelf.add(f"{before}/down", "y.wav")
    (shelf.folder / before).rename(shelf.folder / "aside")
    if is_deeper:
        (shelf.folder / "top").mkdir()
    else:
        (shelf.folder / "top").rmdir()
    (shelf.folder / "aside").rename(shelf.folder / after)
    assert relocate(shelf.library, shelf.folder / before, shelf.folder / after) == 2
    assert shelf.roots() == [after, f"{after}/down"]
    assert shelf.found() == [f"{after}/down/y.wav", f"{after}/x.wav"]


def test_names_that_are_not_text_are_relocated_too(shelf: Shelf) -> None:
    odd = os.fsdecode(b"\xff\xfe")
    shelf.add(f"old{odd}", f"{odd}/a.wav").rename(shelf.folder / f"new{odd}")
    shelf.add(f"new{odd}/{odd}", "b.wav")
    relocate(shelf.library, shelf.folder / f"old{odd}", shelf.folder / f"new{odd}")
    assert shelf.roots() == [f"new{odd}", f"new{odd}/{odd}"]
    assert shelf.found() == [f"new{odd}/{odd}/a.wav", f"new{odd}/{odd}/b.wav"]
    assert shelf.plan().unchanged == 2


def test_a_link_to_a_root_is_that_root(shelf: Shelf) -> None:
    shelf.add("old", "x.wav", content="x")
    shelf.add("new", "x.wav", content="x")
    (shelf.folder / "link").symlink_to("new")
    relocate(shelf.library, shelf.folder / "old", shelf.folder / "link")
    assert shelf.roots() == ["new"]
    assert shelf.found() == ["new/x.wav"]


@pytest.mark.parametrize(("old", "new"), [("link", "moved"), ("up/real", "moved"), ("real", "link")])
def test_links_do_not_hide_what_is_meant(shelf: Shelf, old: str, new: str) -> None:
    (shelf.folder / "link").symlink_to("real")
    (shelf.folder / "up").symlink_to(".")
    shelf.add("real", "x.wav")
    if new == "moved":
        (shelf.folder / "real").rename(shelf.folder / "moved")
    relocate(shelf.library, shelf.folder / old, shelf.folder / new)
    assert shelf.found() == [f"{new}/x.wav"]


def test_sounds_deleted_long_ago_are_not_looked_for(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_MAX_PROBES", 2)
    shelf.add("old", "a.wav", "b.wav", "c.wav", "d.wav")
    shelf.lose("old/a.wav", "old/b.wav", "old/c.wav")
    (shelf.folder / "old").rename(shelf.folder / "new")
    assert relocate(shelf.library, shelf.folder / "old", shelf.folder / "new") == 4
    assert shelf.found() == ["new/d.wav"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("old", "nowhere", "nowhere is no folder that can be read; plug it in first"),
        ("old", "file", "file is no folder that can be read"),
        ("old", "other", "other has none of the 2 sounds of .*/old; to add it: clapsearch index"),
        ("old", "empty", "empty has none of the 2 sounds"),
        ("unknown", "new", "unknown is no folder of the library; it has .*/drive/b, .*/old$"),
        ("old/deep", "new", "old/deep is no folder of the library"),
        ("ol", "new", "ol is no folder of the library"),
        ("drive", "drive2", "drive2/b is no folder that can be read"),
    ],
)
def test_a_slip_of_the_keyboard_changes_nothing(shelf: Shelf, old: str, new: str, message: str) -> None:
    shelf.add("old", "x.wav", "deep/y.wav").rename(shelf.folder / "new")
    shelf.add("drive/a", "x.wav")
    shelf.add("drive/b", "x.wav")
    (shelf.folder / "drive2" / "a").mkdir(parents=True)
    (shelf.folder / "drive2" / "a" / "x.wav").touch()
    (shelf.folder / "other").mkdir()
    (shelf.folder / "other" / "z.wav").touch()
    (shelf.folder / "empty").mkdir()
    (shelf.folder / "file").touch()
    before = shelf.dump()
    with pytest.raises(ClapsearchError, match=message) as caught:
        relocate(shelf.library, shelf.folder / old, shelf.folder / new)
    assert "\n" not in str(caught.value)
    assert shelf.dump() == before


def test_the_same_place_twice_is_not_understood(shelf: Shelf) -> None:
    folder = shelf.add("old", "x.wav")
    with clapsearch.open(shelf.library.path) as session, pytest.raises(UsageError, match="is where it was"):
        session.relocate(folder, f"{folder}/")


@pytest.mark.parametrize("verb", ["forget", "relocate", "backup"])
def test_an_empty_path_is_not_the_current_folder(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    monkeypatch.chdir(shelf.add("old", "x.wav"))
    arguments = ("", shelf.folder) if verb == "relocate" else ("",)
    with clapsearch.open(shelf.library.path) as session, pytest.raises(UsageError, match="a path is empty"):
        getattr(session, verb)(*arguments)
    assert shelf.found() == ["old/x.wav"]


# Backing up


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def opened(file: Path) -> list[str]:
    """Check a copy as SQLite does, open it as a library; returns what it knows."""
    with closing(sqlite3.connect(file)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    library = Library.open(file)
    with library.reading() as reading_:
        ids = [stored.id for stored in reading_.embeddings()]
        names = sorted(os.fsdecode(row.path) for row in reading_.sounds(ids))
    library.close()
    return names


def test_a_backup_is_the_library_as_it_is_now_the_write_ahead_log_included(shelf: Shelf) -> None:
    shelf.add("a", "x.wav", "y.wav")
    assert shelf.library.path.with_name("library.sqlite3-wal").stat().st_size > 0
    n_bytes = back_up(shelf.library, shelf.folder / "copy")
    assert n_bytes == (shelf.folder / "copy").stat().st_size
    assert entries(shelf.folder) == ["a", "copy", "library"]
    assert opened(shelf.folder / "copy") == [str(shelf.folder / "a" / name) for name in ("x.wav", "y.wav")]


def test_backups_made_while_another_writes_are_each_of_one_moment(shelf: Shelf) -> None:
    with shelf.library.writing() as writing:
        ids = start(writing)
    is_over, numbers = threading.Event(), []

    def work() -> None:
        while not is_over.is_set():
            numbers.append(len(numbers))
            with shelf.library.writing() as writing:  # two sounds, or none
                for seed in (2 * numbers[-1], 2 * numbers[-1] + 1):
                    add_sound(writing, *ids, b"%06d.wav" % seed, seed=seed, n=50)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for number in range(5):
            n_before = len(numbers)
            back_up(shelf.library, shelf.folder / f"copy{number}")
            while len(numbers) < n_before + 3:
                assert thread.is_alive()
    finally:
        is_over.set()
        thread.join()
    for number in range(5):
        names = opened(shelf.folder / f"copy{number}")
        assert names == [f"/sounds/{seed:06}.wav" for seed in range(len(names))]
        assert len(names) % 2 == 0


def test_a_file_that_is_there_is_replaced_only_when_asked_for(shelf: Shelf) -> None:
    shelf.add("a", "x.wav")
    file = shelf.folder / "copy"
    file.write_text("precious")
    with pytest.raises(LibraryError, match=r"copy is there already; .* replace it with --force"):
        back_up(shelf.library, file)
    assert file.read_text() == "precious"
    back_up(shelf.library, file, force=True)
    assert len(opened(file)) == 1


@pytest.mark.parametrize("name", ["library.sqlite3", "library.sqlite3-wal", "library.sqlite3-shm", "link", "hard link"])
def test_a_library_is_never_backed_up_onto_itself(shelf: Shelf, name: str) -> None:
    shelf.add("a", "x.wav")
    folder = shelf.library.path.parent
    (folder / "link").symlink_to("library.sqlite3")
    os.link(shelf.library.path, folder / "hard link")
    before = entries(folder)
    with pytest.raises(LibraryError, match="is the library itself; choose another name"):
        back_up(shelf.library, folder / name, force=True)
    assert entries(folder) == before
    assert shelf.found() == ["a/x.wav"]


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_what_an_earlier_library_of_that_name_left_behind_does_no_harm(shelf: Shelf, suffix: str) -> None:
    shelf.add("a", "x.wav")
    file = shelf.folder / "copy"
    _leave_behind(file, suffix)
    back_up(shelf.library, file, force=True)
    assert opened(file) == [str(shelf.folder / "a" / "x.wav")]


def _leave_behind(file: Path, suffix: str) -> None:
    """Make a database as a killed program leaves it: its last changes are in a file beside it."""
    log = Path(f"{file}{suffix}")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {'wal' if suffix == '-wal' else 'delete'}")
        connection.execute("PRAGMA page_size = 16384")
        connection.execute("CREATE TABLE junk (bytes)")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO junk VALUES (?)", [(b"\xff" * 20_000,)] * 50)
        if suffix == "-wal":
            connection.execute("COMMIT")
        kept = log.read_bytes()
    log.write_bytes(kept)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("nowhere/copy", "No such file or directory"),
        ("file/copy", "Not a directory"),
        ("folder", "Is a directory"),
        ("x" * 250, "File name too long"),
    ],
)
def test_a_backup_that_cannot_be_written_is_one_line_and_leaves_nothing(shelf: Shelf, file: str, reason: str) -> None:
    (shelf.folder / "file").touch()
    (shelf.folder / "folder").mkdir()
    before = entries(shelf.folder)
    with pytest.raises(LibraryError, match=rf"cannot back up the library to .*{file} \({reason}\); check") as caught:
        back_up(shelf.library, shelf.folder / file, force=True)
    assert "\n" not in str(caught.value)
    assert entries(shelf.folder) == before


def test_a_backup_into_a_folder_without_permission_is_one_line(shelf: Shelf) -> None:
    (shelf.folder / "locked").mkdir()
    (shelf.folder / "locked").chmod(0o500)
    with permissions_count(), pytest.raises(LibraryError, match=r"copy \(Permission denied\)"):
        back_up(shelf.library, shelf.folder / "locked" / "copy")


def test_a_backup_onto_a_full_disk_leaves_the_one_before(shelf: Shelf, small_disk: Path) -> None:
    file = small_disk / "copy"
    back_up(shelf.library, file)
    with shelf.library.writing() as writing:
        add_sound(writing, *start(writing), b"a.wav", seed=1, n=500_000)
    with pytest.raises(LibraryError, match=r"small disk/copy \(.*(full|No space).*\)") as caught:
        back_up(shelf.library, file, force=True)
    assert "\n" not in str(caught.value)
    assert entries(small_disk) == ["copy"]
    assert opened(file) == []


def cut(file: Path) -> None:
    """Let the end of a file be missing, as a broken copy leaves it."""
    os.truncate(file, file.stat().st_size - 3 * 16_384)


@pytest.mark.parametrize("damage", [tear, cut])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_damaged_library_is_not_backed_up_and_an_earlier_backup_stays(
    shelf: Shelf, damage: Callable[[Path], None], is_there: bool
) -> None:
    shelf.add("a", *(f"{number}.wav" for number in range(300)))
    if is_there:
        back_up(shelf.library, shelf.folder / "copy")
    shelf.library.close()
    damage(shelf.library.path)
    before = entries(shelf.folder)
    with pytest.raises(
        LibraryError, match=r"no backup made: .* is damaged \(.+\); .*clapsearch verify.* earlier"
    ) as caught:
        back_up(shelf.library, shelf.folder / "copy", force=True)
    assert "\n" not in str(caught.value)
    assert entries(shelf.folder) == before
    if is_there:
        assert len(opened(shelf.folder / "copy")) == 300


def test_a_backup_is_made_of_a_library_in_a_folder_that_cannot_be_written(shelf: Shelf) -> None:
    shelf.add("a", "x.wav")
    shelf.library.close()
    with locked(shelf.library.path.parent), permissions_count():
        back_up(shelf.library, shelf.folder / "copy")
    assert len(opened(shelf.folder / "copy")) == 1


def test_a_restored_backup_goes_on(world, fused, no_model) -> None:
    copy = world.folder.parent / "copy.sqlite3"
    back_up(world.library, copy)
    restored = Library.open(copy)
    assert found(restored, fused) == ALL
    write(world.folder / "e.wav", 50)
    world.library, kept = restored, world.library
    assert world.index(fused).indexed == 1
    assert found(kept, fused) == ALL
    world.library = kept
    restored.close()
