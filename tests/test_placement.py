"""Files put into a folder: whole or not at all, never over another."""

import hashlib
import itertools
import os
from pathlib import Path

import pytest

from clapsearch.placement import SourceError, copy, link, names, part, publish


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "from" / "a.wav"
    path.parent.mkdir()
    path.write_bytes(os.urandom(3_000_000))
    os.utime(path, ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "to"
    path.mkdir()
    return path


def test_a_copy_is_the_file_with_its_time(source: Path, folder: Path) -> None:
    placed = copy(source, folder / "b.wav")
    assert (folder / "b.wav").read_bytes() == source.read_bytes()
    assert (folder / "b.wav").stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert (placed.how, placed.size_bytes) == ("copy", 3_000_000)
    assert placed.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert os.listdir(folder) == ["b.wav"]


@pytest.mark.parametrize("put", [copy, link])
def test_nothing_is_put_over_another(put, source: Path, folder: Path) -> None:
    (folder / "a.wav").write_text("mine")
    with pytest.raises(FileExistsError):
        put(source, folder / "a.wav")
    (folder / "b.wav").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        put(source, folder / "b.wav")
    assert (folder / "a.wav").read_text() == "mine"
    assert sorted(os.listdir(folder)) == ["a.wav", "b.wav"]


@pytest.mark.parametrize("put", [copy, link])
def test_a_source_that_is_gone(put, folder: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        put(folder / "gone.wav", folder / "a.wav")
    assert os.listdir(folder) == []


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that opens and cannot be read")
def test_a_source_that_fails_while_it_is_read_leaves_nothing(folder: Path) -> None:
    with pytest.raises(SourceError, match="error"):
        copy(Path("/proc/self/mem"), folder / "a.wav")
    assert os.listdir(folder) == []


def test_a_link_is_the_same_file(source: Path, folder: Path) -> None:
    placed = link(source, folder / "a.wav")
    assert (folder / "a.wav").samefile(source)
    assert (placed.how, placed.size_bytes, placed.sha256) == ("hard link", 3_000_000, "")


def test_a_link_to_a_link_is_the_file(source: Path, folder: Path) -> None:
    (folder / "there.wav").symlink_to(source)
    link(folder / "there.wav", folder / "a.wav")
    assert not (folder / "a.wav").is_symlink()
    assert (folder / "a.wav").samefile(source)


def test_on_another_disk_a_link_is_symbolic(source: Path, small_disk: Path) -> None:
    placed = link(source, small_disk / "a.wav")
    assert placed.how == "symbolic link"
    assert (small_disk / "a.wav").readlink() == source


def test_a_part_is_gone_unless_it_is_published(folder: Path) -> None:
    with pytest.raises(ValueError, match="enough"), part(folder) as (unfinished, file):
        file.write(b"half")
        assert os.listdir(folder) == [unfinished.name]
        raise ValueError("enough")
    assert os.listdir(folder) == []
    with part(folder) as (unfinished, file):
        file.write(b"whole")
        file.flush()
        publish(unfinished, folder / "a")
    assert os.listdir(folder) == ["a"]
    assert (folder / "a").read_bytes() == b"whole"


def test_names() -> None:
    assert list(itertools.islice(names("a.b.wav"), 3)) == ["a.b.wav", "a.b-2.wav", "a.b-3.wav"]
    assert next(names(os.fsdecode(b"\xff"))) == os.fsdecode(b"\xff")
