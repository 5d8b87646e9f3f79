"""Prompts: what is put around a label or caption before the text tower reads it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clapsearch.embedder import Embedder
from clapsearch.errors import UsageError

AS_TYPED = "{}"
SOUND_OF = "This is a sound of {}."  # LAION's
PROMPTS = {"as typed": (AS_TYPED,), SOUND_OF.format("X"): (SOUND_OF,), "averaged": (AS_TYPED, SOUND_OF)}
QUERY = "as typed"  # what `clapsearch.query.embed` does


def embed_texts(texts: Sequence[str], templates: Sequence[str], embedder: Embedder) -> npt.NDArray[np.float32]:
    """Embed texts in each template and average.

    Parameters
    ----------
    texts : sequence of str
    templates : sequence of str
        Each with ``{}`` where the text goes.

    Returns
    -------
    np.ndarray, shape (n_texts, dim), float32, unit rows
    """
    total = sum(embedder.embed_text([template.replace("{}", text) for text in texts]) for template in templates)
    mean = np.asarray(total, np.float32)
    return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), np.float32)


def check_templates(templates: Sequence[str]) -> None:
    """Refuse a template without a place for the label.

    Raises
    ------
    UsageError
    """
    for template in templates:
        if "{}" not in template:
            raise UsageError(
                f"--template {template!r} has no {{}} where the label goes; as in 'This is a sound of {{}}.'"
            )
