"""Tiny, real, random CLAP checkpoints in the hub's layout."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast

_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_WORDS = [
    "rain on a tin roof",
    "a dog barking in the yard",
    "glass breaking",
    "wind, sea, engine, bell, birds and steps",
]


def make_checkpoint(
    folder: Path,
    *,
    fused: bool = True,
    seed: int = 0,
    dim: int = 32,
    audio: dict[str, Any] | None = None,
    extractor: dict[str, Any] | None = None,
) -> Path:
    """Save a random model, its extractor configuration and its tokenizer; returns the folder.

    `audio` and `extractor` replace entries of the audio tower's and the feature extractor's configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    make_model(fused=fused, seed=seed, dim=dim, audio=audio).save_pretrained(folder)
    numbers = {"frequency_min": 50, "truncation": "fusion" if fused else "rand_trunc", "padding": "repeatpad"}
    ClapFeatureExtractor(**numbers | (extractor or {})).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def make_model(*, fused: bool = True, seed: int = 0, dim: int = 32, audio: dict[str, Any] | None = None) -> ClapModel:
    """Build a random model with weights large enough to tell inputs apart."""
    audio = {
        "enable_fusion": fused,
        "fusion_type": "aff_2d" if fused else None,
        "patch_size": 16,
        "patch_stride": [16, 16],
        "patch_embeds_hidden_size": 8,
        "hidden_size": 16,
        "depths": [1, 1],
        "num_attention_heads": [1, 2],
        "num_hidden_layers": 2,
        "window_size": 4,
        "projection_dim": dim,
        **(audio or {}),
    }
    text = {
        "vocab_size": 400,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 80,
        "projection_dim": dim,
    }
    torch.manual_seed(seed)
    model = ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=dim)).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            torch.nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
        if isinstance(module, torch.nn.Embedding):
            torch.nn.init.normal_(module.weight, std=1.0)
    norm = model.audio_model.audio_encoder.batch_norm
    norm.running_mean.fill_(-40.0)
    norm.running_var.fill_(400.0)
    return model


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Train a byte-level BPE of RoBERTa's kind on a few words."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=_SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(_WORDS, trainer)
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = dict(zip(("bos", "pad", "eos", "unk", "mask"), _SPECIAL, strict=True))
    tokens = {f"{name}_token": token for name, token in names.items()}
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, **tokens, sep_token="</s>", cls_token="<s>", model_max_length=512
    )
