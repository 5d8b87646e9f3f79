"""The front end equals transformers' extractor to 1e-4 dB, whatever the checkpoint's numbers and the block sizes."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from signals import noise
from transformers import ClapFeatureExtractor
from transformers.audio_utils import mel_filter_bank

from clapsearch.errors import CheckpointError
from clapsearch.mel import (
    FLOOR_DB,
    FrontEnd,
    _filter_bank,
    fuse,
    log_mel,
    moment_hop_s,
    moment_starts,
    moments,
    quantise,
)

HTK = {"frequency_min": 50, "truncation": "fusion"}
SLANEY = {"frequency_min": 50, "truncation": "rand_trunc"}


def extractor(**config: Any) -> ClapFeatureExtractor:
    return ClapFeatureExtractor(**{"padding": "repeatpad", **config})


def front_end(**config: Any) -> FrontEnd:
    return FrontEnd.from_config(extractor(**config).to_dict())


def theirs(waveform: np.ndarray, **config: Any) -> np.ndarray:
    """The whole log-mel by transformers: what its `_get_input_mel` computes before it draws crops."""
    reference = extractor(**config)
    samples = quantise(waveform).astype(np.float64)
    if len(samples) > reference.nb_max_samples:
        bank = reference.mel_filters if reference.truncation == "fusion" else reference.mel_filters_slaney
        return reference._np_extract_fbank_features(samples, bank)
    mels, is_longer = reference._get_input_mel(
        samples, reference.nb_max_samples, reference.truncation, reference.padding
    )
    assert not is_longer
    return mels[0]


def ours(waveform: np.ndarray, **config: Any) -> np.ndarray:
    return log_mel([waveform], front_end(**config))


def assert_equal_db(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.shape == wanted.shape
    assert found.dtype == np.float32
    assert np.abs(found - wanted).max() < 1e-4


def sweep(n_samples: int) -> np.ndarray:
    """A clean sweep: most bands are near the floor, where a float32 FFT is off by several dB."""
    time_s = np.arange(n_samples) / 48_000
    return (0.8 * np.sin(2 * np.pi * (100 * time_s + 300 * time_s**2))).astype(np.float32)


# --- parity with transformers ----------------------------------------------------------------------------------------

LENGTHS = [48, 1023, 47_999, 160_000, 240_000, 240_001, 479_999, 480_000, 480_001, 480_479, 480_480, 480_481, 733_333]


@pytest.mark.parametrize(("n_samples", "config"), [*((n, HTK) for n in LENGTHS), *((n, SLANEY) for n in LENGTHS[::3])])
def test_log_mel_equals_transformers(n_samples: int, config: dict[str, Any]) -> None:
    waveform = noise(n_samples / 48_000, seed=n_samples % 11)
    found = ours(waveform, **config)
    assert_equal_db(found, theirs(waveform, **config))
    assert len(found) == max(480_000, n_samples) // 480 + 1


@pytest.mark.parametrize("config", [HTK, SLANEY], ids=["htk", "slaney"])
@pytest.mark.parametrize("n_samples", [96_000, 600_000])
def test_near_silent_bands_of_a_clean_sweep_equal_transformers(n_samples: int, config: dict[str, Any]) -> None:
    assert_equal_db(ours(sweep(n_samples), **config), theirs(sweep(n_samples), **config))


@pytest.mark.parametrize("n_samples", [480_001, 480_240, 480_479])
def test_a_sound_a_little_over_one_window_is_one_window(n_samples: int) -> None:
    waveform = noise(n_samples / 48_000)
    samples = quantise(waveform).astype(np.float64)
    mels, is_longer = extractor(**HTK)._get_input_mel(samples, 480_000, "fusion", "repeatpad")
    found = ours(waveform, **HTK)
    assert not is_longer
    assert_equal_db(found, mels[0])
    assert moment_starts(len(found), front_end(**HTK)) == [0]


def test_one_more_hop_makes_two_moments() -> None:
    found = ours(noise(480_480 / 48_000), **HTK)
    assert moment_starts(len(found), front_end(**HTK)) == [0, 1]


@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
@pytest.mark.parametrize("n_samples", [700, 100_000, 479_999])
def test_every_padding_equals_transformers(padding: str, n_samples: int) -> None:
    waveform = noise(n_samples / 48_000)
    assert_equal_db(ours(waveform, **HTK, padding=padding), theirs(waveform, **HTK, padding=padding))


def test_paddings_differ() -> None:
    repeated, padded, cut = (ours(noise(3), **HTK, padding=padding) for padding in ("repeat", "repeatpad", "pad"))
    assert np.array_equal(repeated[:890], padded[:890])
    assert padded[-50:].max() == FLOOR_DB < repeated[-50:].min()
    assert cut[320:].max() == FLOOR_DB


OTHER = [
    {"feature_size": 128, "fft_window_size": 4096, "frequency_min": 0},
    {"feature_size": 40, "frequency_min": 20, "frequency_max": 8_000},
    {"sampling_rate": 16_000, "hop_length": 160, "fft_window_size": 512, "frequency_max": 8_000, "frequency_min": 50},
    {"sampling_rate": 32_000, "hop_length": 320, "max_length_s": 5, "frequency_min": 50},
    {"sampling_rate": 44_100, "hop_length": 441, "fft_window_size": 2048, "max_length_s": 7, "frequency_min": 50},
]


@pytest.mark.parametrize("config", OTHER, ids=str)
@pytest.mark.parametrize(("share", "truncation"), [(0.3, "fusion"), (1.7, "fusion"), (0.7, "rand_trunc")])
def test_other_checkpoints_numbers_come_from_their_config(
    config: dict[str, Any], truncation: str, share: float
) -> None:
    config = config | {"truncation": truncation}
    numbers = front_end(**config)
    reference = extractor(**config)
    assert numbers.n_samples == reference.nb_max_samples
    assert numbers.sr == reference.sampling_rate
    waveform = noise(share * numbers.n_samples / numbers.sr, sr=numbers.sr)
    assert_equal_db(ours(waveform, **config), theirs(waveform, **config))


def test_silence_is_the_floor() -> None:
    found = ours(np.zeros(48_000, np.float32), **HTK)
    assert (found == FLOOR_DB).all()
    assert np.array_equal(found, theirs(np.zeros(48_000, np.float32), **HTK))


def test_quantise_goes_through_int16_as_laion_does() -> None:
    waveform = np.array([-2, -1, -0.5, -1e-5, 0, 1e-5, 3.2e-5, 0.3, 0.99999, 1, 7], np.float32)
    as_int16 = (np.clip(waveform, -1, 1) * 32767.0).astype(np.int16)
    assert np.array_equal(quantise(waveform), (as_int16 / 32767.0).astype(np.float32))
    assert quantise(waveform)[[3, 5]].tolist() == [0, 0]


# --- streaming -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1_000, 65_536, 480_000, 480_001, 480_002])
@pytest.mark.parametrize("n_samples", [200_000, 480_300, 1_000_003])
def test_block_sizes_change_no_bit(block: int, n_samples: int) -> None:
    waveform = noise(n_samples / 48_000)
    blocks = (waveform[start : start + block] for start in range(0, n_samples, block))
    assert np.array_equal(log_mel(blocks, front_end(**HTK)), ours(waveform, **HTK))


def test_tiny_and_empty_blocks_change_no_bit() -> None:
    waveform = noise(10.5)
    edges = [0, 1, 1, 3, 512, 513, 480_000, 480_000, 480_001, 480_002, 503_000, 503_999, 504_000, 504_000]
    blocks = [waveform[start:end] for start, end in pairwise(edges)]
    assert np.array_equal(log_mel(blocks, front_end(**HTK)), ours(waveform, **HTK))


def test_a_moment_equals_its_own_sound_but_for_the_edges() -> None:
    waveform = noise(25)
    windows = list(moments(ours(waveform, **HTK), front_end(**HTK)))
    alone = ours(waveform[240_000:720_000], **HTK)
    assert np.allclose(windows[1][2:-2], alone[2:-2], atol=1e-4)


# --- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_frames", "starts"),
    [
        (1001, [0]),
        (1002, [0, 1]),
        (1500, [0, 499]),
        (1501, [0, 500]),
        (1502, [0, 500, 501]),
        (2201, [0, 500, 1000, 1200]),
        (3001, [0, 500, 1000, 1500, 2000]),
    ],
)
def test_moments_start_every_5_s_and_the_last_ends_with_the_sound(n_frames: int, starts: list[int]) -> None:
    assert moment_starts(n_frames, front_end(**HTK)) == starts


def test_moments_are_views_of_whole_windows_that_cover_the_sound() -> None:
    whole = np.arange(2201 * 64, dtype=np.float32).reshape(2201, 64)
    windows = list(moments(whole, front_end(**HTK)))
    assert all(window.shape == (1001, 64) and window.base is not None for window in windows)
    assert np.array_equal(np.unique(np.concatenate(windows)[:, 0]), whole[:, 0])


@pytest.mark.parametrize("n_frames", [1002, 1003, 1004, 1500, 2048, 6001, 60_001])
def test_fused_input_is_the_shrunk_whole_and_the_middle_crops(n_frames: int) -> None:
    # Steps of at most 2 dB: torch rounds positions in float32, differently from CPU to CPU.
    whole = np.random.default_rng(n_frames).uniform(-51, -49, (n_frames, 64)).astype(np.float32)
    fused = fuse(whole, front_end(**HTK))
    assert fused.shape == (4, 1001, 64)
    assert fused.dtype == np.float32
    shrunk = torch.nn.functional.interpolate(
        torch.from_numpy(whole)[None, None], size=[1001, 64], mode="bilinear", align_corners=False
    )
    assert np.abs(fused[0] - shrunk[0, 0].numpy()).max() < 1e-4
    thirds = np.array_split(np.arange(n_frames - 1000), 3)
    middles = [int(np.ceil(np.median(third))) if len(third) else 0 for third in thirds]
    for crop, start in zip(fused[1:], middles, strict=True):
        assert np.array_equal(crop, whole[start : start + 1001])


def test_fused_crops_are_ones_the_stock_extractor_may_draw() -> None:
    whole = np.random.default_rng(3).uniform(-51, -49, (1004, 64)).astype(np.float32)
    ours_drawn = fuse(whole, front_end(**HTK))
    stock = extractor(**HTK)
    drawn = [stock._random_mel_fusion(whole, 1004, 1001) for _ in range(30)]
    assert any(np.array_equal(ours_drawn[1:], one[1:]) for one in drawn)
    assert np.abs(ours_drawn[0] - drawn[0][0]).max() < 1e-4


def test_fused_input_of_another_window() -> None:
    numbers = front_end(**HTK, max_length_s=5, feature_size=32)
    whole = np.random.default_rng(0).uniform(-100, 20, (900, 32)).astype(np.float32)
    assert fuse(whole, numbers).shape == (4, 501, 32)


# --- filter bank -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [HTK, SLANEY, *OTHER, SLANEY | {"feature_size": 80}], ids=str)
def test_filter_bank_equals_transformers(config: dict[str, Any]) -> None:
    numbers = front_end(**config)
    is_htk = numbers.mel_scale == "htk"
    wanted = mel_filter_bank(
        num_frequency_bins=numbers.n_fft // 2 + 1,
        num_mel_filters=numbers.n_mels,
        min_frequency=numbers.fmin,
        max_frequency=numbers.fmax,
        sampling_rate=numbers.sr,
        norm=None if is_htk else "slaney",
        mel_scale="htk" if is_htk else "slaney",
    )
    bank, first_bin = _filter_bank(numbers)
    full = np.zeros_like(wanted)
    full[first_bin : first_bin + len(bank)] = bank
    assert np.allclose(full, wanted, rtol=1e-9, atol=1e-12)


def test_only_bins_2_to_298_of_the_fused_checkpoint_count() -> None:
    bank, first_bin = _filter_bank(front_end(**HTK))
    assert (first_bin, first_bin + len(bank) - 1) == (2, 298)


# --- configuration ---------------------------------------------------------------------------------------------------


def test_numbers_of_the_fused_checkpoint() -> None:
    assert front_end(**HTK) == FrontEnd(48_000, 1024, 480, 64, 50, 14_000, 480_000, "htk", "repeatpad")
    assert front_end(**SLANEY).mel_scale == "slaney"
    assert (front_end(**HTK).n_frames, front_end(**HTK).hop_frames) == (1001, 500)


@pytest.mark.parametrize(
    "change",
    [
        {"frequency_min": 0},
        {"frequency_max": 12_000},
        {"hop_length": 240},
        {"fft_window_size": 2048},
        {"feature_size": 32},
        {"max_length_s": 5},
        {"truncation": "rand_trunc"},
        {"padding": "pad"},
        {"sampling_rate": 44_100},
    ],
    ids=str,
)
def test_identity_names_every_number(change: dict[str, Any]) -> None:
    assert front_end(**HTK | change).identity != front_end(**HTK).identity


@pytest.mark.parametrize(
    "name",
    [
        "sampling_rate",
        "fft_window_size",
        "hop_length",
        "feature_size",
        "frequency_min",
        "frequency_max",
        "max_length_s",
        "truncation",
        "padding",
    ],
)
@pytest.mark.parametrize("value", ["absent", None, "many", -1, float("nan"), float("inf"), [1], {}, 1e12])
def test_a_broken_entry_is_named(name: str, value: Any) -> None:
    config = extractor(**HTK).to_dict()
    config[name] = value
    if value == "absent":
        del config[name]
    with pytest.raises(CheckpointError, match=f"preprocessor_config.json.*{name} is .*; fetch it again"):
        FrontEnd.from_config(config)


@pytest.mark.parametrize(
    "change",
    [
        {"hop_length": 0},
        {"hop_length": 2048},
        {"fft_window_size": 1},
        {"max_length_s": 0},
        {"max_length_s": 0.01},
        {"feature_size": 0},
        {"frequency_min": 14_000},
        {"frequency_min": 20_000},
        {"frequency_min": 1000, "frequency_max": 1001},
        {"sampling_rate": 0},
        {"sampling_rate": 99},
        {"truncation": "rand"},
    ],
    ids=str,
)
def test_numbers_that_make_no_front_end_together(change: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json is not CLAP's"):
        FrontEnd.from_config(extractor(**HTK).to_dict() | change)


@pytest.mark.parametrize("config", [{}, {"feature_extractor_type": "WhisperFeatureExtractor"}])
def test_another_models_config(config: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError):
        FrontEnd.from_config(config)


def test_short_windows_leave_no_gap_between_moments() -> None:
    short = front_end(**HTK, max_length_s=3)
    assert moment_hop_s(3.0) == 1.5
    assert moment_hop_s(10.0) == 5.0
    assert moment_starts(1001, short) == [0, 150, 300, 450, 600, 700]
