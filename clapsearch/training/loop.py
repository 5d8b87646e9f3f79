"""The training loop: steps that depend on their number alone, so that a killed run goes on as if nothing had been."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clapsearch.errors import ClapsearchError, StoppedError
from clapsearch.training.averaging import Average
from clapsearch.training.options import TrainingOptions
from clapsearch.training.state import load_state, save_state


@dataclass(frozen=True)
class Step:
    """One step: its loss, and the score of the averaged weights if it was time to look."""

    number: int
    loss: float
    score: float | None
    learning_rate: float


@dataclass
class History:
    """What a run went through.

    Attributes
    ----------
    losses : list of float
        One a step.
    scores : list of (step, score)
        One a look.
    """

    losses: list[float] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)


class Trainer:
    """Trains the parameters of a model that ask for gradients.

    Parameters
    ----------
    model : torch.nn.Module
    loss : callable
        Step and pass number to the loss of one forward pass; it must depend on nothing else that changes.
    score : callable or None
        How good the model is as it is, the higher the better, such as the recall on sounds held out.
    options : TrainingOptions
    state : Path
        Where the run's state is kept; a run of the same name goes on from it.
    identity : str
        What the state belongs to: another identity (data, options) is refused.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        loss: Callable[[int, int], torch.Tensor],
        score: Callable[[], float] | None,
        options: TrainingOptions,
        state: Path,
        *,
        identity: str,
    ) -> None:
        self._model, self._loss, self._score, self._options = model, loss, score, options
        self._path, self._identity = state, identity
        named = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
        self._optimizer = torch.optim.AdamW(_groups(named, options.weight_decay), lr=options.learning_rate, fused=True)
        self._scaler = torch.amp.GradScaler(enabled=options.half and options.device == "cuda")
        self._average = Average(named, options.average)
        self._parameters = [value for _, value in named]
        self.history = History()
        self._step, self._n_worse = 0, 0
        self._best: tuple[float, dict[str, torch.Tensor]] | None = None

    def run(
        self, on_step: Callable[[Step], None] = lambda step: None, should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Train to the end, or until it no longer gets better, and leave the best averaged weights in the model.

        Raises
        ------
        StoppedError
            If `should_stop` ended it; its state is saved then.
        ClapsearchError
            If the loss is no number any more, or the state cannot be read or written.
        """
        self._resume()
        saved = time.monotonic()
        while self._step < self._options.n_steps and self._n_worse < self._options.patience:
            if should_stop():
                self._save()
                raise StoppedError(f"after step {self._step:,}")
            on_step(self._one_step())
            if time.monotonic() - saved > self._options.save_every_s:
                self._save()
                saved = time.monotonic()
        self._save()
        self._keep_best()

    def _one_step(self) -> Step:
        options, number = self._options, self._step
        rate = learning_rate(number, options)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        _train_mode(self._model)
        loss = sum(self._backward(number, part) for part in range(options.n_accumulate))
        if not np.isfinite(loss):
            raise ClapsearchError(
                f"the loss is {loss} after {number} steps; train again with a smaller --learning-rate than {rate:g}"
            )
        self._scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self._parameters, options.clip_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        self._average.update(number)
        self._step += 1
        self.history.losses.append(loss)
        return Step(self._step, loss, self._validate(), rate)

    def _backward(self, number: int, part: int) -> float:
        torch.manual_seed(np.random.SeedSequence([self._options.seed, number, part]).generate_state(1)[0].item())
        loss = self._loss(number, part) / self._options.n_accumulate
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _validate(self) -> float | None:
        is_due = self._step % self._options.validate_every == 0 or self._step == self._options.n_steps
        if self._score is None or not is_due:
            return None
        self._average.swap()
        self._model.eval()
        with torch.inference_mode():
            score = self._score()
        if self._best is None or score > self._best[0]:
            self._best = (score, {name: value.detach().clone() for name, value in self._moving()})
            self._n_worse = 0
        else:
            self._n_worse += 1
        self._average.swap()
        self.history.scores.append((self._step, score))
        return score

    def _trained(self) -> Iterable[tuple[str, torch.Tensor]]:
        return ((name, value) for name, value in self._model.named_parameters() if value.requires_grad)

    def _moving(self) -> Iterable[tuple[str, torch.Tensor]]:
        """Return what training changes: weights, and the statistics of normalisations."""
        return (*self._trained(), *self._model.named_buffers())

    def _keep_best(self) -> None:
        if self._best:
            _copy(dict(self._moving()), self._best[1])
        else:
            _copy(dict(self._trained()), self._average.weights)
        self._model.eval()

    def _save(self) -> None:
        state: dict[str, Any] = {
            "identity": self._identity,
            "step": self._step,
            "n_worse": self._n_worse,
            "weights": {name: value.detach() for name, value in self._trained()},
            "buffers": dict(self._model.named_buffers()),
            "average": self._average.weights,
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "losses": self.history.losses,
            "scores": self.history.scores,
            "best": self._best,
        }
        save_state(self._path, state)

    def _resume(self) -> None:
        state = load_state(self._path)
        if state is None:
            return
        if state["identity"] != self._identity:
            raise ClapsearchError(
                f"{self._path} belongs to a run with other sounds or options; give another --out, or delete it"
            )
        self._step, self._n_worse, self._best = state["step"], state["n_worse"], state["best"]
        self.history = History(state["losses"], state["scores"])
        _copy(dict(self._trained()), state["weights"])
        _copy(dict(self._model.named_buffers()), state["buffers"])
        _copy(self._average.weights, state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])


def learning_rate(step: int, options: TrainingOptions) -> float:
    """Return the learning rate of a step, from 0: a linear rise, then half a cosine."""
    n_rise = max(1, round(options.warm_up * options.n_steps))
    if step < n_rise:
        return options.learning_rate * (step + 1) / n_rise
    along = (step - n_rise) / max(1, options.n_steps - n_rise)
    return float(options.learning_rate * (1 + np.cos(np.pi * along)) / 2)


def _groups(named: list[tuple[str, torch.nn.Parameter]], weight_decay: float) -> list[dict[str, Any]]:
    """Decay matrices only: biases, norms and scales are few, and pulling them to zero does harm."""
    matrices = [value for _, value in named if value.ndim > 1]
    others = [value for _, value in named if value.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _train_mode(model: torch.nn.Module) -> None:
    """Let only what is trained behave as in training: frozen normalisations keep their statistics."""
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(value.requires_grad for value in parameters):
            module.eval()


@torch.no_grad()
def _copy(to: dict[str, torch.Tensor], values: dict[str, torch.Tensor]) -> None:
    for name, value in to.items():
        value.copy_(values[name])
