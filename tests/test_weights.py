"""Checkpoints are found by name, folder or hub id, refused in one line when unusable, and hashed once."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import make_model, make_tokenizer
from transformers import ClapFeatureExtractor, ClapProcessor

from clapsearch.clap import ClapEmbedder
from clapsearch.errors import CheckpointError
from clapsearch.mel import FrontEnd
from clapsearch.settings import cache_folder
from clapsearch.weights import CheckpointFolder, locate, weights_hash

SHA, OLD_SHA = "b" * 40, "a" * 40
FILES = ["config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"]


@pytest.fixture
def folder(tmp_path: Path, fused_folder: Path) -> Path:
    """A copy of the tiny checkpoint to spoil."""
    return Path(shutil.copytree(fused_folder, tmp_path / "copy"))


def lay_out(cache: Path, files: Path, *, sha: str = SHA, ref: str | None = "main") -> Path:
    """Put a checkpoint into a hub cache as the hub library does; returns the snapshot's folder."""
    repo = cache / "models--org--name"
    if ref:
        (repo / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
        (repo / "refs" / ref).write_text(sha)
    return Path(shutil.copytree(files, repo / "snapshots" / sha))


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache that this process uses: the hub library reads its variables once, at import."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def change_json(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


# --- by name and by folder -------------------------------------------------------------------------------------------


def test_the_bundled_checkpoint() -> None:
    found = locate("mini", offline=True)
    assert (found.name, found.revision) == ("mini", None)
    assert found.config()["model_type"] == "clap"
    assert [file.name for file in found.weight_files()] == ["model.safetensors"]
    assert FrontEnd.from_config(found.extractor_config()).fmin == 50


def test_a_folder_is_remembered_by_its_absolute_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    for name in (str(folder), "copy", "./copy", "copy/"):
        assert locate(name) == CheckpointFolder(str(folder), None, folder)


def test_home_is_expanded(own_home: Path, fused_folder: Path) -> None:
    shutil.copytree(fused_folder, own_home / "clap")
    assert locate("~/clap").path == own_home / "clap"


def test_a_folder_named_like_a_hub_id_wins(tmp_path: Path, fused_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(fused_folder, tmp_path / "laion" / "clap-htsat-fused")
    monkeypatch.chdir(tmp_path)
    assert locate("laion/clap-htsat-fused").path == tmp_path / "laion" / "clap-htsat-fused"


@pytest.mark.parametrize(
    "name", ["nope", "/no/such/folder", "./nope", "../nope", "~/nope", "~nobody.here/x", "a/b/c", ""]
)
def test_a_name_that_is_nothing(name: str, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own_home)
    with pytest.raises(CheckpointError, match=r"^[^\n]*--checkpoint mini \(bundled\), a folder, or a hub id$"):
        locate(name)


# --- what must be in the folder --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in FILES if name != "tokenizer_config.json"])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=rf"checkpoint folder .*copy misses {name}; copy the whole checkpoint"):
        locate(str(folder))


def test_all_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError) as caught:
        locate(str(tmp_path / "empty"))
    assert "misses config.json, tokenizer.json, preprocessor_config.json, model.safetensors;" in str(caught.value)


def test_pickled_weights_are_not_loaded(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is not loaded: only safetensors is safe; save it"):
        locate(str(folder))


def test_a_tokenizer_of_the_older_layout(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"misses tokenizer\.json"):
        locate(str(folder))
    (folder / "merges.txt").write_text("")
    assert locate(str(folder)).path == folder


def test_the_processor_layout(fused: ClapEmbedder, tmp_path: Path) -> None:
    make_model().save_pretrained(tmp_path)
    ClapProcessor(ClapFeatureExtractor(frequency_min=50), make_tokenizer()).save_pretrained(tmp_path)
    assert (tmp_path / "processor_config.json").exists()
    assert not (tmp_path / "preprocessor_config.json").exists()
    embedder = ClapEmbedder(locate(str(tmp_path)), device="cpu")
    assert embedder.front_end == fused.front_end
    assert embedder.checkpoint.space == fused.checkpoint.space
    assert np.array_equal(embedder.embed_text(["rain"]), fused.embed_text(["rain"]))


@pytest.mark.parametrize("content", ["{}", '{"feature_extractor": 3}'])
def test_a_processor_config_without_an_extractor(content: str, folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(content)
    with pytest.raises(CheckpointError, match="sampling_rate is None"):
        FrontEnd.from_config(locate(str(folder)).extractor_config())


@pytest.mark.parametrize("model_type", ["bert", "clap_audio_model", None])
def test_another_kind_of_model(model_type: str | None, folder: Path) -> None:
    change_json(folder / "config.json", model_type=model_type)
    with pytest.raises(CheckpointError, match="is no CLAP model; use --checkpoint mini"):
        locate(str(folder))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"null"])
def test_a_config_that_is_no_json_object(content: bytes, folder: Path) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"^\S*config\.json (is not readable JSON|holds no JSON object)[^\n]*$"):
        locate(str(folder))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become someone else")
def test_a_folder_of_somebody_else(fused_folder: Path) -> None:
    outer = Path(tempfile.mkdtemp())
    shutil.copytree(fused_folder, outer / "clap")
    try:
        outer.chmod(0o700)
        os.seteuid(65534)
        with pytest.raises(CheckpointError, match=r"^[^\n]*cannot be read: Permission denied; use[^\n]*$"):
            locate(str(outer / "clap"))
    finally:
        os.seteuid(0)
        shutil.rmtree(outer)


# --- shards ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sharded(folder: Path) -> Path:
    (folder / "model.safetensors").unlink()
    make_model().save_pretrained(folder, max_shard_size="40KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder


def test_shards_load_and_hash(sharded: Path, fused: ClapEmbedder) -> None:
    found = locate(str(sharded))
    assert found.weight_files() == sorted(sharded.glob("model-*.safetensors"))
    embedder = ClapEmbedder(found, device="cpu")
    # Not bitwise: the place of a weight in its file decides its alignment in memory, and that the kernels.
    assert np.abs(embedder.embed_text(["rain"]) - fused.embed_text(["rain"])).max() < 1e-6
    before = weights_hash(found)
    content = bytearray(found.weight_files()[-1].read_bytes())
    content[-1] ^= 1
    found.weight_files()[-1].write_bytes(content)
    assert weights_hash(found) != before


def test_a_missing_shard_is_named(sharded: Path) -> None:
    shard = sorted(sharded.glob("model-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(CheckpointError, match=f"misses {shard.name};"):
        locate(str(sharded))


@pytest.mark.parametrize("content", ["{}", '{"weight_map": 3}', '{"weight_map": [1]}', '{"weight_map": {"a": 1}}', "x"])
def test_a_broken_shard_index_is_one_line(content: str, sharded: Path) -> None:
    (sharded / "model.safetensors.index.json").write_text(content)
    with pytest.raises(
        CheckpointError, match=r"^\S*model\.safetensors\.index\.json [^\n]*; fetch the checkpoint again$"
    ):
        locate(str(sharded))


# --- the hash --------------------------------------------------------------------------------------------------------


def test_the_hash_is_of_the_content(folder: Path, fused_folder: Path, unfused_folder: Path) -> None:
    assert weights_hash(locate(str(folder))) == weights_hash(locate(str(fused_folder)))
    assert weights_hash(locate(str(folder))) != weights_hash(locate(str(unfused_folder)))


def test_a_changed_file_has_another_hash_and_its_own_one_again(folder: Path) -> None:
    found, weights = locate(str(folder)), folder / "model.safetensors"
    before, content = weights_hash(found), weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(weights, ns=(1, 1))
    assert weights_hash(found) != before
    weights.write_bytes(content)
    os.utime(weights, ns=(2, 2))
    assert weights_hash(found) == before


def test_the_hash_is_remembered_by_path_size_and_mtime(folder: Path) -> None:
    found, weights = locate(str(folder)), folder / "model.safetensors"
    os.utime(weights, ns=(7, 7))
    before = weights_hash(found)
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(weights, ns=(7, 7))  # as if nothing had changed: the content is not read again
    assert weights_hash(found) == before
    weights.write_bytes(content[:-1])
    os.utime(weights, ns=(7, 7))
    assert weights_hash(found) != before


def test_a_cache_that_cannot_be_written_is_no_error(folder: Path) -> None:
    before = weights_hash(locate(str(folder)))
    shutil.rmtree(cache_folder())
    cache_folder().parent.mkdir(parents=True, exist_ok=True)
    cache_folder().write_text("a file where the folder should be")
    assert weights_hash(locate(str(folder))) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b"3"])
def test_a_damaged_cache_is_no_error_and_is_replaced(content: bytes, folder: Path) -> None:
    before = weights_hash(locate(str(folder)))
    (cache_folder() / "weights.json").write_bytes(content)
    assert weights_hash(locate(str(folder))) == before
    assert list(json.loads((cache_folder() / "weights.json").read_text()).values()) == [before]
    assert os.listdir(cache_folder()) == ["weights.json"]


# --- the hub's cache, without the hub --------------------------------------------------------------------------------


def test_a_cached_snapshot_is_found_offline_with_its_revision(hub_cache: Path, fused_folder: Path) -> None:
    snapshot = lay_out(hub_cache, fused_folder)
    found = locate("org/name", offline=True)
    assert (found.name, found.revision) == ("org/name", SHA)
    assert found.path.samefile(snapshot)
    assert weights_hash(found) == weights_hash(locate(str(fused_folder)))


def test_a_revision_can_be_asked_for(hub_cache: Path, fused_folder: Path) -> None:
    lay_out(hub_cache, fused_folder)
    lay_out(hub_cache, fused_folder, sha=OLD_SHA, ref="v1.0")
    for asked, revision in (("", SHA), ("@main", SHA), ("@v1.0", OLD_SHA), (f"@{OLD_SHA}", OLD_SHA), (f"@{SHA}", SHA)):
        found = locate(f"org/name{asked}", offline=True)
        assert (found.name, found.revision) == ("org/name", revision)


def test_a_remembered_revision_needs_no_hub_even_online(
    hub_cache: Path, fused_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    lay_out(hub_cache, fused_folder)
    lay_out(hub_cache, fused_folder, sha=OLD_SHA, ref=None)
    started = time.monotonic()
    assert locate("org/name", revision=OLD_SHA).revision == OLD_SHA
    assert time.monotonic() - started < 1


def test_an_unknown_id_offline_is_one_line_at_once(hub_cache: Path) -> None:
    started = time.monotonic()
    with pytest.raises(CheckpointError, match=r"^checkpoint org/name is not on this machine and --offline [^\n]*$"):
        locate("org/name", offline=True)
    assert time.monotonic() - started < 1


def test_a_revision_that_is_not_there_offline(hub_cache: Path, fused_folder: Path) -> None:
    lay_out(hub_cache, fused_folder)
    for name, revision in (("org/name@v2", None), ("org/name", OLD_SHA)):
        with pytest.raises(CheckpointError, match="is not on this machine and --offline forbids"):
            locate(name, revision=revision, offline=True)


def test_a_partial_snapshot_offline_names_what_is_missing(hub_cache: Path, fused_folder: Path) -> None:
    (lay_out(hub_cache, fused_folder) / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"misses model\.safetensors"):
        locate("org/name", offline=True)


# --- the hub itself: a small one on this machine ---------------------------------------------------------------------


class Hub(ThreadingHTTPServer):
    """Serves one repository as the hub does; notes every request, and breaks off weights when told to."""

    def __init__(self, files: Path) -> None:
        super().__init__(("127.0.0.1", 0), _HubHandler)
        self.files = files
        self.requests: list[str] = []
        self.breaks_off = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.server.requests.append(self.path)
        path = self.path.partition("?")[0]
        files = {file.name: file for file in self.server.files.iterdir()}
        if path.startswith("/api/models/org/name/revision/nope"):
            self._refuse("RevisionNotFound")
        elif path.startswith("/api/models/org/name/revision/"):
            self._send(json.dumps({"id": "org/name", "sha": SHA, "siblings": [{"rfilename": f} for f in files]}))
        elif path == f"/api/models/org/name/tree/{SHA}":
            tree = [{"type": "file", "path": f, "size": files[f].stat().st_size, "oid": "0" * 40} for f in files]
            self._send(json.dumps(tree))
        elif path.startswith(f"/org/name/resolve/{SHA}/") and (name := path.rpartition("/")[2]) in files:
            self._send(files[name].read_bytes(), name)
        else:
            self._refuse("RepoNotFound")

    def _refuse(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content: bytes | str, name: str = "") -> None:
        body = content.encode() if isinstance(content, str) else content
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{len(body)}-{name}"')
        self.send_header("X-Repo-Commit", SHA)
        self.end_headers()
        if self.command == "GET":
            is_cut = self.server.breaks_off and name.endswith("safetensors")
            self.wfile.write(body[: len(body) // 2] if is_cut else body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""


@pytest.fixture
def hub(tmp_path: Path, fused_folder: Path) -> Iterator[Hub]:
    files = Path(shutil.copytree(fused_folder, tmp_path / "served"))
    (files / "pytorch_model.bin").write_bytes(b"pickle")
    (files / "modeling_evil.py").write_text("print('run')")
    (files / "README.md").write_text("hello")
    server = Hub(files)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


_LOCATE = """
import json, sys, time
from clapsearch.errors import CheckpointError
from clapsearch.weights import locate
started = time.monotonic()
try:
    found = locate(sys.argv[1], revision=sys.argv[2] or None)
    answer = [found.name, found.revision, str(found.path)]
except CheckpointError as error:
    answer = str(error)
print(json.dumps([answer, time.monotonic() - started]))
"""


@pytest.fixture
def locate_online(tmp_path: Path) -> Callable[..., tuple[Any, float]]:
    """Locate in a process of its own: the hub library reads its variables once, at import."""

    def run(endpoint: str, name: str, revision: str = "") -> tuple[Any, float]:
        environ = os.environ | {
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        command = [sys.executable, "-c", _LOCATE, name, revision]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=100)
        answer, seconds = json.loads(done.stdout)
        return answer, seconds

    return run


def test_a_checkpoint_is_fetched_and_then_kept(
    hub: Hub, tmp_path: Path, fused_folder: Path, locate_online: Callable[..., tuple[Any, float]]
) -> None:
    (name, revision, path), _ = locate_online(hub.address, "org/name")
    assert (name, revision) == ("org/name", SHA)
    assert sorted(os.listdir(path)) == FILES  # neither pickles nor code
    assert weights_hash(locate(path)) == weights_hash(locate(str(fused_folder)))
    hub.requests.clear()
    again, _ = locate_online(hub.address, "org/name", SHA)
    assert again == [name, revision, path]
    assert hub.requests == []


def test_a_remembered_revision_that_is_not_whole_is_fetched(
    hub: Hub, tmp_path: Path, fused_folder: Path, locate_online: Callable[..., tuple[Any, float]]
) -> None:
    partial = lay_out(tmp_path / "home" / "hub", fused_folder)
    (partial / "model.safetensors").unlink()
    (_, revision, path), _ = locate_online(hub.address, "org/name", SHA)
    assert revision == SHA
    assert (Path(path) / "model.safetensors").exists()


@pytest.mark.parametrize(("name", "reason"), [("org/other", "404"), ("org/name@nope", "404")])
def test_what_the_hub_does_not_know_is_one_line(
    name: str, reason: str, hub: Hub, locate_online: Callable[..., tuple[Any, float]]
) -> None:
    answer, seconds = locate_online(hub.address, name)
    assert answer.startswith(f"checkpoint {name.partition('@')[0]} cannot be fetched: {reason}")
    assert answer.endswith("use --checkpoint mini (bundled), a folder, or a hub id")
    assert "\n" not in answer
    assert seconds < 10


def test_a_connection_that_breaks_off_is_one_line(hub: Hub, locate_online: Callable[..., tuple[Any, float]]) -> None:
    hub.breaks_off = True
    answer, _ = locate_online(hub.address, "org/name")
    assert answer.startswith("checkpoint org/name cannot be fetched: ")
    assert "\n" not in answer


def test_a_hub_out_of_reach_is_one_line_in_seconds(locate_online: Callable[..., tuple[Any, float]]) -> None:
    answer, seconds = locate_online("http://127.0.0.1:9", "org/name")
    assert answer == (
        "checkpoint org/name is not on this machine and the hub cannot be reached; "
        "use --checkpoint mini (bundled), a folder, or a hub id"
    )
    assert seconds < 10
