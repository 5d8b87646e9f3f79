"""The validation recall: what stops a run and chooses its best weights."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from clapsearch.evaluation import retrieval
from clapsearch.evaluation.clips import Clip
from clapsearch.evaluation.metrics import rank
from clapsearch.mel import fuse
from clapsearch.training.features import Features
from clapsearch.training.texts import Embed


class Validation:
    """Recall@10 on held-out clips, text to audio, the mean of by label and by caption where there are both.

    Parameters
    ----------
    features : Features
        Of the clips held out, clean.
    embed : callable
        Texts to vectors with the model as it is when asked.
    device : str
    """

    def __init__(self, features: Features, embed: Embed, device: str) -> None:
        self._features, self._embed, self._device = features, embed, device
        self._kinds = [kind for kind in retrieval.KINDS if len(retrieval.texts(features.clips, kind)) > 1]

    def __len__(self) -> int:
        return len(self._features)

    @property
    def failed(self) -> list[tuple[str, str]]:
        """Clips that could not be decoded, and why."""
        return self._features.failed

    @property
    def is_possible(self) -> bool:
        """Whether there is anything to tell apart."""
        return bool(self._kinds)

    def recall(self, model: torch.nn.Module) -> float:
        """Return the recall of a model, 0 to 1."""
        audio = self._audio(model).astype(np.float64)
        return float(np.mean([self._recall_by(kind, audio) for kind in self._kinds]))

    def _recall_by(self, kind: str, audio: npt.NDArray[np.float64]) -> float:
        clips: Sequence[Clip] = self._features.clips
        texts = retrieval.texts(clips, kind)
        found = rank(texts, self._embed(texts).astype(np.float64) @ audio.T, retrieval.right(clips, kind))
        return found.figures()["recall@10"]

    def _audio(self, model: torch.nn.Module) -> npt.NDArray[np.float32]:
        """Embed each clip whole, as a library does; shape (n_clips, dim)."""
        return np.concatenate([self._one(model, i) for i in range(len(self._features))])

    def _one(self, model: torch.nn.Module, i: int) -> npt.NDArray[np.float32]:
        log_mel, front_end = self._features.log_mel(i, 0), self._features.front_end
        is_longer = len(log_mel) > front_end.n_frames
        inputs = fuse(log_mel, front_end) if is_longer else log_mel[None]
        with torch.inference_mode():
            found = model.get_audio_features(  # type: ignore[operator]
                input_features=torch.from_numpy(inputs[None]).to(self._device),
                is_longer=torch.tensor([[is_longer]], device=self._device),
            )
        vectors: npt.NDArray[np.float32] = found.pooler_output.float().cpu().numpy()
        return vectors
