"""ClapEmbedder: the real CLAP model through torch and transformers."""

import logging
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoTokenizer, ClapModel
from transformers.utils import logging as transformers_logging

from clapsearch import mel
from clapsearch.embedder import check_finite, unit
from clapsearch.errors import CheckpointError, ClapsearchError
from clapsearch.mel import FrontEnd, LogMel
from clapsearch.tokens import batches, fitting, token_limit
from clapsearch.weights import CheckpointFolder, check_fits, identity

logger = logging.getLogger(__name__)

GPU_BATCH = 64


class ClapEmbedder:
    """Embeds texts and log-mels with one checkpoint on one device.

    On a CPU every clip is one forward pass: batching buys nothing there, and vectors come out bitwise equal whatever
    the company. On CUDA, half precision (autocast) in batches that halve when memory runs out.

    Parameters
    ----------
    folder : CheckpointFolder
    device : str
        One of `settings.DEVICES`.
    batch_size : int, optional
        Windows in one forward pass; by default 1 on a CPU and `GPU_BATCH` elsewhere.
    front_end : FrontEnd, optional
        Another than the checkpoint's own, to measure what that does.

    Raises
    ------
    CheckpointError
        If the files do not make a CLAP model.
    ClapsearchError
        If the device is not there.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        *,
        device: str = "auto",
        batch_size: int | None = None,
        front_end: FrontEnd | None = None,
    ) -> None:
        self.device = choose_device(device)
        self.front_end = front_end or FrontEnd.from_config(folder.extractor_config())
        self.batch_size = batch_size or (1 if self.device == "cpu" else GPU_BATCH)
        self._half = self.device == "cuda"
        self._model, self._tokenizer = load_model(folder, self.device)
        check_fits(folder, self.front_end, len(self._tokenizer))
        self._fused = bool(self._model.config.audio_config.enable_fusion)
        precision = "float16" if self._half else "float32"
        self.checkpoint = identity(folder, self.front_end, backend=f"torch-{self.device}", precision=precision)

    @property
    def logit_scale(self) -> float:
        """Factor from cosine to logit for audio against texts, learnt with the weights."""
        return float(self._model.logit_scale_a.detach().exp())

    def embed_text(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed texts; shape (n_texts, dim), unit rows. What exceeds the token limit is cut, with a warning."""
        tokens = [self._tokens(text) for text in texts]
        vectors = np.zeros((len(texts), self.checkpoint.dim), np.float32)
        for rows in batches(tokens):
            vectors[rows] = self._forward_text([tokens[i] for i in rows])
        check_finite(vectors, self.checkpoint)
        return vectors

    def embed_audio(self, log_mels: Sequence[LogMel]) -> list[npt.NDArray[np.float32]]:
        """Embed sounds from their log-mels, each (n_frames, n_mels), dB; one batch of windows is in memory at a time.

        Returns
        -------
        list of np.ndarray, each shape (n, dim), float32, unit rows
            One row for a sound of one window; else the whole first, then every moment. The whole of a long sound is
            its fused vector, or, for checkpoints without fusion, the normalised mean of its moments.
        """
        n_moments = [len(mel.moment_starts(len(log_mel), self.front_end)) for log_mel in log_mels]
        windows = chain.from_iterable(mel.moments(log_mel, self.front_end) for log_mel in log_mels)
        vectors = self._embed((window[None] for window in windows), is_longer=False)
        moments = np.split(vectors, np.cumsum(n_moments))[:-1]
        long = [i for i, n in enumerate(n_moments) if n > 1]
        if self._fused:
            wholes = self._embed((mel.fuse(log_mels[i], self.front_end) for i in long), is_longer=True)
        else:
            wholes = np.array([unit(moments[i].mean(axis=0)) for i in long], np.float32)
        for i, whole in zip(long, wholes, strict=True):
            moments[i] = np.concatenate([whole[None], moments[i]])
        return moments

    def _embed(self, clips: Iterator[npt.NDArray[np.float32]], *, is_longer: bool) -> npt.NDArray[np.float32]:
        """Embed clips, each shape (channels, frames, mels), in batches that halve when memory runs out."""
        rows: list[npt.NDArray[np.float32]] = [np.zeros((0, self._model.config.projection_dim), np.float32)]
        waiting: list[npt.NDArray[np.float32]] = []
        while waiting := [*waiting, *islice(clips, max(0, self.batch_size - len(waiting)))]:
            n = min(len(waiting), self.batch_size)
            try:
                rows.append(self._forward_audio(np.stack(waiting[:n]), is_longer))
                del waiting[:n]
            except torch.OutOfMemoryError as error:
                self._halve(n, error)
        return np.concatenate(rows)

    def _halve(self, n_failed: int, error: Exception) -> None:
        if n_failed == 1:
            raise ClapsearchError(
                f"one clip does not fit into the memory of {self.device}; use --device cpu"
            ) from error
        self.batch_size = n_failed // 2
        logger.warning("out of memory on %s: batch size is now %d", self.device, self.batch_size)
        torch.cuda.empty_cache()

    @torch.inference_mode()
    def _forward_audio(self, clips: npt.NDArray[np.float32], is_longer: bool) -> npt.NDArray[np.float32]:
        """Run shape (batch, channels, frames, mels) to (batch, dim)."""
        features = torch.from_numpy(clips).to(self.device)
        flags = torch.full((len(clips), 1), is_longer, device=self.device)
        with torch.autocast(self.device, dtype=torch.float16, enabled=self._half):
            output = self._model.get_audio_features(input_features=features, is_longer=flags)
        return _to_numpy(output.pooler_output)

    @torch.inference_mode()
    def _forward_text(self, tokens: list[list[int]]) -> npt.NDArray[np.float32]:
        ids = torch.tensor(tokens, device=self.device)
        with torch.autocast(self.device, dtype=torch.float16, enabled=self._half):
            output = self._model.get_text_features(input_ids=ids, attention_mask=torch.ones_like(ids))
        return _to_numpy(output.pooler_output)

    def _tokens(self, text: str) -> list[int]:
        config = self._model.config.text_config
        return fitting(text, token_limit(config.max_position_embeddings, config.pad_token_id), self._encode)

    def _encode(self, text: str, limit: int | None) -> list[int]:
        ids: list[int] = self._tokenizer(text, truncation=limit is not None, max_length=limit)["input_ids"]
        return ids


def choose_device(name: str) -> str:
    """Return the device to compute on; ClapsearchError if it is not there."""
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device, is_there in has.items() if is_there)
    if not has.get(name, False):
        there = ", ".join(device for device, is_there in has.items() if is_there)
        raise ClapsearchError(f"device {name} is not available here (available: {there}); use --device auto")
    return name


def load_model(folder: CheckpointFolder, device: str) -> tuple[Any, Any]:
    """Load model and tokenizer from files that are there; never remote code, never pickles."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        model, report = ClapModel.from_pretrained(
            folder.path,
            use_safetensors=True,
            local_files_only=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, by name
        )
        tokenizer = AutoTokenizer.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # safetensors, tokenizers and the hub library each raise kinds of their own
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CheckpointError(f"checkpoint {folder.name} does not load: {reason}; fetch it again") from error
    absent = sorted({*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])})
    if absent:
        raise CheckpointError(
            f"checkpoint {folder.name} lacks {len(absent)} weights that its config.json asks for ({absent[0]}, "
            "missing or of another size); fetch it again"
        )
    return model.eval().to(device), tokenizer


def _to_numpy(vectors: torch.Tensor) -> npt.NDArray[np.float32]:
    """Bring to the CPU as float32 and normalise again: half precision leaves norms off by 1e-3."""
    rows: npt.NDArray[np.float32] = vectors.float().cpu().numpy()
    return unit(rows)
