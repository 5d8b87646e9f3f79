"""Hits collected in a folder: nothing overwritten, nothing half there, a manifest that tells what is."""

import base64
import csv
import hashlib
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from clapsearch.collect import Collection, collect
from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.search import Hit


@pytest.fixture
def hits(tmp_path: Path) -> list[Hit]:
    """Three sounds, two of one name."""
    paths = [tmp_path / "s" / name for name in ("a/rain.wav", "b/rain.wav", "dog.flac")]
    return [make(path, rank) for rank, path in enumerate(paths, start=1)]


def make(path: Path, rank: int = 1, *, n_bytes: int = 1000) -> Hit:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(n_bytes))
    return Hit(rank, 1 / 3, path, 2.0, 12.0, 30.0)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows(collection: Collection) -> list[dict[str, str]]:
    assert collection.manifest is not None
    with open(collection.manifest, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_manifest_tells_what_each_file_is(hits: list[Hit], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    collection = collect(hits, folder)
    assert sorted(os.listdir(folder)) == ["dog.flac", "manifest.csv", "rain-2.wav", "rain.wav"]
    assert collection.notices == ()
    listed = rows(collection)
    assert [row["name"] for row in listed] == ["rain.wav", "rain-2.wav", "dog.flac"]
    for row, hit in zip(listed, hits, strict=True):
        data = (folder / row["name"]).read_bytes()
        assert data == hit.path.read_bytes()
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        assert (row["path"], row["rank"], row["score"]) == (str(hit.path), str(hit.rank), "0.333333")
        assert (row["start_s"], row["end_s"], row["duration_s"]) == ("2.0", "12.0", "30.0")
        assert (row["size_bytes"], row["how"]) == ("1000", "copy")


def test_what_is_there_stays(hits: list[Hit], tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("rain.wav", "rain-2.wav", "manifest.csv"):
        (folder / name).write_text("mine")
    (folder / "dog.flac").symlink_to("nowhere")
    collection = collect(hits, folder)
    assert {(folder / name).read_text() for name in ("rain.wav", "rain-2.wav", "manifest.csv")} == {"mine"}
    assert (folder / "dog.flac").is_symlink()
    assert [row["name"] for row in rows(collection)] == ["rain-3.wav", "rain-4.wav", "dog-2.flac"]
    assert collection.manifest == folder / "manifest-2.csv"


def test_the_same_again_copies_nothing(hits: list[Hit], tmp_path: Path) -> None:
    collect(hits, tmp_path / "c")
    before = {path: path.stat().st_ino for path in (tmp_path / "c").iterdir()}
    again = collect(hits, tmp_path / "c")
    assert [each.placed.how for each in again.files] == ["was there"] * 3
    assert [row["sha256"] for row in rows(again)] == [sha256(hit.path) for hit in hits]
    assert [row["name"] for row in rows(again)] == ["rain.wav", "rain-2.wav", "dog.flac"]
    assert before.items() <= {path: path.stat().st_ino for path in (tmp_path / "c").iterdir()}.items()
    assert again.manifest == tmp_path / "c" / "manifest-2.csv"


def test_a_hit_found_by_its_name_alone_has_no_score(hits: list[Hit], tmp_path: Path) -> None:
    (row,) = rows(collect([replace(hits[0], score=math.nan)], tmp_path / "c"))
    assert row["score"] == ""


def test_two_hits_with_the_same_bytes_are_two_files(hits: list[Hit], tmp_path: Path) -> None:
    hits[1].path.write_bytes(hits[0].path.read_bytes())
    assert [row["name"] for row in rows(collect(hits, tmp_path / "c"))] == ["rain.wav", "rain-2.wav", "dog.flac"]


def test_gone_and_offline_files_are_said_and_the_rest_comes(hits: list[Hit], tmp_path: Path) -> None:
    hits[0].path.unlink()
    offline = Hit(4, 0.1, Path("/mnt/usb/\x1b.wav"), 0.0, 1.0, 1.0, is_offline=True)
    collection = collect([*hits, offline], tmp_path / "c")
    assert [row["name"] for row in rows(collection)] == ["rain.wav", "dog.flac"]
    assert collection.notices == (
        f"left out {hits[0].path}: the file is gone",
        "left out /mnt/usb/\\x1b.wav: its folder is offline",
    )


def test_nothing_to_collect_makes_nothing(hits: list[Hit], tmp_path: Path) -> None:
    for hit in hits:
        hit.path.unlink()
    collection = collect(hits, tmp_path / "c")
    assert (collection.files, collection.manifest, len(collection.notices)) == ((), None, 3)
    assert not (tmp_path / "c").exists()


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that opens and cannot be read")
def test_a_file_that_cannot_be_read_is_said(hits: list[Hit], tmp_path: Path) -> None:
    broken = Hit(4, 0.1, Path("/proc/self/mem"), 0.0, 1.0, 1.0)
    for name, linked in (("c", False), ("l", True)):
        collection = collect([broken, *hits], tmp_path / name, linked=linked)
        assert len(collection.files) == 3
        assert "cannot be read" in collection.notices[0]
        assert len(os.listdir(tmp_path / name)) == 4
    assert collect([broken], tmp_path / "d").manifest is None
    assert not (tmp_path / "d").exists()


def test_odd_names_stay_as_they_are_and_the_manifest_is_text(tmp_path: Path) -> None:
    raw = [b"two\nlines.wav", b"\xff.wav", b'say "hi", now.wav']
    collection = collect([make(tmp_path / "s" / os.fsdecode(name)) for name in raw], tmp_path / "c")
    assert set(os.listdir(os.fsencode(tmp_path / "c"))) == {*raw, b"manifest.csv"}
    listed = rows(collection)
    names = [base64.b64decode(row["name_b64"]) if row["name_b64"] else row["name"].encode() for row in listed]
    assert names == raw
    assert all(cell.isprintable() for row in listed for cell in row.values())


def test_links(hits: list[Hit], tmp_path: Path) -> None:
    collection = collect(hits, tmp_path / "c", linked=True)
    assert all(each.path.samefile(each.hit.path) for each in collection.files)
    assert {row["how"] for row in rows(collection)} == {"hard link"}
    assert [row["sha256"] for row in rows(collection)] == [sha256(hit.path) for hit in hits]


def test_a_link_needs_no_room(small_disk: Path, tmp_path: Path) -> None:
    big = make(tmp_path / "big.wav", n_bytes=6_000_000)
    collection = collect([big], small_disk / "c", linked=True)
    assert [(row["how"], row["sha256"]) for row in rows(collection)] == [("symbolic link", sha256(big.path))]
    assert (small_disk / "c" / "big.wav").read_bytes() == big.path.read_bytes()


def test_too_much_for_the_disk_is_said_before_anything_is_made(small_disk: Path, tmp_path: Path) -> None:
    hits = [make(tmp_path / f"{n}.wav", n_bytes=3_000_000) for n in range(2)]
    with pytest.raises(
        ClapsearchError, match=r"2 sounds of 6\.0 MB .* has 4\.\d MB free: free some space.*--link"
    ) as error:
        collect(hits, small_disk / "c")
    assert "\n" not in str(error.value)
    assert os.listdir(small_disk) == []


def fill(folder: Path, n_free: int) -> Path:
    status = os.statvfs(folder)
    (folder / "ballast").write_bytes(bytes(status.f_bavail * status.f_frsize - n_free))
    return folder / "ballast"


def test_a_disk_that_fills_up_keeps_what_is_finished_and_goes_on(small_disk: Path, tmp_path: Path) -> None:
    """Small files take a page each: by their sizes they fit, on the disk they do not."""
    hits = [make(tmp_path / "s" / f"{n}.wav", n + 1) for n in range(60)]
    ballast = fill(small_disk, 120_000)
    folder = small_disk / "c"
    with pytest.raises(
        ClapsearchError, match=r"full after \d+ of 60 sounds; manifest\.csv lists what is there"
    ) as error:
        collect(hits, folder)
    assert "\n" not in str(error.value)
    with open(folder / "manifest.csv", encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert 5 < len(listed) < 60
    assert sorted(os.listdir(folder)) == sorted([*(row["name"] for row in listed), "manifest.csv"])
    assert all((folder / f"{n}.wav").read_bytes() == hits[n].path.read_bytes() for n in range(len(listed)))
    ballast.unlink()
    collection = collect(hits, folder)
    assert [each.placed.how for each in collection.files].count("was there") == len(listed)
    assert all(each.path.read_bytes() == each.hit.path.read_bytes() for each in collection.files)
    assert len(os.listdir(folder)) == 62


@pytest.mark.parametrize("n_free", [0, 4096, 8192, 12_288])
def test_a_disk_without_room_is_left_as_it_was(small_disk: Path, hits: list[Hit], n_free: int) -> None:
    fill(small_disk, n_free)
    with pytest.raises(ClapsearchError, match=r"full|free") as error:
        collect(hits, small_disk / "c")
    assert "\n" not in str(error.value)
    left = [path.name for path in (small_disk / "c").iterdir()] if (small_disk / "c").exists() else []
    assert not any(name.endswith(".part") for name in left)
    assert ("manifest.csv" in left) == any(name.endswith((".wav", ".flac")) for name in left)


def test_a_file_is_no_folder(hits: list[Hit]) -> None:
    before = hits[0].path.read_bytes()
    with pytest.raises(UsageError, match="is not a folder"):
        collect(hits, hits[0].path)
    assert hits[0].path.read_bytes() == before


def test_an_empty_path_is_not_the_current_folder(
    hits: list[Hit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    with pytest.raises(UsageError, match="is empty; an unset variable"):
        collect(hits, "")
    assert os.listdir() == []


def test_a_folder_that_cannot_be_made_is_one_line(hits: list[Hit]) -> None:
    with pytest.raises(ClapsearchError, match=r"cannot be written \(.*\); name another folder"):
        collect(hits, hits[0].path / "below")
