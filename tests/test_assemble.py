"""An assembled recording holds its known sound where the manifest says, and nothing else gives it away."""

import csv
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from bench.assemble import MAX_PAUSE_S, RMS, Sound, decode_start, divide, draw, main
from signals import noise

from clapsearch.audio import load
from clapsearch.errors import AudioError
from clapsearch.evaluation.clips import Clip
from clapsearch.evaluation.manifest import read_manifest

SR = 8_000
FADES = slice(round(0.005 * SR), -round(0.05 * SR))
SHORT = ("--min-minutes", "0.05", "--max-minutes", "0.1", "--sr", str(SR))
LABELS = ("dog bark", "dog growl", "rain", "bell", "door", "saw", "whistle", "crow")


def make_sound(path: Path, duration_s: float, seed: int, level: float = 0.1) -> None:
    soundfile.write(path, noise(duration_s, seed=seed, sr=SR, level=level), SR, "PCM_16")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sounds of each of eight labels, of three loudnesses, each with two captions, a row for each."""
    folder = tmp_path_factory.mktemp("sounds")
    lines = ["path,caption,label,split,kind"]
    for i, label in enumerate(LABELS):
        for j in range(3):
            name = f"{label.replace(' ', '-')}{j}.wav"
            make_sound(folder / name, 0.6 + 0.2 * j, seed=3 * i + j, level=(0.5, 0.05, 0.01)[j])
            lines += [f"{name},{label} number {j},{label},dev,sfx", f"{name},also {label},{label},dev,sfx"]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def made(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight recordings of 3 to 6 s."""
    out = tmp_path_factory.mktemp("made")
    assert main([str(manifest), str(out), "--n", "8", *SHORT]) == 0
    return out


def known_clips(out: Path) -> list[Clip]:
    return read_manifest(out / "manifest.csv").clips


def region(out: Path, clip: Clip) -> np.ndarray:
    start, end = (round(float(clip.columns[name]) * SR) for name in ("start_s", "end_s"))
    return load(out / clip.path, sr=SR)[start:end]


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Return the cosine of two waveforms of one length."""
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def occurs(sound: np.ndarray, recording: np.ndarray) -> float:
    """Return the best cosine of the start of a sound, 0.1 s, over all places in a recording."""
    start = sound[FADES][: SR // 10]
    energies = np.convolve(recording**2, np.ones(len(start)), "valid").clip(1e-3)
    return float((np.correlate(recording, start, "valid") / np.sqrt(energies)).max() / np.linalg.norm(start))


def failure(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([*map(str, arguments)]) != 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


# --- what is in a recording ------------------------------------------------------------------------------------------


def test_the_known_sound_is_where_the_manifest_says(manifest: Path, made: Path) -> None:
    for clip in known_clips(made):
        source = load(manifest.parent / clip.columns["source"], sr=SR)
        found = region(made, clip)
        assert len(found) == len(source)
        assert likeness(found[FADES], source[FADES]) > 0.999


def test_recordings_are_mono_16_bit_of_a_length_within_the_limits(made: Path) -> None:
    infos = [soundfile.info(made / f"{number:03}.flac") for number in range(8)]
    assert {(info.channels, info.subtype, info.samplerate) for info in infos} == {(1, "PCM_16", SR)}
    durations_s = [info.duration for info in infos]
    assert min(durations_s) >= 3
    assert max(durations_s) <= 6
    assert max(durations_s) - min(durations_s) > 0.5


def test_limits_that_are_equal_are_kept_to_the_sample(manifest: Path, tmp_path: Path) -> None:
    main([str(manifest), str(tmp_path), "--n", "12", *SHORT, "--max-minutes", "0.05"])
    assert {soundfile.info(path).frames for path in tmp_path.glob("*.flac")} == {3 * SR}


def test_the_known_sound_may_start_anywhere(manifest: Path, tmp_path: Path) -> None:
    main([str(manifest), str(tmp_path), "--n", "12", *SHORT])
    shares = []
    for clip in known_clips(tmp_path):
        start_s, end_s = float(clip.columns["start_s"]), float(clip.columns["end_s"])
        shares.append(start_s / (soundfile.info(tmp_path / clip.path).duration - (end_s - start_s)))
    assert min(shares) < 0.3
    assert max(shares) > 0.7


def test_every_piece_has_one_loudness_whatever_its_source_had(made: Path) -> None:
    for clip in known_clips(made):
        recording, known = load(made / clip.path, sr=SR), region(made, clip)
        assert np.sqrt(np.mean(known**2)) == pytest.approx(RMS, rel=0.1)
        assert np.sqrt(np.mean(recording[recording != 0] ** 2)) == pytest.approx(RMS, rel=0.1)


def test_a_click_is_limited_not_clipped(manifest: Path, tmp_path: Path) -> None:
    click = np.zeros(SR, np.float32)
    click[SR // 2] = 0.5
    soundfile.write(tmp_path / "click.wav", click, SR, "PCM_16")
    make_sound(tmp_path / "hum.wav", 1.0, seed=1)
    (tmp_path / "m.csv").write_text("path,label\nclick.wav,click\nhum.wav,hum\n")
    assert main([str(tmp_path / "m.csv"), str(tmp_path / "out"), "--split", "", "--n", "1", *SHORT]) == 0
    assert np.abs(load(tmp_path / "out" / "000.flac", sr=SR)).max() == pytest.approx(10 ** (-1 / 20), abs=1e-3)


def test_no_silence_is_longer_than_a_pause_and_no_seam_clicks(made: Path) -> None:
    for clip in known_clips(made):
        recording = load(made / clip.path, sr=SR)
        sounding = np.flatnonzero(np.convolve(recording != 0, np.ones(32), "same"))
        gaps_s = np.diff(sounding, prepend=0, append=len(recording)) / SR
        assert 0 < gaps_s.max() <= MAX_PAUSE_S + 0.11
        starts = sounding[1:][np.diff(sounding) > 100]
        assert all(abs(recording[start : start + 24]).max() < RMS for start in starts)


def test_there_are_pauses_before_the_known_sound_as_between_all_others() -> None:
    known, filler = (Sound(Clip(name, (), (name,), {}), n * SR, 1.0) for name, n in (("known", 1), ("filler", 3)))

    pauses_s = []
    for seed in range(200):
        recording = draw(known, [filler], (60 * SR, 90 * SR), SR, random.Random(seed))
        i = recording.sounds.index(recording.known)
        if i > 0:
            before = recording.sounds[i - 1]
            pauses_s.append((recording.known.start - before.start - before.n_samples) / SR)
    assert 0.4 < np.mean(pauses_s) / MAX_PAUSE_S < 0.6


# --- which sounds ----------------------------------------------------------------------------------------------------


def test_no_filler_is_shorter_than_asked_for(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def n_fillers(least_s: float) -> int:
        out = tmp_path / str(least_s)
        assert main([str(manifest), str(out), "--n", "4", "--min-filler", str(least_s), *SHORT]) == 0
        return int(capsys.readouterr().out.partition("filler labels (")[2].split()[0])

    assert n_fillers(0.9) == n_fillers(0) / 3  # of 0.6, 0.8 and 1.0 s
    assert "a smaller --min-filler" in failure(capsys, manifest, tmp_path, "--n", 4, "--min-filler", 5, *SHORT)


def test_no_recording_holds_a_sound_with_the_label_of_a_known_one_but_its_own(manifest: Path, made: Path) -> None:
    clips = {clip.path: clip for clip in read_manifest(manifest).clips}
    known = known_clips(made)
    labels = {label for clip in known for label in clip.labels}
    assert 3 <= len(labels) < len(LABELS)
    sounds = {path: load(manifest.parent / path, sr=SR) for path in clips}
    fillers = set()
    for clip in known:
        recording = load(made / clip.path, sr=SR)
        for path in sounds.keys() - {clip.columns["source"]}:
            if occurs(sounds[path], recording) > 0.99:
                fillers.add(path)
        assert occurs(sounds[clip.columns["source"]], recording) > 0.99
    assert fillers
    assert not labels & {label for path in fillers for label in clips[path].labels}


@pytest.mark.parametrize("seed", range(6))
def test_labels_that_share_a_word_are_on_one_side(manifest: Path, tmp_path: Path, seed: int) -> None:
    main([str(manifest), str(tmp_path), "--n", "12", "--seed", str(seed), *SHORT])
    labels = Counter(label for clip in known_clips(tmp_path) for label in clip.labels)
    assert ("dog bark" in labels) == ("dog growl" in labels)


def test_labels_take_turns_and_every_known_sound_is_used_once(manifest: Path, tmp_path: Path) -> None:
    main([str(manifest), str(tmp_path), "--n", "12", *SHORT])
    known = known_clips(tmp_path)
    assert len({clip.columns["source"] for clip in known}) == 12
    assert [len({clip.labels for clip in known[start : start + 4]}) for start in (0, 4, 8)] == [4, 4, 4]


def test_captions_and_labels_come_along(made: Path, manifest: Path) -> None:
    clips = {clip.path: clip for clip in read_manifest(manifest).clips}
    for clip in known_clips(made):
        source = clips[clip.columns["source"]]
        assert (clip.captions, clip.labels) == (source.captions, source.labels)
    with (made / "manifest.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["path", "caption", "label", "start_s", "end_s", "source", "seed"]


def test_a_filler_shares_no_caption_with_a_known_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, name in enumerate("ab"):
        make_sound(tmp_path / f"{name}.wav", 1.0, seed)
    (tmp_path / "m.csv").write_text("path,label,caption\na.wav,crow,a call\nb.wav,gull,a call\n")
    error = failure(capsys, tmp_path / "m.csv", tmp_path / "out", "--split", "", "--n", "1", *SHORT)
    assert error.startswith("too few labels: 1 sound of 1 label can be the known one, none is left to fill with")


@pytest.mark.parametrize(("duration_s", "minutes"), [(31.0, "0.6"), (0.4, "0.1"), (3.5, "0.05")])
def test_a_sound_too_long_or_too_short_is_never_the_known_one(tmp_path: Path, duration_s: float, minutes: str) -> None:
    make_sound(tmp_path / "odd.wav", duration_s, seed=1)
    make_sound(tmp_path / "good.wav", 1.0, seed=2)
    (tmp_path / "m.csv").write_text("path,label\nodd.wav,sea\ngood.wav,cow\n")
    limits = ("--min-minutes", minutes, "--max-minutes", minutes, "--sr", str(SR))
    for seed in "0123":
        arguments = (str(tmp_path / "m.csv"), str(tmp_path / seed), "--split", "", "--n", "1", "--seed", seed)
        assert main([*arguments, *limits]) == 0
        assert [clip.columns["source"] for clip in known_clips(tmp_path / seed)] == ["good.wav"]


def test_of_a_long_sound_only_the_start_fills(tmp_path: Path) -> None:
    make_sound(tmp_path / "sea.wav", 31.0, seed=1)
    make_sound(tmp_path / "cow.wav", 1.0, seed=2)
    (tmp_path / "m.csv").write_text("path,label\nsea.wav,sea\ncow.wav,cow\n")
    minutes = ("--min-minutes", "1.4", "--max-minutes", "1.4", "--sr", str(SR))
    assert main([str(tmp_path / "m.csv"), str(tmp_path), "--split", "", "--n", "1", *minutes]) == 0
    sea, recording = load(tmp_path / "sea.wav", sr=SR), load(tmp_path / "000.flac", sr=SR)
    assert occurs(sea, recording) > 0.99
    assert occurs(sea[round(30.1 * SR) :], recording) < 0.9


def test_a_sound_with_labels_of_both_sides_is_on_neither() -> None:
    texts = [(a, b) for a in "abcdef" for b in "abcdef"]
    sounds = [Sound(Clip(a + b, labels=tuple(dict.fromkeys((a, b)))), SR, 1.0) for a, b in texts]
    known, fillers = divide(sounds, sounds, 0.5, random.Random(0))
    assert (len(known), len(fillers)) == (9, 9)
    assert {label for each in known for label in each.clip.labels}.isdisjoint(
        label for each in fillers for label in each.clip.labels
    )


@pytest.mark.parametrize("seed", range(4))
def test_fillers_come_again_only_after_all_were_there(seed: int) -> None:
    fillers = [Sound(Clip(f"{i}"), SR + 100 * i, 1.0) for i in range(10)]
    recording = draw(Sound(Clip("known"), SR, 1.0), fillers, (40 * SR, 40 * SR), SR, random.Random(seed))
    paths = [placed.sound.clip.path for placed in recording.sounds]
    assert paths.count("known") == 1
    paths.remove("known")
    assert len(paths) > 20
    assert len(set(paths[:10])) == len(set(paths[10:20])) == 10


# --- again -----------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(manifest: Path, made: Path, tmp_path: Path) -> None:
    for seed in "01":
        main([str(manifest), str(tmp_path / seed), "--n", "8", "--seed", seed, *SHORT])
    files = sorted(path.name for path in made.iterdir())
    assert files == [*(f"{number:03}.flac" for number in range(8)), "manifest.csv"]
    assert all((made / name).read_bytes() == (tmp_path / "0" / name).read_bytes() for name in files)
    assert not any((made / name).read_bytes() == (tmp_path / "1" / name).read_bytes() for name in files)


def test_a_run_goes_on_where_another_stopped(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(manifest), str(tmp_path), "--n", "3", *SHORT])
    (tmp_path / "001.flac").rename(tmp_path / "001.flac.part")
    (tmp_path / "manifest.csv").unlink()
    wanted = (tmp_path / "001.flac.part").read_bytes()
    before = (tmp_path / "000.flac").stat()
    capsys.readouterr()
    main([str(manifest), str(tmp_path), "--n", "4", *SHORT])
    assert "4 recordings of 0.01 h (2 new)" in capsys.readouterr().out
    assert (tmp_path / "000.flac").stat().st_mtime_ns == before.st_mtime_ns
    assert (tmp_path / "001.flac").read_bytes() == wanted
    assert len(known_clips(tmp_path)) == 4
    assert not list(tmp_path.glob("*.part"))


def test_recordings_of_another_seed_are_written_anew(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(manifest), str(tmp_path), "--n", "2", "--seed", "5", *SHORT])
    main([str(manifest), str(tmp_path), "--n", "2", "--seed", "6", *SHORT])
    assert capsys.readouterr().out.count("(2 new)") == 2


# --- what can go wrong -----------------------------------------------------------------------------------------------


def test_a_sound_that_does_not_decode_or_is_silent_is_left_out_and_counted(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    soundfile.write(tmp_path / "silent.wav", np.zeros(SR), SR)
    make_sound(tmp_path / "hiss.wav", 1.0, seed=0, level=3e-4)
    rows = [row for row in manifest.read_text().splitlines() if "also" not in row]
    rows = [rows[0], *(f"{manifest.parent}/{row}" for row in rows[1:])]
    rows += [f"{name}.wav,a dud,dud,dev,sfx" for name in ("broken", "silent", "hiss", "missing")]
    (tmp_path / "m.csv").write_text("\n".join(rows))
    assert main([str(tmp_path / "m.csv"), str(tmp_path / "out"), "--n", "1", *SHORT]) == 0
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert line.endswith("4 sounds left out (not decoded, or silent)\n")


def test_a_sound_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone\.wav: cannot be read: No such file or directory"):
        decode_start(tmp_path / "gone.wav", SR)


def test_too_few_sounds_are_counted(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = failure(capsys, manifest, tmp_path, "--n", "99", *SHORT)
    assert error.startswith("too few sounds: 12 sounds of 4 labels can be the known one, 99 are needed; give a smaller")
    assert not list(tmp_path.iterdir())


def test_a_failed_run_keeps_what_an_earlier_one_made(manifest: Path, tmp_path: Path) -> None:
    main([str(manifest), str(tmp_path), "--n", "1", *SHORT])
    assert main([str(manifest), str(tmp_path), "--n", "99", *SHORT]) == 2
    assert len(known_clips(tmp_path)) == 1


def test_an_output_that_cannot_be_written_is_named(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    error = failure(capsys, manifest, tmp_path / "file", "--n", "1", *SHORT)
    assert error == f"cannot write to {tmp_path / 'file'}: File exists; make room, or give another folder\n"


def test_a_full_disk_is_one_line(manifest: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    minutes = ("--min-minutes", "9", "--max-minutes", "9", "--sr", "16000")
    assert failure(capsys, manifest, small_disk, "--n", "1", *minutes).startswith(f"cannot write to {small_disk}: ")
    assert not list(small_disk.glob("*.flac"))
    assert not (small_disk / "manifest.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--where", "kind"], "--where kind is not COLUMN=VALUE,VALUE, such as kind=sfx,voice\n"),
        (["--where", "kind=ui"], "no sound is left with kind=ui; kind is one of sfx\n"),
        (["--split", "test"], "no sound is left with split=test; split is one of dev\n"),
        (["--audio", "nowhere"], "--audio nowhere is no folder\n"),
    ],
)
def test_a_choice_that_cannot_be_made_is_one_line(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], error: str
) -> None:
    assert failure(capsys, manifest, tmp_path, *arguments) == error


@pytest.mark.parametrize("limits", [("5", "2"), ("0", "2"), ("nan", "nan"), ("1", "1441")])
def test_minutes_out_of_bounds_are_refused(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], limits: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(manifest), str(tmp_path), "--min-minutes", limits[0], "--max-minutes", limits[1]])
    assert f"from {limits[0]} to {limits[1]} minutes: give 0.01 to 1440" in capsys.readouterr().err
