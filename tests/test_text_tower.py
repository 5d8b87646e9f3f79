"""The text tower in numpy gives the model's vectors, and leaves to the model what it does not understand."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import make_model, make_tokenizer
from test_clap import TEXTS, changed
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapTextConfig, RobertaTokenizer

from clapsearch import text_tower
from clapsearch.choice import embedder_for_questions
from clapsearch.clap import ClapEmbedder
from clapsearch.embedder import Checkpoint, check_text_tower
from clapsearch.errors import CheckpointError
from clapsearch.mel import FrontEnd
from clapsearch.settings import Settings, cache_folder
from clapsearch.text_tower import TextTower, open_text_tower
from clapsearch.tokens import MAX_TOKENS, TEXT_BATCH
from clapsearch.weights import locate

STRANGE = ["a <pad> b", "<mask><s></s>", "  two  spaces\nand a line ", "<unk>", "\x00", "x" * 70, "🎸🥁"]
ALL = [*TEXTS, *STRANGE, *(f"rain on rain {i % 3}" for i in range(TEXT_BATCH + 3))]


def tower_of(folder: Path | str) -> TextTower | None:
    found = locate(str(folder))
    return open_text_tower(found, FrontEnd.from_config(found.extractor_config()))


def opened(folder: Path | str) -> TextTower:
    tower = tower_of(folder)
    assert tower is not None
    return tower


def assert_equals_the_model(folder: Path | str) -> None:
    tower, model = opened(folder), ClapEmbedder(locate(str(folder)), device="cpu")
    found = tower.embed_text(ALL)
    assert found.dtype == np.float32
    assert np.abs(found - model.embed_text(ALL)).max() < 1e-5
    assert tower.logit_scale == pytest.approx(model.logit_scale)
    assert tower.checkpoint.space == model.checkpoint.space
    assert (tower.checkpoint.dim, tower.checkpoint.window_s) == (model.checkpoint.dim, model.checkpoint.window_s)


def change_config(folder: Path, name: str = "config.json", section: str | None = None, **entries: Any) -> Path:
    config = json.loads((folder / name).read_text())
    (config[section] if section else config).update(entries)
    (folder / name).write_text(json.dumps(config))
    return folder


@pytest.fixture
def folder(tmp_path: Path, fused_folder: Path) -> Path:
    """A copy of the tiny checkpoint to spoil."""
    return Path(shutil.copytree(fused_folder, tmp_path / "copy"))


# --- equal to the model ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fused_folder", "unfused_folder"])
def test_the_tiny_checkpoints(kind: str, request: pytest.FixtureRequest) -> None:
    assert_equals_the_model(request.getfixturevalue(kind))


def test_the_bundled_checkpoint() -> None:
    assert_equals_the_model("mini")


TEXT_SHAPES: list[dict[str, Any]] = [
    {"num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40, "hidden_size": 24},
    {"layer_norm_eps": 0.5},
    {"pad_token_id": 0, "max_position_embeddings": 90},
    {"pad_token_id": 3, "max_position_embeddings": 60},  # fewer positions than MAX_TOKENS
]


@pytest.mark.parametrize("text", TEXT_SHAPES, ids=str)
def test_towers_of_another_shape(text: dict[str, Any], folder: Path) -> None:
    config = make_model().config.to_dict()
    config["text_config"] |= text
    torch.manual_seed(1)
    ClapModel(ClapConfig(**config)).save_pretrained(folder)
    assert_equals_the_model(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_half_precision(dtype: torch.dtype, folder: Path) -> None:
    make_model().to(dtype).save_pretrained(folder)
    assert_equals_the_model(folder)


def test_shards(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    make_model().save_pretrained(folder, max_shard_size="40KB")
    assert_equals_the_model(folder)


def test_what_a_configuration_leaves_out_is_as_in_transformers() -> None:
    stock = ClapTextConfig()
    for name, value in vars(text_tower._Shape()).items():
        assert getattr(stock, name) == value, name


def roberta_files(folder: Path) -> None:
    """Write the older layout of a tokenizer: a vocabulary and merges."""
    pieces = json.loads(make_tokenizer().backend_tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(pieces["vocab"]))
    merges = ["#version: 0.2", *(" ".join(pair) for pair in pieces["merges"])]
    (folder / "merges.txt").write_text("\n".join(merges) + "\n")


@pytest.mark.parametrize("has_config", [True, False])
def test_a_tokenizer_of_the_older_layout(has_config: bool, folder: Path) -> None:
    roberta_files(folder)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    if has_config:
        config = {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True, "add_bos_token": True}
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert_equals_the_model(folder)


def test_robertas_own_tokenizer(folder: Path) -> None:
    roberta_files(folder)
    RobertaTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    assert json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"] == "RobertaTokenizer"
    assert_equals_the_model(folder)


def test_a_tokenizer_that_cuts_and_pads_by_itself(folder: Path) -> None:
    tokenizer = make_tokenizer().backend_tokenizer
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=20)
    tokenizer.save(str(folder / "tokenizer.json"))
    assert_equals_the_model(folder)


def test_a_text_does_not_depend_on_its_company(fused_folder: Path) -> None:
    tower = opened(fused_folder)
    together = tower.embed_text(ALL)
    alone = np.concatenate([tower.embed_text([text]) for text in ALL])
    assert np.abs(together - alone).max() < 1e-6
    assert tower.embed_text([]).shape == (0, 32)


def test_a_long_text_is_cut_with_the_models_warning(
    fused_folder: Path, fused: ClapEmbedder, caplog: pytest.LogCaptureFixture
) -> None:
    text = "rain on a tin roof " * 400
    with caplog.at_level(logging.WARNING):
        found = opened(fused_folder).embed_text([text])
        wanted = fused.embed_text([text])
    ours, theirs = [record.getMessage() for record in caplog.records]
    assert ours == theirs
    assert f"the checkpoint reads {MAX_TOKENS}" in ours
    assert np.abs(found - wanted).max() < 1e-5


def test_erf_is_good_to_its_published_error() -> None:
    values = np.linspace(-6, 6, 100_001, dtype=np.float32)
    wanted = torch.erf(torch.from_numpy(values).double()).numpy()
    assert np.abs(text_tower._erf(values) - wanted).max() < 6e-7  # 1.5e-7, and the rounding of float32


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_full_size_checkpoint(dtype: torch.dtype, tmp_path: Path) -> None:
    torch.manual_seed(0)
    audio = {"enable_fusion": True, "fusion_type": "aff_2d"}
    model = ClapModel(ClapConfig(text_config={}, audio_config=audio, projection_dim=512)).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=module.weight.shape[1] ** -0.5)
    model.to(dtype).save_pretrained(tmp_path, max_shard_size="200MB")
    ClapFeatureExtractor(frequency_min=50).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    assert_equals_the_model(tmp_path)


# --- what is left to the model ---------------------------------------------------------------------------------------


def spoil_act(folder: Path) -> None:
    change_config(folder, section="text_config", hidden_act="silu")


def spoil_tokenizer_class(folder: Path) -> None:
    change_config(folder, "tokenizer_config.json", tokenizer_class="BertTokenizer")


def spoil_special_tokens(folder: Path) -> None:
    change_config(folder, "tokenizer_config.json", mask_token="<blank>")


def spoil_added_tokens(folder: Path) -> None:
    roberta_files(folder)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    (folder / "added_tokens.json").write_text('{"<more>": 399}')


def spoil_names(folder: Path) -> None:
    changed_to = folder.parent / "renamed"
    name = "text_projection.linear1.weight"
    changed(folder, changed_to, lambda weights: weights.update({f"clap.{name}": weights.pop(name)}))
    shutil.copy(changed_to / "model.safetensors", folder)


@pytest.mark.parametrize(
    "spoil", [spoil_act, spoil_special_tokens, spoil_tokenizer_class, spoil_added_tokens, spoil_names]
)
def test_what_it_does_not_know_is_left_to_the_model(
    spoil: Callable[[Path], None], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(folder)
    with caplog.at_level(logging.INFO):
        assert tower_of(folder) is None
    assert "is left to torch" in caplog.text
    assert {record.levelname for record in caplog.records} == {"INFO"}


def questions(folder: Path, active: Checkpoint | None = None) -> Any:
    settings = Settings(library=folder / "library.sqlite3", checkpoint=str(folder), device="cpu", offline=True)
    return embedder_for_questions(settings, active)


def test_the_model_answers_where_the_tower_cannot(folder: Path) -> None:
    spoil_act(folder)
    found = questions(folder).embed_text(["rain"])
    assert np.array_equal(found, ClapEmbedder(locate(str(folder)), device="cpu").embed_text(["rain"]))


@pytest.mark.parametrize(
    "content", [b"", b"not weights at all " * 99, b"\x08" + b"\0" * 7 + b"[1, 2, 3", "cut"], ids=str
)
def test_damaged_weights_are_one_line(content: bytes | str, folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(content if isinstance(content, bytes) else weights.read_bytes()[:-1000])
    assert tower_of(folder) is None
    with pytest.raises(CheckpointError, match=r"^checkpoint .*copy does not load: [^\n]*; fetch it again$"):
        questions(folder).embed_text(["rain"])


@pytest.mark.parametrize("name", ["text_projection.linear2.weight", "logit_scale_a"])
def test_missing_weights_are_one_line(name: str, folder: Path, tmp_path: Path) -> None:
    partial = changed(folder, tmp_path / "partial", lambda weights: weights.pop(name))
    with pytest.raises(CheckpointError, match=rf"lacks 1 weights .*{name}.*; fetch it again"):
        questions(partial).embed_text(["rain"])


@pytest.mark.parametrize(
    ("section", "entries"),
    [
        (None, {"text_config": "x"}),
        (None, {"text_config": [1]}),
        (None, {"audio_config": 3}),
        (None, {"projection_dim": "x"}),
        ("text_config", {"hidden_size": "x"}),
        ("text_config", {"num_attention_heads": 0}),
        ("audio_config", {"num_mel_bins": 0}),
        ("audio_config", {"spec_size": [1]}),
    ],
    ids=str,
)
def test_a_broken_configuration_is_one_line(section: str | None, entries: dict[str, object], folder: Path) -> None:
    change_config(folder, section=section, **entries)
    with pytest.raises(CheckpointError, match=r"^[^\n]*; fetch (it|the checkpoint) again$"):
        questions(folder).embed_text(["rain"])


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    tokenizer = make_tokenizer()
    tokenizer.add_tokens([f"token{i}" for i in range(99)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(CheckpointError, match=r"does not take \d+ tokens; fetch it again"):
        tower_of(folder)


def test_an_extractor_of_another_model_is_refused(folder: Path) -> None:
    ClapFeatureExtractor(frequency_min=50, feature_size=32).save_pretrained(folder)
    with pytest.raises(CheckpointError, match="does not take 32 mel bands; fetch it again"):
        tower_of(folder)


def test_weights_that_are_no_numbers_are_refused(folder: Path, tmp_path: Path) -> None:
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights["text_projection.linear2.weight"][0, 0] = float("nan")

    with pytest.raises(CheckpointError, match="no finite vector for a text; try"):
        opened(changed(folder, tmp_path / "nan", spoil)).embed_text(["rain"])


def test_a_dead_text_tower_is_refused(folder: Path, tmp_path: Path) -> None:
    def kill(weights: dict[str, torch.Tensor]) -> None:
        weights["text_projection.linear2.weight"].zero_()
        weights["text_projection.linear2.bias"].fill_(1.0)

    with pytest.raises(CheckpointError, match="unlike texts the same vector"):
        check_text_tower(opened(changed(folder, tmp_path / "dead", kill)))


# --- where it is wired in --------------------------------------------------------------------------------------------


def test_a_library_of_other_weights_is_refused_without_the_model(folder: Path, unfused: ClapEmbedder) -> None:
    embedder = embedder_for_questions(Settings(library=folder / "l"), _named(unfused.checkpoint, folder))
    with pytest.raises(CheckpointError, match="other weights, front end"):
        embedder.embed_text(["rain"])


def _named(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    return Checkpoint(**vars(checkpoint) | {"name": str(folder)})


def test_texts_are_the_towers_whether_the_model_is_loaded_or_not(folder: Path) -> None:
    before, after = questions(folder), questions(folder)
    frames = np.zeros((1001, 64), np.float32)
    after.embed_audio([frames])
    texts = ["rain", "wind"]
    assert np.array_equal(before.embed_text(texts), opened(folder).embed_text(texts))
    shutil.rmtree(cache_folder())  # what was asked before is remembered there
    assert np.array_equal(after.embed_text(texts), opened(folder).embed_text(texts))
    assert before.logit_scale == after.logit_scale == opened(folder).logit_scale


def test_no_torch_for_a_text(fused_folder: Path) -> None:
    program = (
        "import sys; from clapsearch.weights import locate; from clapsearch.mel import FrontEnd;"
        "from clapsearch.text_tower import open_text_tower; found = locate(sys.argv[1]);"
        "tower = open_text_tower(found, FrontEnd.from_config(found.extractor_config()));"
        "tower.embed_text(['rain']); print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, fused_folder], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
