"""Vectors equal the stock model's for the same input, and depend on nothing but that input."""

import dataclasses
import functools
import json
import logging
import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import make_checkpoint, make_tokenizer
from safetensors.torch import load_file, save_file
from signals import noise
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

from clapsearch.audio import RESAMPLER
from clapsearch.clap import ClapEmbedder
from clapsearch.embedder import DeferredEmbedder, Embedder, check_same_space, check_text_tower
from clapsearch.errors import CheckpointError, ClapsearchError
from clapsearch.mel import FrontEnd, fuse, log_mel, moments
from clapsearch.tokens import MAX_TOKENS
from clapsearch.weights import locate, weights_hash

TEXTS = [
    "a dog barking in the yard",
    "rain",
    "glass breaking",
    "",
    "wind, sea, engine, bell, birds and steps",
    "Ünïcode ♪",
]


def load(folder: Path, **options: Any) -> ClapEmbedder:
    return ClapEmbedder(locate(str(folder)), device="cpu", **options)


def stock(folder: Path) -> ClapModel:
    return ClapModel.from_pretrained(folder, dtype=torch.float32).eval()


def stock_audio(model: ClapModel, clip: np.ndarray, *, is_longer: bool) -> np.ndarray:
    """What transformers makes of one clip, shape (channels, frames, mels)."""
    with torch.inference_mode():
        features = torch.from_numpy(np.ascontiguousarray(clip))[None]
        output = model.get_audio_features(input_features=features, is_longer=torch.tensor([[is_longer]]))
    return output.pooler_output.numpy()[0]


@functools.cache
def _mel(duration_s: float, seed: int, front_end: FrontEnd) -> np.ndarray:
    return log_mel([noise(duration_s, seed=seed)], front_end)


def mel_of(embedder: Embedder, duration_s: float, seed: int = 0) -> np.ndarray:
    return _mel(duration_s, seed, embedder.front_end)


def changed(folder: Path, to: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    """Copy a checkpoint and change its weights."""
    shutil.copytree(folder, to)
    weights = load_file(to / "model.safetensors")
    change(weights)
    save_file(weights, to / "model.safetensors", metadata={"format": "pt"})
    return to


def assert_unit_rows(vectors: np.ndarray) -> None:
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Two spinning threads cost more than they bring on models this small."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def mini() -> ClapEmbedder:
    return ClapEmbedder(locate("mini", offline=True), device="cpu")


# --- parity with transformers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("duration_s", [0.2, 3, 10, 10.005])
@pytest.mark.parametrize("kind", ["fused", "unfused"])
def test_short_sounds_equal_the_stock_model(kind: str, duration_s: float, request: pytest.FixtureRequest) -> None:
    embedder, model = request.getfixturevalue(kind), stock(request.getfixturevalue(f"{kind}_folder"))
    mel = mel_of(embedder, duration_s)
    (found,) = embedder.embed_audio([mel])
    assert found.shape == (1, 32)
    assert_unit_rows(found)
    assert np.abs(found[0] - stock_audio(model, mel[None], is_longer=False)).max() < 1e-5


def test_one_channel_equals_four_equal_ones(fused: ClapEmbedder, fused_folder: Path) -> None:
    mel = mel_of(fused, 3)
    wanted = stock_audio(stock(fused_folder), np.stack([mel] * 4), is_longer=False)
    assert np.abs(fused.embed_audio([mel])[0][0] - wanted).max() < 1e-5


def test_the_flag_that_is_kept_off_for_short_sounds_matters(fused: ClapEmbedder, fused_folder: Path) -> None:
    mel = mel_of(fused, 3)
    flagged = stock_audio(stock(fused_folder), np.stack([mel] * 4), is_longer=True)
    assert fused.embed_audio([mel])[0][0] @ flagged < 0.99


def test_a_long_sound_is_its_fused_whole_and_its_moments(fused: ClapEmbedder, fused_folder: Path) -> None:
    mel, model = mel_of(fused, 22), stock(fused_folder)
    (found,) = fused.embed_audio([mel])
    windows = list(moments(mel, fused.front_end))
    assert found.shape == (1 + len(windows), 32) == (5, 32)
    assert_unit_rows(found)
    assert np.abs(found[0] - stock_audio(model, fuse(mel, fused.front_end), is_longer=True)).max() < 1e-5
    for row, window in zip(found[1:], windows, strict=True):
        assert np.abs(row - stock_audio(model, window[None], is_longer=False)).max() < 1e-5


def test_without_fusion_a_long_sound_is_the_mean_of_its_moments(unfused: ClapEmbedder, unfused_folder: Path) -> None:
    mel, model = mel_of(unfused, 22), stock(unfused_folder)
    (found,) = unfused.embed_audio([mel])
    for row, window in zip(found[1:], moments(mel, unfused.front_end), strict=True):
        assert np.abs(row - stock_audio(model, window[None], is_longer=False)).max() < 1e-5
    mean = found[1:].mean(axis=0)
    assert np.allclose(found[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert_unit_rows(found)


@pytest.mark.parametrize("kind", ["fused", "unfused"])
def test_texts_equal_the_stock_model_in_a_padded_batch(kind: str, request: pytest.FixtureRequest) -> None:
    embedder, model = request.getfixturevalue(kind), stock(request.getfixturevalue(f"{kind}_folder"))
    tokens = make_tokenizer()(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        wanted = model.get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).pooler_output.numpy()
    found = embedder.embed_text(TEXTS)
    assert found.shape == (len(TEXTS), 32)
    assert_unit_rows(found)
    assert np.abs(found - wanted).max() < 1e-5


DEEPER = {"depths": [1, 1, 1], "num_attention_heads": [1, 2, 4], "num_hidden_layers": 3, "hidden_size": 32}
OTHER = [
    {"dim": 48, "audio": {"patch_size": 8, "patch_stride": [8, 8]}},
    {"dim": 16, "audio": {"spec_size": 128, "num_mel_bins": 32}, "extractor": {"feature_size": 32, "max_length_s": 5}},
    {"dim": 64, "fused": False, "audio": DEEPER},
]


@pytest.mark.parametrize("shape", OTHER, ids=str)
def test_checkpoints_of_another_shape(shape: dict[str, Any], tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "other", **shape)
    embedder, model = load(folder), stock(folder)
    assert embedder.checkpoint.dim == shape["dim"]
    assert embedder.checkpoint.window_s == shape.get("extractor", {}).get("max_length_s", 10)
    short, long = embedder.embed_audio([mel_of(embedder, 2), mel_of(embedder, 13)])
    assert (short.shape, long.shape[1]) == ((1, shape["dim"]), shape["dim"])
    assert embedder.embed_text(["rain"]).shape == (1, shape["dim"])
    wanted = stock_audio(model, mel_of(embedder, 2)[None], is_longer=False)
    assert np.abs(short[0] - wanted).max() < 1e-5
    if shape.get("fused", True):
        wanted = stock_audio(model, fuse(mel_of(embedder, 13), embedder.front_end), is_longer=True)
        assert np.abs(long[0] - wanted).max() < 1e-5


# --- same input, same vector -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fused", "unfused"])
@pytest.mark.parametrize(("batch_size", "tolerance"), [(1, 0), (4, 1e-6)])
def test_a_sound_does_not_depend_on_its_company(
    kind: str, batch_size: int, tolerance: float, request: pytest.FixtureRequest
) -> None:
    embedder = load(request.getfixturevalue(f"{kind}_folder"), batch_size=batch_size)
    mels = [mel_of(embedder, duration_s, seed) for seed, duration_s in enumerate([1, 13, 0.5, 10, 22])]
    alone = [embedder.embed_audio([mel])[0] for mel in mels]
    together = embedder.embed_audio(mels)
    backwards = embedder.embed_audio(mels[::-1])[::-1]
    for one, two, three in zip(alone, together, backwards, strict=True):
        assert np.abs(one - two).max() <= tolerance
        assert np.abs(one - three).max() <= tolerance


def test_twice_is_bitwise_equal_whatever_the_random_state(fused: ClapEmbedder, fused_folder: Path) -> None:
    mels = [mel_of(fused, 2), mel_of(fused, 13)]
    first, texts = fused.embed_audio(mels), fused.embed_text(TEXTS)
    np.random.seed(99)  # noqa: NPY002  # what the stock extractor draws from
    torch.manual_seed(99)
    again = load(fused_folder)
    for embedder in (fused, again):
        assert all(np.array_equal(a, b) for a, b in zip(first, embedder.embed_audio(mels), strict=True))
        assert np.array_equal(texts, embedder.embed_text(TEXTS))


def test_a_text_does_not_depend_on_its_company(fused: ClapEmbedder) -> None:
    many = [f"{text} {i % 7}" for i, text in enumerate(TEXTS * 7)]
    many += ["rain on rain"] * 40  # more than one batch of equal length
    together = fused.embed_text(many)
    alone = np.concatenate([fused.embed_text([text]) for text in many])
    assert np.abs(together - alone).max() < 1e-6
    assert np.abs(fused.embed_text(many[::-1])[::-1] - together).max() < 1e-6


def test_nothing_in_nothing_out(fused: ClapEmbedder, unfused: ClapEmbedder) -> None:
    for embedder in (fused, unfused):
        assert embedder.embed_audio([]) == []
        assert embedder.embed_text([]).shape == (0, 32)


def test_the_caller_keeps_its_log_mels(fused: ClapEmbedder) -> None:
    mel = mel_of(fused, 13)
    before = mel.copy()
    fused.embed_audio([mel])
    assert np.array_equal(mel, before)


# --- long texts ------------------------------------------------------------------------------------------------------


def test_a_text_of_2000_words_is_cut_with_a_warning(
    fused: ClapEmbedder, fused_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "rain on a tin roof " * 400
    with caplog.at_level(logging.WARNING):
        (found,) = fused.embed_text([text])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"the checkpoint reads {MAX_TOKENS}" in caplog.text
    tokens = make_tokenizer()(text, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
    with torch.inference_mode():
        wanted = stock(fused_folder).get_text_features(**{k: tokens[k] for k in ("input_ids", "attention_mask")})
    assert np.abs(found - wanted.pooler_output.numpy()[0]).max() < 1e-5


def test_a_text_that_just_fits_is_not_cut(fused: ClapEmbedder, caplog: pytest.LogCaptureFixture) -> None:
    fits = "♪" * 25  # three bytes and tokens each, and the two around them: 77
    assert len(make_tokenizer()(fits)["input_ids"]) == MAX_TOKENS
    with caplog.at_level(logging.WARNING):
        fused.embed_text([fits])
        assert not caplog.records
        fused.embed_text([fits + "!"])
        assert "the text has 78 tokens" in caplog.text


# --- memory ----------------------------------------------------------------------------------------------------------


def with_room_for(n_clips: int, embedder: ClapEmbedder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let bigger batches run out of memory; returns a list that fills with the sizes of those that ran."""
    forward, ran = embedder._forward_audio, []

    def limited(clips: np.ndarray, is_longer: bool) -> np.ndarray:
        if len(clips) > n_clips:
            raise torch.OutOfMemoryError("CUDA out of memory")
        ran.append(len(clips))
        return forward(clips, is_longer)

    monkeypatch.setattr(embedder, "_forward_audio", limited)
    return ran


def test_batches_halve_until_they_fit(
    fused_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = load(fused_folder, batch_size=8)
    mels = [mel_of(embedder, 1 + seed / 10, seed) for seed in range(7)] + [mel_of(embedder, 13)]
    wanted = embedder.embed_audio(mels)
    ran = with_room_for(2, embedder, monkeypatch)
    found = embedder.embed_audio(mels)
    assert ran == [2, 2, 2, 2, 1, 1]  # 7 short sounds and 2 moments, then one whole
    assert embedder.batch_size == 2
    assert "batch size is now 4" in caplog.text
    assert "batch size is now 2" in caplog.text
    for one, two in zip(wanted, found, strict=True):
        assert np.abs(one - two).max() < 1e-6


class Counted:
    """A log-mel that counts how many of the rows it gave out are alive at once."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows, self.alive, self.peak = rows, 0, 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, frames: slice) -> np.ndarray:
        found = self.rows[frames].copy()
        weakref.finalize(found, self._count, -len(found))
        self._count(len(found))
        return found

    def _count(self, n: int) -> None:
        self.alive += n
        self.peak = max(self.peak, self.alive)


@pytest.mark.parametrize("kind", ["fused", "unfused"])
def test_of_a_long_sound_one_batch_of_windows_is_in_memory(kind: str, request: pytest.FixtureRequest) -> None:
    embedder = load(request.getfixturevalue(f"{kind}_folder"), batch_size=4)
    mel = mel_of(embedder, 95)
    counted = Counted(mel)
    (found,) = embedder.embed_audio([counted])
    assert found.shape == (1 + 18, 32)
    assert np.array_equal(found, embedder.embed_audio([mel])[0])
    assert 4 * 1001 <= counted.peak <= 5 * 1001


def test_one_clip_that_does_not_fit_is_an_error_with_a_way_out(
    fused_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = load(fused_folder, batch_size=8)
    with_room_for(0, embedder, monkeypatch)
    with pytest.raises(ClapsearchError, match=r"one clip does not fit into the memory of cpu; use --device cpu"):
        embedder.embed_audio([mel_of(embedder, 1)] * 3)


# --- devices and identity --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda", "mps", "tpu", "cuda:7", ""])
def test_a_device_that_is_not_there(device: str, fused_folder: Path) -> None:
    if device in {"cuda", "mps"} and (torch.cuda.is_available() or torch.backends.mps.is_available()):
        pytest.skip("it is there")
    with pytest.raises(ClapsearchError, match=r"^device .* is not available here \(available: .*cpu\); use [^\n]*$"):
        ClapEmbedder(locate(str(fused_folder)), device=device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_vectors_within_half_precision(fused: ClapEmbedder, fused_folder: Path) -> None:
    gpu = ClapEmbedder(locate(str(fused_folder)), device="cuda")
    mels = [mel_of(fused, duration_s, seed) for seed, duration_s in enumerate([1, 22, 4])]
    for ours, theirs in zip(fused.embed_audio(mels), gpu.embed_audio(mels), strict=True):
        assert (ours * theirs).sum(axis=1).min() > 0.999
    assert (fused.embed_text(TEXTS) * gpu.embed_text(TEXTS)).sum(axis=1).min() > 0.999


def test_identity_of_a_checkpoint(fused: ClapEmbedder, unfused: ClapEmbedder, fused_folder: Path) -> None:
    identity = fused.checkpoint
    assert identity.name == str(fused_folder)
    assert identity.revision is None
    assert identity.weights_hash == weights_hash(locate(str(fused_folder)))
    assert identity.front_end == fused.front_end.identity + " fused"
    assert (identity.resampler, identity.backend, identity.precision) == (RESAMPLER, "torch-cpu", "float32")
    assert (identity.dim, identity.window_s) == (32, 10)
    assert unfused.checkpoint.front_end == unfused.front_end.identity
    assert identity.space != unfused.checkpoint.space


def test_the_same_space_is_weights_front_end_and_resampler(fused: ClapEmbedder) -> None:
    ours = fused.checkpoint
    check_same_space(fused, dataclasses.replace(ours, name="moved", backend="torch-cuda", precision="float16"))
    for entry, words in (("weights_hash", "weights"), ("front_end", "front end"), ("resampler", "resampler")):
        with pytest.raises(CheckpointError, match=rf"other {words}\); .*clapsearch reembed --checkpoint"):
            check_same_space(fused, dataclasses.replace(ours, **{entry: "x"}))


def test_a_deferred_embedder_loads_once_and_only_for_vectors(fused: ClapEmbedder) -> None:
    loads = []

    def load_it() -> ClapEmbedder:
        loads.append(1)
        return fused

    deferred = DeferredEmbedder(fused.front_end, load_it)
    mel = mel_of(deferred, 1)
    assert not loads
    assert np.array_equal(deferred.embed_audio([mel])[0], fused.embed_audio([mel])[0])
    assert np.array_equal(deferred.embed_text(["rain"]), fused.embed_text(["rain"]))
    assert (deferred.checkpoint, deferred.batch_size, deferred.logit_scale) == (fused.checkpoint, 1, fused.logit_scale)
    assert loads == [1]


def test_logit_scale_is_the_learnt_one_of_audio_against_text(fused_folder: Path, tmp_path: Path) -> None:
    learnt = changed(fused_folder, tmp_path / "learnt", lambda weights: weights["logit_scale_a"].fill_(2.0))
    assert load(learnt).logit_scale == pytest.approx(np.exp(2.0))


# --- checkpoints that must not be used -------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_a_dead_text_tower_is_refused(bias: float, fused_folder: Path, tmp_path: Path) -> None:
    def kill(weights: dict[str, torch.Tensor]) -> None:
        weights["text_projection.linear2.weight"].zero_()
        weights["text_projection.linear2.bias"].fill_(bias)

    with pytest.raises(CheckpointError, match=r"unlike texts the same vector \(cosine 1\.0000|no finite vector"):
        check_text_tower(load(changed(fused_folder, tmp_path / "dead", kill)))


def test_a_text_tower_with_nan_weights_is_refused(fused_folder: Path, tmp_path: Path) -> None:
    def break_it(weights: dict[str, torch.Tensor]) -> None:
        weights["text_projection.linear2.weight"][0, 0] = float("nan")

    broken = load(changed(fused_folder, tmp_path / "nan", break_it))
    with pytest.raises(CheckpointError, match="no finite vector for a text; try"):
        broken.embed_text(["rain"])


def test_living_text_towers_are_accepted(fused: ClapEmbedder, unfused: ClapEmbedder, mini: ClapEmbedder) -> None:
    for embedder in (fused, unfused, mini):
        check_text_tower(embedder)


@pytest.mark.parametrize(
    "name", ["text_projection.linear2.weight", "logit_scale_a", "audio_model.audio_encoder.patch_embed.proj.weight"]
)
def test_missing_weights_are_refused(name: str, fused_folder: Path, tmp_path: Path) -> None:
    folder = changed(fused_folder, tmp_path / "partial", lambda weights: weights.pop(name))
    with pytest.raises(CheckpointError, match=rf"lacks 1 weights .*{name}.*; fetch it again"):
        load(folder)


def test_weights_of_another_size_are_refused_by_name(fused_folder: Path, tmp_path: Path) -> None:
    def shrink(weights: dict[str, torch.Tensor]) -> None:
        weights["text_projection.linear2.bias"] = torch.zeros(7)

    with pytest.raises(CheckpointError, match=r"lacks 1 weights .*text_projection\.linear2\.bias"):
        load(changed(fused_folder, tmp_path / "odd", shrink))


@pytest.mark.parametrize(
    "content",
    [b"", b"not weights at all " * 99, b"version https://git-lfs.github.com/spec/v1\nsize 1\n", "cut"],
    ids=["empty", "text", "lfs pointer", "cut"],
)
def test_a_corrupt_weights_file_is_one_line(content: bytes | str, fused_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(fused_folder, tmp_path / "corrupt")
    weights = tmp_path / "corrupt" / "model.safetensors"
    weights.write_bytes(content if isinstance(content, bytes) else weights.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"^checkpoint .*corrupt does not load: [^\n]*; fetch it again$"):
        load(tmp_path / "corrupt")


@pytest.mark.parametrize(
    ("name", "entry", "value"),
    [
        ("config.json", "audio_config", "x"),
        ("config.json", "text_config", {"hidden_act": "nope", "hidden_size": 16, "num_attention_heads": 2}),
        ("config.json", "audio_config", {"patch_stride": 0}),
        ("tokenizer.json", "model", 3),
        ("tokenizer.json", "added_tokens", "x"),
    ],
    ids=str,
)
def test_a_broken_config_or_tokenizer_is_one_line(
    name: str, entry: str, value: object, fused_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(fused_folder, tmp_path / "broken")
    path = tmp_path / "broken" / name
    path.write_text(json.dumps(json.loads(path.read_text()) | {entry: value}))
    with pytest.raises(CheckpointError, match=r"^checkpoint .*broken (does not load|lacks)[^\n]*; fetch it again$"):
        load(tmp_path / "broken")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"feature_size": 32}, "does not take 32 mel bands"),
        ({"max_length_s": 20}, "does not take 2001 frames in a window"),
    ],
    ids=["mels", "window"],
)
def test_an_extractor_of_another_model_is_refused(
    change: dict[str, Any], words: str, fused_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(fused_folder, tmp_path / "mixed")
    ClapFeatureExtractor(**{"frequency_min": 50, **change}).save_pretrained(tmp_path / "mixed")
    with pytest.raises(CheckpointError, match=f"{words}; fetch it again"):
        load(tmp_path / "mixed")


def test_a_tokenizer_of_another_model_is_refused(fused_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(fused_folder, tmp_path / "mixed")
    tokenizer = make_tokenizer()
    tokenizer.add_tokens([f"token{i}" for i in range(99)])
    tokenizer.save_pretrained(tmp_path / "mixed")
    with pytest.raises(CheckpointError, match=r"does not take \d+ tokens; fetch it again"):
        load(tmp_path / "mixed")


def test_code_in_a_checkpoint_never_runs(fused_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "evil"
    shutil.copytree(fused_folder, folder)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    for name, classes in (
        ("config.json", {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}),
        ("tokenizer_config.json", {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}),
    ):
        config = json.loads((folder / name).read_text()) | {"auto_map": classes}
        (folder / name).write_text(json.dumps(config))
    assert load(folder).embed_text(["rain"]).shape == (1, 32)
    assert not (tmp_path / "ran").exists()


# --- the bundled checkpoint and a full-size one ----------------------------------------------------------------------


def test_the_bundled_checkpoint_tells_texts_apart(mini: ClapEmbedder) -> None:
    bark, dog, rain, glass = mini.embed_text(["a dog barking", "a barking dog", "rain on a roof", "glass breaking"])
    assert mini.checkpoint.name == "mini"
    assert bark @ dog > 0.8
    for one, other in ((bark, rain), (bark, glass), (rain, glass)):
        assert one @ other < 0.5


def test_the_bundled_checkpoint_equals_the_stock_model(mini: ClapEmbedder) -> None:
    model = stock(locate("mini").path)
    short, long = mel_of(mini, 3), mel_of(mini, 13)
    one, many = mini.embed_audio([short, long])
    assert np.abs(one[0] - stock_audio(model, short[None], is_longer=False)).max() < 1e-5
    assert np.abs(many[0] - stock_audio(model, fuse(long, mini.front_end), is_longer=True)).max() < 1e-5
    assert one[0] @ many[0] < 0.999


@pytest.mark.slow
def test_a_full_size_checkpoint_loads_and_embeds(tmp_path: Path) -> None:
    config = ClapConfig(
        text_config={}, audio_config={"enable_fusion": True, "fusion_type": "aff_2d"}, projection_dim=512
    )
    model = ClapModel(config).eval()
    assert sum(weights.numel() for weights in model.parameters()) > 150e6
    model.save_pretrained(tmp_path)
    del model
    ClapFeatureExtractor(frequency_min=50).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    embedder = load(tmp_path)
    assert embedder.checkpoint.dim == 512
    assert embedder.embed_text(TEXTS).shape == (len(TEXTS), 512)
    short, long = embedder.embed_audio([mel_of(embedder, 3), mel_of(embedder, 22)])
    assert (short.shape, long.shape) == ((1, 512), (5, 512))
    assert_unit_rows(np.concatenate([short, long]))
    assert np.abs(short[0] - stock_audio(stock(tmp_path), mel_of(embedder, 3)[None], is_longer=False)).max() < 1e-5
