"""The texts of a run: what each clip is called, and the vectors of those words."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from clapsearch.evaluation.clips import Clip
from clapsearch.training.batches import NO_PARTNER, Batch
from clapsearch.training.phrases import caption_from_keywords

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]
# How two sounds heard together are told: order carries no meaning.
JOINS = ("{} and {}", "{}, {}", "{} with {}", "{} while {} can be heard")


def clip_texts(clip: Clip) -> tuple[str, ...]:
    """Return all that is said of a clip: captions, then labels."""
    return tuple(dict.fromkeys((*clip.captions, *clip.labels)))


def all_texts(clips: Sequence[Clip]) -> list[str]:
    """Return every text of some clips, sorted, each once."""
    return sorted({text for clip in clips for text in clip_texts(clip)})


def captions_of(batch: Batch, clips: Sequence[Clip], rng: np.random.Generator) -> list[str]:
    """Draw what each sound of a batch is called; two that are mixed are told together.

    Parameters
    ----------
    rng : Generator
        Decides which of several captions, and how two are joined.
    """
    drawn = []
    for first, second in zip(batch.indices.tolist(), batch.partners.tolist(), strict=True):
        caption = _draw(clips[first], rng)
        if second != NO_PARTNER:
            caption = str(rng.choice(JOINS)).format(caption, _draw(clips[second], rng))
        drawn.append(caption)
    return drawn


def targets_of(batch: Batch, targets: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """Return the targets of a batch, shape (batch, n_candidates): those of two sounds in the shares they are mixed by.

    The weaker of two sounds keeps at least a quarter: it is heard, whatever its power.
    """
    own = targets[batch.indices].astype(np.float32)
    share = np.where(batch.partners == NO_PARTNER, 1, 0.25 + 0.5 * batch.shares)[:, None]
    return np.asarray(share * own + (1 - share) * targets[batch.partners], np.float32)


def embed_with(model: torch.nn.Module, tokenizer: Callable[..., dict[str, torch.Tensor]]) -> Embed:
    """Return the function that embeds texts with a model's own text tower, without gradients."""

    def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        model.eval()
        with torch.inference_mode():
            rows = [text_vectors(model, tokenizer, [text]) for text in texts]  # one by one: no padding
        return torch.cat(rows).float().cpu().numpy()

    return embed


def text_vectors(
    model: torch.nn.Module, tokenizer: Callable[..., dict[str, torch.Tensor]], texts: Sequence[str]
) -> torch.Tensor:
    """Embed texts with a model's text tower; shape (n_texts, dim), unit rows, with gradients."""
    device = next(model.parameters()).device
    tokens = {name: value.to(device) for name, value in tokenizer(list(texts)).items()}
    features: torch.Tensor = model.get_text_features(**tokens).pooler_output  # type: ignore[operator]
    return features


def _draw(clip: Clip, rng: np.random.Generator) -> str:
    """Draw one of a clip's captions, or, of one that has keywords only, make a sentence of them."""
    if not clip.captions:
        return caption_from_keywords(clip.labels, rng)
    return clip.captions[int(rng.integers(len(clip.captions)))]
