"""The small text tower: CLAP's own layout, started from the sentence encoder's layers and a part of its vocabulary."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import ClapTextConfig, ClapTextModelWithProjection, PreTrainedTokenizerFast

from clapsearch.errors import ClapsearchError
from clapsearch.tokens import MAX_TOKENS
from clapsearch.training import sentences
from clapsearch.training.text_space import TextSpace

# RoBERTa's names and numbers, as in every CLAP checkpoint, and what the teacher calls the same.
SPECIAL = {"<s>": "[CLS]", "<pad>": "[PAD]", "</s>": "[SEP]", "<unk>": "[UNK]", "<mask>": "[MASK]"}
BOS, PAD, EOS = 0, 1, 2
UNK = "<unk>"
HEAD_SIZE = 32
_LAST_LATIN = "\u024f"
_LANGUAGE = 0.2  # share of the language as a whole in how common a token is taken to be
_BENT = 0.5  # steepness of the pooler's start: so near 0 that tanh hardly bends
_NORM = 6.0  # of the teacher's mean hidden states, about, which the space takes as unit vectors
_RAISED = 0.5  # bias of the projection's start: so high that relu cuts hardly anything

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class TextShape:
    """The size of a text tower: by default 6.6 million parameters, so that a checkpoint stays under 20 MB.

    Attributes
    ----------
    n_tokens : int
        Vocabulary, special tokens included.
    layers : tuple of int
        The teacher's layers, 0 to 5, that it starts from.
    intermediate_size : int
        Neurons of a feed-forward block, at most the teacher's 1536.
    """

    n_tokens: int = 10_000
    layers: tuple[int, ...] = (0, 5)
    intermediate_size: int = 768


def choose_tokens(phrases: Iterable[str], n: int) -> list[str]:
    """Choose a vocabulary among the teacher's word pieces.

    Special tokens come first, then what spells any word of Latin letters, then the commonest in phrases and language;
    the teacher's own order tells how common a token is in the language.

    Returns
    -------
    list of n str
        A token's place is its number.

    Raises
    ------
    ClapsearchError
        If `n` does not hold the letters.
    """
    teacher = sentences.teacher_tokenizer()
    pieces = [token for token in _by_rank(teacher) if max(token) <= _LAST_LATIN and not re.match(r"\[.", token)]
    letters = [token for token in pieces if len(token.removeprefix("##")) == 1]
    if n < len(SPECIAL) + len(letters):
        raise ClapsearchError(f"a vocabulary of {n} does not hold the {len(letters)} letters that spell any word")
    encoded = teacher.encode_batch(list(phrases), add_special_tokens=False)
    counts = Counter(token for encoding in encoded for token in encoding.tokens)
    harmonic = sum(1 / rank for rank in range(1, len(pieces) + 1))
    share = {
        token: (1 - _LANGUAGE) * counts[token] / max(1, counts.total()) + _LANGUAGE / rank / harmonic
        for rank, token in enumerate(pieces, start=1)
    }
    common = sorted(pieces, key=lambda token: -share[token])
    return list(dict.fromkeys([*SPECIAL, *letters, *common]))[:n]


def make_tokenizer(tokens: Sequence[str]) -> PreTrainedTokenizerFast:
    """Build the WordPiece tokenizer: lower case, no accents, ``<s>`` first, ``</s>`` last, cut at CLAP's 77."""
    pieces = Tokenizer(models.WordPiece({token: i for i, token in enumerate(tokens)}, unk_token=UNK))
    pieces.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", BOS), ("</s>", EOS)]
    )
    names = {"bos": "<s>", "cls": "<s>", "pad": "<pad>", "eos": "</s>", "sep": "</s>", "unk": UNK, "mask": "<mask>"}
    special = {f"{name}_token": token for name, token in names.items()}
    return PreTrainedTokenizerFast(tokenizer_object=pieces, model_max_length=MAX_TOKENS, **special)


def build_student(tokens: Sequence[str], shape: TextShape, space: TextSpace) -> ClapTextModelWithProjection:
    """Build a text tower that starts as the teacher without some of its layers, projected into `space`.

    Parameters
    ----------
    tokens : sequence of str
        From `choose_tokens`.
    """
    teacher = load_file(sentences.teacher_folder() / "model.safetensors")
    numbers = sentences.teacher_tokenizer().get_vocab()
    weights = _embeddings(teacher, [numbers[SPECIAL.get(token, token)] for token in tokens])
    for number, source in enumerate(shape.layers):
        weights |= _layer(teacher, f"encoder.layer.{source}.", number, shape.intermediate_size)
    student = ClapTextModelWithProjection(_config(len(tokens), shape, space.dim))
    student.load_state_dict(student.state_dict() | weights | _projection(space))
    return student


def save_student(student: ClapTextModelWithProjection, tokens: Sequence[str], folder: Path) -> None:
    """Write the tower in half precision, its configuration and its tokenizer in the hub's layout; it stays halved."""
    student.half().save_pretrained(folder)
    make_tokenizer(tokens).save_pretrained(folder)


def _by_rank(tokenizer: Tokenizer) -> list[str]:
    """Return the vocabulary by number: letters first, then what is common before what is rare."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _config(n_tokens: int, shape: TextShape, dim: int) -> ClapTextConfig:
    return ClapTextConfig(
        vocab_size=n_tokens,
        hidden_size=sentences.DIM,
        num_hidden_layers=len(shape.layers),
        num_attention_heads=sentences.DIM // HEAD_SIZE,
        intermediate_size=shape.intermediate_size,
        max_position_embeddings=MAX_TOKENS + PAD + 2,
        projection_dim=dim,
        hidden_dropout_prob=0.0,  # a tower this small has nothing to spare
        attention_probs_dropout_prob=0.0,
        bos_token_id=BOS,
        pad_token_id=PAD,
        eos_token_id=EOS,
    )


def _embeddings(teacher: Mapping[str, torch.Tensor], rows: list[int]) -> Weights:
    """Take the words' rows, and the positions shifted to where CLAP counts from."""
    positions = torch.zeros(MAX_TOKENS + PAD + 2, sentences.DIM)
    positions[PAD + 1 :] = teacher["embeddings.position_embeddings.weight"][: MAX_TOKENS + 1]
    own = {
        "word_embeddings.weight": teacher["embeddings.word_embeddings.weight"][rows],
        "position_embeddings.weight": positions,
        "token_type_embeddings.weight": teacher["embeddings.token_type_embeddings.weight"][:1],
        "LayerNorm.weight": teacher["embeddings.LayerNorm.weight"],
        "LayerNorm.bias": teacher["embeddings.LayerNorm.bias"],
    }
    return {f"text_model.embeddings.{name}": weight for name, weight in own.items()}


def _layer(teacher: Mapping[str, torch.Tensor], source: str, number: int, intermediate_size: int) -> Weights:
    """Take a layer, of its feed-forward neurons those that move the most."""
    layer = {name.removeprefix(source): weight for name, weight in teacher.items() if name.startswith(source)}
    into, out = layer["intermediate.dense.weight"], layer["output.dense.weight"]
    kept = (into.norm(dim=1) * out.norm(dim=0)).topk(intermediate_size).indices.sort().values
    layer["intermediate.dense.weight"] = into[kept]
    layer["intermediate.dense.bias"] = layer["intermediate.dense.bias"][kept]
    layer["output.dense.weight"] = out[:, kept]
    return {f"text_model.encoder.layer.{number}.{name}": weight for name, weight in layer.items()}


def _projection(space: TextSpace) -> Weights:
    """Make pooler and projection the space's own: both nonlinear functions start where they are all but straight."""
    centre, components = torch.from_numpy(space.centre), torch.from_numpy(space.components)
    identity, raised = torch.eye(space.dim), torch.full((space.dim,), _RAISED)
    return {
        "text_model.pooler.dense.weight": _BENT * torch.eye(len(centre)),
        "text_model.pooler.dense.bias": torch.zeros(len(centre)),
        "text_projection.linear1.weight": components / _BENT / _NORM,
        "text_projection.linear1.bias": raised - components @ centre,
        "text_projection.linear2.weight": identity,
        "text_projection.linear2.bias": -raised,
    }
