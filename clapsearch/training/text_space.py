"""The text space: sentence vectors centred, reduced to the dimensions of a checkpoint, and scaled to unit norm.

Sentences about sounds share most of what a sentence encoder says of them. Without their mean, and in the principal
components of many of them, what is left tells one sound from another. Towers learn to meet in this space, frozen.
"""

import os
import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from clapsearch.errors import ClapsearchError
from clapsearch.training.sentences import SentenceEncoder

DIM = 256


class TextSpace:
    """A centre and principal components.

    Parameters
    ----------
    centre : np.ndarray, shape (n,), float32
    components : np.ndarray, shape (dim, n), float32
        Orthonormal rows.
    device : str
        Where the sentence encoder computes.
    """

    def __init__(
        self, centre: npt.NDArray[np.float32], components: npt.NDArray[np.float32], device: str = "cpu"
    ) -> None:
        if components.shape[1:] != centre.shape:
            raise ValueError(f"components of shape {components.shape} do not fit a centre of shape {centre.shape}")
        self.centre, self.components, self.device = centre, components, device

    @property
    def dim(self) -> int:
        """Length of a vector of this space."""
        return len(self.components)

    @cached_property
    def encoder(self) -> SentenceEncoder:
        """The sentence encoder, loaded when first asked for."""
        return SentenceEncoder(self.device)

    @classmethod
    def fit(cls, vectors: npt.NDArray[np.float32], dim: int = DIM, device: str = "cpu") -> Self:
        """Take centre and principal components from sentence vectors.

        The largest entry of each component is positive, so that the same vectors give the same space.

        Parameters
        ----------
        vectors : np.ndarray, shape (n_texts, n), float32

        Raises
        ------
        ClapsearchError
            If so few or such like texts span fewer than `dim` dimensions.
        """
        rows = vectors.astype(np.float64)
        centre = rows.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov(rows, rowvar=False))
        n_spanned = int((variances > variances[-1] * 1e-9).sum())
        if n_spanned < dim:
            raise ClapsearchError(
                f"{len(vectors)} texts span {n_spanned} dimensions of meaning, the text space takes {dim}; "
                "give more texts"
            )
        components = axes.T[::-1][:dim]
        largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
        return cls(centre.astype(np.float32), (components * np.sign(largest)).astype(np.float32), device)

    def transform(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Bring sentence vectors, shape (n_texts, n), into the space; shape (n_texts, dim), float32, unit rows."""
        projected = (vectors - self.centre) @ self.components.T
        scaled: npt.NDArray[np.float32] = projected / np.linalg.norm(projected, axis=1, keepdims=True)
        return scaled

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed texts with the sentence encoder; shape (n_texts, dim), float32, unit rows."""
        return self.transform(self.encoder.embed(texts))

    def save(self, path: Path) -> None:
        """Write the space to an npz file, whole or not at all."""
        part = path.with_name(f"{path.name}.part")
        with part.open("wb") as file:
            np.savez(file, centre=self.centre, components=self.components)
        os.replace(part, path)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """Read a space.

        Raises
        ------
        ClapsearchError
            If the file is not there or holds no text space.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return cls(arrays["centre"], arrays["components"], device)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ClapsearchError(f"{path} is no text space ({error}); fit one anew") from error
