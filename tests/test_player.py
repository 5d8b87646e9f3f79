"""What reaches the loudspeaker is the stretch that was asked for; without one, a line says so."""

import contextlib
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from encoders import sixteen_bit, write
from signals import noise
from world import POSIX_ONLY

from clapsearch import player
from clapsearch.errors import AudioError, ClapsearchError
from clapsearch.player import open_in_desktop, output_device, play


class PortAudioError(Exception):
    """As sounddevice has it."""


class Speaker(SimpleNamespace):
    """A stand-in for sounddevice and the device below: it keeps what it is given to play."""

    def __init__(self, sr: int = 48_000, channels: int = 2) -> None:
        super().__init__(PortAudioError=PortAudioError, device={"default_samplerate": float(sr)}, fails=False)
        self.device["max_output_channels"] = channels
        self.plays: list[list[np.ndarray]] = []
        self.block_s = 0.0  # how long it takes to play a block
        self.stopped = False
        self.opened: list[tuple[int, int]] = []

    def query_devices(self, *, kind: str) -> dict[str, float]:
        assert kind == "output"
        if not self.device:
            raise PortAudioError("Error querying device -1")
        return self.device

    @contextlib.contextmanager
    def OutputStream(self, *, samplerate: int, channels: int, dtype: str):  # noqa: N802
        assert dtype == "float32"
        assert channels <= self.device["max_output_channels"]
        if self.fails:
            raise PortAudioError("Device unavailable\x1b [PaErrorCode -9985]")
        self.opened.append((samplerate, channels))
        self.plays.append([])
        yield SimpleNamespace(write=self._write, abort=self._abort)

    def _abort(self) -> None:
        self.stopped = True

    def _write(self, block: np.ndarray) -> None:
        assert block.dtype == np.float32
        assert block.flags.c_contiguous
        assert block.shape[1] == self.opened[-1][1]
        self.plays[-1].append(block)
        time.sleep(self.block_s)

    @property
    def heard(self) -> np.ndarray:
        """The last play, shape (n, channels)."""
        return np.concatenate(self.plays[-1])


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> Speaker:
    """A loudspeaker of 48 kHz, stereo."""
    there = Speaker()
    monkeypatch.setitem(sys.modules, "sounddevice", there)
    return there


STEREO = np.stack([noise(3, seed=1), noise(3, seed=2)], axis=1)


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, STEREO, 48_000, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("start_s", "end_s"), [(0.0, None), (0.0, 3.0), (1.234, 2.5), (2.9, None), (0.05, 0.07), (1, 9)]
)
def test_the_stretch_is_played_to_the_sample(
    speaker: Speaker, stereo: Path, start_s: float, end_s: float | None
) -> None:
    play(stereo, start_s, end_s)
    end = None if end_s is None else round(end_s * 48_000)
    assert np.array_equal(speaker.heard, STEREO[round(start_s * 48_000) : end])
    assert speaker.opened == [(48_000, 2)]


def test_what_comes_after_the_stretch_is_not_read(speaker: Speaker, tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, STEREO, 48_000)
    path.write_bytes(path.read_bytes()[:-20_000])
    play(path, 0.0, 1.0)
    assert len(speaker.heard) == 48_000
    with pytest.raises(AudioError, match=r"cut\.flac: "):
        play(path)


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "alac"), ("a.mka", "flac"), ("a.wv", "wavpack")])
def test_formats_beyond_libsndfile(speaker: Speaker, tmp_path: Path, name: str, codec: str) -> None:
    sound = sixteen_bit(STEREO)
    formats = {"alac": "s16p", "flac": "s16", "wavpack": "s16p"}
    play(write(tmp_path / name, sound, codec=codec, sample_format=formats[codec]), 0.5, 1.5)
    assert np.array_equal(speaker.heard, sound[24_000:72_000])


def test_another_rate_is_resampled(speaker: Speaker, tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(96_000) / 96_000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", tone, 96_000, subtype="FLOAT")
    play(tmp_path / "a.wav", 0.25, 0.75)
    assert speaker.opened == [(48_000, 1)]
    expected = np.sin(2 * np.pi * 440 * np.arange(12_000, 36_000) / 48_000)
    assert len(speaker.heard) == pytest.approx(24_000, abs=2)
    assert np.allclose(speaker.heard[500:23_500, 0], expected[500:23_500], atol=1e-3)


@pytest.mark.parametrize(("channels", "device_channels"), [(6, 2), (2, 1), (12, 8)])
def test_more_channels_than_a_headphone_has_are_mixed(speaker, tmp_path, channels: int, device_channels: int) -> None:
    sound = np.stack([noise(0.5, seed=seed) for seed in range(channels)], axis=1)
    soundfile.write(tmp_path / "a.wav", sound, 48_000, subtype="FLOAT")
    speaker.device["max_output_channels"] = device_channels
    play(tmp_path / "a.wav")
    assert np.allclose(speaker.heard[:, 0], sound.mean(axis=1), atol=1e-7)


def test_broken_samples_are_silence(speaker: Speaker, tmp_path: Path) -> None:
    sound = noise(0.5)
    sound[1000:1010], sound[2000] = np.nan, np.inf
    soundfile.write(tmp_path / "a.wav", sound, 48_000, subtype="FLOAT")
    play(tmp_path / "a.wav")
    assert np.isfinite(speaker.heard).all()
    assert (speaker.heard[1000:1010] == 0).all()


def test_it_stops_when_asked(speaker: Speaker, stereo: Path) -> None:
    play(stereo, should_stop=lambda: len(speaker.plays[-1]) >= 5)
    assert len(speaker.heard) == 5 * 4800
    assert speaker.stopped


def test_a_file_that_is_no_sound_is_named(speaker: Speaker, tmp_path: Path) -> None:
    odd = tmp_path / "a\x1b.wav"
    odd.write_text("text")
    for path, said in [(odd, r"a\\x1b\.wav: not a sound file"), (tmp_path / "gone.wav", r"gone\.wav: .*No such file")]:
        with pytest.raises(AudioError, match=said):
            play(path)
    assert speaker.plays == []


def test_no_device_is_one_line(speaker: Speaker, stereo: Path) -> None:
    speaker.device = {}
    for ask in (output_device, lambda: play(stereo)):
        with pytest.raises(ClapsearchError, match=r"no audio device to play on; .* clapsearch open"):
            ask()


def test_a_device_that_fails_is_one_line(speaker: Speaker, stereo: Path) -> None:
    speaker.fails = True
    with pytest.raises(
        ClapsearchError, match=r"the audio device fails \(Device unavailable\\x1b \[PaErrorCode -9985\]\)"
    ):
        play(stereo)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, stereo: Path) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ClapsearchError, match=r"pip install 'clapsearch\[play\]'"):
        play(stereo)


def test_without_portaudio_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stereo: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ClapsearchError, match="PortAudio is missing; on Debian, apt install libportaudio2"):
        play(stereo)


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for programs, the only one that is searched."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


OPENER = "open" if sys.platform == "darwin" else "xdg-open"


@POSIX_ONLY
@pytest.mark.parametrize("name", [b"rain.wav", b"-x 'a' $(b)\n.wav", b"\xff.wav"])
def test_the_desktop_opens_the_file(desktop: Path, tmp_path: Path, name: bytes, monkeypatch) -> None:
    program(desktop / OPENER, f'printf "%s" "$*" > {tmp_path}/opened')
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"sound")
    monkeypatch.chdir(tmp_path)
    open_in_desktop(os.fsdecode(name))
    assert (tmp_path / "opened").read_bytes() == os.fsencode(path)


@POSIX_ONLY
def test_an_opener_that_goes_on_is_not_waited_for(desktop: Path, stereo: Path, monkeypatch) -> None:
    program(desktop / OPENER, "exec /bin/sleep 2")
    monkeypatch.setattr(player, "_OPENER_WAIT_S", 0.05)
    open_in_desktop(stereo)


@POSIX_ONLY
def test_where_nothing_opens_it_a_line_says_so(desktop: Path, stereo: Path) -> None:
    with pytest.raises(ClapsearchError, match=rf"stereo\.wav: no desktop .*{OPENER} is missing.*clapsearch play"):
        open_in_desktop(stereo)
    program(desktop / OPENER, "exit 3")
    with pytest.raises(ClapsearchError, match=rf"{OPENER} could not open it \(exit 3\)"):
        open_in_desktop(stereo)
    with pytest.raises(ClapsearchError, match="the file is gone"):
        open_in_desktop(stereo.with_name("gone.wav"))
