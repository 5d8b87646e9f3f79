"""Synthesised training sounds: sane, the same in every run, and told in no word of the everyday queries."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clapsearch.demo.questions import QUESTIONS
from clapsearch.training.recipe import write_manifest
from clapsearch.training.synthesis.catalogue import KINDS
from clapsearch.training.synthesis.sounds import SR, write_sounds

EVERYDAY = Path(__file__).parent / "bench" / "everyday.csv"
MAX_DURATION_S = 12.0


@pytest.fixture(scope="module")
def sounds() -> dict[str, tuple[str, np.ndarray]]:
    return {label: make(np.random.default_rng(3), 22_050) for label, make in KINDS.items()}


def test_there_are_many_kinds(sounds) -> None:
    assert len(sounds) >= 60


@pytest.mark.parametrize("label", KINDS)
def test_every_kind_is_a_sound_with_a_caption(sounds, label: str) -> None:
    caption, waveform = sounds[label]
    assert caption.strip() == caption != ""
    assert waveform.dtype == np.float32
    assert waveform.ndim == 1
    assert 0.05 < waveform.size / 22_050 < MAX_DURATION_S
    assert np.isfinite(waveform).all()
    assert np.abs(waveform).max() > 1e-3


def test_sounds_of_a_kind_differ_and_are_the_same_in_every_run(tmp_path: Path) -> None:
    few = {"bell": KINDS["bell"], "rain": KINDS["rain"]}
    first, again = write_sounds(tmp_path / "a", 2, few), write_sounds(tmp_path / "b", 2, few)
    assert [sound.label for sound in first] == ["bell", "bell", "rain", "rain"]
    contents = [sound.path.read_bytes() for sound in first]
    assert contents == [sound.path.read_bytes() for sound in again]
    assert len(set(contents)) == 4
    assert soundfile.info(first[0].path).samplerate == SR


def test_no_caption_has_a_word_of_the_everyday_queries_nor_is_a_question_of_the_demo() -> None:
    spec = importlib.util.spec_from_file_location("everyday", EVERYDAY.with_suffix(".py"))
    everyday = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(everyday)
    asked = set().union(*(everyday.words(question.text) for question in everyday.read_questions()))
    captions = {make(np.random.default_rng(seed), 8_000)[0] for make in KINDS.values() for seed in range(3)}
    assert not asked & set().union(*map(everyday.words, captions))
    assert not captions & {question.text for question in QUESTIONS}


def test_the_manifest_keeps_out_what_fine_tuning_and_evaluation_need(tmp_path: Path) -> None:
    rows = [
        ("a.wav", "a dog", "dog", "train", "sfx"),
        ("b.wav", "a flute", "flute", "train", "instrument"),
        ("c.wav", "rain", "rain", "dev", "ambience"),
        ("d.wav", "a drum", "drum", "dev", "instrument"),
        ("e.wav", "a click", "click", "train", "ui"),
    ]
    with (tmp_path / "library.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "caption", "label", "split", "kind"])
        writer.writerows(rows)
    path = write_manifest(tmp_path / "library.csv", tmp_path / "made", n_each=0)
    with path.open(newline="") as file:
        assert [(row["path"], row["split"]) for row in csv.DictReader(file)] == [
            ("a.wav", "train"),
            ("c.wav", "dev"),
            ("e.wav", "train"),
        ]
