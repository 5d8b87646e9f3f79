"""Questions asked before are answered without the model; whatever goes wrong with the file costs only time."""

import dataclasses
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from peek import permissions_count

from clapsearch import text_cache
from clapsearch.choice import embedder_for_questions
from clapsearch.clap import ClapEmbedder
from clapsearch.embedder import FEW_TEXTS
from clapsearch.settings import Settings, cache_folder
from clapsearch.text_cache import MAX_LENGTH, RememberedTexts, cached_vectors
from clapsearch.weights import locate


class Asked:
    """A real embedder that notes what it was asked for."""

    def __init__(self, inner: ClapEmbedder) -> None:
        self._inner, self.texts = inner, []
        self.checkpoint, self.logit_scale = inner.checkpoint, inner.logit_scale

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        return self._inner.embed_text(texts)


@pytest.fixture
def asked(fused: ClapEmbedder) -> Asked:
    return Asked(fused)


@pytest.fixture
def remember(asked: Asked, fused_folder: Path) -> Callable[[], RememberedTexts]:
    """Make what a new process has: it knows only what is in the file."""
    return lambda: RememberedTexts(locate(str(fused_folder)), asked.checkpoint, lambda: asked)


def file() -> Path:
    return cache_folder() / "texts.sqlite3"


def rows() -> list[tuple[bytes, bytes]]:
    with closing(sqlite3.connect(file())) as connection:
        return connection.execute("SELECT text, vector FROM text ORDER BY id").fetchall()


def test_a_text_is_embedded_once(remember: Callable[[], RememberedTexts], asked: Asked, fused: ClapEmbedder) -> None:
    first = remember().embed_text(["rain", "wind", "rain"])
    assert asked.texts == ["rain", "wind"]
    again = remember().embed_text(["wind", "rain", "rain", "Ünïcode ♪", ""])
    assert asked.texts == ["rain", "wind", "Ünïcode ♪", ""]
    assert np.array_equal(first, first[[0, 1, 0]])
    assert np.array_equal(again[:3], first[[1, 0, 0]])
    assert again.dtype == np.float32
    assert np.abs(again - fused.embed_text(["wind", "rain", "rain", "Ünïcode ♪", ""])).max() < 1e-6


def test_a_repeated_question_opens_no_file_of_the_model(
    fused_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(fused_folder, tmp_path / "copy"))
    settings = Settings(library=tmp_path / "l", checkpoint=str(folder), device="cpu")
    first = embedder_for_questions(settings, None).embed_text(["rain"])
    monkeypatch.setattr("clapsearch.choice.open_text_tower", lambda *_: pytest.fail("the tower was opened"))
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).chmod(0)
    with permissions_count():
        assert np.array_equal(embedder_for_questions(settings, None).embed_text(["rain"]), first)


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "tokenizer_config.json"])
def test_another_file_beside_the_weights_is_another_answer(
    name: str, asked: Asked, fused_folder: Path, tmp_path: Path
) -> None:
    folder = locate(str(shutil.copytree(fused_folder, tmp_path / "copy")))
    RememberedTexts(folder, asked.checkpoint, lambda: asked).embed_text(["rain"])
    os.utime(folder.path / name, ns=(1, 1))
    RememberedTexts(folder, asked.checkpoint, lambda: asked).embed_text(["rain"])
    assert asked.texts == ["rain", "rain"]


def test_other_weights_are_another_answer(asked: Asked, fused_folder: Path) -> None:
    other = dataclasses.replace(asked.checkpoint, weights_hash="other")
    for checkpoint in (asked.checkpoint, other):
        RememberedTexts(locate(str(fused_folder)), checkpoint, lambda: asked).embed_text(["rain"])
    assert asked.texts == ["rain", "rain"]
    assert len(cached_vectors(other)) == 1


def test_lists_of_labels_are_the_models_and_not_kept(fused_folder: Path, tmp_path: Path, fused: ClapEmbedder) -> None:
    settings = Settings(library=tmp_path / "l", checkpoint=str(fused_folder), device="cpu")
    labels = [f"label {i}" for i in range(FEW_TEXTS + 1)]
    embedder = embedder_for_questions(settings, None)
    assert np.array_equal(embedder.embed_text(labels), fused.embed_text(labels))
    assert not file().exists()
    embedder.embed_text(labels[:FEW_TEXTS])
    assert len(rows()) == FEW_TEXTS


def test_a_text_that_may_be_cut_is_not_kept(remember: Callable[[], RememberedTexts], asked: Asked) -> None:
    fits, long = "r" * MAX_LENGTH, "r" * (MAX_LENGTH + 1)
    remember().embed_text([fits, long])
    remember().embed_text([fits, long])
    assert asked.texts == [fits, long, long]  # and its warning is said again


def test_the_oldest_go(remember: Callable[[], RememberedTexts], asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_cache, "MAX_TEXTS", 3)
    for text in ("a", "b", "c", "d"):
        remember().embed_text([text])
    assert [text for text, _ in rows()] == [b"b", b"c", b"d"]


def test_the_vectors_of_a_checkpoint(
    remember: Callable[[], RememberedTexts], fused: ClapEmbedder, unfused: ClapEmbedder
) -> None:
    assert cached_vectors(fused.checkpoint).shape == (0, 32)
    wanted = np.concatenate([remember().embed_text([text]) for text in ("rain", "wind")])
    found = cached_vectors(fused.checkpoint)
    assert found.dtype == np.float32
    assert np.array_equal(found, wanted[::-1])
    assert cached_vectors(unfused.checkpoint).shape == (0, 32)


# --- a file that cannot be used --------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"no database" * 999, b"SQLite format 3\0" + b"\xff" * 5000], ids=len)
def test_a_damaged_file_is_replaced(content: bytes, remember: Callable[[], RememberedTexts], asked: Asked) -> None:
    file().parent.mkdir(parents=True)
    file().write_bytes(content)
    wanted = remember().embed_text(["rain"])
    for _ in range(2):
        assert np.array_equal(remember().embed_text(["rain"]), wanted)
    assert asked.texts in (["rain"], ["rain", "rain"])
    assert len(cached_vectors(asked.checkpoint)) == 1


def test_a_table_of_another_make_is_replaced(remember: Callable[[], RememberedTexts], asked: Asked) -> None:
    file().parent.mkdir(parents=True)
    with closing(sqlite3.connect(file())) as connection:
        connection.execute("CREATE TABLE text (other)")
    for _ in range(3):
        remember().embed_text(["rain"])
    assert len(asked.texts) <= 2
    assert len(rows()) == 1


@pytest.mark.parametrize(
    "vector",
    [b"", b"short", "text", None, np.zeros(32, "<f4").tobytes(), np.full(32, np.nan, "<f4").tobytes(), b"\xff" * 128],
    ids=str,
)
def test_a_vector_that_is_none_is_made_again(
    vector: object, remember: Callable[[], RememberedTexts], asked: Asked
) -> None:
    wanted = remember().embed_text(["rain"])
    with closing(sqlite3.connect(file())) as connection, connection:
        connection.execute("UPDATE text SET vector = ?", [vector])
    assert cached_vectors(asked.checkpoint).shape == (0, 32)
    assert np.array_equal(remember().embed_text(["rain"]), wanted)
    assert asked.texts == ["rain", "rain"]
    assert np.array_equal(cached_vectors(asked.checkpoint), wanted)


def test_a_locked_file_is_not_waited_for(remember: Callable[[], RememberedTexts], asked: Asked) -> None:
    wanted = remember().embed_text(["rain"])
    with closing(sqlite3.connect(file(), isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert np.array_equal(remember().embed_text(["rain"]), wanted)
        assert cached_vectors(asked.checkpoint).shape == (0, 32)
    assert np.array_equal(remember().embed_text(["rain"]), wanted)
    assert asked.texts == ["rain", "rain"]
    assert len(rows()) == 1


def test_a_folder_that_cannot_be_written(remember: Callable[[], RememberedTexts], asked: Asked) -> None:
    cache_folder().mkdir(parents=True)
    cache_folder().chmod(0o500)
    with permissions_count():
        wanted = remember().embed_text(["rain"])
        assert np.array_equal(remember().embed_text(["rain"]), wanted)
    cache_folder().chmod(0o700)
    assert asked.texts == ["rain", "rain"]


def test_a_file_that_can_only_be_read_still_answers(remember: Callable[[], RememberedTexts], asked: Asked) -> None:
    remember().embed_text(["rain"])
    file().chmod(0o400)
    cache_folder().chmod(0o500)
    with permissions_count():
        remember().embed_text(["rain"])
        remember().embed_text(["wind"])
    cache_folder().chmod(0o700)
    assert asked.texts == ["rain", "wind"]


def test_a_cache_folder_that_is_a_file(remember: Callable[[], RememberedTexts], asked: Asked) -> None:
    cache_folder().parent.mkdir(parents=True, exist_ok=True)
    cache_folder().write_text("a file where the folder should be")
    for _ in range(2):
        remember().embed_text(["rain"])
    assert asked.texts == ["rain", "rain"]


def test_a_full_disk(
    small_disk: Path, remember: Callable[[], RememberedTexts], asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(small_disk))
    with pytest.raises(OSError, match="No space"), open(small_disk / "full", "wb", buffering=0) as full:
        while True:
            full.write(b"x" * 4096)
    for _ in range(2):
        remember().embed_text(["rain"])
    assert asked.texts == ["rain", "rain"]
