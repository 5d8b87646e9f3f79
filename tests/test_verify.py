"""Verification: every kind of fault is made for real, found, and gone once the command it offers was run."""

import base64
import contextlib
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import threading
import zlib
from pathlib import Path

import numpy as np
import peek
import pytest
from peek import Watched, found
from world import ALL, POSIX_ONLY, write

from clapsearch import api, snapshot
from clapsearch.cli import verify as cli
from clapsearch.cli.app import run
from clapsearch.settings import resolve
from clapsearch.store import Checking, Library
from clapsearch.upkeep import back_up, forget
from clapsearch.vectors import Vectors, write_snapshot
from indexer import sample, verify
from indexer.faults import Check, Fault, quoted
from indexer.plan import make_plan

EVERY = 100  # more than there are


@pytest.fixture(autouse=True)
def chosen(world, monkeypatch):
    """Let commands find the world's library without being told, and start few workers."""
    monkeypatch.setenv("CLAPSEARCH_LIBRARY", str(world.library.path))
    monkeypatch.setattr(sample, "N_WORKERS", 1)  # starting one takes longer than its work here


def check(world, embedder=None, n_sample=0):
    """Return what is wrong, by check."""

    def model():
        assert embedder, "the model was asked for"
        return embedder

    done = verify.verify(world.library, model, n_sample=n_sample)
    assert [each.name for each in done.checks] == ["database", "vectors", "snapshot", "files", "sample"]
    return {each.name: each.faults for each in done.checks if each.faults}


def the(faults, name):
    """Return the one fault that there is."""
    assert list(faults) == [name]
    (fault,) = faults[name]
    return fault


def follow(remedy):
    """Run a remedy as a user would who pastes it."""
    for part in remedy.partition("  # ")[0].split(" && "):
        if part.startswith("clapsearch "):
            assert run(shlex.split(part)[1:]) == 0
        else:
            subprocess.run(["bash", "-c", part], check=True)


def change(world, *statements):
    """Change the library behind its back: checks of foreign keys are off, as SQLite has it."""
    with contextlib.closing(sqlite3.connect(world.library.path)) as plain:
        for statement, *values in statements:
            plain.execute(statement, values)
        plain.commit()


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# What is right


def test_a_library_that_is_right(world, capsys):
    world.library.close()
    before = everything(world.folder.parent)
    assert run(["verify", "--sample", "2"]) == 0
    assert everything(world.folder.parent) == before
    out, err = capsys.readouterr()
    names, results = zip(*(line.split(maxsplit=1) for line in out.splitlines()), strict=True)
    assert names == ("database", "vectors", "snapshot", "files", "sample")
    assert results[1:4] == ("ok: 5 embeddings, 9 vectors", "ok: 9 vectors", "ok: 5 files")
    assert results[4] == "ok: 2 sounds embedded again, lowest cosine 1.000000"
    assert err == ""


def test_what_came_and_went_since_the_snapshot_is_no_fault(world, fused):
    forget(world.library, world.a)
    write(world.folder / "new.wav", 44)
    world.a.unlink()
    world.index(fused)
    assert peek.rows(world.library.path, "SELECT count(*) FROM dead") == [(1,)]
    assert check(world) == {}


def test_a_library_without_sounds_or_snapshot(library):
    done = verify.verify(library, lambda: None)
    assert done.ok
    assert [each.n_checked for each in done.checks[1:]] == [0, 0, 0, 0]


def test_no_snapshot_yet_is_no_fault(world):
    change(world, ("DELETE FROM snapshot",))
    assert check(world) == {}


# The file itself


def test_foreign_keys_that_lead_nowhere(world, tmp_path):
    back_up(world.library, tmp_path / "kept")
    change(world, ("DELETE FROM content WHERE id IN (2, 4)",))
    faults = check(world)
    assert {fault.what for fault in faults["database"]} == {
        "embedding: 2 rows (2, 4) without the content it belongs to",
        "sound: 2 rows (2, 4) without the content it belongs to",
        "tags: 2 rows (2, 4) without the content it belongs to",
    }
    world.library.close()
    leave_log(world)
    follow(faults["database"][0].remedy.replace("BACKUP", str(tmp_path / "kept")))
    assert check(world) == {}


def leave_log(world):
    """Leave a write-ahead log, as a killed writer does."""
    log = Path(f"{world.library.path}-wal")
    with contextlib.closing(sqlite3.connect(world.library.path)) as plain:
        plain.execute("DELETE FROM content")
        plain.commit()
        written = log.read_bytes()
    log.write_bytes(written)


def test_what_sqlite_finds_is_told_line_by_line(world):
    of_root = "(SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_root_1')"
    change(
        world,
        ("DELETE FROM content WHERE id = 2",),
        ("PRAGMA writable_schema = ON",),
        (f"UPDATE sqlite_master SET rootpage = {of_root} WHERE name = 'ix_sound_content_id'",),
    )
    told = [fault.what for fault in check(world)["database"]]
    assert "wrong # of entries in index ix_sound_content_id" in told
    assert not any("without the content" in line or "\n" in line for line in told)  # rows of a broken file say nothing


@pytest.fixture
def torn(world):
    """A page of the sounds' table is junk."""
    world.library.close()
    ((page,),) = peek.rows(world.library.path, "SELECT rootpage FROM sqlite_master WHERE name = 'sound'")
    change(world, ("PRAGMA journal_mode = DELETE",))
    with world.library.path.open("rb+") as file:
        file.seek((page - 1) * 16_384)
        file.write(np.random.default_rng(0).bytes(16_384))
    return world


def test_a_torn_page_is_a_fault_and_stops_no_other_check(torn, fused):
    faults = check(torn, fused, n_sample=1)
    assert list(faults) == ["database", "files", "sample"]
    for (fault,) in faults.values():
        assert "malformed" in fault.what
        assert "\n" not in fault.what
        assert f"cp BACKUP {torn.library.path}" in fault.remedy


@pytest.mark.parametrize("arguments", [["search", "rain"], ["index"], ["index", "--repair"], ["status"]])
def test_a_torn_library_is_to_be_verified_or_restored(torn, fused_folder, capsys, arguments):
    assert run(arguments) == 1
    err = capsys.readouterr().err
    assert "malformed" in err
    assert "clapsearch verify, or restore a backup" in err
    assert "disk space" not in err


def test_a_torn_library_comes_back_from_a_backup(world, torn, template, tmp_path):
    (fault,) = check(torn)["database"]
    torn.library.close()
    follow(fault.remedy.replace("BACKUP", str(template / "kept" / "library.sqlite3")))
    assert check(torn) == {}


def test_a_torn_library_without_backup_is_begun_anew(torn, fused):
    (fault,) = check(torn)["database"]
    torn.library.close()
    follow(fault.remedy.partition("# no backup? ")[2])
    assert check(torn, fused, n_sample=1) == {}
    assert torn.library.path.with_name("library.sqlite3.damaged").exists()


def test_values_of_another_kind_are_a_fault(world):
    change(world, ("UPDATE root SET exclude = 'no list'",))
    faults = check(world)
    assert list(faults) == ["files"]
    assert "damaged values" in faults["files"][0].what


def older(path: Path, _world):
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.executescript(
            "PRAGMA application_id = 1668047216; CREATE TABLE alembic_version (version_num); "
            "INSERT INTO alembic_version VALUES ('0001')"
        )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path, world: None, "no library at"),
        (lambda path, world: path.touch(), "no library at"),
        (lambda path, world: path.write_bytes(b"no database" * 2000), "is no clapsearch library, or a damaged one"),
        (lambda path, world: path.write_bytes(world.library.path.read_bytes()[:40_000]), "restore a backup"),
        (lambda path, world: sqlite3.connect(path).execute("CREATE TABLE t (x)").connection.close(), "another program"),
        (older, "has an older schema; to upgrade it, keeping a backup: clapsearch status"),
    ],
    ids=["absent", "empty", "text", "truncated", "foreign", "older"],
)
def test_what_is_no_library_is_one_line_and_stays_as_it_is(world, tmp_path, capsys, make, message):
    make(tmp_path / "other.sqlite3", world)
    before = everything(tmp_path)
    assert run(["verify", "--library", str(tmp_path / "other.sqlite3")]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
    assert everything(tmp_path) == before


# Vectors

UNIT = np.full(32, 32**-0.5, np.float16)
BLOBS = {
    "flipped": (lambda data: bytes([data[0] ^ 1]) + data[1:], "its checksum is"),
    "not finite": (lambda data: np.full(32, np.nan, "<f2").tobytes(), "1 of 1 vectors are not finite"),
    "infinite": (lambda data: np.full(32, np.inf, "<f2").tobytes(), "1 of 1 vectors are not finite"),
    "long": (lambda data: (2 * UNIT).tobytes(), "a vector has norm 1.9998, not 1"),
    "short": (lambda data: data[:-2], "62 bytes are not 1 x 32 numbers"),
    "empty": (lambda data: b"", "0 bytes are not 1 x 32 numbers"),
}


def damage(world, kind, embedding_id=1):
    ((data, crc),) = peek.rows(world.library.path, f"SELECT data, crc FROM embedding WHERE id = {embedding_id}")
    changed = BLOBS[kind][0](data)
    crc = crc if kind == "flipped" else zlib.crc32(changed)
    change(world, ("UPDATE embedding SET data = ?, crc = ? WHERE id = ?", changed, crc, embedding_id))


@pytest.mark.parametrize("kind", BLOBS)
def test_a_damaged_embedding_is_found_and_only_it_is_embedded_again(world, fused, kind):
    before, (embedding_id, path) = peek.vectors(world.library), first_embedding(world)
    damage(world, kind, embedding_id)
    fault = the(check(world), "vectors")
    assert fault.what.startswith(f"embedding {embedding_id} of {path}: {BLOBS[kind][1]}")
    assert fault.remedy == "clapsearch index --repair"
    watched = Watched(fused)
    assert world.index(watched, repair=True).indexed == watched.n_embedded == 1
    assert check(world) == {}
    assert peek.vectors(world.library) == before


def first_embedding(world):
    """Return the id and the path of an embedding of one vector."""
    query = """SELECT e.id, r.path, s.relpath FROM embedding e JOIN sound s ON s.content_id = e.content_id
               JOIN root r ON r.id = s.root_id WHERE e.n = 1 LIMIT 1"""
    embedding_id, root, relpath = peek.rows(world.library.path, query)[0]
    return embedding_id, os.fsdecode(os.path.join(root, relpath))


@pytest.mark.parametrize("kind", ["short", "not finite"])
def test_a_damaged_embedding_is_a_fault_once(world, fused, kind):
    damage(world, kind)
    assert the(check(world, fused, n_sample=EVERY), "vectors").what.startswith("embedding 1 of ")


def test_a_count_of_vectors_that_is_wrong(world, fused):
    change(world, ("UPDATE embedding SET n = 0, data = x'', crc = 0 WHERE id = 1",))
    assert "0 bytes are not 0 x 32 numbers" in the(check(world), "vectors").what
    world.index(fused, repair=True)
    assert check(world) == {}


def test_damage_in_a_checkpoint_that_answers_no_searches(world, no_model):
    columns = "name, revision, front_end, resampler, backend, precision, dim, window_s"
    change(
        world,
        (f"INSERT INTO checkpoint (weights_hash, {columns}) SELECT 'other', {columns} FROM checkpoint",),
        ("INSERT INTO embedding (content_id, checkpoint_id, n, dim, data, crc) VALUES (1, 2, 1, 32, zeroblob(64), 5)",),
    )
    assert "checksum" in the(check(world), "vectors").what
    world.index(no_model, repair=True)
    assert check(world) == {}


def test_the_offered_command_repairs(world, capsys):
    damage(world, "flipped")
    follow(the(check(world), "vectors").remedy)
    out, err = capsys.readouterr()
    assert out.startswith("1 indexed, 4 unchanged, 0 failed\n")
    assert "1 damaged embedding dropped" in err
    assert run(["verify", "--sample", str(EVERY)]) == 0


def test_a_repair_takes_all_folders_whichever_is_named(world, fused, tmp_path):
    write(tmp_path / "other" / "x.wav", 58)
    damage(world, "flipped")
    assert world.index(fused, tmp_path / "other", repair=True).indexed == 2
    assert check(world) == {}


# The snapshot


def the_snapshot(world):
    (path,) = world.library.snapshots.glob("*.faiss")
    return path


def swap(path, data):
    """Put other bytes in its place: what has the old file mapped keeps it."""
    path.unlink()
    path.write_bytes(data)


def flip(data, at, bits=1):
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


SNAPSHOTS = {
    "truncated": (lambda data: data[:-100], "has 674 bytes, 774 were written"),
    "junk": (lambda data: b"x" * len(data), "does not open as an index of 9 vectors"),
    "untrained": (lambda data: flip(data, data.index(b"IxSQ") + 32), "does not open as an index"),
    "huge": (lambda data: flip(data, len(data) - 9 * 8 - 4), "does not open as an index"),
    "vector": (lambda data: flip(data, 200), "differs from the database in 1 vector"),
    "label": (lambda data: flip(data, len(data) - 9 * 8 + 3), "vectors out of order"),
}


@pytest.mark.parametrize("kind", SNAPSHOTS)
def test_a_damaged_snapshot_is_found_and_made_anew_without_embedding(world, no_model, kind):
    path = the_snapshot(world)
    swap(path, SNAPSHOTS[kind][0](path.read_bytes()))
    fault = the(check(world), "snapshot")
    assert SNAPSHOTS[kind][1] in fault.what
    assert fault.remedy == "clapsearch index --repair"
    world.index(no_model, repair=True)
    assert check(world) == {}
    assert the_snapshot(world) != path


@pytest.mark.parametrize("kind", ["truncated", "junk", "untrained", "huge"])
def test_searches_do_without_a_snapshot_that_does_not_open(world, fused, kind):
    path = the_snapshot(world)
    swap(path, SNAPSHOTS[kind][0](path.read_bytes()))
    assert found(world.library, fused) == ALL


def test_a_snapshot_that_is_not_there_is_a_note_and_comes_back_with_the_next_run(world, capsys):
    path = the_snapshot(world)
    path.unlink()
    assert run(["verify", "--sample", "0"]) == 0
    head, note = capsys.readouterr().out.splitlines()[2:4]
    assert head == "snapshot    ok: none here, searches read the database"
    assert note == f"            {path.name} is not there, as in a backup; made anew by: clapsearch index"
    follow(note.partition(": ")[2])
    assert the_snapshot(world).exists()
    assert run(["verify", "--sample", "0", "--json"]) == 0


def test_a_fresh_backup_is_right(world, tmp_path):
    back_up(world.library, tmp_path / "copy.sqlite3")
    assert run(["verify", "--sample", "2", "--library", str(tmp_path / "copy.sqlite3")]) == 0


def test_a_snapshot_that_lags_behind_says_so(world, fused):
    write(world.folder / "new.wav", 44)
    world.index(fused)
    done = verify.verify(world.library, lambda: fused, n_sample=0)
    assert done.ok
    assert done.checks[2].summary == "9 vectors, 1 newer in the database, where searches read them"


def other_snapshot(world, make):
    """Publish a snapshot of other vectors, with all that the library says of it right."""
    with world.library.reading() as reading:
        whole = [Vectors(stored.id, stored.vectors.copy()) for stored in reading.embeddings()]
    path = the_snapshot(world)
    path.unlink()
    n_vectors, _ = write_snapshot(path, make(whole), dim=32)
    change(world, ("UPDATE snapshot SET n_vectors = ?, n_bytes = ?", n_vectors, path.stat().st_size))


@pytest.mark.parametrize(
    ("make", "messages"),
    [
        (lambda whole: whole[1:], ["lacks {n} vector"]),
        (lambda whole: [*whole, Vectors(77, UNIT[None])], ["holds 1 vector that the database does not"]),
        (lambda whole: [Vectors(each.embedding_id + 10, each.rows) for each in whole], ["lacks 9", "holds 9"]),
        (lambda whole: [Vectors(each.embedding_id, -each.rows) for each in whole], ["differs from the database in 9"]),
    ],
    ids=["one less", "one more", "of another library", "other vectors"],
)
def test_a_whole_snapshot_of_other_vectors(world, no_model, make, messages):
    ((n,),) = peek.rows(world.library.path, "SELECT n FROM embedding ORDER BY id LIMIT 1")
    other_snapshot(world, make)
    faults = check(world)
    assert list(faults) == ["snapshot"]
    for fault, message in zip(faults["snapshot"], messages, strict=True):
        assert message.format(n=n) in fault.what
    world.index(no_model, repair=True)
    assert check(world) == {}


# The files on disk


def test_files_that_are_not_as_the_library_knows_them(world, fused, capsys):
    write(world.folder / "new.wav", 44)
    write(world.a, 45, duration_s=0.5)
    (world.folder / "long.wav").unlink()
    faults = check(world)["files"]
    assert [fault.what for fault in faults] == [
        f"1 file new: {world.folder}/new.wav",
        f"1 file changed: {world.a}",
        f"1 file gone: {world.folder}/long.wav",
    ]
    assert {fault.remedy for fault in faults} == {"clapsearch index"}
    follow(faults[0].remedy)
    assert check(world, fused, n_sample=EVERY) == {}


def test_files_that_are_back_and_files_without_vectors(world, fused, no_model):
    aside = world.a.rename(world.folder.parent / "aside.wav")
    world.index(no_model)
    aside.rename(world.a)
    change(world, ("DELETE FROM embedding WHERE n > 1",))
    assert [fault.what for fault in check(world)["files"]] == [
        f"1 file not embedded: {world.folder}/long.wav",
        f"1 file back: {world.a}",
    ]
    world.index(fused)
    assert check(world) == {}


def test_files_that_failed_for_good_are_no_fault(world, fused, bad):
    world.index(fused)
    assert check(world, fused, n_sample=EVERY) == {}


def test_many_files_are_counted_and_a_few_named(world):
    for name in range(5):
        shutil.copyfile(world.a, world.folder / f"{name}.wav")
    where = world.folder
    assert the(check(world), "files").what == f"5 files new: {where}/0.wav, {where}/1.wav, {where}/2.wav and 2 more"


@POSIX_ONLY
def test_names_that_are_not_text_are_whole_in_json(world, capsys):
    path = os.fsencode(world.folder) + b"/\x1b\xff.wav"
    shutil.copyfile(world.a, path)
    assert run(["verify", "--sample", "0"]) == 1
    assert rf"1 file new: {world.folder}/\x1b\xff.wav" in capsys.readouterr().out
    assert run(["verify", "--sample", "0", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["ok"] is False
    assert [each["name"] for each in record["checks"] if each["faults"]] == ["files"]
    (fault,) = record["checks"][3]["faults"]
    assert fault["remedy"] == "clapsearch index"
    assert base64.b64decode(fault["paths"][0]["path_b64"]) == path


def test_folders_that_are_offline_are_named_and_no_fault(world, no_model, capsys):
    world.folder.rename(world.folder.with_name("unplugged"))
    world.index(no_model)
    assert run(["verify", "--sample", "3"]) == 0
    out = capsys.readouterr().out
    assert f"not checked: {world.folder} is offline since 20" in out
    assert "sample      ok: no sounds to embed" in out


# The sample


def silently_change(path):
    """Change a byte of the sound and leave size and time as they are."""
    status, data = path.stat(), path.read_bytes()
    path.write_bytes(flip(data, len(data) // 2, 64))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("name", ["a.wav", "it's \n\udcff.wav"])
def test_a_silent_change_of_a_file(world, fused, no_model, name):
    path = world.a.rename(world.a.with_name(name))
    world.index(no_model)
    silently_change(path)
    fault = the(check(world, fused, n_sample=EVERY), "sample")
    assert "other bytes than when it was embedded" in fault.what
    assert fault.paths == (os.fsencode(path),)
    assert fault.remedy == f"touch -c {quoted(os.fsencode(path))} && clapsearch index"
    follow(fault.remedy)
    assert check(world, fused, n_sample=EVERY) == {}


def test_a_change_that_shows_is_left_to_the_check_of_files(world, fused):
    write(world.a, 45, duration_s=0.5)
    done = verify.verify(world.library, lambda: fused, n_sample=EVERY)
    assert [bool(each.faults) for each in done.checks] == [False, False, False, True, False]
    assert (done.checks[4].n_checked, done.checks[4].notes) == (4, ("not checked: 1 sound, see the other checks",))


def test_vectors_of_another_sound(world, fused, capsys):
    (first, one), (second, other) = peek.rows(world.library.path, "SELECT id, data FROM embedding WHERE n = 1 LIMIT 2")
    for id_, data in ((first, other), (second, one)):
        change(world, ("UPDATE embedding SET data = ?, crc = ? WHERE id = ?", data, zlib.crc32(data), id_))
    faults = check(world, fused, n_sample=EVERY)
    assert list(faults) == ["snapshot", "sample"]
    assert len(faults["sample"]) == 2
    for fault in faults["sample"]:
        assert "of the whole with its stored vector, at least 0.9999 expected (torch-cpu float32)" in fault.what
        assert fault.remedy == "clapsearch reembed"
    follow(faults["sample"][0].remedy)
    follow(faults["snapshot"][0].remedy)
    assert check(world, fused, n_sample=EVERY) == {}


def turned(data, cosine):
    """Turn the last of some vectors a little."""
    vectors = np.frombuffer(data, "<f2").reshape(-1, 32).astype(np.float64)
    aside = np.roll(vectors[-1], 1)
    aside -= (aside @ vectors[-1]) * vectors[-1]
    vectors[-1] = cosine * vectors[-1] + (1 - cosine**2) ** 0.5 * aside / np.linalg.norm(aside)
    return vectors.astype("<f2").tobytes()


@pytest.mark.parametrize(
    ("cosine", "backend", "message"),
    [
        (0.9995, "torch-cpu", "cosine 0.9995"),
        (0.99995, "torch-cpu", None),
        (0.9995, "torch-elsewhere", None),
        (0.9985, "torch-elsewhere", "at least 0.999 expected (torch-elsewhere float32, now torch-cpu float32)"),
    ],
)
def test_how_near_is_near_enough_depends_on_the_backend(world, fused, cosine, backend, message):
    ((id_, data),) = peek.rows(world.library.path, "SELECT id, data FROM embedding WHERE n > 1")
    data = turned(data, cosine)
    change(
        world,
        ("UPDATE embedding SET data = ?, crc = ? WHERE id = ?", data, zlib.crc32(data), id_),
        ("UPDATE checkpoint SET backend = ?", backend),
    )
    faults = check(world, fused, n_sample=EVERY)
    if message:
        (fault,) = faults["sample"]
        assert message in fault.what
        assert "of moment 4 with its stored vector" in fault.what
    else:
        assert "sample" not in faults


def test_another_number_of_vectors(world, fused):
    data = UNIT.tobytes()
    change(world, ("UPDATE embedding SET n = 1, data = ?, crc = ? WHERE n > 1", data, zlib.crc32(data)))
    assert "5 vectors now, 1 stored" in check(world, fused, n_sample=EVERY)["sample"][0].what


def test_the_sample_repeats(world):
    chosen = sample._choose(world.library, 2)
    assert len(set(chosen)) == 2
    assert sample._choose(world.library, 2) == chosen
    assert len(sample._choose(world.library, EVERY)) == len(ALL)


def test_a_sample_is_taken_in_parts(world, fused, monkeypatch):
    monkeypatch.setattr(sample, "_BATCH", 2)
    done = verify.verify(world.library, lambda: fused, n_sample=EVERY)
    assert (done.ok, done.checks[4].n_checked) == (True, len(ALL))


def test_sounds_that_searches_do_not_find_are_not_sampled(world):
    change(
        world,
        ("UPDATE sound SET missing_since = 5.0 WHERE id = 1",),
        ("INSERT INTO failure (sound_id, reason, transient, failed_at) VALUES (2, 'no sound', 0, 5.0)",),
    )
    assert sorted(sample._choose(world.library, EVERY)) == [3, 4, 5]


@POSIX_ONLY
def test_a_file_that_cannot_be_read(world, fused, no_model):
    world.a.chmod(0)
    with peek.permissions_count():
        fault = the(check(world, fused, n_sample=EVERY), "sample")
        assert fault.what == f"{world.a}: cannot be read: Permission denied"
        follow(fault.remedy)
        assert check(world, fused, n_sample=EVERY) == {}


def test_a_checkpoint_that_is_gone(world, unfused_folder, unfused, fused_folder, tmp_path):
    gone = shutil.copytree(fused_folder, tmp_path / "gone")
    change(world, ("UPDATE checkpoint SET name = ?", str(gone)))
    shutil.rmtree(gone)
    with api.Session(resolve(device="cpu")) as session:
        done = session.verify(sample=1)
    (fault,) = done.checks[4].faults
    assert f"no checkpoint folder {gone}" in fault.what
    follow(fault.remedy.replace("ID_OR_FOLDER", str(unfused_folder)))
    assert check(world, unfused, n_sample=EVERY) == {}


# While others write, and how it is shown


def test_it_takes_no_lock_and_waits_for_none(world, fused):
    with Library(world.library.path).exclusive(), world.library.writing() as writing:
        writing.mark_missing([1], missing_since=5.0)
        assert check(world, fused, n_sample=1) == {}


def test_a_snapshot_that_is_replaced_meanwhile_is_no_fault(world, monkeypatch):
    look, old = Checking.newest_snapshot, the_snapshot(world)

    def look_then_publish(self):
        newest = look(self)
        if old.exists():
            with world.library.writing() as writing:
                writing.withdraw()
            snapshot.refresh(world.library)
        return newest

    monkeypatch.setattr(Checking, "newest_snapshot", look_then_publish)
    assert check(world) == {}
    assert not old.exists()


def test_sounds_that_are_indexed_meanwhile_are_no_fault(more, fused, commit_each):
    is_over = threading.Event()

    def index():
        more.index(fused)
        is_over.set()

    writer = threading.Thread(target=index)
    writer.start()
    while not is_over.is_set():
        assert set(check(more)) <= {"files"}  # those not embedded yet are new
    writer.join()
    assert check(more) == {}


def test_files_that_are_settled_between_two_looks_are_no_fault(world, fused, monkeypatch):
    write(world.folder / "new.wav", 44)

    def look_then_index(*arguments):
        plan = make_plan(*arguments)
        world.index(fused)
        return plan

    monkeypatch.setattr(verify, "make_plan", look_then_index)
    assert check(world) == {}


def test_the_command_names_the_library_where_it_has_to(world, monkeypatch):
    monkeypatch.delenv("CLAPSEARCH_LIBRARY")
    damage(world, "flipped")
    assert the(check(world), "vectors").remedy == f"clapsearch index --repair --library {world.library.path}"


def test_many_faults_are_cut_and_those_with_one_remedy_stand_together():
    faults = tuple(Fault(f"fault {i}", "clapsearch index" if i < 15 else "clapsearch reembed") for i in range(25))
    lines = cli._fault_lines(Check("vectors", 25, "25 embeddings", faults))
    assert len(lines) == 20 + 2 + 1
    assert [line.strip() for line in (lines[14], lines[15], lines[16])] == [
        "fault 14",
        "repair: clapsearch index",
        "fault 15",
    ]
    assert lines[-1].strip() == "and 5 more; --json lists them all"


def test_a_negative_sample_is_not_understood(world):
    assert run(["verify", "--sample", "-1"]) == 2
    with pytest.raises(api.UsageError, match="--sample is -1"):
        api.Session(resolve()).verify(sample=-1)
