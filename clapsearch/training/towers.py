"""The model of a run: opened or new, and which of its weights are trained."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import ClapConfig, ClapModel

from clapsearch.errors import UsageError

PARTS = ("all", "audio", "heads", "lora")
# Audio towers by name: HTSAT with patches of 8 frames by 8 bands, attention in windows of 4 by 4 patches.
SIZES: Mapping[str, Mapping[str, Any]] = {
    "mini": {"patch_embeds_hidden_size": 32, "depths": [2, 2, 4, 2], "num_attention_heads": [2, 4, 8, 16]},
    "small": {"patch_embeds_hidden_size": 48, "depths": [2, 2, 6, 2], "num_attention_heads": [3, 6, 12, 24]},
}
LORA_RANK = 8
_ATTENTION = ["query", "key", "value"]  # of both towers
# The patches that follow can learn its scale and shift, and without them no gradient has to go back through the input's
# resampling: a step takes a sixth less. Fixed, it does not depend on the company of a sound either.
_INPUT_NORM = "audio_model.audio_encoder.batch_norm."

# What a configuration says of the file that it came from: it would carry a path of this machine into the checkpoint.
_OF_A_FILE = {"_name_or_path", "architectures", "dtype"}


def audio_config(size: str, *, projection_dim: int) -> dict[str, Any]:
    """Return the configuration of a new fused audio tower.

    Raises
    ------
    UsageError
        If there is no such size.
    """
    if size not in SIZES:
        raise UsageError(f"--new is {size}; it is one of {', '.join(SIZES)}")
    shape = SIZES[size]
    return {
        **shape,
        "hidden_size": shape["patch_embeds_hidden_size"] * 2 ** (len(shape["depths"]) - 1),
        "num_hidden_layers": len(shape["depths"]),
        "patch_size": 8,
        "patch_stride": [8, 8],
        "window_size": 4,
        "hidden_dropout_prob": 0.0,  # a tower this small has nothing to spare
        "enable_fusion": True,
        "fusion_type": "aff_2d",
        "projection_dim": projection_dim,
    }


def new_model(size: str, text_config: Mapping[str, Any], text_weights: Mapping[str, torch.Tensor], seed: int) -> Any:
    """Make a fused CLAP model with a random audio tower and a given text tower.

    Parameters
    ----------
    size : str
        One of `SIZES`.
    text_config : mapping
        Of a ``ClapTextConfig``.
    text_weights : mapping
        The weights of the text tower and its projection, by their names in a ``ClapModel``.
    """
    projection_dim = text_config["projection_dim"]
    config = ClapConfig(
        audio_config=audio_config(size, projection_dim=projection_dim),
        text_config={name: value for name, value in text_config.items() if name not in _OF_A_FILE},
        projection_dim=projection_dim,
    )
    torch.manual_seed(seed)
    model = ClapModel(config)
    unexpected = model.load_state_dict(dict(text_weights), strict=False).unexpected_keys
    if unexpected:
        raise ValueError(f"no weights of a text tower: {unexpected[:3]}")
    return model


def choose_trained(model: Any, part: str) -> Any:
    """Let only a part of a model be trained; returns the model, for ``lora`` with adapters in it.

    Parameters
    ----------
    model : ClapModel
    part : str
        ``all``; ``audio``, the text tower stays; ``heads``, the two projections; ``lora``, low-rank changes of the
        attention of both towers, and the projections. The normalisation of the input stays in any case.

    Raises
    ------
    UsageError
        If there is no such part.
    """
    if part not in PARTS:
        raise UsageError(f"--train is {part}; it is one of {', '.join(PARTS)}")
    if part == "lora":
        return _with_adapters(model)
    starts = {
        "all": ("",),
        "audio": ("audio_model.", "audio_projection.", "logit_scale_a"),
        "heads": ("audio_projection.", "text_projection.", "logit_scale_a"),
    }[part]
    for name, value in model.named_parameters():
        value.requires_grad_(name.startswith(starts) and not name.startswith(("logit_scale_t", _INPUT_NORM)))
    return model


@torch.no_grad()
def normalise_input(model: Any, log_mels: Iterable[npt.NDArray[np.float32]]) -> None:
    """Give a new audio tower mean and variance of each mel band of the sounds that it is to learn from.

    Parameters
    ----------
    model : ClapModel
    log_mels : iterable of np.ndarray, each shape (n_frames, n_mels), float32, dB
        At least one.
    """
    mean, variance = band_statistics(log_mels)
    norm = model.audio_model.audio_encoder.batch_norm
    norm.running_mean.copy_(torch.from_numpy(mean))
    norm.running_var.copy_(torch.from_numpy(variance))


def band_statistics(
    log_mels: Iterable[npt.NDArray[np.float32]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean (dB) and variance of each mel band, shape (n_mels,), every sound counting alike."""
    moments = [(log_mel.mean(axis=0), np.square(log_mel).mean(axis=0)) for log_mel in log_mels]
    mean, power = np.mean(np.array(moments, np.float64), axis=0)
    return mean, power - mean**2


def merged(model: Any) -> Any:
    """Return the plain ClapModel, adapters added to the weights they adapt."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def has_frozen_text(model: Any) -> bool:
    """Whether texts keep their vectors throughout the run."""
    return not any(value.requires_grad for name, value in model.named_parameters() if "text_" in name)


def text_side(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return configuration and weights of a checkpoint's text tower."""
    model = ClapModel.from_pretrained(folder, use_safetensors=True, local_files_only=True, dtype=torch.float32)
    weights = {name: value for name, value in model.state_dict().items() if name.startswith("text_")}
    return model.config.text_config.to_dict(), weights


@torch.no_grad()
def take_audio(model: Any, folder: Path) -> None:
    """Give a model the audio tower of a checkpoint.

    Raises
    ------
    UsageError
        If its shape is another.
    """
    other = ClapModel.from_pretrained(folder, use_safetensors=True, local_files_only=True, dtype=torch.float32)
    weights = {
        name: value for name, value in other.state_dict().items() if name.startswith(("audio_", "logit_scale_a"))
    }
    own = {
        name: value.shape for name, value in model.state_dict().items() if name.startswith(("audio_", "logit_scale_a"))
    }
    if {name: value.shape for name, value in weights.items()} != own:
        raise UsageError(f"the audio tower in {folder} has another shape than --new asks for; give its size")
    model.load_state_dict(weights, strict=False)


def _with_adapters(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    heads = ["audio_projection", "text_projection"]
    config = LoraConfig(r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules=_ATTENTION, modules_to_save=heads)
    with warnings.catch_warnings():  # peft asks transformers for a name that it is about to drop
        warnings.simplefilter("ignore", FutureWarning)
        adapted: Any = get_peft_model(model, config)
    adapted.base_model.model.logit_scale_a.requires_grad = True
    return adapted
