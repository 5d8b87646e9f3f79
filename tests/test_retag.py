"""Metadata in the library: read with every new sound, read again alone, whatever the files do to the readers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from chunks import bext, flac, vorbis, wav, written
from peek import found, rows
from signals import noise
from world import ONE_WORKER, POSIX_ONLY, World

from clapsearch import schema
from clapsearch.metadata import METADATA_VERSION, Metadata
from clapsearch.store import Library
from indexer import retag
from indexer.decode import Decoded, DecodePool
from indexer.pipeline import index
from indexer.worker import hash_content

# A flood of values of one name, which tinytag compares with each other: it takes minutes. libFLAC allows 100,000.
FLOOD = vorbis(*(b"a=%07d" % i for i in range(99_000)))


def tag_rows(library: Library) -> dict[bytes, tuple[int, Metadata]]:
    """Return version and metadata of every content, by hash."""
    query = "SELECT c.hash, t.version, t.data FROM tags t JOIN content c ON c.id = t.content_id"
    return {each: (version, Metadata.from_json(data)) for each, version, data in rows(library.path, query)}


def told(library: Library, path: Path) -> dict[str, str]:
    """Return the fields that the library has of a file's content."""
    _, metadata = tag_rows(library)[hash_content(os.fsencode(path))]
    return {field.name: field.text for field in metadata.fields}


def make_old(library: Library, *, version: int | None = None) -> None:
    """Leave the library as one from before there was metadata, or from an older reader."""
    with library.writing() as writing:
        known = writing._connection.exec_driver_sql("SELECT content_id FROM tags").scalars().all()
        writing._connection.execute(schema.tags.delete())
        for content_id in known if version is not None else ():
            writing.add_tags(content_id, Metadata(problems=("old",)).to_json(), version)


@pytest.fixture
def tagged(world: World) -> Path:
    """A file with metadata in the world's folder."""
    return written(world.folder / "tagged.wav", wav(bext(b"Hafen", date=b"2021-05-04"), samples=noise(0.3, seed=77)))


def test_new_sounds_come_with_their_metadata(world: World, tagged: Path, fused) -> None:
    report = world.index(fused)
    assert (report.indexed, report.metadata) == (1, 0)
    assert told(world.library, tagged) == {"bext.description": "Hafen", "bext.date": "2021-05-04"}
    assert {version for version, _ in tag_rows(world.library).values()} == {METADATA_VERSION}
    assert len(tag_rows(world.library)) == 6  # also of those that say nothing, so that no run asks again
    with world.library.reading() as reading:
        stored = reading.tags_of(hash_content(os.fsencode(tagged)))
        assert reading.tags_of(b"no such") is None
        assert reading.untagged(METADATA_VERSION, [1]) == []
    assert json.loads(stored)["recorded_at"] == 1620086400.0


@pytest.mark.parametrize("version", [None, METADATA_VERSION - 1, METADATA_VERSION + 1])
def test_an_older_library_is_read_again_without_the_model(world: World, tagged: Path, fused, no_model, version) -> None:
    world.index(fused)
    before = tag_rows(world.library)
    make_old(world.library, version=version)
    assert tag_rows(world.library) != before
    report = world.index(no_model)
    assert (report.metadata, report.unchanged, report.indexed, report.recognised) == (6, 6, 0, 0)
    assert tag_rows(world.library) == before
    assert world.index(no_model).metadata == 0
    assert len(found(world.library, fused)) == 6


def test_everything_is_read_again_when_asked(world: World, tagged: Path, fused, no_model) -> None:
    world.index(fused)
    with world.library.writing() as writing:
        for content_id in range(1, 7):
            writing.add_tags(content_id, Metadata(problems=("wrong",)).to_json(), METADATA_VERSION)
    assert world.index(no_model).metadata == 0
    assert world.index(no_model, metadata=True).metadata == 6
    assert all(metadata.problems == () for _, metadata in tag_rows(world.library).values())


def test_what_was_just_indexed_is_not_read_twice(world: World, tagged: Path, fused) -> None:
    report = world.index(fused, metadata=True)
    assert (report.indexed, report.metadata) == (1, 5)


def test_copies_are_read_once_from_one_that_is_there(world: World, tagged: Path, fused, no_model) -> None:
    shutil.copy(tagged, world.folder / "a_copy.wav")
    world.index(fused)
    make_old(world.library)
    (world.folder / "a_copy.wav").unlink()
    assert world.index(no_model).metadata == 6
    assert told(world.library, tagged)["bext.description"] == "Hafen"


def test_a_file_that_changed_since_the_walk_is_left_to_the_next_run(
    world: World, tagged: Path, fused, no_model
) -> None:
    world.index(fused)
    make_old(world.library)
    with world.library.reading() as reading:
        places = reading.untagged(METADATA_VERSION, [1])
    written(tagged, wav(bext(b"other words, other bytes")))
    with DecodePool(fused.front_end, n_workers=1) as pool:
        assert retag.retag(world.library, places, pool, version=METADATA_VERSION) == 5
    assert len(tag_rows(world.library)) == 5


def test_offline_and_missing_sounds_wait(world: World, tagged: Path, fused, no_model) -> None:
    world.index(fused)
    make_old(world.library)
    hidden = tagged.rename(world.folder.parent / "elsewhere.wav")
    assert world.index(no_model).metadata == 5
    hidden.rename(tagged)
    assert world.index(no_model).metadata == 1
    assert told(world.library, tagged)["bext.description"] == "Hafen"


def test_a_look_at_a_part_does_not_read_the_rest(world: World, tagged: Path, fused, no_model) -> None:
    """A watcher's small batches stay small; its looks at everything read what is due."""
    world.index(fused)
    make_old(world.library)
    root = os.fsencode(world.folder)
    assert index(world.library, no_model, options=ONE_WORKER, under={root: [b"tagged.wav"]}).metadata == 0
    assert index(world.library, no_model, options=ONE_WORKER, under={root: None}).metadata == 6


def test_a_run_told_to_stop_keeps_what_it_read(world: World, fused, no_model, monkeypatch) -> None:
    make_old(world.library)
    monkeypatch.setattr(retag, "COMMIT_FILES", 1)
    stop = threading.Event()

    def on_progress(progress) -> None:
        if progress.total and progress.done > progress.total - 3:
            stop.set()

    first = index(world.library, no_model, options=ONE_WORKER, on_progress=on_progress, should_stop=stop.is_set)
    assert first.cancelled
    assert 0 < first.metadata < 5
    assert len(tag_rows(world.library)) == first.metadata
    assert world.index(no_model).metadata == 5 - first.metadata


@POSIX_ONLY
def test_a_killed_run_keeps_its_batches(world: World, no_model, fused) -> None:
    make_old(world.library)
    script = f"""
import os, signal
from pathlib import Path
from clapsearch.store import Library
from clapsearch.mel import FrontEnd
from indexer import retag
from indexer.decode import DecodePool
retag.COMMIT_FILES = 1
library = Library.open(Path({str(world.library.path)!r}))
with library.reading() as reading:
    places = reading.untagged({METADATA_VERSION}, [1])
def die(done, total):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
with DecodePool({fused.front_end!r}, n_workers=1) as pool:
    retag.retag(library, places, pool, version={METADATA_VERSION}, on_progress=die)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(tag_rows(world.library)) == 2
    assert world.index(no_model).metadata == 3


# --- readers that die ---


@pytest.fixture
def flood(tmp_path: Path) -> bytes:
    """A real FLAC whose comments keep their reader busy for ever."""
    import soundfile

    soundfile.write(tmp_path / "plain.flac", noise(0.3, seed=5), 48_000)
    plain = (tmp_path / "plain.flac").read_bytes()
    header = flac(FLOOD)
    # its own description of the stream, the flood, and its own frames
    block_end = 8 + 34
    frames_at = block_end
    is_last = False
    while not is_last:
        is_last = bool(plain[frames_at] & 0x80)
        frames_at += 4 + int.from_bytes(plain[frames_at + 1 : frames_at + 4], "big")
    flooded = b"fLaC" + b"\0" + plain[5:block_end] + header[header.index(b"\x84") :] + plain[frames_at:]
    return os.fsencode(written(tmp_path / "flood.flac", flooded))


def outcomes(front_end, paths: list[bytes], **how):
    with DecodePool(front_end, n_workers=1, **how) as pool:
        return {outcome.path: outcome for outcome in pool.run(iter(paths), lambda path, content_hash: True)}


def test_metadata_that_stalls_its_reader_costs_only_itself(world: World, flood: bytes, fused) -> None:
    got = outcomes(fused.front_end, [flood, os.fsencode(world.a)], stall_s=2)
    assert isinstance(got[flood], Decoded)
    assert Metadata.from_json(got[flood].metadata).problems == ("the reader of its metadata stood still for 2 s",)
    assert Metadata.from_json(got[os.fsencode(world.a)].metadata) == Metadata()


def test_such_a_file_is_indexed_and_not_asked_again(world: World, flood: bytes, fused, no_model) -> None:
    path = shutil.copy(os.fsdecode(flood), world.folder / "flood.flac")
    report = world.index(fused, stall_s=2)
    assert (report.indexed, report.failed) == (1, ())
    assert tag_rows(world.library)[hash_content(os.fsencode(path))][1].problems
    make_old(world.library)
    assert world.index(no_model, stall_s=2).metadata == 6
    assert world.index(no_model, stall_s=2).metadata == 0


@POSIX_ONLY
@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGTERM, None)])
def test_metadata_that_kills_its_reader_costs_only_itself(
    world: World, flood: bytes, fused, number: int, name: str | None
) -> None:
    """The reader is killed from outside while it stands in the file; told to end, it says nothing about the file."""
    first, last = os.fsencode(world.a), os.fsencode(world.a.with_name("b.wav"))

    def paths() -> Iterator[bytes]:
        yield first
        killer.start()
        yield flood
        yield last

    def kill() -> None:
        (reader,) = (each for each in psutil.Process().children() if "spawn_main" in " ".join(each.cmdline()))
        started_s = reader.cpu_times().user
        while reader.cpu_times().user < started_s + 0.2:
            time.sleep(0.01)
        reader.send_signal(number)

    killer = threading.Thread(target=kill, daemon=True)
    with DecodePool(fused.front_end, n_workers=1) as pool:
        got = {looked.path: looked.metadata for looked in pool.look(paths())}
    killer.join(timeout=10)
    problem = f"the reader of its metadata crashed ({name})"
    assert got[flood] == (Metadata(problems=(problem,)).to_json() if name else None)
    assert got[first] == got[last] == Metadata().to_json()


def test_a_file_that_vanished_is_tried_again(world: World, fused) -> None:
    with DecodePool(fused.front_end, n_workers=1) as pool:
        (looked,) = pool.look(iter([os.fsencode(world.folder / "gone.wav")]))
    assert looked.metadata is None


def test_forgotten_contents_take_their_metadata_along(world: World, tagged: Path, fused) -> None:
    world.index(fused)
    with world.library.writing() as writing:
        writing.forget(1, b"tagged.wav")
    assert len(tag_rows(world.library)) == 5
