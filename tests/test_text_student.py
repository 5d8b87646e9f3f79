"""The small text tower: its vocabulary, its start from the teacher's layers, and the layout that CLAP opens."""

from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import make_checkpoint
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertModel, ClapConfig, ClapModel

from clapsearch.clap import ClapEmbedder
from clapsearch.errors import ClapsearchError
from clapsearch.training.distillation import embed
from clapsearch.training.sentences import SentenceEncoder, teacher_folder
from clapsearch.training.text_space import TextSpace
from clapsearch.training.text_student import (
    SPECIAL,
    TextShape,
    build_student,
    choose_tokens,
    make_tokenizer,
    save_student,
)
from clapsearch.weights import locate

TEXTS = ["a dog barking", "heavy rain on a tin roof", "the theremin wails", "A Glass Breaks!", "trains pass slowly"]
SMALL = TextShape(n_tokens=320, layers=(5,), intermediate_size=64)


@pytest.fixture(scope="module")
def space() -> TextSpace:
    return TextSpace.fit(SentenceEncoder().embed([f"{text} {way}" for text in TEXTS for way in "abcdefgh"]), dim=32)


@pytest.fixture(scope="module")
def tokens() -> list[str]:
    return choose_tokens(TEXTS, SMALL.n_tokens)


def test_the_vocabulary_has_special_tokens_letters_and_what_is_common(tokens: list[str]) -> None:
    assert len(set(tokens)) == len(tokens) == 320
    assert tokens[:5] == list(SPECIAL)
    assert {"a", "##a", "z", "##9", "dog", "barking", "roof"} <= set(tokens)
    assert "the" in choose_tokens(["dog"], 400)


def test_no_word_of_latin_letters_is_unknown(tokens: list[str]) -> None:
    tokenizer = make_tokenizer(tokens)
    for text in ("zyzzyva", "Señor Œuvre straße", "kick_drum-07.WAV", "it's 3/4 (loud) & 50% [low]"):
        assert "<unk>" not in tokenizer.tokenize(text), text
    assert tokenizer.tokenize("DOG Bärking") == ["dog", "barking"]


def test_a_vocabulary_without_room_for_the_letters_is_refused() -> None:
    with pytest.raises(ClapsearchError, match=r"^a vocabulary of 100 does not hold the 2\d\d letters that"):
        choose_tokens(TEXTS, 100)


def test_with_every_layer_the_student_thinks_as_the_teacher(space: TextSpace) -> None:
    shape = TextShape(n_tokens=320, layers=(0, 1, 2, 3, 4, 5), intermediate_size=1536)
    tokens = choose_tokens(TEXTS, shape.n_tokens)
    student = build_student(tokens, shape, space).eval()
    teacher = BertModel.from_pretrained(teacher_folder(), dtype=torch.float32).eval()
    theirs = AutoTokenizer.from_pretrained(teacher_folder())("heavy rain on a tin roof", return_tensors="pt")
    ours = make_tokenizer(tokens)(["heavy rain on a tin roof"], return_tensors="pt")
    with torch.inference_mode():
        expected = teacher(**theirs).last_hidden_state
        states = student.text_model(**ours).last_hidden_state
    torch.testing.assert_close(states, expected, atol=1e-4, rtol=1e-4)


def test_the_student_starts_near_the_space(space: TextSpace) -> None:
    shape = TextShape(n_tokens=400, layers=(0, 1, 2, 3, 4, 5), intermediate_size=1536)
    tokens = choose_tokens(TEXTS, shape.n_tokens)
    vectors = embed(build_student(tokens, shape, space).eval(), make_tokenizer(tokens), TEXTS)
    assert (vectors * space.embed(TEXTS)).sum(axis=1).mean() > 0.6


def test_nothing_of_the_start_is_left_to_chance(space: TextSpace, tokens: list[str]) -> None:
    starts = []
    for seed in range(2):
        torch.manual_seed(seed)
        starts.append(build_student(tokens, SMALL, space).state_dict())
    for name, weight in starts[0].items():
        torch.testing.assert_close(weight, starts[1][name], msg=name)


def test_of_the_neurons_those_that_move_the_most_are_kept(space: TextSpace, tokens: list[str]) -> None:
    student = build_student(tokens, SMALL, space)
    feed_forward = student.text_model.encoder.layer[0]
    into, out = feed_forward.intermediate.dense.weight, feed_forward.output.dense.weight
    assert into.shape == (64, 384)
    teacher = load_file(teacher_folder() / "model.safetensors")
    whole = teacher["encoder.layer.5.intermediate.dense.weight"].norm(dim=1) * teacher[
        "encoder.layer.5.output.dense.weight"
    ].norm(dim=0)
    torch.testing.assert_close((into.norm(dim=1) * out.norm(dim=0)).sort().values, whole.sort().values[-64:])


def test_a_saved_student_is_the_text_tower_of_a_checkpoint(space: TextSpace, tokens: list[str], tmp_path: Path) -> None:
    student = build_student(tokens, SMALL, space).eval()
    expected = embed(student, make_tokenizer(tokens), TEXTS)
    save_student(student, tokens, tmp_path / "text")

    folder = make_checkpoint(tmp_path / "whole", dim=32)
    audio = ClapModel.from_pretrained(folder)
    config = ClapConfig(text_config=student.config, audio_config=audio.config.audio_config, projection_dim=32)
    weights = {name: weight for name, weight in audio.state_dict().items() if not name.startswith("text")}
    save_file(weights | load_file(tmp_path / "text" / "model.safetensors"), folder / "model.safetensors")
    config.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((tmp_path / "text" / name).read_bytes())

    embedder = ClapEmbedder(locate(str(folder)), device="cpu")
    np.testing.assert_allclose(embedder.embed_text(TEXTS), expected, atol=5e-3)
    ids = embedder._tokens("a dog barking")
    assert (ids[0], ids[-1], len(ids)) == (0, 2, 5)
    assert len(embedder._tokens("dog " * 200)) == 77
    assert embedder._tokenizer.pad_token_id == config.text_config.pad_token_id == 1
