"""What training asks for: contrast between different captions, and targets that sum to one."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from clapsearch.evaluation.clips import Clip
from clapsearch.training.batches import NO_PARTNER, Batch
from clapsearch.training.loop import learning_rate
from clapsearch.training.objective import contrastive_loss, make_bank
from clapsearch.training.options import TrainingOptions
from clapsearch.training.teacher import Teacher
from clapsearch.training.texts import captions_of, targets_of


def unit(seed: int, n: int = 6, dim: int = 8) -> torch.Tensor:
    return normalize(torch.from_numpy(np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)), dim=1)


def batch(indices: list[int], partners: list[int], shares: list[float]) -> Batch:
    n = len(indices)
    nothing = np.zeros((n, 1, 1, 1), np.float32)
    return Batch(
        nothing,
        np.zeros(n, bool),
        np.array(indices),
        np.zeros(n, int),
        np.array(partners),
        np.array(shares, np.float32),
    )


def test_without_repeated_captions_it_is_the_symmetric_cross_entropy() -> None:
    audio, text, scale = unit(0), unit(1), torch.tensor(10.0)
    logits = scale * audio @ text.T
    expected = (cross_entropy(logits, torch.arange(6)) + cross_entropy(logits.T, torch.arange(6))) / 2
    assert contrastive_loss(audio, text, scale, list("abcdef")) == pytest.approx(expected.item(), abs=1e-6)


def test_sounds_of_one_caption_are_no_negatives_of_each_other() -> None:
    audio, text, captions = unit(0).numpy(), unit(1).numpy(), list("abcaea")
    total = 0.0
    for logits in (10 * audio @ text.T, 10 * text @ audio.T):
        for i, caption in enumerate(captions):
            candidates = [j for j, other in enumerate(captions) if j == i or other != caption]
            total -= logits[i, i] - np.log(np.exp(logits[i, candidates]).sum())
    found = contrastive_loss(torch.from_numpy(audio), torch.from_numpy(text), torch.tensor(10.0), captions)
    assert found.item() == pytest.approx(total / 12, abs=1e-5)


def test_a_bank_spreads_over_texts_that_mean_the_same_and_takes_in_the_teacher() -> None:
    vectors = unit(2, n=4).numpy()
    vectors[1] = vectors[0]
    teacher = np.array([[0, 0, 0, 1], [0, 0, 0, 0]], np.float32)
    bank = make_bank([["a"], ["c"]], ["a", "b", "c", "d"], vectors, teacher, teacher_share=0.25)
    assert bank.targets.sum(axis=1, dtype=np.float32) == pytest.approx([1, 1], abs=1e-3)
    assert bank.targets[0, 0] == pytest.approx(bank.targets[0, 1])
    assert bank.targets[0, 3] == pytest.approx(0.25, abs=0.05)
    assert bank.targets[1, 2] > 0.9
    heard = make_bank([["c"]], ["a", "b", "c", "d"], vectors, teacher[:1, ::-1].copy(), teacher_share=0.25).targets[0]
    assert heard[0] == pytest.approx(heard[1])
    assert heard[0] == pytest.approx(0.125, abs=0.03)


def test_a_further_candidate_has_a_share_only_of_what_it_means() -> None:
    vectors = np.concatenate([unit(2, n=2).numpy(), unit(9, n=1).numpy()])
    vectors = np.concatenate([vectors, vectors[:1]])
    targets = make_bank([["a"], ["b"]], ["a", "b"], vectors).targets
    assert targets.shape == (2, 4)
    assert targets[0] == pytest.approx([0.5, 0, 0, 0.5], abs=0.05)
    assert targets[1] == pytest.approx([0, 1, 0, 0], abs=0.05)


def test_the_banks_loss_is_a_cross_entropy_that_is_least_at_the_target() -> None:
    vectors = unit(3, n=5)
    bank = make_bank([["a"]], list("abcde"), vectors.numpy())
    scale = torch.tensor(20.0)
    at_target = bank.loss(vectors[:1], scale, torch.eye(5)[:1])
    elsewhere = bank.loss(vectors[1:2], scale, torch.eye(5)[:1])
    expected = cross_entropy(scale * vectors[:1] @ vectors.T, torch.tensor([0]))
    assert at_target.item() == pytest.approx(expected.item(), abs=1e-6)
    assert at_target < elsewhere


def test_mixed_sounds_are_told_together_and_share_their_targets() -> None:
    clips = [Clip("a", captions=("a dog",)), Clip("b", labels=("rain",)), Clip("c", captions=("one", "two"))]
    mixed = batch([0, 2], [1, NO_PARTNER], [0.5, 1.0])
    first, second = captions_of(mixed, clips, np.random.default_rng(0))
    assert first.startswith("a dog")
    assert "rain" in first
    assert second in {"one", "two"}
    assert {captions_of(mixed, clips, np.random.default_rng(seed))[1] for seed in range(20)} == {"one", "two"}
    targets = np.eye(3, dtype=np.float32)
    assert targets_of(mixed, targets).tolist() == [[0.5, 0.5, 0], [0, 0, 1]]
    faint = targets_of(batch([0], [1], [1.0]), targets)[0]
    assert faint.tolist() == [0.75, 0.25, 0]


def test_keywords_are_made_into_sentences_where_there_is_no_caption() -> None:
    clips = [Clip("a", labels=("heavy rain", "city"))]
    alone = batch([0], [NO_PARTNER], [1.0])
    made = {captions_of(alone, clips, np.random.default_rng(seed))[0] for seed in range(40)}
    assert len(made) > 3
    assert all("rain" in caption or "city" in caption for caption in made)


def test_the_learning_rate_rises_and_falls_to_nothing() -> None:
    options = TrainingOptions(n_steps=100, learning_rate=1.0, warm_up=0.1)
    rates = [learning_rate(step, options) for step in range(100)]
    assert max(rates) == rates[10] == pytest.approx(1)
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] < 0.001
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_teacher_has_an_opinion_of_what_it_heard(tmp_path) -> None:
    path = tmp_path / "teacher.npz"
    posteriors = np.array([[0.2, 0.6], [0, 0]], np.float16)
    np.savez(
        path, paths=np.array(["x/a.wav", "b.wav"]), classes=np.array(["Dog", "Rain"]), mean=posteriors, max=posteriors
    )
    teacher = Teacher(path)
    found = teacher.opinions([Clip("x/./a.wav"), Clip("b.wav"), Clip("unheard.wav")])
    assert teacher.classes == ["Dog", "Rain"]
    assert found == pytest.approx(np.array([[0.25, 0.75], [0, 0], [0, 0]]), abs=1e-3)
