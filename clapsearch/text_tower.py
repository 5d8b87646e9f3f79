"""The text tower of CLAP in numpy: a question becomes a vector without torch.

RoBERTa (Liu et al. 2019) with its pooler, and CLAP's projection of texts, over weights mapped from their files.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clapsearch.embedder import Checkpoint, check_finite, unit
from clapsearch.errors import CheckpointError
from clapsearch.mel import FrontEnd
from clapsearch.tensors import Array, Tensors
from clapsearch.tokens import batches, fitting, open_tokenizer, token_limit
from clapsearch.weights import CheckpointFolder, check_fits, identity

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

_EMBEDDINGS, _LAYER, _POOLER = "text_model.embeddings.", "text_model.encoder.layer.{}.", "text_model.pooler.dense"
_PROJECTION = ("text_projection.linear1", "text_projection.linear2")
_LOGIT_SCALE = "logit_scale_a"
# Abramowitz & Stegun, Handbook of Mathematical Functions (1964), 7.1.26: erf to 1.5e-7.
_ERF_P = np.float32(0.3275911)
_ERF_A = np.array([1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592], np.float32)


@dataclass(frozen=True)
class _Shape:
    """What ``config.json`` says of the text tower; the defaults are those of transformers."""

    vocab_size: int = 50_265
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    max_position_embeddings: int = 514
    type_vocab_size: int = 1
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 1

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "_Shape":
        """Read the section; ValueError if an entry is of another kind."""
        known = {name: config[name] for name in cls.__dataclass_fields__ if name in config}
        for name, value in known.items():
            if type(value) not in {type(getattr(cls, name)), int}:
                raise ValueError(f"{name} is {value!r}")
        return cls(**known)

    def matrices(self, dim: int) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield the name of each linear layer, and the shape of its weights, (outputs, inputs)."""
        width, inner = self.hidden_size, self.intermediate_size
        for layer in self.layers():
            for name in ("query", "key", "value"):
                yield f"{layer}attention.self.{name}", (width, width)
            yield f"{layer}attention.output.dense", (width, width)
            yield f"{layer}intermediate.dense", (inner, width)
            yield f"{layer}output.dense", (width, inner)
        yield _POOLER, (width, width)
        yield _PROJECTION[0], (dim, width)
        yield _PROJECTION[1], (dim, dim)

    def tensors(self, dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield the name and the shape of every tensor that the tower reads."""
        for name, shape in self.matrices(dim):
            yield f"{name}.weight", shape
            yield f"{name}.bias", shape[:1]
        norms = (f"{layer}{part}.LayerNorm" for layer in self.layers() for part in ("attention.output", "output"))
        for name in (f"{_EMBEDDINGS}LayerNorm", *norms):
            yield f"{name}.weight", (self.hidden_size,)
            yield f"{name}.bias", (self.hidden_size,)
        yield f"{_EMBEDDINGS}word_embeddings.weight", (self.vocab_size, self.hidden_size)
        yield f"{_EMBEDDINGS}position_embeddings.weight", (self.max_position_embeddings, self.hidden_size)
        yield f"{_EMBEDDINGS}token_type_embeddings.weight", (self.type_vocab_size, self.hidden_size)
        yield _LOGIT_SCALE, ()

    def layers(self) -> Iterator[str]:
        """Yield what the names of each layer's tensors begin with."""
        return (_LAYER.format(number) for number in range(self.num_hidden_layers))


class TextTower:
    """Embeds texts as `ClapEmbedder` does, to 1e-5; one thread, little memory, and no torch. See `open_text_tower`."""

    def __init__(self, checkpoint: Checkpoint, tensors: Tensors, shape: _Shape, tokenizer: "Tokenizer") -> None:
        self.checkpoint = checkpoint
        self._tensors = tensors
        self._shape = shape
        self._tokenizer = tokenizer

    @property
    def logit_scale(self) -> float:
        """Factor from cosine to logit for audio against texts, learnt with the weights."""
        return float(np.exp(self._tensors[_LOGIT_SCALE]))

    def embed_text(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed texts; shape (n_texts, dim), unit rows. What exceeds the token limit is cut, with a warning."""
        from threadpoolctl import threadpool_limits

        limit = token_limit(self._shape.max_position_embeddings, self._shape.pad_token_id)
        tokens = [fitting(text, limit, self._encode) for text in texts]
        vectors = np.zeros((len(texts), self.checkpoint.dim), np.float32)
        with threadpool_limits(1, user_api="blas"):  # reading the weights is what takes the time
            for rows in batches(tokens):
                vectors[rows] = self._forward(np.array([tokens[i] for i in rows], np.int64))
        check_finite(vectors, self.checkpoint)
        return vectors

    def _encode(self, text: str, limit: int | None) -> list[int]:
        if limit is None:
            self._tokenizer.no_truncation()
        else:
            self._tokenizer.enable_truncation(limit)
        return list(self._tokenizer.encode(text).ids)

    def _forward(self, ids: npt.NDArray[np.int64]) -> Array:
        """Run token ids, shape (batch, n_tokens), to unit vectors, shape (batch, dim)."""
        hidden = self._embedded(ids)
        for layer in self._shape.layers():
            hidden = self._attended(hidden, f"{layer}attention.")
            inner = _gelu(self._linear(f"{layer}intermediate.dense", hidden))
            hidden = self._normed(f"{layer}output.LayerNorm", self._linear(f"{layer}output.dense", inner) + hidden)
        pooled = np.tanh(self._linear(_POOLER, hidden[:, 0]))
        first, second = _PROJECTION
        return unit(self._linear(second, np.maximum(self._linear(first, pooled), 0)))

    def _embedded(self, ids: npt.NDArray[np.int64]) -> Array:
        """Return what enters the first layer, shape (batch, n_tokens, width)."""
        pad = self._shape.pad_token_id
        is_text = ids != pad  # somebody may write the word for padding: it has no position
        positions = np.cumsum(is_text, axis=1) * is_text + pad
        parts = {"word": ids, "token_type": np.zeros_like(ids), "position": positions}
        rows = [self._tensors.rows(f"{_EMBEDDINGS}{name}_embeddings.weight", each) for name, each in parts.items()]
        return self._normed(f"{_EMBEDDINGS}LayerNorm", rows[0] + rows[1] + rows[2])

    def _attended(self, hidden: Array, names: str) -> Array:
        """Let every token look at all the others; shape (batch, n_tokens, width)."""
        n_heads = self._shape.num_attention_heads
        split = (*hidden.shape[:2], n_heads, hidden.shape[2] // n_heads)
        query, key, value = (
            self._linear(f"{names}self.{name}", hidden).reshape(split).swapaxes(1, 2)
            for name in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(2, 3) * np.float32(split[3] ** -0.5)
        seen = (_softmax(scores) @ value).swapaxes(1, 2).reshape(hidden.shape)
        return self._normed(f"{names}output.LayerNorm", self._linear(f"{names}output.dense", seen) + hidden)

    def _linear(self, name: str, values: Array) -> Array:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        flat = values.reshape(-1, values.shape[-1]) @ weight.T  # one product for the whole batch
        return flat.reshape(*values.shape[:-1], -1) + bias

    def _normed(self, name: str, values: Array) -> Array:
        centred = values - values.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(variance + np.float32(self._shape.layer_norm_eps))
        return np.asarray(scaled * self._tensors[f"{name}.weight"] + self._tensors[f"{name}.bias"])


def open_text_tower(folder: CheckpointFolder, front_end: FrontEnd) -> TextTower | None:
    """Map the weights of a checkpoint's text side and read its tokenizer.

    Returns
    -------
    TextTower or None
        None if there is something in the files that is not understood, or wrong: transformers may know it, or say it.

    Raises
    ------
    CheckpointError
        If the files do not belong together, or the configuration is none.
    """
    checkpoint = identity(folder, front_end, backend="numpy", precision="float32")
    try:
        shape = _Shape.of(folder.section("text_config"))
        tensors, tokenizer = Tensors(folder.weight_files()), open_tokenizer(folder.path)
        reason = _obstacle(folder, shape, tensors, checkpoint.dim)
        if tokenizer is not None and reason is None:
            check_fits(folder, front_end, tokenizer.get_vocab_size())
            return TextTower(checkpoint, tensors, shape, tokenizer)
    except CheckpointError:
        raise
    except Exception:  # tokenizers raises kinds of its own
        logger.info("the text tower of %s is left to torch", folder.name, exc_info=True)
        return None
    logger.info("the text tower of %s is left to torch: %s", folder.name, reason or "an unknown kind of tokenizer")
    return None


def _obstacle(folder: CheckpointFolder, shape: _Shape, tensors: Tensors, dim: int) -> str | None:
    """Return why the tower cannot be computed here; None if it can."""
    projection_act = folder.config().get("projection_hidden_act", "relu")
    if (shape.hidden_act, projection_act) != ("gelu", "relu"):
        return f"activations {shape.hidden_act} and {projection_act}"
    if shape.hidden_size % shape.num_attention_heads:
        return f"{shape.num_attention_heads} heads for a width of {shape.hidden_size}"
    return next((name for name, size in shape.tensors(dim) if tensors.shape(name) != size), None)


def _gelu(values: Array) -> Array:
    return np.asarray(values * np.float32(0.5) * (1 + _erf(values * np.float32(0.5**0.5))))


def _erf(values: Array) -> Array:
    size = np.abs(values)
    t = 1 / (1 + _ERF_P * size)
    series = np.zeros_like(t)
    for coefficient in _ERF_A:
        series = (series + coefficient) * t
    return np.asarray(np.copysign(1 - series * np.exp(-size * size), values))


def _softmax(scores: Array) -> Array:
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
