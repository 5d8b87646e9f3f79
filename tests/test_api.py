"""The Python door: everything the command line does, as frozen dataclasses."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from checkpoints import make_checkpoint
from signals import noise

import clapsearch
from clapsearch import api
from clapsearch.errors import CheckpointError, ClapsearchError, LibraryMissingError, QueryError, UsageError
from clapsearch.query import vector as query_vector
from clapsearch.search import sample


@pytest.fixture
def session(tmp_path: Path, fused_folder: Path, sounds: Path) -> clapsearch.Session:
    opened = clapsearch.open(tmp_path / "library.sqlite3", checkpoint=str(fused_folder), device="cpu")
    opened.index([sounds])
    return opened


def test_index_search_similar_describe_status(session: clapsearch.Session, sounds: Path) -> None:
    assert len(session.search("rain on a tin roof", top_k=100)) == 9
    assert len(session.similar(sounds / "long.wav", top_k=100)) == 8
    described = session.describe(sounds / "long.wav", labels=["rain", "a dog", "glass"])
    assert {each.text for each in described} == {"rain", "a dog", "glass"}
    assert sum(each.probability for each in described) == pytest.approx(1)
    status = session.status()
    assert (status.counts.sounds, status.counts.vectors, status.failures) == (9, 8 + 5, ())
    assert [root.is_there for root in status.roots] == [True]


def test_results_are_frozen(session: clapsearch.Session) -> None:
    hit = session.search("rain")[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        hit.score = 1.0  # type: ignore[misc]


def test_the_package_exposes_the_api_lazily() -> None:
    assert clapsearch.open is api.open
    assert clapsearch.Session is api.Session
    with pytest.raises(AttributeError, match="nothing"):
        _ = clapsearch.nothing


def test_a_session_can_be_used_after_close(session: clapsearch.Session) -> None:
    with session:
        before = session.search("rain")
    assert session.search("rain") == before


def test_similar_needs_no_model_for_an_indexed_file(
    session: clapsearch.Session, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = session.similar(sounds / "long.wav")
    session.close()
    fresh = api.Session(session.settings)
    monkeypatch.setattr(fresh, "_questioner", lambda: pytest.fail("loaded the model"))
    assert fresh.similar(sounds / "long.wav") == expected


def test_similar_takes_a_file_that_is_not_indexed(session: clapsearch.Session, sounds: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.wav"
    copy.write_bytes((sounds / "group0" / "sound2.wav").read_bytes())
    best = session.similar(copy)[0]
    assert best.path == sounds / "group0" / "sound2.wav"
    assert best.score == pytest.approx(1, abs=1e-3)
    edited = tmp_path / "edited.wav"
    soundfile.write(edited, noise(0.5, seed=77), 48_000)
    assert len(session.similar(edited, top_k=100)) == 9


def test_describe_works_without_a_library(tmp_path: Path, fused_folder: Path, sounds: Path) -> None:
    session = clapsearch.open(tmp_path / "none.sqlite3", checkpoint=str(fused_folder), device="cpu")
    assert len(session.describe(sounds / "long.wav", top_k=3)) == 3
    assert not (tmp_path / "none.sqlite3").exists()


def test_questions_need_a_library(tmp_path: Path, sounds: Path) -> None:
    session = clapsearch.open(tmp_path / "none.sqlite3", checkpoint="mini")
    for ask in (lambda: session.search("rain"), lambda: session.similar(sounds / "long.wav"), session.status):
        with pytest.raises(LibraryMissingError, match="clapsearch index FOLDER"):
            ask()
    assert not (tmp_path / "none.sqlite3").exists()


@pytest.mark.parametrize("query", ["", "   ", "\n\t", "a\0b", "a\x1b[31mb"])
def test_queries_that_are_no_words_are_refused(session: clapsearch.Session, query: str) -> None:
    with pytest.raises(QueryError):
        session.search(query)


@pytest.mark.parametrize("top_k", [0, -1])
def test_k_must_be_positive(session: clapsearch.Session, sounds: Path, top_k: int) -> None:
    for ask in (
        lambda: session.search("rain", top_k=top_k),
        lambda: session.similar(sounds / "long.wav", top_k=top_k),
        lambda: session.describe(sounds / "long.wav", top_k=top_k),
    ):
        with pytest.raises(UsageError, match=f"-k is {top_k}"):
            ask()


def test_two_thousand_words_are_cut_with_a_warning(
    session: clapsearch.Session, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(session.search("rain and wind " * 700, top_k=3)) == 3
    assert "the checkpoint reads 77" in caplog.text


def test_the_library_decides_its_checkpoint(session: clapsearch.Session, tmp_path: Path, sounds: Path) -> None:
    other = str(make_checkpoint(tmp_path / "other", seed=1))
    asked = clapsearch.open(session.settings.library, checkpoint=other, device="cpu")
    assert len(asked.search("rain")) == 9  # questions go to the library's own
    with pytest.raises(CheckpointError, match=f"clapsearch reembed --checkpoint {other}"):
        asked.index([sounds])


def test_a_copy_of_the_same_weights_is_the_same_checkpoint(
    session: clapsearch.Session, tmp_path: Path, sounds: Path
) -> None:
    same = str(make_checkpoint(tmp_path / "same"))
    report = clapsearch.open(session.settings.library, checkpoint=same, device="cpu").index([sounds])
    assert (report.indexed, report.unchanged) == (0, 9)


def test_full_changes_the_checkpoint(session: clapsearch.Session, tmp_path: Path, sounds: Path) -> None:
    other = str(make_checkpoint(tmp_path / "other", seed=1, dim=48))
    changed = clapsearch.open(session.settings.library, checkpoint=other, device="cpu")
    before = session.search("rain", top_k=9)
    assert changed.index([sounds], full=True).recognised == 0
    status = changed.status()
    assert status.checkpoint is not None
    assert (status.checkpoint.name, status.checkpoint.dim) == (other, 48)
    assert [hit.score for hit in changed.search("rain", top_k=9)] != [hit.score for hit in before]


def test_weights_that_changed_in_place_are_noticed(tmp_path: Path, sounds: Path) -> None:
    folder = make_checkpoint(tmp_path / "checkpoint")
    path = tmp_path / "library.sqlite3"
    clapsearch.open(path, checkpoint=str(folder), device="cpu").index([sounds])
    make_checkpoint(folder, seed=5)
    with pytest.raises(CheckpointError, match="other weights"):
        clapsearch.open(path, device="cpu").search("rain")


def test_a_checkpoint_that_went_away_is_named(tmp_path: Path, sounds: Path) -> None:
    folder = make_checkpoint(tmp_path / "checkpoint")
    path = tmp_path / "library.sqlite3"
    clapsearch.open(path, checkpoint=str(folder), device="cpu").index([sounds])
    folder.rename(tmp_path / "gone")
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        clapsearch.open(path, device="cpu").search("rain")


def test_nothing_is_made_when_the_checkpoint_does_not_load(tmp_path: Path, sounds: Path) -> None:
    session = clapsearch.open(tmp_path / "library.sqlite3", checkpoint="no/such-model", offline=True)
    with pytest.raises(CheckpointError, match="--checkpoint mini"):
        session.index([sounds])
    assert not (tmp_path / "library.sqlite3").exists()


def test_a_missing_folder_is_refused_before_anything(tmp_path: Path) -> None:
    session = clapsearch.open(tmp_path / "library.sqlite3", checkpoint="mini")
    with pytest.raises(ClapsearchError, match="does not exist"):
        session.index([tmp_path / "nowhere"])
    assert list(tmp_path.iterdir()) == []


def test_words_and_a_sound_are_balanced_by_the_library(
    session: clapsearch.Session, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_vector, "_MIN_SAMPLE", 2)
    asked = sounds / "group0" / "sound2.wav"
    rows = sample(session._open())
    total = sum(vector / (rows @ vector).std() for vector in (session._embed_text("rain"), session._embed_file(asked)))
    hits = session.search(f"rain like:{asked}", mode="sound", collapse=False)
    assert len(hits) > 1
    for hit in hits:
        expected = session._embed_file(hit.path) @ total / np.linalg.norm(total)
        assert hit.moments or hit.score == pytest.approx(expected, abs=1e-3)


def test_similar_order_is_the_cosine_order(session: clapsearch.Session, sounds: Path) -> None:
    hits = session.similar(sounds / "group1" / "sound3.wav", top_k=100)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert np.isfinite(scores).all()


def test_a_bad_question_file_is_one_line_with_its_name(
    session: clapsearch.Session, tmp_path: Path, write_sound: Callable[..., Path]
) -> None:
    text = tmp_path / "text.wav"
    text.write_text("this is no sound")
    for ask in (session.similar, session.describe):
        with pytest.raises(ClapsearchError, match=r"text\.wav: not a sound file") as caught:
            ask(text)
        assert "\n" not in str(caught.value)
    with pytest.raises(ClapsearchError, match=r"none\.wav: cannot be read: No such file"):
        session.similar(tmp_path / "none.wav")
