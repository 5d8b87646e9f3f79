"""Distillation: a small text tower learns to say what the text space says."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import kl_div, log_softmax, normalize, softmax
from torch.nn.utils.rnn import pad_sequence

from clapsearch.training.options import TrainingOptions
from clapsearch.training.precision import autocast
from clapsearch.training.sentences import BATCH, equal_lengths
from clapsearch.training.text_student import PAD

Vectors = npt.NDArray[np.floating[Any]]

CONTRAST = 0.05  # weight of the relations within a batch, against 1 of the cosine
TEMPERATURE = 0.1  # of these relations' softmax


class Distillation:
    """The loss of every step, for a `loop.Trainer`: a function of the step's number alone.

    Parameters
    ----------
    student : ClapTextModelWithProjection
    tokenizer : PreTrainedTokenizerFast
    texts : sequence of n str
    targets : np.ndarray, shape (n, dim), float16 or float32, unit rows
        What the text space says of the texts, or of what they mean: a slip of the fingers changes no meaning.
    options : TrainingOptions

    Attributes
    ----------
    identity : str
        Of all that decides the run.
    """

    def __init__(
        self,
        student: Any,
        tokenizer: Any,
        texts: Sequence[str],
        targets: Vectors,
        options: TrainingOptions,
    ) -> None:
        self._student, self._tokenizer = student.to(options.device), tokenizer
        self._options, self._device = options, options.device
        self._tokens = [np.array(ids, np.int32) for ids in encode(tokenizer, texts)]
        self._targets = targets
        self._epoch: tuple[int, list[npt.NDArray[np.int64]]] = (-1, [])
        decides = sha256(repr((asdict(options), str(student.config), list(texts))).encode())
        decides.update(targets.tobytes())
        self.identity = decides.hexdigest()

    def __call__(self, step: int, part: int) -> torch.Tensor:
        """Return the loss of one pass, with gradients."""
        rows = self.batch(step * self._options.n_accumulate + part)
        targets = torch.from_numpy(self._targets[rows].astype(np.float32)).to(self._device)
        with autocast(self._device, half=self._options.half):
            said = _forward(self._student, [self._tokens[i] for i in rows], self._device)
        return imitation_loss(normalize(said.float(), dim=-1), targets)

    def batch(self, number: int) -> npt.NDArray[np.int64]:
        """Return the rows of a batch: every text once an epoch, in batches of like length."""
        n_batches = math.ceil(len(self._tokens) / self._options.batch_size)
        epoch, place = divmod(number, n_batches)
        if self._epoch[0] != epoch:
            rng = np.random.default_rng([self._options.seed, epoch])
            order = np.lexsort((rng.random(len(self._tokens)), np.array([len(ids) for ids in self._tokens])))
            batches = np.array_split(order, n_batches)
            self._epoch = (epoch, [batches[i] for i in rng.permutation(n_batches)])
        return self._epoch[1][place]

    def cosine(self, texts: Sequence[str], vectors: Vectors) -> float:
        """Return the mean cosine of the student, as it is, to what the text space says; vectors are unit rows."""
        return float((embed(self._student, self._tokenizer, texts, self._device) * vectors).sum(axis=1).mean())


def imitation_loss(vectors: torch.Tensor, targets: torch.Tensor, contrast: float = CONTRAST) -> torch.Tensor:
    """Return how far vectors are from their targets, and from how the targets relate to each other.

    Parameters
    ----------
    vectors, targets : torch.Tensor, shape (batch, dim), unit rows
    """
    distance = 1 - (vectors * targets).sum(dim=1).mean()
    said = log_softmax(vectors @ targets.T / TEMPERATURE, dim=1)
    meant = softmax(targets @ targets.T / TEMPERATURE, dim=1)
    return distance + contrast * kl_div(said, meant, reduction="batchmean")


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
