"""Where a checkpoint's files are: find or fetch the folder, check that it is whole and safe, hash the weights."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clapsearch.audio import RESAMPLER
from clapsearch.embedder import Checkpoint
from clapsearch.errors import CheckpointError
from clapsearch.mel import FrontEnd
from clapsearch.settings import cache_folder

BUNDLED = "mini"
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(@[\w./-]+)?")
_PATTERNS = ["*.json", "merges.txt", "*.safetensors"]
_TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"))
_EXTRACTORS = (("preprocessor_config.json",), ("processor_config.json",))
_HINT = f"use --checkpoint {BUNDLED} (bundled), a folder, or a hub id"


@dataclass(frozen=True)
class CheckpointFolder:
    """A complete checkpoint on this machine.

    Attributes
    ----------
    name : str
        What the library remembers: hub id, absolute folder, or ``mini``.
    revision : str or None
        Commit on the hub.
    path : Path
        The folder that holds the files.
    """

    name: str
    revision: str | None
    path: Path

    def config(self) -> dict[str, Any]:
        """Return the parsed ``config.json``."""
        return _read_json(self.path / "config.json")

    def section(self, name: str) -> dict[str, Any]:
        """Return a part of ``config.json``, such as ``audio_config``; what it leaves out has transformers' defaults."""
        part = self.config().get(name)
        if part is not None and not isinstance(part, dict):
            raise CheckpointError(f"{self.path / 'config.json'}: {name} is no JSON object; fetch the checkpoint again")
        return part or {}

    def extractor_config(self) -> Mapping[str, Any]:
        """Return the feature extractor's configuration, from either of transformers' two layouts."""
        own = self.path / "preprocessor_config.json"
        if own.exists():
            return _read_json(own)
        nested = _read_json(self.path / "processor_config.json").get("feature_extractor", {})
        return nested if isinstance(nested, dict) else {}

    def weight_files(self) -> list[Path]:
        """Return the safetensors files, shards in the order of their names."""
        index = self.path / "model.safetensors.index.json"
        if not index.exists() or (self.path / "model.safetensors").exists():
            return [self.path / "model.safetensors"]
        try:
            return [self.path / name for name in sorted(set(_read_json(index)["weight_map"].values()))]
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{index} names no weight files; fetch the checkpoint again") from error


def locate(name: str, *, revision: str | None = None, offline: bool = False) -> CheckpointFolder:
    """Find a checkpoint by name and check that its files are all there.

    Parameters
    ----------
    name : str
        ``mini``, a folder, or a hub id, optionally ``ID@REVISION``.
    revision : str, optional
        Exact commit, as a library remembers it; then this machine's copy is used without asking the hub.
    offline : bool
        Never ask the hub.

    Raises
    ------
    CheckpointError
        If it cannot be found, is incomplete, or has no safetensors weights.
    """
    try:
        found = _find(name, revision, offline=offline)
        _check_whole(found)
    except OSError as error:
        raise CheckpointError(f"checkpoint {name} cannot be read: {error.strerror or error}; {_HINT}") from error
    return found


def weights_hash(folder: CheckpointFolder) -> str:
    """Return the hex digest of the weights; remembered by path, size and mtime in the user's cache folder."""
    files = folder.weight_files()
    key = json.dumps([[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files])
    cache = cache_folder() / "weights.json"
    known = _read_cache(cache)
    if key not in known:
        known[key] = _digest(files)
        _write_cache(cache, known)
    return known[key]


def identity(folder: CheckpointFolder, front_end: FrontEnd, *, backend: str, precision: str) -> Checkpoint:
    """Return whose vectors a checkpoint makes, with a front end and on a backend; no model is opened."""
    is_fused = bool(folder.section("audio_config").get("enable_fusion", False))
    dim = folder.config().get("projection_dim", 512)
    if type(dim) is not int:
        raise CheckpointError(
            f"{folder.path / 'config.json'}: projection_dim is {dim!r}, not a number; fetch the checkpoint again"
        )
    return Checkpoint(
        name=folder.name,
        revision=folder.revision,
        weights_hash=weights_hash(folder),
        front_end=front_end.identity + (" fused" if is_fused else ""),
        resampler=RESAMPLER,
        backend=backend,
        precision=precision,
        dim=dim,
        window_s=front_end.n_samples / front_end.sr,
    )


def check_fits(folder: CheckpointFolder, front_end: FrontEnd, n_tokens: int) -> None:
    """Refuse files that do not belong together: the first forward pass would say it in words of its own.

    Raises
    ------
    CheckpointError
        If the model does not take the front end's windows, or the tokenizer's `n_tokens` different tokens.
    """
    audio, text = folder.section("audio_config"), folder.section("text_config")
    size, n_mels = audio.get("spec_size", 256), audio.get("num_mel_bins", 64)
    for what, is_there, fits in (
        ("mel bands", front_end.n_mels, front_end.n_mels == n_mels),
        ("frames in a window", front_end.n_frames, front_end.n_frames <= size * (size // n_mels)),
        ("tokens", n_tokens, n_tokens <= text.get("vocab_size", 50_265)),
    ):
        if not fits:
            raise CheckpointError(
                f"checkpoint {folder.name} is a mixture of two: its config.json does not take {is_there} {what}; "
                "fetch it again"
            )


def _digest(files: list[Path]) -> str:
    total = hashlib.blake2b(digest_size=16)
    for path in files:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "blake2b").digest())
    return total.hexdigest()


def _find(name: str, revision: str | None, *, offline: bool) -> CheckpointFolder:
    if name == BUNDLED:
        return CheckpointFolder(name, None, Path(__file__).parent / "data" / BUNDLED)
    folder = Path(os.path.expanduser(name))  # unlike Path.expanduser, it takes the name of a user that is not there
    if name and folder.is_dir():
        return CheckpointFolder(str(folder.absolute()), None, folder.absolute())
    if _HUB_ID.fullmatch(name):
        return _from_hub(*_split_revision(name, revision), offline=offline)
    raise CheckpointError(f"no checkpoint folder {name}; {_HINT}")


def _split_revision(name: str, revision: str | None) -> tuple[str, str | None, bool]:
    """Return hub id, revision, and whether the revision is exact (remembered)."""
    repo, _, asked = name.partition("@")
    return repo, revision or asked or None, revision is not None


def _from_hub(repo: str, revision: str | None, is_exact: bool, *, offline: bool) -> CheckpointFolder:
    if is_exact and revision:
        with contextlib.suppress(CheckpointError, OSError):
            here = CheckpointFolder(repo, revision, _snapshot(repo, revision))
            _check_whole(here)
            return here
    return _fetched(repo, revision, offline=offline)


def _snapshot(repo: str, revision: str) -> Path:
    """Return where the hub library keeps a commit; importing the library takes longer than a search."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    cache = os.environ.get("HF_HUB_CACHE") or Path(home) / "hub"
    return (
        Path(os.path.expandvars(os.path.expanduser(cache)))
        / f"models--{repo.replace('/', '--')}"
        / "snapshots"
        / revision
    )


def _fetched(repo: str, revision: str | None, *, offline: bool) -> CheckpointFolder:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        path = snapshot_download(repo, revision=revision, allow_patterns=_PATTERNS, local_files_only=offline)
    except LocalEntryNotFoundError as error:
        reach = "--offline forbids to fetch it" if offline else "the hub cannot be reached"
        raise CheckpointError(f"checkpoint {repo} is not on this machine and {reach}; {_HINT}") from error
    except Exception as error:  # the hub library lets its HTTP client's errors through
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CheckpointError(f"checkpoint {repo} cannot be fetched: {reason}; {_HINT}") from error
    return CheckpointFolder(repo, Path(path).name, Path(path))


def _check_whole(folder: CheckpointFolder) -> None:
    """Say which file is missing; transformers' own messages do not."""
    missing = [] if (folder.path / "config.json").exists() else ["config.json"]
    for choices in (_TOKENIZERS, _EXTRACTORS):
        if not any(all((folder.path / name).exists() for name in names) for names in choices):
            missing.append(choices[0][0])
    missing += [file.name for file in folder.weight_files() if not file.exists()]
    if missing:
        pickled = " (pytorch_model.bin is not loaded: only safetensors is safe; save it again with transformers)"
        has_pickle = (folder.path / "pytorch_model.bin").exists()
        raise CheckpointError(
            f"checkpoint folder {folder.path} misses {', '.join(missing)}{pickled if has_pickle else ''}; "
            "copy the whole checkpoint there or choose another with --checkpoint"
        )
    if folder.config().get("model_type") != "clap":
        raise CheckpointError(f"checkpoint {folder.name} is no CLAP model; {_HINT}")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        parsed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not readable JSON ({error}); fetch the checkpoint again") from error
    if not isinstance(parsed, dict):
        raise CheckpointError(f"{path} holds no JSON object; fetch the checkpoint again")
    return parsed


def _read_cache(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _write_cache(path: Path, known: dict[str, str]) -> None:
    """Best effort: without the cache the hash is computed again."""
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(known), encoding="utf-8")
        draft.replace(path)
    except OSError:
        return
