"""The result of a run: a folder that ``ClapModel.from_pretrained`` and ``clapsearch index --checkpoint`` open."""

import json
import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from clapsearch.errors import ClapsearchError
from clapsearch.present import printable, size

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "special_tokens_map.json")
EXTRACTOR_FILES = ("preprocessor_config.json", "processor_config.json")


def check_room(out: Path, model: Any, *, half: bool) -> None:
    """Refuse a place that cannot take the checkpoint, before the work.

    Raises
    ------
    ClapsearchError
        If something is there already, or the disk is too full.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ClapsearchError(f"{printable(out)} is there already; give another --out")
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    needed = sum(value.numel() for value in model.parameters()) * (2 if half else 4)
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise ClapsearchError(
            f"{printable(out)} needs {size(needed)}, {size(free)} are free; free disk space or give another --out"
        )


def export(model: Any, source: Path, out: Path, card: str, *, half: bool) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    model : ClapModel
    source : Path
        A folder with the tokenizer's and the front end's files.
    card : str
        The model card, Markdown.
    half : bool
        Store float16.

    Raises
    ------
    ClapsearchError
        If it cannot be written.
    """
    draft = out.with_name(f"{out.name}.{uuid.uuid4().hex[:8]}.draft")
    try:
        model.to(torch.float16 if half else torch.float32).save_pretrained(draft, safe_serialization=True)
        for name in (*TOKENIZER_FILES, *EXTRACTOR_FILES):
            if (source / name).exists():
                shutil.copyfile(source / name, draft / name)
        (draft / "README.md").write_text(card, encoding="utf-8")
        if out.is_dir():
            out.rmdir()  # `check_room` saw that it is empty
        os.replace(draft, out)
    except (OSError, RuntimeError) as error:  # the writer of safetensors raises its own on a full disk
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ClapsearchError(
            f"cannot write {printable(out)} ({reason}); free disk space or give another --out"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def model_card(
    name: str, settings: dict[str, Any], data: dict[str, Any], figures: dict[str, Any], attributions: Sequence[str]
) -> str:
    """Write what a reader must know of a checkpoint, from the run itself.

    Parameters
    ----------
    settings, data, figures : dict
        The run's options, what it was trained on, and what came out.
    attributions : sequence of str
        Whom the sounds' licences ask to name.
    """
    lines = ["---", "library_name: transformers", "pipeline_tag: zero-shot-audio-classification", "---", ""]
    lines += [f"# {name}", "", "A CLAP checkpoint, trained by `clapsearch train`.", ""]
    for title, entries in (("Data", data), ("Settings", settings), ("Figures", figures)):
        lines += [f"## {title}", "", "| | |", "| --- | --- |"]
        lines += [f"| {key} | {_cell(value)} |" for key, value in entries.items()] + [""]
    if attributions:
        lines += ["## Attribution", "", *(f"- {line}" for line in attributions), ""]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return printable(text).replace("|", "\\|")
