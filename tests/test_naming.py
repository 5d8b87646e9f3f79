"""Words and facets follow every change of a library, and nothing is left out of date."""

import gzip
import os
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from catalogue import Entry, add, ask, named, paths
from peek import rows
from shelf import Shelf, shelf
from test_migrate import DATA, OLD
from test_store import start, unit_rows

from clapsearch.audio import AudioInfo
from clapsearch.errors import LibraryError
from clapsearch.metadata import Metadata
from clapsearch.metadata.record import Field, Marker
from clapsearch.query import parse
from clapsearch.store import Library, Place, naming
from clapsearch.upkeep import forget, relocate

NAME, FOLDER, TAGS, CALLED, EXT, CAT_ID, CATEGORY, DATED = range(8)


def clock(mtime_s: float) -> float:
    """Return a file's time as a clock here shows it."""
    return datetime.fromtimestamp(mtime_s).replace(tzinfo=UTC).timestamp()


def assert_up_to_date(library: Library) -> None:
    """Fail unless every sound has just the words and facets that it would be given anew, and nothing else has any."""
    assert rows(library.path, "SELECT * FROM stale") == []
    kept = named(library)
    for table, column in (("words", "rowid"), ("facet", "sound_id")):
        assert rows(library.path, f"SELECT {column} FROM {table} EXCEPT SELECT id FROM sound") == []
    with library.writing() as writing:
        writing._connection.exec_driver_sql("INSERT INTO words (words) VALUES ('integrity-check')")
        writing._connection.exec_driver_sql("INSERT INTO stale (sound_id) SELECT id FROM sound")
    assert kept == named(library)


def test_a_new_sound(library: Library) -> None:
    add(library, [Entry("/sounds/Field Trips/RAINVege_HeavyRain_02.WAV", dated=12.5, tags="Leaves of a fern")])
    (values,) = named(library).values()
    assert values[NAME].split() == ["rain", "vege", "heavy", "rain", "2", "rainvege", "heavyrain", "02"]
    assert values[FOLDER] == "field trips"
    assert values[TAGS] == "leaves of a fern rain vegetation"
    assert values[CALLED] == "rainvegeheavyrain 2 "
    assert values[EXT:] == ("wav", "rainvege", "rain", clock(12.5))
    assert_up_to_date(library)


def test_a_name_that_says_little(library: Library) -> None:
    add(library, [Entry("/sounds/...")])
    assert named(library)[b"..."] == ("", "", "", "", "", None, None, clock(0.0))
    assert_up_to_date(library)


def test_names_that_are_not_text_and_accents_written_apart(library: Library) -> None:
    apart = unicodedata.normalize("NFD", "Écluse été")
    add(library, [Entry(os.fsdecode(b"/sounds/caf\xe9 rain\n.wav")), Entry(f"/sounds/{apart}.wav")])
    found = named(library)
    assert found[b"caf\xe9 rain\n.wav"][CALLED] == "cafrain"
    assert found[os.fsencode(f"{apart}.wav")][CALLED] == "écluseété"
    assert_up_to_date(library)


def test_a_move_takes_the_new_name(shelf: Shelf) -> None:
    shelf.add("a", "old/rain.wav", content="x")
    shelf.lose("a/old/rain.wav")
    shelf.add("a", "new/WindHowl.flac", content="x")
    ((relpath, values),) = named(shelf.library).items()
    assert (relpath, values[CALLED], values[FOLDER], values[EXT]) == (b"new/WindHowl.flac", "windhowl", "new", "flac")
    assert_up_to_date(shelf.library)


def test_a_file_that_holds_something_else_takes_its_metadata_and_date(library: Library) -> None:
    add(library, [Entry("/sounds/a.wav", tags="rain", dated=1), Entry("/sounds/b.wav", tags="wind", dated=2)])
    with library.writing() as writing:
        content_id = writing.add_content(Entry("/sounds/b.wav").hash)
        writing.place_sound(Place(1, b"a.wav", 11, 7 * 10**9), content_id)
    assert [named(library)[b"a.wav"][i] for i in (TAGS, DATED)] == ["wind", clock(7.0)]
    assert_up_to_date(library)


def test_a_folder_that_is_elsewhere_now_keeps_its_words(shelf: Shelf) -> None:
    shelf.add("old", "deep/rain.wav", "wind.wav")
    before = named(shelf.library)
    (shelf.folder / "old").rename(shelf.folder / "new")
    assert relocate(shelf.library, shelf.folder / "old", shelf.folder / "new") == 2
    assert named(shelf.library) == before
    assert_up_to_date(shelf.library)


def test_sounds_handed_to_an_inner_root_lose_the_folders_above_it(shelf: Shelf) -> None:
    shelf.add("outer", "inner/deep/rain.wav", "wind.wav")
    shelf.add("outer/inner")
    with shelf.library.writing() as writing:
        outer, inner = writing.roots()
        writing.hand_over(outer.id, b"inner", inner.id)
    assert {relpath: values[FOLDER] for relpath, values in named(shelf.library).items()} == {
        b"deep/rain.wav": "deep",
        b"wind.wav": "",
    }
    assert_up_to_date(shelf.library)


def test_of_two_sounds_at_one_place_only_one_has_words(shelf: Shelf) -> None:
    shelf.add("outer", "inner/rain.wav")
    shelf.add("outer/inner", "rain.wav")
    with shelf.library.writing() as writing:
        outer, inner = writing.roots()
        writing.hand_over(outer.id, b"inner", inner.id)
    assert rows(shelf.library.path, "SELECT count(*) FROM words") == [(1,)]
    assert_up_to_date(shelf.library)


@pytest.mark.parametrize(("what", "left"), [("a/deep", 1), ("a", 0), ("a/wind.wav", 1)])
def test_forgotten_sounds_leave_no_words(shelf: Shelf, what: str, left: int) -> None:
    shelf.add("a", "deep/rain.wav", "wind.wav")
    forget(shelf.library, shelf.folder / what)
    for table in ("words", "facet", "sound"):
        assert rows(shelf.library.path, f"SELECT count(*) FROM {table}") == [(left,)]
    assert_up_to_date(shelf.library)


def test_what_is_only_rehearsed_changes_nothing(shelf: Shelf) -> None:
    shelf.add("a", "deep/rain.wav", "wind.wav")
    before = named(shelf.library)
    forget(shelf.library, shelf.folder / "a" / "deep", dry_run=True)
    assert named(shelf.library) == before
    assert_up_to_date(shelf.library)


def test_a_failed_transaction_changes_nothing(library: Library) -> None:
    add(library, [Entry("/sounds/rain.wav")])
    before = named(library)
    with pytest.raises(RuntimeError, match="half way"), library.writing() as writing:
        writing.place_sound(Place(1, b"wind.wav", 1, 1), 1)
        raise RuntimeError("half way")
    assert named(library) == before
    assert_up_to_date(library)


def test_new_metadata_reaches_every_copy(library: Library) -> None:
    add(library, [Entry("/sounds/a.wav", tags="rain"), Entry("/sounds/other.wav")])
    with library.writing() as writing:
        writing.place_sound(Place(1, b"copy.wav", 10, 1), 1)
    told = Metadata((Field("id3.title", "SnowStorm"),), (Marker(1.0, "gust"),), recorded_at=99.0)
    with library.writing() as writing:
        writing.add_tags(1, told.to_json(), 1)
    for relpath in (b"a.wav", b"copy.wav"):
        assert named(library)[relpath][TAGS] == "snow storm gust snowstorm"
        assert named(library)[relpath][DATED] == 99.0
    assert named(library)[b"other.wav"][TAGS] == ""
    assert paths(ask(library, None, parse("tag:gust"))) == ["/sounds/a.wav", "/sounds/copy.wav"]
    assert_up_to_date(library)


def test_a_missing_sound_that_comes_back_has_its_words(library: Library) -> None:
    add(library, [Entry("/sounds/rain.wav")])
    with library.writing() as writing:
        writing.mark_missing([1], missing_since=5.0)
    assert ask(library, None, parse("rain"), mode="words") == []
    with library.writing() as writing:
        writing.mark_missing([1], missing_since=None)
    assert paths(ask(library, None, parse("rain"), mode="words")) == ["/sounds/rain.wav"]
    assert_up_to_date(library)


def test_a_failed_file_has_words_but_is_not_found(library: Library) -> None:
    with library.writing() as writing:
        _, root_id = start(writing)
        writing.fail_sound(Place(root_id, b"rain.wav", 1, 1), b"h" * 16, "no sound", transient=False)
    assert ask(library, None, parse("rain"), mode="words") == []
    assert named(library)[b"rain.wav"][CALLED] == "rain"
    assert_up_to_date(library)


RECORD = '{"fields":%s,"markers":%s,"recorded_at":%s,"problems":[]}'


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "null",
        "[]",
        "[" * 100_000,
        "{}",
        RECORD % ('[["a",5]]', "[]", "null"),
        RECORD % ('[["a"]]', "[]", "null"),
        RECORD % ("[]", "[[1.0,null]]", "null"),
        RECORD % ("[]", "[]", '"yesterday"'),
        RECORD % ("[]", "[]", "NaN"),
        RECORD % ("[]", "[]", "1e999"),
        RECORD % ('[["a","\\ud800"]]', "[]", "true"),
    ],
)
def test_damaged_metadata_costs_only_itself(library: Library, data: str) -> None:
    add(library, [Entry("/sounds/rain.wav", dated=3.0)])
    with library.writing() as writing:
        writing.add_tags(1, data, 1)
    values = named(library)[b"rain.wav"]
    assert (values[CALLED], values[TAGS], values[DATED]) == ("rain", "", clock(3.0))
    assert_up_to_date(library)


def test_more_than_are_written_at_a_time(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "_STALE", naming._STALE.limit(3))
    add(library, [Entry(f"/sounds/rain {i}.wav") for i in range(10)])
    assert [values[CALLED] for values in named(library).values()] == [f"rain {i} " for i in range(10)]
    assert_up_to_date(library)


def test_a_writer_that_cannot_write_the_words_keeps_nothing(library: Library) -> None:
    add(library, [Entry("/sounds/rain.wav")])
    with pytest.raises(LibraryError, match="no such table"), library.writing() as writing:
        writing.place_sound(Place(1, b"wind.wav", 1, 1), 1)
        writing._connection.exec_driver_sql("DROP TABLE facet")
    assert list(named(library)) == [b"rain.wav"]
    assert_up_to_date(library)


@pytest.mark.parametrize("revision", OLD)
def test_an_upgraded_library_has_words_for_all_its_sounds(revision: str, tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    path.write_bytes(gzip.decompress((DATA / f"library-{revision}.sqlite3.gz").read_bytes()))
    relpaths = {relpath for (relpath,) in rows(path, "SELECT relpath FROM sound")}
    assert relpaths
    library = Library.open(path)
    found = named(library)
    assert found.keys() == relpaths
    assert all(values[CALLED] and values[EXT] for values in found.values())
    assert_up_to_date(library)
    with library.reading() as reading:
        (first, *_) = reading.sounds([each.id for each in reading.embeddings()])
    name = Path(os.fsdecode(first.path)).stem
    assert str(ask(library, None, parse(f'"{name}"'), mode="words")[0].path) == os.fsdecode(first.path)
    library.close()


def test_the_date_is_that_of_the_recording_or_else_of_the_file(library: Library) -> None:
    with library.writing() as writing:
        checkpoint_id, root_id = start(writing)
        for name, told in ((b"a.wav", Metadata(recorded_at=50.0)), (b"b.wav", Metadata())):
            content_id = writing.add_content(name, AudioInfo(1, 48_000, 1, "WAV"))
            writing.add_embedding(content_id, checkpoint_id, unit_rows(1), replaces=[])
            writing.add_tags(content_id, told.to_json(), 1)
            writing.place_sound(Place(root_id, name, 1, 20 * 10**9), content_id)
    assert [values[DATED] for values in named(library).values()] == [50.0, clock(20.0)]


__all__ = ["shelf"]  # the fixture
