"""Timeline: stretches between pauses, their scores, and peaks."""

import numpy as np
import pytest
from signals import noise

from clapsearch import timeline as module
from clapsearch.mel import log_mel
from clapsearch.timeline import Timeline, embed_stretches, filled, of_sound, standardised, stretches


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def made(scores, *, hop_s: float = 1.0, window_s: float = 2.0) -> Timeline:
    start_s = np.arange(len(scores)) * hop_s
    return Timeline(start_s, start_s + window_s, np.asarray(scores, np.float64), start_s[-1] + window_s)


def places(line: Timeline, top_k: int = 10) -> list[float]:
    return [peak.start_s for peak in line.peaks(top_k)]


def quiet(duration_s: float, level: float = 0.0) -> np.ndarray:
    return noise(duration_s, seed=11, level=level)


def test_peaks_are_the_best_first_and_do_not_overlap():
    line = made([0, 5, 4, 0, 3, 0, 0, 6, 0])
    assert places(line) == [7.0, 1.0, 4.0]
    assert places(line, 2) == [7.0, 1.0]
    first = line.peaks()[0]
    assert (first.rank, first.end_s, first.score) == (1, 9.0, 6.0)


def test_a_peak_that_overlaps_a_better_one_is_none():
    assert places(made([0, 5, 4, 4.5, 0], window_s=3)) == [1.0]
    assert places(made([0, 5, 4, 4.5, 0], window_s=2)) == [1.0, 3.0]


def test_the_ends_and_a_plateau_can_be_peaks():
    assert places(made([3, 1, 2])) == [0.0, 2.0]
    assert places(made([1, 1, 1, 1, 1])) == [0.0, 2.0, 4.0]
    assert places(made([1])) == [0.0]


def test_standardised_takes_away_what_fits_every_text():
    background = unit(np.random.default_rng(0).standard_normal((50, 8)) + 3 * np.eye(8)[0])
    query = background[7]
    hub = unit(background.mean(axis=0))  # near to all of them
    right = unit(hub + 1.5 * (query - hub))
    assert hub @ query > 0.6
    scores = standardised(np.stack([hub, right]), query, background)
    rows = np.stack([hub, right]).astype(np.float64)
    others = rows @ background.T.astype(np.float64)
    np.testing.assert_allclose(scores, (rows @ query - others.mean(axis=1)) / others.std(axis=1), rtol=1e-6)
    assert scores[1] > scores[0]


def spans_s(waveform, embedder) -> list[tuple[float, float]]:
    frames = stretches(log_mel([np.concatenate(waveform)], embedder.front_end), embedder.front_end)
    return [(float(start), float(end)) for start, end in frames / 100]


def test_a_sound_is_cut_at_its_pauses(fused):
    takes = [quiet(1), noise(2, seed=1), quiet(0.5), noise(0.3, seed=2), quiet(9), noise(1, seed=3), quiet(1)]
    expected = [(1, 3), (3.5, 3.8), (12.8, 13.8)]
    np.testing.assert_allclose(spans_s(takes, fused), expected, atol=0.03)


def test_a_pause_need_not_be_silent(fused):
    """It is 40 dB under what is around, however loud the whole is."""
    for level in (0.5, 0.005):
        takes = [noise(3, seed=1, level=level), quiet(1, level=level / 300), noise(8, seed=2, level=level)]
        np.testing.assert_allclose(spans_s(takes, fused), [(0, 3), (4, 12)], atol=0.03)
        takes[1] = quiet(1, level=level / 30)
        assert spans_s(takes, fused)[0] == (0, 3)
        assert len(spans_s(takes, fused)) > 2  # one stretch of 12 s, in windows


def test_a_short_pause_belongs_to_the_sound(fused):
    takes = [noise(2, seed=1), quiet(0.15), noise(2, seed=1), quiet(8)]
    np.testing.assert_allclose(spans_s(takes, fused), [(0, 4.15)], atol=0.03)


def test_a_click_is_no_stretch_of_its_own(fused):
    takes = [noise(2, seed=1), quiet(1), noise(0.01, seed=2, level=0.01), quiet(1), noise(8, seed=1)]
    assert len(spans_s(takes, fused)) == 2


def test_what_goes_on_is_cut_in_windows(fused):
    found = spans_s([noise(11, seed=1)], fused)
    assert [start for start, _ in found] == pytest.approx([0, 1.5, 3, 4.5, 6, 7.5, 8.01], abs=0.011)
    assert all(end - start == pytest.approx(3) for start, end in found)


def test_silence_alone_is_one_stretch(fused):
    assert spans_s([quiet(30)], fused) == [(0, 10.01)]


def test_a_loud_sound_far_away_hides_no_quiet_one(fused):
    takes = [noise(2, seed=1, level=0.9), quiet(20), noise(2, seed=2, level=0.9 / 1000), quiet(2)]
    np.testing.assert_allclose(spans_s(takes, fused), [(0, 2), (22, 24)], atol=0.03)


def test_a_stretch_is_embedded_as_the_short_sound_it_is(fused):
    """Repeated frames are not quite those of repeated samples: a few at the seams differ."""
    waveform = noise(12, seed=3)
    whole = log_mel([waveform], fused.front_end)
    short = log_mel([waveform[48_000 * 2 : 48_000 * 4]], fused.front_end)
    frames = filled(whole[200:400], fused.front_end)
    assert frames.shape == short.shape
    assert np.median(np.abs(frames - short)) < 0.01
    vectors = embed_stretches(whole, np.array([[0, 50], [200, 400]]), fused)
    (alone,) = fused.embed_audio([short])
    assert vectors[1] @ alone[0] > 0.99
    np.testing.assert_array_equal(vectors[1], fused.embed_audio([frames])[0][0])


@pytest.mark.parametrize("padding", ["repeat", "repeatpad", "pad"])
@pytest.mark.parametrize("n", [1, 7, 300, 500, 1001])
def test_stretches_are_filled_as_the_front_end_fills_short_sounds(fused, padding, n):
    front_end = type(fused.front_end)(**{**vars(fused.front_end), "padding": padding})
    rows = np.arange(n, dtype=np.float32)[:, None] * np.ones((1, 64), np.float32)
    full = filled(rows, front_end)[:, 0]
    assert len(full) == front_end.n_frames == 1001
    n_kept = {"repeat": 1001, "repeatpad": 1001 // n * n, "pad": n}[padding]
    np.testing.assert_array_equal(full[:n_kept], np.arange(n_kept) % n)
    assert set(full[n_kept:].tolist()) <= {-100.0}


def test_batches_change_nothing(fused, monkeypatch):
    sound = log_mel([noise(20, seed=2)], fused.front_end)
    frames = stretches(sound, fused.front_end)
    before = embed_stretches(sound, frames, fused)
    monkeypatch.setattr(module, "_BATCH", 3)
    monkeypatch.setattr(module, "_LEVEL_FRAMES", 100)
    np.testing.assert_array_equal(stretches(sound, fused.front_end), frames)
    np.testing.assert_array_equal(embed_stretches(sound, frames, fused), before)


def test_of_a_sound(fused):
    takes = [noise(2, seed=1), quiet(1), noise(2, seed=12), quiet(1), noise(3, seed=5)]
    sound = log_mel([np.concatenate(takes)], fused.front_end)
    query, texts = fused.embed_text(["rain"])[0], ["a dog", "a bell", "wind", "a door"]
    line = of_sound(sound, fused, query, duration_s=9.0, texts=texts)
    np.testing.assert_allclose(line.start_s, [0, 3, 6], atol=0.03)
    np.testing.assert_allclose(line.end_s, [2, 5, 9], atol=0.03)
    vectors = embed_stretches(sound[:900], stretches(sound[:900], fused.front_end), fused)
    np.testing.assert_array_equal(line.scores, standardised(vectors, query, fused.embed_text(texts)))


def test_texts_to_compare_with_are_spread(fused, monkeypatch):
    monkeypatch.setattr(module, "N_TEXTS", 2)
    sound, query = log_mel([noise(2, seed=1)], fused.front_end), fused.embed_text(["rain"])[0]
    few = of_sound(sound, fused, query, duration_s=2.0, texts=["a dog", "a bell", "wind", "a door"])
    same = of_sound(sound, fused, query, duration_s=2.0, texts=["a dog", "wind"])
    np.testing.assert_array_equal(few.scores, same.scores)


def test_of_a_short_sound(fused):
    """A sound that was repeated to fill a window has no moments after its end."""
    query = fused.embed_text(["rain"])[0]
    sound = log_mel([noise(0.2)], fused.front_end)
    line = of_sound(sound, fused, query, duration_s=0.2, texts=["a dog", "wind"])
    assert [(peak.start_s, peak.end_s) for peak in line.peaks()] == [(0.0, pytest.approx(0.2))]


def test_of_a_sound_whose_header_does_not_know_its_length(fused):
    query = fused.embed_text(["rain"])[0]
    sound = log_mel([noise(15, seed=1)], fused.front_end)
    line = of_sound(sound, fused, query, duration_s=0.0, texts=["a dog", "wind"])
    assert line.duration_s == pytest.approx(15)
    assert line.end_s.max() <= line.duration_s
