"""The network that teaches an audio tower: what it returns, and that a run with one goes on after a stop."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import make_model
from test_train import made, request_of, start, weights

from clapsearch.errors import StoppedError, UsageError
from clapsearch.training import session
from clapsearch.training.loop import Step
from clapsearch.training.objective import make_bank
from clapsearch.training.tutor import PANEL_SHARE, Panel, Tutor

__all__ = ["made", "request_of", "start"]
N_STEPS = 3


@pytest.fixture
def tutor() -> Tutor:
    torch.manual_seed(0)
    return Tutor(32, torch.full((64,), -40.0), torch.full((64,), 15.0)).eval()


@pytest.fixture
def windows() -> torch.Tensor:
    return torch.randn(3, 4, 101, 64, generator=torch.Generator().manual_seed(1)) * 15 - 40


def test_vectors_are_unit_and_do_not_depend_on_the_company(tutor: Tutor, windows: torch.Tensor) -> None:
    with torch.inference_mode():
        found, alone = tutor(windows), tutor(windows[1:2])
    assert found.shape == (3, 32)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(found[1:2], alone)


def test_of_the_fused_input_the_mean_counts(tutor: Tutor, windows: torch.Tensor) -> None:
    with torch.inference_mode():
        same = tutor(windows[:, :1].expand(-1, 4, -1, -1))
        torch.testing.assert_close(same, tutor(windows[:, :1]))
        assert not torch.allclose(tutor(windows), same)


def test_a_panel_is_between_its_members(tutor: Tutor) -> None:
    model = make_model().eval()
    inputs = torch.randn(2, 1, 1001, 64, generator=torch.Generator().manual_seed(2)) * 15 - 40
    is_longer = torch.zeros(2, 1, dtype=torch.bool)
    with torch.inference_mode():
        both = Panel(tutor, model).get_audio_features(inputs, is_longer).pooler_output
        theirs = model.get_audio_features(input_features=inputs, is_longer=is_longer).pooler_output
        expected = PANEL_SHARE * tutor(inputs) + (1 - PANEL_SHARE) * theirs
    torch.testing.assert_close(both, expected / expected.norm(dim=1, keepdim=True))


def test_an_opinion_is_a_target_that_the_tutor_itself_meets_best() -> None:
    vectors = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0))).Q
    bank = make_bank([["a"], ["b"]], list("abcdefgh"), vectors.numpy())
    scale = torch.tensor(5.0)
    opinion = bank.opinion(vectors[:1], scale)
    assert float(opinion.sum()) == pytest.approx(1, abs=1e-6)
    assert int(opinion.argmax()) == 0
    losses = [float(bank.loss(vectors[i : i + 1], scale, opinion)) for i in range(8)]
    assert int(np.argmin(losses)) == 0


def test_a_run_with_a_tutor_goes_on_after_a_stop_as_if_nothing_had_been(request_of, start, tmp_path: Path) -> None:
    choices = {"part": "audio", "tutor_steps": N_STEPS}
    whole = request_of("tutored", **choices)
    lessons: list[Step] = []
    session.train(whole, start(), on_tutor=lessons.append)
    assert [step.number for step in lessons] == [1, 2, 3]
    parts = request_of("tutored in parts", **choices)
    told: list[Step] = []
    for n_steps in (2, N_STEPS + 2):
        with pytest.raises(StoppedError):
            session.train(
                parts,
                start(),
                on_tutor=told.append,
                on_step=told.append,
                should_stop=lambda n_steps=n_steps: len(told) == n_steps,
            )
    session.train(parts, start())
    ours, theirs = weights(whole.out), weights(parts.out)
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], msg=name)


def test_the_tutor_decides_what_is_learnt(request_of, start) -> None:
    with_one, without = request_of("told", part="audio", tutor_steps=N_STEPS), request_of("not told", part="audio")
    for request in (with_one, without):
        session.train(request, start())
    ours, theirs = weights(with_one.out), weights(without.out)
    assert any(not torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_tutor_needs_texts_that_stay(request_of, start) -> None:
    request = replace(request_of("all and a tutor"), tutor_steps=2)
    with pytest.raises(UsageError, match="--tutor needs texts that stay where they are; give --train audio, not all"):
        session.train(request, start())
