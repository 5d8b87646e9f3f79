"""The demo sounds are many, sane and the same in every run; the questions and the vocabulary fit them."""

from collections import Counter
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from clapsearch.cli.app import run
from clapsearch.cli.demo import MIN_RIGHT
from clapsearch.demo.questions import QUESTIONS, Question
from clapsearch.demo.signals import Signal, as_signal, drops, equalise, finish, level, noise, pulses, time_axis, tone
from clapsearch.demo.sounds import PEAK_DB, SOUNDS, DemoSound, seeded, write_sounds

SHORT = ("animals/dog_small.wav", "alerts/phone_dial.wav", "weather/rain_metal.wav", "games/zap_burst.wav")
VOCABULARY = files("clapsearch") / "data" / "sound_events.txt"


def by_name(name: str) -> DemoSound:
    return next(sound for sound in SOUNDS if sound.name == name)


@pytest.fixture(scope="module")
def waveforms() -> dict[str, Signal]:
    return {sound.name: sound.synthesise(seeded(sound.name)) for sound in SOUNDS}


@pytest.mark.parametrize("name", SHORT)
def test_same_bytes_every_time(name: str) -> None:
    sound = by_name(name)
    assert sound.synthesise(seeded(name)).tobytes() == sound.synthesise(seeded(name)).tobytes()


def test_every_sound_has_its_own_seed() -> None:
    assert not np.array_equal(seeded("a.wav").random(4), seeded("b.wav").random(4))


def test_waveforms_are_finite_float32_and_peak_at_the_stated_level(waveforms: dict[str, Signal]) -> None:
    for name, waveform in waveforms.items():
        assert waveform.dtype == np.float32, name
        assert np.isfinite(waveform).all(), name
        assert np.abs(waveform).max() == pytest.approx(10 ** (PEAK_DB / 20), rel=1e-4), name


def test_no_sound_is_mostly_silent_or_off_centre(waveforms: dict[str, Signal]) -> None:
    for name, waveform in waveforms.items():
        assert np.sqrt(np.mean(np.square(waveform))) > 0.004, name
        assert abs(float(waveform.mean())) < 0.01, name


def test_catalogue_is_large_and_varied(waveforms: dict[str, Signal]) -> None:
    names = [sound.name for sound in SOUNDS]
    assert len(names) >= 40
    assert len(set(names)) == len(names)
    assert len({sound.kind for sound in SOUNDS}) >= 16
    assert sum(len(waveforms[sound.name]) > 60 * sound.sr for sound in SOUNDS) >= 5
    assert {sound.sr for sound in SOUNDS} == {44_100, 48_000}
    assert {Path(name).suffix for name in names} == {".wav", ".flac"}


def test_a_single_event_stands_out_of_its_long_background(waveforms: dict[str, Signal]) -> None:
    bark_s, sr = 47, by_name("animals/yard_at_night.flac").sr
    night = waveforms["animals/yard_at_night.flac"]
    loudness = np.square(night[: len(night) // sr * sr]).reshape(-1, sr).mean(axis=1)
    assert bark_s <= int(loudness.argmax()) <= bark_s + 4
    assert loudness.max() > 20 * np.median(loudness)


def test_every_question_has_a_right_answer() -> None:
    kinds = {sound.kind for sound in SOUNDS}
    assert len(QUESTIONS) == 12
    for question in QUESTIONS:
        assert question.kinds, question.text
        assert question.kinds <= kinds, question.text


def test_written_files_are_16_bit_and_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile = pytest.importorskip("soundfile")
    few = (by_name("animals/dog_small.wav"), by_name("weather/rain_heavy.flac"))
    monkeypatch.setattr("clapsearch.demo.sounds.SOUNDS", few)
    first, again = write_sounds(tmp_path / "first"), write_sounds(tmp_path / "again")
    assert [path.relative_to(tmp_path / "first").as_posix() for path in first] == [sound.name for sound in few]
    for path, twin, sound in zip(first, again, few, strict=True):
        assert path.read_bytes() == twin.read_bytes()
        info = soundfile.info(path)
        assert (info.samplerate, info.subtype) == (sound.sr, "PCM_16")


def test_noise_follows_its_spectrum() -> None:
    waveform = noise(np.random.default_rng(1), 2.0, 8000, [(100, -60), (1000, 0), (2000, 0), (3900, -60)])
    power = np.square(np.abs(np.fft.rfft(waveform)))
    freqs_hz = np.fft.rfftfreq(waveform.size, 1 / 8000)
    inside = power[(freqs_hz > 800) & (freqs_hz < 2200)].sum()
    assert inside > 0.9 * power.sum()
    assert np.sqrt(np.mean(np.square(waveform))) == pytest.approx(1.0, abs=0.05)


def test_a_filtered_event_does_not_begin_before_its_cause() -> None:
    click = np.zeros(4000, dtype=np.float32)
    click[2000] = 1.0
    filtered = equalise(click, 8000, [(100, -40), (1000, 0), (3000, -40)])
    assert np.square(filtered[:1990]).sum() < 1e-6 * np.square(filtered).sum()


def test_tone_leaves_out_harmonics_that_would_fold_back() -> None:
    waveform = tone(np.full(8000, 1500.0), 8000, (1.0, 1.0, 1.0))
    peaks_hz = np.flatnonzero(np.abs(np.fft.rfft(waveform)) > 1000)
    assert peaks_hz.tolist() == [1500, 3000]


def test_pulses_keep_their_rate_and_drops_their_mean() -> None:
    rng = np.random.default_rng(2)
    assert np.count_nonzero(pulses(rng, np.full(8000, 25.0), 8000)) == pytest.approx(25, abs=1)
    assert np.count_nonzero(drops(rng, 20.0, 8000, 50.0)) == pytest.approx(1000, rel=0.15)


def test_finish_centres_fades_and_keeps_channels() -> None:
    wave = 1.0 + np.sin(2 * np.pi * 100 * time_axis(1.0, 8000))
    stereo = finish(np.stack([wave, -wave], axis=1), 8000, -6.0)
    assert stereo.shape == (8000, 2)
    assert np.abs(stereo[[0, -1]]).max() == 0.0
    assert np.abs(stereo.mean(axis=0)).max() < 1e-3
    assert np.abs(stereo).max() == pytest.approx(10 ** (-6 / 20))


def test_level_sets_the_rms() -> None:
    waveform = level(as_signal(np.sin(2 * np.pi * 100 * time_axis(1.0, 8000))), -20.0)
    assert np.sqrt(np.mean(np.square(waveform))) == pytest.approx(0.1)


def test_vocabulary_is_long_and_has_no_doubles() -> None:
    lines = [line.strip() for line in VOCABULARY.read_text(encoding="utf-8").splitlines()]
    phrases = [line for line in lines if line and not line.startswith("#")]
    assert len(phrases) >= 400
    assert [phrase for phrase, count in Counter(phrases).items() if count > 1] == []
    assert all(phrase == phrase.lower() and len(phrase.split()) <= 8 for phrase in phrases)


@pytest.mark.parametrize(("n_right", "code"), [(MIN_RIGHT - 1, 1), (MIN_RIGHT, 0)])
def test_the_demo_fails_with_too_few_right_answers(
    n_right: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two sounds, so that every one is among the first three: what counts as right decides alone."""
    dog, rain = by_name("animals/dog_small.wav"), by_name("weather/rain_heavy.flac")
    monkeypatch.setattr("clapsearch.demo.sounds.SOUNDS", (dog, rain))
    right, wrong = Question("a dog", frozenset({dog.kind})), Question("a dog", frozenset({"siren"}))
    monkeypatch.setattr("clapsearch.demo.questions.QUESTIONS", (*[right] * n_right, *[wrong] * (12 - n_right)))
    assert run(["demo"]) == code
    printed = capsys.readouterr()
    assert f"{n_right} of 12 questions have a right sound" in printed.out
    assert ("at least 9 should be" in printed.err) == (code == 1)
