"""Distillation: the student comes nearer to the teacher, and a killed run goes on as if nothing had happened."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clapsearch.errors import ClapsearchError
from clapsearch.training.distillation import (
    Distillation,
    DistillationSettings,
    Progress,
    embed,
    imitation_loss,
    one_cycle,
)
from clapsearch.training.sentences import SentenceEncoder
from clapsearch.training.text_space import TextSpace
from clapsearch.training.text_student import TextShape, build_student, choose_tokens, make_tokenizer

TEXTS = [
    f"{what} {how}"
    for what in ("a dog barking", "heavy rain", "glass breaking", "a train passing", "footsteps on snow", "laser")
    for how in ("", "far away", "in a cave", "at night", "loudly", "and then silence")
]
HELD_OUT = ["rain at night far away", "a dog in a cave", "loud footsteps"]
SETTINGS = DistillationSettings(n_steps=24, batch_size=10, learning_rate=1e-3, averaging=0.8)


class KilledError(Exception):
    """Stands for the end of a process."""


@pytest.fixture(scope="module")
def space() -> TextSpace:
    return TextSpace.fit(SentenceEncoder().embed(TEXTS), dim=16)


@pytest.fixture(scope="module")
def tokens() -> list[str]:
    return choose_tokens(TEXTS, 300)


def run_of(space: TextSpace, tokens: list[str], settings: DistillationSettings = SETTINGS) -> Distillation:
    student = build_student(tokens, TextShape(len(tokens), (5,), 32), space)
    return Distillation(student, make_tokenizer(tokens), TEXTS, space.embed(TEXTS).astype(np.float16), settings)


def test_the_student_comes_nearer_to_the_teacher(space: TextSpace, tokens: list[str], tmp_path: Path) -> None:
    run, seen = run_of(space, tokens), []
    vectors = space.embed(HELD_OUT)
    before = (embed(run.student, make_tokenizer(tokens), HELD_OUT) * vectors).sum(axis=1).mean()
    after = run.run(tmp_path / "state", held_out=(HELD_OUT, vectors), report=seen.append)
    assert after > before + 0.1
    assert [progress.step for progress in seen] == list(range(1, 25))
    assert seen[-1].cosine == after
    assert all(progress.cosine is None for progress in seen[:-1])
    assert np.mean([progress.loss for progress in seen[-4:]]) < 0.8 * np.mean([progress.loss for progress in seen[:4]])


def test_a_killed_run_goes_on_to_the_same_losses(space: TextSpace, tokens: list[str], tmp_path: Path) -> None:
    state, kept = tmp_path / "state", tmp_path / "kept"
    whole: dict[int, float] = {}
    straight = run_of(space, tokens)
    straight.run(tmp_path / "straight", report=lambda progress: whole.update({progress.step: progress.loss}))

    def killed(progress: Progress) -> None:
        if progress.step == 7:
            kept.write_bytes(state.read_bytes())
        if progress.step == 11:
            raise KilledError

    with pytest.raises(KilledError):
        run_of(space, tokens).run(state, every_s=0, report=killed)
    state.write_bytes(kept.read_bytes())
    rest: dict[int, float] = {}
    resumed = run_of(space, tokens)
    resumed.run(state, report=lambda progress: rest.update({progress.step: progress.loss}))
    assert list(rest) == list(range(8, 25))
    assert rest == pytest.approx({step: whole[step] for step in rest}, abs=1e-5)
    for one, other in zip(straight.student.parameters(), resumed.student.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_a_finished_run_is_not_learnt_again(space: TextSpace, tokens: list[str], tmp_path: Path) -> None:
    settings, seen = replace(SETTINGS, n_steps=2), []
    held_out = HELD_OUT, space.embed(HELD_OUT)
    first = run_of(space, tokens, settings).run(tmp_path / "state", held_out=held_out)
    again = run_of(space, tokens, settings).run(tmp_path / "state", held_out=held_out, report=seen.append)
    assert again == first
    assert seen == []
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_the_state_of_another_run_is_refused(space: TextSpace, tokens: list[str], tmp_path: Path) -> None:
    run_of(space, tokens, replace(SETTINGS, n_steps=1)).run(tmp_path / "state")
    with pytest.raises(ClapsearchError, match="is the state of another training run; delete it to start anew"):
        run_of(space, tokens, replace(SETTINGS, n_steps=2)).run(tmp_path / "state")
    (tmp_path / "state").write_bytes(b"cut")
    with pytest.raises(ClapsearchError, match="is no state of a training run; delete it to start anew"):
        run_of(space, tokens).run(tmp_path / "state")


def test_every_text_is_learnt_once_an_epoch(space: TextSpace, tokens: list[str]) -> None:
    run = run_of(space, tokens)
    epochs = []
    for epoch in range(2):
        batches = []
        for number in range(4):  # 36 texts in batches of ten at most
            run.step = 4 * epoch + number
            batches.append(run._batch())
        assert sorted(np.concatenate(batches)) == list(range(36))
        assert all(len(batch) <= 10 for batch in batches)
        epochs.append(np.concatenate(batches).tolist())
    assert epochs[0] != epochs[1]


def test_the_learning_rate_goes_up_and_down_once() -> None:
    settings = DistillationSettings(n_steps=100, learning_rate=1.0, warm_up=0.2)
    rates = [one_cycle(step, settings) for step in range(100)]
    assert np.argmax(rates) == 20
    assert rates[20] == 1.0
    assert (np.diff(rates[:21]) > 0).all()
    assert (np.diff(rates[20:]) < 0).all()
    assert 0 < rates[0] < 0.06
    assert 0 < rates[-1] < 0.001


def test_the_loss_is_nothing_for_the_teacher_itself_and_sees_wrong_relations() -> None:
    targets = torch.nn.functional.normalize(torch.randn(8, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    settings = replace(SETTINGS, contrast=1.0)
    assert float(imitation_loss(targets, targets, settings)) == pytest.approx(0, abs=1e-5)
    near = torch.nn.functional.normalize(targets + 0.5 * targets.roll(1, 0), dim=1)
    without = float(imitation_loss(near, targets, replace(settings, contrast=0.0)))
    assert without == pytest.approx(1 - float((near * targets).sum(dim=1).mean()), abs=1e-5)
    assert float(imitation_loss(near, targets, settings)) > without
    assert not math.isnan(without)
