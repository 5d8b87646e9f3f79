"""A checkpoint of the full size, 153.5 million random weights, and a tokenizer of RoBERTa's size, made offline."""

import itertools
import random
import shutil
import string
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast

N_TOKENS = 50_265
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def full_size(folder: Path) -> Path:
    """Save the checkpoint in the hub's layout unless it is there; returns its folder."""
    if not folder.exists():
        draft = folder.with_name(f"{folder.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        torch.manual_seed(0)
        audio = {"enable_fusion": True, "fusion_type": "aff_2d"}
        model = ClapModel(ClapConfig(audio_config=audio))
        for module in model.modules():  # as they come, weights are too small to tell one text from another
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.normal_(module.weight, std=module.in_features**-0.5)
            if isinstance(module, torch.nn.Embedding):
                torch.nn.init.normal_(module.weight)
        model.save_pretrained(draft)
        ClapFeatureExtractor(frequency_min=50, truncation="fusion", padding="repeatpad").save_pretrained(draft)
        _tokenizer().save_pretrained(draft)
        draft.rename(folder)
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    """Build a byte-level BPE of RoBERTa's kind and size; its merges are made up, of letters."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens, merges = dict.fromkeys([*SPECIAL, *alphabet]), []
    for left, right in _pairs():
        if len(tokens) == N_TOKENS:
            break
        if left in tokens and right in tokens and left + right not in tokens:
            tokens[left + right] = None
            merges.append((left, right))
    bpe = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    bpe.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>", "sep": "</s>", "cls": "<s>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, model_max_length=512, **{f"{name}_token": token for name, token in names.items()}
    )


def _pairs():
    """Yield what may be merged: pairs of letters, then random ones of what was merged before."""
    letters = string.ascii_lowercase
    known = ["".join(pair) for pair in itertools.product(["Ġ", *letters], letters)]
    yield from ((pair[0], pair[1]) for pair in known)
    rng = random.Random(0)
    while True:
        left, right = rng.choice(known), rng.choice(known).lstrip("Ġ")
        if 2 < len(left + right) < 11:
            yield left, right
            known.append(left + right)
