"""Augmentations change what they say, within their ranges, and never break a sound."""

import numpy as np
import pytest
from signals import noise

from clapsearch.mel import FLOOR_DB, FrontEnd, log_mel
from clapsearch.training import augmentation
from clapsearch.training.augmentation import LogMelChances, WaveformChances, alter, augment, mix

SR = 48_000
FRONT_END = FrontEnd(SR, 1024, 480, 64, 50, 14_000, 10 * SR, "htk", "repeatpad")
SEEDS = range(6)
ALWAYS = WaveformChances(pitch=1, speed=1, reverberation=1, background=1, gain=1)
SOUNDS = {
    "noise": noise(0.3),
    "square at full scale": np.sign(np.sin(np.arange(9600) / 20)).astype(np.float32),
    "silence": np.zeros(4800, np.float32),
    "a click of 1 ms": np.ones(48, np.float32),
    "one sample": np.ones(1, np.float32),
}


def tone(hz: float, duration_s: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(duration_s * SR)) / SR)).astype(np.float32)


def pitch_hz(waveform: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), n=8 * SR))
    return float(spectrum.argmax() / 8)


def power(log_mel_db: np.ndarray) -> np.ndarray:
    return np.where(log_mel_db > FLOOR_DB, 10 ** (log_mel_db.astype(np.float64) / 10), 0)


def level_db(waveform: np.ndarray) -> float:
    return float(10 * np.log10(np.square(waveform, dtype=np.float64).mean()))


# --- waveforms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize(
    "behind", [None, np.zeros(10, np.float32), noise(0.05, level=1)], ids=["noise", "none", "loud"]
)
def test_every_change_at_once_leaves_a_sound_finite_and_unclipped(sound, behind):
    for seed in range(3):
        changed = augment(SOUNDS[sound], np.random.default_rng(seed), behind, chances=ALWAYS)
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert np.abs(changed).max() <= 1
        assert len(changed) > 0


def test_a_loud_sound_is_made_softer_not_clipped():
    chances = WaveformChances(pitch=0, speed=0, reverberation=0, background=0, gain=1)
    loud = tone(440, 0.1) * 2
    for seed in SEEDS:
        changed = augment(loud, np.random.default_rng(seed), chances=chances)
        assert np.corrcoef(changed, loud)[0, 1] > 0.99999


def test_the_generator_decides_all():
    one, same, other = (augment(noise(0.2), np.random.default_rng(seed), chances=ALWAYS) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other[: len(one)])


def test_a_random_subset_of_the_changes_is_applied():
    plain, none = noise(0.05), WaveformChances(0, 0, 0, 0, 0)
    assert np.array_equal(augment(plain, np.random.default_rng(0), chances=none), plain)
    half = WaveformChances(pitch=0, speed=0.5, reverberation=0.5, background=0.5, gain=0.5)
    lengths = {len(augment(plain, np.random.default_rng(seed), chances=half)) for seed in range(20)}
    assert len(plain) in lengths
    assert len(lengths) > 5


def test_pitch_moves_by_up_to_three_semitones_and_the_length_stays():
    found = [augmentation.change_pitch(tone(1000), np.random.default_rng(seed), SR) for seed in SEEDS]
    semitones = [12 * np.log2(pitch_hz(waveform) / 1000) for waveform in found]
    assert {len(waveform) for waveform in found} == {SR}
    assert max(map(abs, semitones)) < 3.05
    assert min(semitones) < -0.5
    assert max(semitones) > 0.5


def test_speed_moves_pitch_and_length_together():
    speeds = []
    for seed in SEEDS:
        changed = augmentation.change_speed(tone(1000), np.random.default_rng(seed), SR)
        speeds.append(pitch_hz(changed) / 1000)
        assert SR / len(changed) == pytest.approx(speeds[-1], rel=1e-3)
    assert 0.849 < min(speeds) < 0.95
    assert 1.05 < max(speeds) < 1.181


def test_reverberation_keeps_the_level_and_adds_a_tail_that_dies_away():
    click = np.zeros(480, np.float32)
    click[0] = 0.5
    for seed in SEEDS:
        room = augmentation.reverberate(click, np.random.default_rng(seed), SR)
        n_tail = len(room) - len(click) + 1
        first, last = np.square(room[1 : n_tail // 4]).mean(), np.square(room[3 * n_tail // 4 : n_tail]).mean()
        assert 0.1 <= n_tail / SR <= 1.2
        assert np.linalg.norm(room) == pytest.approx(0.5, rel=1e-4)
        assert 25 < 10 * np.log10(first / last) < 60


@pytest.mark.parametrize("n_behind", [100, 48_000, 96_000])
def test_a_background_comes_at_a_signal_to_noise_ratio_of_5_to_25_db(n_behind):
    waveform, behind = tone(1000), noise(2, seed=7)[:n_behind]
    ratios = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        added = augmentation.put_behind(waveform, behind, rng) - waveform
        ratios.append(level_db(waveform) - level_db(added))
        assert np.square(added).reshape(100, -1).mean(axis=1).min() > 0  # all the way
    assert min(ratios) > 4.9
    assert max(ratios) < 25.1
    assert np.ptp(ratios) > 5


def test_noise_is_of_many_colours_never_brighter_than_white():
    slopes_db = []
    for seed in range(10):
        spectrum = np.square(np.abs(np.fft.rfft(augmentation.coloured_noise(np.random.default_rng(seed)))))
        low, high = spectrum[1000:2000].mean(), spectrum[100_000:110_000].mean()
        slopes_db.append(10 * np.log10(low / high))
    assert min(slopes_db) > -1
    assert np.ptp(slopes_db) > 10


# --- log-mels --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spectra() -> tuple[np.ndarray, np.ndarray]:
    """The log-mels of a loud and a soft sound, both with a silent end."""
    silent = np.zeros(2 * SR, np.float32)
    return tuple(
        log_mel([noise(8, seed=seed, level=level), silent], FRONT_END) for seed, level in ((1, 0.5), (2, 0.01))
    )


def test_nothing_changes_without_a_chance(spectra):
    before = spectra[0].copy()
    changed = alter(spectra[0], np.random.default_rng(0), LogMelChances(0, 0, 0, 0))
    assert np.array_equal(changed, before)
    alter(spectra[0], np.random.default_rng(0), LogMelChances(1, 1, 1, 1))
    assert np.array_equal(spectra[0], before)  # never in place


def test_rolling_keeps_every_frame_and_its_neighbours(spectra):
    rolled = [augmentation.roll(spectra[0], np.random.default_rng(seed)) for seed in SEEDS]
    starts = [int(np.flatnonzero((each == spectra[0][0]).all(axis=1))[0]) for each in rolled]
    for each, start in zip(rolled, starts, strict=True):
        assert np.array_equal(np.roll(each, -start, axis=0), spectra[0])
    assert len(set(starts)) > 3


def test_gain_leaves_silence_silent(spectra):
    for gain_db in (-6.0, 6.0):
        changed = augmentation.change_level(spectra[0], gain_db)
        assert np.allclose(changed[:700], spectra[0][:700] + gain_db)
        assert (changed[-100:] == FLOOR_DB).all()
    assert augmentation.change_level(np.full((3, 4), -99, np.float32), -5).min() == FLOOR_DB


def test_bands_move_and_the_outermost_fills():
    ramp = np.tile(np.arange(8, dtype=np.float32), (3, 1))
    assert augmentation.shift_bands(ramp, 2)[0].tolist() == [0, 0, 0, 1, 2, 3, 4, 5]
    assert augmentation.shift_bands(ramp, -1)[0].tolist() == [1, 2, 3, 4, 5, 6, 7, 7]
    assert np.array_equal(augmentation.shift_bands(ramp, 0), ramp)


@pytest.mark.parametrize(("chances", "axis", "most"), [((0, 0, 1, 0), 1, 128), ((0, 0, 0, 1), 0, 16)])
def test_masks_cover_two_stretches_by_the_floor_or_the_mean(spectra, chances, axis, most):
    fills = set()
    for seed in range(20):
        changed = alter(spectra[0][:800], np.random.default_rng(seed), LogMelChances(*chances))
        masked = (changed != spectra[0][:800]).all(axis=axis)
        assert masked.sum() <= most
        assert np.count_nonzero(np.diff(np.pad(masked.astype(int), 1)) == 1) <= 2
        fills |= {float(value) for value in np.unique(changed.take(np.flatnonzero(masked), axis=1 - axis))}
    assert fills == {FLOOR_DB, float(spectra[0][:800].mean())}


def test_a_mask_fits_what_is_narrower():
    augmentation.mask(rows := np.ones((3, 2), np.float32), np.random.default_rng(0), 64, 0)
    assert rows.shape == (3, 2)


# --- mixtures --------------------------------------------------------------------------------------------------------


def test_a_mixture_adds_powers_and_tells_their_shares(spectra):
    loud, soft = spectra
    shares = []
    for seed in range(10):
        mixed, share = mix(loud, soft, np.random.default_rng(seed))
        wanted = power(loud) + power(soft) * power(loud).mean() / power(soft).mean() * (1 - share) / share
        assert np.allclose(power(mixed), np.maximum(wanted, 1e-10), rtol=1e-3, atol=1e-9)
        assert mixed.dtype == np.float32
        shares.append(share)
    assert 0.2 <= min(shares) < 0.4
    assert 0.6 < max(shares) <= 0.8


def test_a_mixture_is_the_log_mel_of_the_sounds_together():
    one, two = (np.float32(0.1) * np.random.default_rng(seed).standard_normal(10 * SR, np.float32) for seed in (1, 2))
    mixed, share = mix(log_mel([one], FRONT_END), log_mel([two], FRONT_END), np.random.default_rng(0))
    together = log_mel([one + two * np.float32(np.sqrt((1 - share) / share))], FRONT_END)
    assert 10 * np.log10(power(mixed).mean(axis=0) / power(together).mean(axis=0)) == pytest.approx(0, abs=0.5)


def test_silence_is_no_part_of_a_mixture(spectra):
    silence = np.full_like(spectra[0], FLOOR_DB)
    mixed, share = mix(spectra[0], silence, np.random.default_rng(0))
    assert share == 1
    assert np.array_equal(mixed, spectra[0])
    assert mix(silence, spectra[0], np.random.default_rng(0))[0].max() == FLOOR_DB
