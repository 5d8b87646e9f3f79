"""Distillation: a small text tower learns to say what the text space says.

Every step is a function of seed and step number alone, so that a run that was killed goes on from its state file as if
nothing had happened.
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import kl_div, log_softmax, normalize, softmax
from torch.nn.utils.rnn import pad_sequence
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from clapsearch.errors import ClapsearchError
from clapsearch.training.sentences import BATCH, equal_lengths
from clapsearch.training.text_student import PAD

Vectors = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class DistillationSettings:
    """How a text tower is taught.

    Attributes
    ----------
    n_steps, batch_size : int
    learning_rate : float
        At the top of the cycle.
    warm_up : float
        Share of the steps until there.
    weight_decay : float
    contrast : float
        Weight of the relations within a batch, against 1 of the cosine.
    temperature : float
        Of these relations' softmax.
    averaging : float
        Decay of the weights' moving average, which is what comes out.
    mixed_precision : bool
        Learn in bfloat16, the weights staying in float32.
    seed : int
    """

    n_steps: int = 6_000
    batch_size: int = 128
    learning_rate: float = 1e-3
    warm_up: float = 0.05
    weight_decay: float = 0.01
    contrast: float = 0.05
    temperature: float = 0.1
    averaging: float = 0.999
    mixed_precision: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    Attributes
    ----------
    step : int
        Steps done.
    loss : float
        Of the last step.
    cosine : float or None
        Mean cosine to the teacher on held-out texts, where it has just been measured.
    """

    step: int
    loss: float
    cosine: float | None


class Distillation:
    """One run: a student, what it learns from, and how far it is.

    Parameters
    ----------
    student : ClapTextModelWithProjection
    tokenizer : PreTrainedTokenizerFast
    texts : sequence of n str
    targets : np.ndarray, shape (n, dim), float16 or float32, unit rows
        What the text space says of the texts, or of what they mean: a slip of the fingers changes no meaning.
    settings : DistillationSettings
    device : str
    """

    def __init__(
        self,
        student: Any,
        tokenizer: Any,
        texts: Sequence[str],
        targets: Vectors,
        settings: DistillationSettings,
        device: str = "cpu",
    ) -> None:
        self.settings, self.device = settings, device
        self._student, self._tokenizer = student.to(device).train(), tokenizer
        mean = get_ema_multi_avg_fn(settings.averaging)  # type: ignore[no-untyped-call]
        self._average = AveragedModel(student, multi_avg_fn=mean).eval()
        self._optimizer = torch.optim.AdamW(student.parameters(), weight_decay=settings.weight_decay)
        self._tokens = [np.array(ids, np.int32) for ids in encode(tokenizer, texts)]
        self._targets = targets
        self._epoch: tuple[int, list[npt.NDArray[np.int64]]] = (-1, [])
        identity = sha256(repr((asdict(settings), str(student.config), list(texts))).encode())
        identity.update(targets.tobytes())
        self._identity = identity.hexdigest()
        self.step = 0

    @property
    def student(self) -> Any:
        """The tower with averaged weights."""
        return self._average.module

    def run(
        self,
        state: Path,
        *,
        every_s: float = 60.0,
        held_out: tuple[Sequence[str], Vectors] | None = None,
        report: Callable[[Progress], None] = lambda progress: None,
    ) -> float:
        """Learn to the end, from the state file on if there is one.

        Parameters
        ----------
        state : Path
            Written, whole or not at all, every `every_s` seconds and at the end.
        held_out : tuple of texts and their vectors, shape (n, dim), unit rows
            Never learnt from; measured when the state is written.
        report : callable
            Told of every step.

        Returns
        -------
        float
            Mean cosine to the teacher on the held-out texts, NaN without.
        """
        if state.exists():
            self._resume(state)
        cosine, saved_s = None, time.monotonic()
        while self.step < self.settings.n_steps:
            loss = self._learn()
            is_due = time.monotonic() - saved_s >= every_s or self.step == self.settings.n_steps
            if is_due:
                self._save(state)
                cosine, saved_s = self._measure(held_out), time.monotonic()
            report(Progress(self.step, loss, cosine if is_due else None))
        return self._measure(held_out) if cosine is None else cosine

    def _learn(self) -> float:
        """Take one step; return its loss."""
        rows = self._batch()
        targets = torch.from_numpy(self._targets[rows].astype(np.float32)).to(self.device)
        for group in self._optimizer.param_groups:
            group["lr"] = one_cycle(self.step, self.settings)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.settings.mixed_precision):
            said = _forward(self._student, [self._tokens[i] for i in rows], self.device)
        vectors = normalize(said.float(), dim=-1)
        loss = imitation_loss(vectors, targets, self.settings)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._student.parameters(), 1.0)
        self._optimizer.step()
        self._average.update_parameters(self._student)
        self.step += 1
        return float(loss.detach())

    def _batch(self) -> npt.NDArray[np.int64]:
        """Return the rows of this step: every text once an epoch, in batches of like length."""
        n_batches = math.ceil(len(self._tokens) / self.settings.batch_size)
        epoch, number = divmod(self.step, n_batches)
        if self._epoch[0] != epoch:
            rng = np.random.default_rng([self.settings.seed, epoch])
            order = np.lexsort((rng.random(len(self._tokens)), np.array([len(ids) for ids in self._tokens])))
            batches = np.array_split(order, n_batches)
            self._epoch = (epoch, [batches[i] for i in rng.permutation(n_batches)])
        return self._epoch[1][number]

    def _measure(self, held_out: tuple[Sequence[str], Vectors] | None) -> float:
        if held_out is None:
            return math.nan
        texts, vectors = held_out
        return float((embed(self.student, self._tokenizer, texts, self.device) * vectors).sum(axis=1).mean())

    def _parts(self) -> dict[str, Any]:
        return {"student": self._student, "average": self._average, "optimizer": self._optimizer}

    def _save(self, path: Path) -> None:
        part = path.with_name(f"{path.name}.part")
        states = {name: each.state_dict() for name, each in self._parts().items()}
        torch.save({"identity": self._identity, "step": self.step, **states}, part)
        os.replace(part, path)

    def _resume(self, path: Path) -> None:
        try:
            states = torch.load(path, map_location=self.device, weights_only=True)
            identity, step = states["identity"], int(states["step"])
        except Exception as error:  # pickle, zip and torch each raise kinds of their own
            raise ClapsearchError(f"{path} is no state of a training run; delete it to start anew") from error
        if identity != self._identity:
            raise ClapsearchError(f"{path} is the state of another training run; delete it to start anew")
        for name, each in self._parts().items():
            each.load_state_dict(states[name])
        self.step = step


def one_cycle(step: int, settings: DistillationSettings) -> float:
    """Return the learning rate of a step: up in a line, down in half a cosine."""
    top = settings.warm_up * settings.n_steps
    if step < top:
        return settings.learning_rate * (step + 1) / (top + 1)
    done = (step - top) / max(1.0, settings.n_steps - top)
    return settings.learning_rate * (1 + math.cos(math.pi * done)) / 2


def imitation_loss(vectors: torch.Tensor, targets: torch.Tensor, settings: DistillationSettings) -> torch.Tensor:
    """Return how far vectors are from their targets, and from how the targets relate to each other.

    Parameters
    ----------
    vectors, targets : torch.Tensor, shape (batch, dim), unit rows
    """
    distance = 1 - (vectors * targets).sum(dim=1).mean()
    said = log_softmax(vectors @ targets.T / settings.temperature, dim=1)
    meant = softmax(targets @ targets.T / settings.temperature, dim=1)
    return distance + settings.contrast * kl_div(said, meant, reduction="batchmean")


def encode(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the numbers of the tokens of each text, at most CLAP's 77."""
    encoded: list[list[int]] = tokenizer(list(texts), truncation=True)["input_ids"]
    return encoded


@torch.inference_mode()
def embed(student: Any, tokenizer: Any, texts: Sequence[str], device: str = "cpu") -> npt.NDArray[np.float32]:
    """Embed texts with a text tower; shape (n_texts, dim), float32, unit rows."""
    tokens = [np.array(ids) for ids in encode(tokenizer, texts)]
    vectors = np.zeros((len(tokens), student.config.projection_dim), np.float32)
    for rows in equal_lengths(tokens, BATCH):
        said = _forward(student, [tokens[i] for i in rows], device)
        vectors[rows] = normalize(said.float(), dim=-1).cpu().numpy()
    return vectors


def _forward(student: Any, tokens: list[npt.NDArray[np.integer[Any]]], device: str) -> torch.Tensor:
    ids = pad_sequence([torch.from_numpy(row).long() for row in tokens], batch_first=True, padding_value=PAD).to(device)
    vectors: torch.Tensor = student(input_ids=ids, attention_mask=(ids != PAD).long()).text_embeds
    return vectors
