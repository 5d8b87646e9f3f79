"""Where a run begins: an existing checkpoint with its tokenizer and front end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clapsearch.clap import load_model
from clapsearch.mel import FrontEnd
from clapsearch.tokens import MAX_TOKENS
from clapsearch.training.texts import Embed, embed_with
from clapsearch.weights import CheckpointFolder, weights_hash


@dataclass(frozen=True)
class Start:
    """A model to train and what belongs to it.

    Attributes
    ----------
    name : str
        For the model card.
    identity : str
        What tells it from other starts.
    folder : Path
        With the files of tokenizer and front end.
    model : ClapModel
        float32, on the CPU.
    front_end : FrontEnd
    tokenizer : callable
        Texts to the text tower's input, cut to what it reads.
    n_tokens : callable
        The length of a text in tokens, before it is cut.
    embed : callable
        Texts to the vectors that audio is trained towards while the text tower is frozen.
    candidates : tuple of str
        Texts to tell sounds from, beside those that sounds are called: what else may be asked for. They keep a sound
        away from words that have nothing to do with it.
    attributions : tuple of str
        What the model card must name.
    is_new : bool
        Whether the audio tower has heard nothing yet.
    """

    name: str
    identity: str
    folder: Path
    model: Any
    front_end: FrontEnd
    tokenizer: Callable[..., dict[str, torch.Tensor]]
    n_tokens: Callable[[str], int]
    embed: Embed
    candidates: tuple[str, ...] = ()
    attributions: tuple[str, ...] = ()
    is_new: bool = False


def from_checkpoint(folder: CheckpointFolder) -> Start:
    """Begin from a checkpoint.

    Raises
    ------
    CheckpointError
        If its files do not make a CLAP model.
    """
    model, tokenizer = load_model(folder, "cpu")
    tokenize = tokenize_with(tokenizer)
    return Start(
        name=folder.name,
        identity=weights_hash(folder),
        folder=folder.path,
        model=model,
        front_end=FrontEnd.from_config(folder.extractor_config()),
        tokenizer=tokenize,
        n_tokens=lambda text: len(tokenizer(text, verbose=False)["input_ids"]),
        embed=embed_with(model, tokenize),
    )


def tokenize_with(tokenizer: Any) -> Callable[[Sequence[str]], dict[str, torch.Tensor]]:
    """Return the function that makes a text tower's input of texts."""

    def tokenize(texts: Sequence[str]) -> dict[str, torch.Tensor]:
        found = tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        return {name: found[name] for name in ("input_ids", "attention_mask")}

    return tokenize
