"""Distillation: the student comes nearer to the teacher, and a killed run goes on as if nothing had happened."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clapsearch.errors import ClapsearchError, StoppedError
from clapsearch.training.distillation import Distillation, embed, imitation_loss
from clapsearch.training.loop import Step, Trainer
from clapsearch.training.options import TrainingOptions
from clapsearch.training.sentences import SentenceEncoder
from clapsearch.training.text_space import TextSpace
from clapsearch.training.text_student import TextShape, build_student, choose_tokens, make_tokenizer

TEXTS = [
    f"{what} {how}"
    for what in ("a dog barking", "heavy rain", "glass breaking", "a train passing", "footsteps on snow", "laser")
    for how in ("", "far away", "in a cave", "at night", "loudly", "and then silence")
]
HELD_OUT = ["rain at night far away", "a dog in a cave", "loud footsteps"]
OPTIONS = TrainingOptions(
    n_steps=24, batch_size=10, learning_rate=1e-3, average=0.8, validate_every=12, patience=24, half=False
)


@pytest.fixture(scope="module")
def space() -> TextSpace:
    return TextSpace.fit(SentenceEncoder().embed(TEXTS), dim=16)


@pytest.fixture(scope="module")
def tokens() -> list[str]:
    return choose_tokens(TEXTS, 300)


def loss_of(
    space: TextSpace, tokens: list[str], options: TrainingOptions = OPTIONS
) -> tuple[torch.nn.Module, Distillation]:
    student = build_student(tokens, TextShape(len(tokens), (5,), 32), space)
    targets = space.embed(TEXTS).astype(np.float16)
    return student, Distillation(student, make_tokenizer(tokens), TEXTS, targets, options)


def trainer_of(
    space: TextSpace, tokens: list[str], state: Path, options: TrainingOptions = OPTIONS
) -> tuple[torch.nn.Module, Trainer]:
    student, loss = loss_of(space, tokens, options)
    vectors = space.embed(HELD_OUT)
    return student, Trainer(
        student, loss, lambda: loss.cosine(HELD_OUT, vectors), options, state, identity=loss.identity
    )


def test_the_student_comes_nearer_to_the_teacher(space: TextSpace, tokens: list[str], tmp_path: Path) -> None:
    student, trainer = trainer_of(space, tokens, tmp_path / "state")
    vectors, seen = space.embed(HELD_OUT), list[Step]()
    before = (embed(student, make_tokenizer(tokens), HELD_OUT) * vectors).sum(axis=1).mean()
    trainer.run(seen.append)
    after = (embed(student, make_tokenizer(tokens), HELD_OUT) * vectors).sum(axis=1).mean()
    assert after > before + 0.1
    assert [step.number for step in seen if step.score is not None] == [12, 24]
    assert max(step.score for step in seen if step.score is not None) == pytest.approx(after, abs=1e-6)
    assert np.mean([step.loss for step in seen[-4:]]) < 0.8 * np.mean([step.loss for step in seen[:4]])


def test_a_stopped_run_goes_on_to_the_same_losses(space: TextSpace, tokens: list[str], tmp_path: Path) -> None:
    straight, one = trainer_of(space, tokens, tmp_path / "straight")
    one.run()
    seen: list[Step] = []
    with pytest.raises(StoppedError):
        trainer_of(space, tokens, tmp_path / "state")[1].run(seen.append, lambda: len(seen) == 7)
    resumed, two = trainer_of(space, tokens, tmp_path / "state")
    two.run()
    assert two.history.losses == pytest.approx(one.history.losses, abs=1e-5)
    for ours, theirs in zip(straight.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_the_state_of_another_run_is_refused(space: TextSpace, tokens: list[str], tmp_path: Path) -> None:
    trainer_of(space, tokens, tmp_path / "state", replace(OPTIONS, n_steps=1))[1].run()
    with pytest.raises(ClapsearchError, match="belongs to a run with other sounds or options"):
        trainer_of(space, tokens, tmp_path / "state", replace(OPTIONS, n_steps=2))[1].run()
    (tmp_path / "state").write_bytes(b"cut")
    with pytest.raises(ClapsearchError, match="state is damaged; delete it to train from the beginning"):
        trainer_of(space, tokens, tmp_path / "state")[1].run()


def test_a_finished_run_is_not_learnt_again(space: TextSpace, tokens: list[str], tmp_path: Path) -> None:
    options = replace(OPTIONS, n_steps=2)
    first, one = trainer_of(space, tokens, tmp_path / "state", options)
    one.run()
    seen: list[Step] = []
    again, two = trainer_of(space, tokens, tmp_path / "state", options)
    two.run(seen.append)
    assert seen == []
    assert two.history == one.history
    for ours, theirs in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_every_text_is_learnt_once_an_epoch(space: TextSpace, tokens: list[str]) -> None:
    _, loss = loss_of(space, tokens)
    epochs = []
    for epoch in range(2):
        batches = [loss.batch(4 * epoch + number) for number in range(4)]  # 36 texts in batches of ten at most
        assert sorted(np.concatenate(batches)) == list(range(36))
        assert all(len(batch) <= 10 for batch in batches)
        epochs.append(np.concatenate(batches).tolist())
    assert epochs[0] != epochs[1]


def test_the_loss_is_nothing_for_the_teacher_itself_and_sees_wrong_relations() -> None:
    targets = torch.nn.functional.normalize(torch.randn(8, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    assert float(imitation_loss(targets, targets, 1.0)) == pytest.approx(0, abs=1e-5)
    near = torch.nn.functional.normalize(targets + 0.5 * targets.roll(1, 0), dim=1)
    without = float(imitation_loss(near, targets, 0.0))
    assert without == pytest.approx(1 - float((near * targets).sum(dim=1).mean()), abs=1e-5)
    assert float(imitation_loss(near, targets, 1.0)) > without
