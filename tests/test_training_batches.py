"""A batch is a pure function of seed and step, and holds what it says it holds."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from clapsearch import mel
from clapsearch.evaluation.clips import Clip
from clapsearch.mel import FLOOR_DB, FrontEnd
from clapsearch.training.augmentation import LogMelChances
from clapsearch.training.batches import NO_PARTNER, BatchOptions, make_batch, stream
from clapsearch.training.features import Entry, Features

FRONT_END = FrontEnd(48_000, 1024, 480, 16, 50, 14_000, 480_000, "htk", "repeatpad")
WINDOW = FRONT_END.n_frames
PLAIN = BatchOptions(batch_size=4, p_mix=0, p_fused=0, balanced=False, changes=LogMelChances(0, 0, 0, 0))
LABELS = ["a", *["b"] * 4, *["c"] * 9]


def features(log_mels: list[list[np.ndarray]], labels: list[str] | None = None) -> Features:
    """Features of the log-mels of each clip's variants."""
    entries, n_values = [], 0
    for variants in log_mels:
        entries.append(Entry(n_values, [*map(len, variants)], sum(each.size for each in variants)))
        n_values += entries[-1].n_values
    values = np.concatenate([each.ravel() for variants in log_mels for each in variants]).astype(np.float16)
    clips = [
        Clip(f"{i}.wav", labels=(label,) if label else ()) for i, label in enumerate(labels or [""] * len(log_mels))
    ]
    return Features(clips, [], len(log_mels[0]), FRONT_END, entries, values)


def in_band(i: int, n_frames: int = WINDOW, level_db: float = 0.0) -> np.ndarray:
    """A log-mel that sounds in one band only."""
    log_mel = np.full((n_frames, FRONT_END.n_mels), FLOOR_DB, np.float32)
    log_mel[:, i] = level_db
    return log_mel


def ramp(n_frames: int) -> np.ndarray:
    """A log-mel whose level tells the frame, to the eighth dB that float16 holds below 128."""
    return np.tile(np.linspace(-90, 60, n_frames, dtype=np.float32)[:, None], (1, FRONT_END.n_mels))


@pytest.fixture(scope="module")
def bands() -> Features:
    """Fourteen clips, each in a band of its own, variant 1 softer by 10 dB; the last three longer than a window."""
    lengths = [WINDOW] * 11 + [1200, 2000, 6001]
    return features([[in_band(i, n), in_band(i, n, -10)] for i, n in enumerate(lengths)], LABELS)


def loudest_band(batch) -> list[int]:
    return batch.inputs.max(axis=(1, 2)).argmax(axis=1).tolist()


def test_a_batch_depends_on_seed_and_step_only(bands):
    options = BatchOptions(batch_size=6, p_fused=0.5, p_mix=0.5)
    first = [make_batch(bands, step, options) for step in range(6)]
    again = [make_batch(bands, step, options) for step in reversed(range(6))][::-1]
    for one, two in zip(first, again, strict=True):
        for name, value in vars(one).items():
            assert np.array_equal(value, getattr(two, name)), name
    other = [make_batch(bands, step, BatchOptions(batch_size=6, p_fused=0.5, p_mix=0.5, seed=1)) for step in range(6)]
    assert any(not np.array_equal(one.indices, two.indices) for one, two in zip(first, other, strict=True))
    assert not np.array_equal(first[0].indices, first[1].indices)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_stream_goes_on_from_any_step(bands, n_threads):
    batches = stream(bands, BatchOptions(batch_size=5), start=7, n_threads=n_threads)
    for step, batch in enumerate(islice(batches, 8), start=7):
        assert np.array_equal(batch.inputs, make_batch(bands, step, BatchOptions(batch_size=5)).inputs)
    batches.close()


def test_a_batch_holds_the_clips_it_names(bands):
    for step in range(10):
        batch = make_batch(bands, step, PLAIN)
        assert batch.inputs.shape == (4, 1, WINDOW, FRONT_END.n_mels)
        assert batch.inputs.dtype == np.float32
        assert not batch.is_longer.any()
        assert loudest_band(batch) == batch.indices.tolist()
        assert batch.inputs.max(axis=(1, 2, 3)).tolist() == (-10.0 * batch.variants).tolist()
        assert (batch.partners == NO_PARTNER).all()
        assert (batch.shares == 1).all()


def test_an_epoch_is_a_permutation_even_where_batches_straddle_it(bands):
    drawn = np.concatenate([make_batch(bands, step, PLAIN).indices for step in range(14)])
    epochs = drawn.reshape(4, len(bands))
    assert all(sorted(epoch) == list(range(len(bands))) for epoch in epochs.tolist())
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 4


def test_a_batch_may_be_larger_than_the_set(bands):
    batch = make_batch(bands, 3, BatchOptions(batch_size=40))
    assert len(batch.inputs) == 40
    assert set(batch.indices.tolist()) == set(range(len(bands)))


def test_frequent_labels_do_not_dominate(bands):
    options = BatchOptions(batch_size=14 * 120, p_mix=1, p_fused=0)
    batch = make_batch(features([[in_band(0)]] * 14, LABELS), 0, options)
    for drawn in (batch.indices, batch.partners[batch.partners != NO_PARTNER]):
        counts = Counter(LABELS[i] for i in drawn.tolist())
        assert counts["b"] / counts["a"] == pytest.approx(2, rel=0.4)  # 4 / sqrt(4), against 1
        assert counts["c"] / counts["a"] == pytest.approx(3, rel=0.4)
    assert bands.weights[:6] == pytest.approx([1, 0.5, 0.5, 0.5, 0.5, 1 / 3])


def test_clips_without_labels_are_drawn_alike():
    clips = features([[in_band(0)]] * 5)
    drawn = np.concatenate([make_batch(clips, step, BatchOptions(batch_size=5)).indices for step in range(3)])
    assert sorted(drawn.tolist()) == sorted([*range(5)] * 3)


def test_every_variant_is_drawn(bands):
    drawn = np.concatenate([make_batch(bands, step, PLAIN).variants for step in range(20)])
    assert 20 < drawn.sum() < 60


@pytest.mark.parametrize("p_fused", [0, 1])
def test_a_partner_is_in_the_mixture_with_the_share_that_is_told(bands, p_fused):
    options = BatchOptions(8, p_mix=0.6, p_fused=p_fused, changes=LogMelChances(0, 0, 0, 0))
    numbers = []
    for step in range(6):
        batch = make_batch(bands, step, options)
        powers = 10 ** (batch.inputs[:, -1].mean(axis=1) / 10)
        for row, (index, partner, share) in enumerate(zip(batch.indices, batch.partners, batch.shares, strict=True)):
            assert powers[row, index] / powers[row].sum() == pytest.approx(share, abs=1e-3)
            if partner != NO_PARTNER:
                assert partner != index
                assert powers[row, partner] / powers[row].sum() == pytest.approx(1 - share, abs=1e-3)
        numbers.append(int(np.count_nonzero(batch.partners != NO_PARTNER)))
    assert 18 < sum(numbers) < 40
    assert all(0 < number < 8 for number in numbers)


def test_a_single_clip_is_never_mixed_with_itself():
    batch = make_batch(features([[in_band(3)]]), 0, BatchOptions(4, p_mix=1))
    assert (batch.partners == NO_PARTNER).all()


def test_a_long_clip_gives_windows_from_all_over():
    clip, starts = features([[ramp(6001)]]), []
    stored = clip.log_mel(0, 0)
    for step in range(12):
        for row in make_batch(clip, step, PLAIN).inputs[:, 0]:
            start = int(np.abs(stored[:5001, 0] - row[0, 0]).argmin())
            starts.append(start)
            assert np.abs(stored[start : start + WINDOW] - row).max() < 0.3  # a stretch, neither rolled nor joined
    assert min(starts) < 700
    assert max(starts) > 4300


def test_a_short_clip_is_rolled():
    clip = features([[ramp(WINDOW)]])
    firsts = {float(row[0, 0]) for step in range(4) for row in make_batch(clip, step, PLAIN).inputs[:, 0]}
    assert len(firsts) > 12
    for row in make_batch(clip, 0, PLAIN).inputs[:, 0]:
        assert np.array_equal(np.sort(row[:, 0]), clip.log_mel(0, 0)[:, 0])


def test_some_batches_go_through_the_fused_input(bands):
    options = BatchOptions(batch_size=1, p_fused=0.3, p_mix=0)
    batches = [make_batch(bands, step, options) for step in range(100)]
    assert all(len(batch.inputs[0]) == (4 if batch.is_longer.all() else 1) for batch in batches)
    assert 15 < sum(batch.is_longer.all() for batch in batches) < 45


def test_the_fused_input_of_a_long_clip_is_of_all_of_it(bands):
    clip = features([[ramp(6001)]])
    fused = BatchOptions(4, p_mix=0, p_fused=1, balanced=False, changes=LogMelChances(0, 0, 0, 0))
    for row in make_batch(clip, 0, fused).inputs:
        shift = int(np.diff(row[0, :, 0]).argmin() + 1)  # where the end meets the beginning
        whole = np.roll(clip.log_mel(0, 0), round(shift * 6001 / WINDOW), axis=0)
        away = np.abs(mel.fuse(whole, FRONT_END)[0] - row[0])
        assert np.median(away) < 0.5
        assert np.ptp(row[0]) > 145
        assert all(np.ptp(crop) < 30 or np.ptp(crop) > 140 for crop in row[1:])
    batch = make_batch(bands, 0, fused)
    assert batch.inputs.shape == (4, 4, WINDOW, FRONT_END.n_mels)
    assert batch.is_longer.all()
    assert loudest_band(batch) == batch.indices.tolist()


def test_a_short_clip_is_joined_to_15_to_30_s_for_the_fused_input():
    clip = features([[ramp(WINDOW)]])
    fused = BatchOptions(16, p_mix=0, p_fused=1, changes=LogMelChances(0, 0, 0, 0))
    rises = []
    for row in make_batch(clip, 0, fused).inputs:
        rise = np.median(np.diff(row[0, :, 0])) / np.median(np.diff(clip.log_mel(0, 0)[:, 0]))
        rises.append(float(rise))  # how much faster time goes in the channel that shrinks the whole
    assert min(rises) > 1.4
    assert max(rises) < 3.2
    assert np.ptp(rises) > 0.5


def test_log_mels_are_altered():
    middle = features([[in_band(i)] for i in range(4, 10)])

    def changed(*chances: float) -> list:
        options = BatchOptions(6, p_mix=0, p_fused=0, changes=LogMelChances(*chances))
        return [make_batch(middle, step, options) for step in range(6)]

    levels = np.concatenate([batch.inputs.max(axis=(1, 2, 3)) for batch in changed(1, 0, 0, 0)])
    moved = np.concatenate([np.array(loudest_band(batch)) - batch.indices - 4 for batch in changed(0, 1, 0, 0)])
    masked = [batch.inputs.max(axis=3).min() for batch in changed(0, 0, 1, 0)]
    assert 6 < np.ptp(levels) <= 12
    assert set(moved.tolist()) == {-2, -1, 0, 1, 2}
    assert min(masked) == FLOOR_DB
