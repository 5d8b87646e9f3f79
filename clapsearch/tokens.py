"""Texts to tokens: how many a checkpoint reads, in which batches, and its tokenizer without transformers."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

MAX_TOKENS = 77  # LAION trained with 77; RoBERTa crashes above 512
TEXT_BATCH = 32
# What transformers makes of the files: tokenizer.json as it is, or RoBERTa's own tokenizer of the same pieces.
_AS_THEY_ARE = ("TokenizersBackend", "PreTrainedTokenizerFast")
_ROBERTA = ("RobertaTokenizer", "RobertaTokenizerFast")
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def fitting(text: str, limit: int, encode: Callable[[str, int | None], list[int]]) -> list[int]:
    """Return the tokens of a text; what exceeds the limit is cut, with a warning.

    Parameters
    ----------
    limit : int
        How many the checkpoint reads.
    encode : callable
        A text, and to how many tokens to cut it (None: not at all), to its tokens.
    """
    ids = encode(text, None)
    if len(ids) <= limit:
        return ids
    logger.warning("the text has %d tokens, the checkpoint reads %d: the rest is ignored", len(ids), limit)
    return encode(text, limit)


def token_limit(n_positions: int, pad: int) -> int:
    """Return how many tokens a checkpoint reads: RoBERTa's positions begin after that of padding."""
    return min(MAX_TOKENS, n_positions - pad - 1)


def batches(tokens: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the numbers of texts that go together: equal lengths need no padding, so no text depends on its company."""
    by_length = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    for _, same in groupby(by_length, key=lambda i: len(tokens[i])):
        rows = list(same)
        for start in range(0, len(rows), TEXT_BATCH):
            yield rows[start : start + TEXT_BATCH]


def open_tokenizer(folder: Path) -> "Tokenizer | None":
    """Return a checkpoint's tokenizer, as transformers makes it; None if that might make another one of the files.

    Raises
    ------
    Exception
        Of any kind, if the library cannot read it.
    """
    config = _config(folder)
    kind = config.get("tokenizer_class", _ROBERTA[0])
    tokenizer = _roberta(folder, config) if kind in _ROBERTA else _from_file(folder)
    if tokenizer is None or kind not in _AS_THEY_ARE + _ROBERTA or not _special(config) <= _added(tokenizer):
        return None
    tokenizer.no_padding()
    return tokenizer


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return config


def _from_file(folder: Path) -> "Tokenizer | None":
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    return Tokenizer.from_file(str(path)) if path.exists() else None


def _roberta(folder: Path, config: Mapping[str, Any]) -> "Tokenizer | None":
    """Return the byte-level BPE of either layout of files with RoBERTa's own rules around it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = _from_file(folder)
    if tokenizer is None:
        if (folder / "added_tokens.json").exists():
            return None
        pieces = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
        tokenizer = Tokenizer(pieces)
        tokenizer.add_special_tokens(list(_SPECIAL))
    if not isinstance(tokenizer.model, models.BPE) or tokenizer.normalizer is not None:
        return None
    first, last = _text(config.get("cls_token", "<s>")), _text(config.get("sep_token", "</s>"))
    ids = tokenizer.token_to_id(first), tokenizer.token_to_id(last)
    if ids[0] is None or ids[1] is None:
        return None
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=config.get("add_prefix_space", False))
    tokenizer.post_processor = processors.RobertaProcessing((last, ids[1]), (first, ids[0]))
    return tokenizer


def _special(config: Mapping[str, Any]) -> set[str]:
    """Return the tokens that transformers takes out of a text before the others are looked for."""
    named = [token for name, token in config.items() if name.endswith("_token") and isinstance(token, str | dict)]
    return {_text(token) for token in (*named, *config.get("added_tokens_decoder", {}).values())}


def _added(tokenizer: "Tokenizer") -> set[str]:
    return {token.content for token in tokenizer.get_added_tokens_decoder().values()}


def _text(token: Any) -> str:
    """Return the text of a token, which configurations write as it is or in an object."""
    return str(token["content"] if isinstance(token, dict) else token)
