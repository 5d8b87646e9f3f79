"""Extraction: the very samples of the decoded source, and one line for everything that cannot be."""

import os
from pathlib import Path

import encoders
import numpy as np
import pytest
import soundfile
from signals import noise

from clapsearch import extract as module
from clapsearch.errors import AudioError, ClapsearchError, UnreadableError, UsageError
from clapsearch.extract import extract
from clapsearch.media import Media

SR = 44_100
# Container, encoding, numpy's type to compare in, and what the WAV is to be.
FORMATS = [
    ("WAV", "PCM_U8", "int16", "PCM_U8"),
    ("WAV", "PCM_16", "int32", "PCM_16"),
    ("WAV", "PCM_24", "int32", "PCM_24"),
    ("WAV", "PCM_32", "int32", "PCM_32"),
    ("WAV", "FLOAT", "float32", "FLOAT"),
    ("WAV", "DOUBLE", "float64", "DOUBLE"),
    ("WAV", "ULAW", "float32", "FLOAT"),
    ("WAV", "IMA_ADPCM", "float32", "FLOAT"),
    ("RF64", "PCM_24", "int32", "PCM_24"),
    ("W64", "PCM_16", "int32", "PCM_16"),
    ("AIFF", "PCM_S8", "int16", "PCM_U8"),
    ("AIFF", "PCM_24", "int32", "PCM_24"),
    ("FLAC", "PCM_16", "int32", "PCM_16"),
    ("FLAC", "PCM_24", "int32", "PCM_24"),
    ("CAF", "ALAC_24", "int32", "PCM_24"),
    ("OGG", "VORBIS", "float32", "FLOAT"),
    ("OGG", "OPUS", "float32", "FLOAT"),
    ("MP3", "MPEG_LAYER_III", "float32", "FLOAT"),
]
STRETCHES = [(0.0, 0.5), (0.123, 1.87), (1.5, 2.2), (2.0, 2.0 + 1 / SR)]


@pytest.fixture(scope="session")
def music() -> np.ndarray:
    """2.5 s in two channels, some of it beyond full scale where the encoding can hold that."""
    return np.stack([noise(2.5, seed=1, sr=SR), noise(2.5, seed=2, sr=SR)], axis=1).astype(np.float64) * 4


@pytest.fixture
def write(tmp_path: Path, music: np.ndarray):
    def write(container: str, encoding: str) -> Path:
        sr = 48_000 if encoding == "OPUS" else SR
        path = tmp_path / f"source.{container.lower()}"
        soundfile.write(path, music, sr, format=container, subtype=encoding)
        return path

    return write


def read(path: Path, dtype: str) -> np.ndarray:
    return soundfile.read(path, dtype=dtype, always_2d=True)[0]


@pytest.mark.parametrize(("container", "encoding", "dtype", "wav"), FORMATS)
def test_samples_are_those_of_the_decoded_source(tmp_path, write, monkeypatch, container, encoding, dtype, wav):
    monkeypatch.setattr(module, "BLOCK_SAMPLES", 5_000)
    source, out = write(container, encoding), tmp_path / "out.wav"
    whole, sr = read(source, dtype), soundfile.info(source).samplerate
    for start_s, end_s in STRETCHES:
        cut = extract(source, start_s, end_s, out, force=True)
        first, end = round(start_s * sr), round(end_s * sr)
        np.testing.assert_array_equal(read(out, dtype), whole[first:end])
        assert (cut.sr, cut.channels, cut.encoding) == (sr, 2, wav)
        assert soundfile.info(out).subtype == wav
        assert (cut.start_s, cut.end_s) == (first / sr, end / sr)
    assert sorted(os.listdir(tmp_path)) == sorted([source.name, "out.wav"])


@pytest.mark.parametrize(("suffix", "codec"), [("m4a", "aac"), ("m4a", "alac"), ("mka", "flac"), ("aac", "aac")])
def test_what_ffmpeg_decodes(tmp_path, music, codec, suffix):
    source, out = tmp_path / f"source.{suffix}", tmp_path / "out.wav"
    encoders.write(source, music.astype(np.float32) / 4, SR, codec=codec)
    sound = Media(source)
    whole = np.concatenate([block.copy() for block in sound.blocks(1000)])
    sound.close()
    for start_s, end_s in [(0.0, 0.5), (0.3, 2.1)]:
        cut = extract(source, start_s, end_s, out, force=True)
        np.testing.assert_array_equal(read(out, "float32"), whole[round(start_s * SR) : round(end_s * SR)])
        assert cut.encoding == "FLOAT"
    with pytest.raises(AudioError, match=rf"it lasts {len(whole) / SR:.3f} s, and 1\.000 to 60\.000 s was to be cut"):
        extract(source, 1, 60, out, force=True)
    assert sorted(os.listdir(tmp_path)) == sorted([source.name, "out.wav"])


def test_twelve_channels(tmp_path):
    waveform = np.random.default_rng(0).integers(-(2**31), 2**31, (4800, 12), dtype=np.int32)
    soundfile.write(tmp_path / "many.wav", waveform, 96_000, subtype="PCM_32")
    extract(tmp_path / "many.wav", 0.01, 0.04, tmp_path / "out.wav")
    np.testing.assert_array_equal(read(tmp_path / "out.wav", "int32"), waveform[960:3840])


def test_floats_beyond_full_scale_and_silence_stay(tmp_path):
    waveform = np.array([0, 3.5, -1e-30, np.inf, -2, 0, 0, 1], np.float32)
    soundfile.write(tmp_path / "hot.wav", waveform, 1000, subtype="FLOAT")
    extract(tmp_path / "hot.wav", 0.001, 0.006, tmp_path / "out.wav")
    np.testing.assert_array_equal(read(tmp_path / "out.wav", "float32")[:, 0], waveform[1:6])


def test_a_wav_whose_sizes_were_never_filled_in(tmp_path, write):
    source = write("WAV", "PCM_16")
    whole, raw = read(source, "int16"), bytearray(source.read_bytes())
    raw[4:8] = raw[40:44] = bytes(4)
    source.write_bytes(raw)
    extract(source, 0.5, 1.0, tmp_path / "out.wav")
    np.testing.assert_array_equal(read(tmp_path / "out.wav", "int16"), whole[round(0.5 * SR) : SR])


def test_more_than_a_wav_can_hold_is_rf64(tmp_path, write, monkeypatch):
    source = write("WAV", "PCM_24")
    n_bytes = SR * 2 * 3
    monkeypatch.setattr(module, "MAX_WAV_BYTES", n_bytes)
    extract(source, 0, 1, tmp_path / "fits.wav")
    monkeypatch.setattr(module, "MAX_WAV_BYTES", n_bytes - 1)
    extract(source, 0, 1, tmp_path / "long.wav")
    assert [(tmp_path / name).read_bytes()[:4] for name in ("fits.wav", "long.wav")] == [b"RIFF", b"RF64"]
    np.testing.assert_array_equal(read(tmp_path / "long.wav", "int32"), read(source, "int32")[:SR])


def test_an_end_rounded_up_to_the_millisecond_is_that_of_the_file(tmp_path):
    soundfile.write(tmp_path / "odd.wav", noise(1.2344, sr=SR), SR)
    n = soundfile.info(tmp_path / "odd.wav").frames
    extract(tmp_path / "odd.wav", 1, 1.235, tmp_path / "out.wav")
    assert soundfile.info(tmp_path / "out.wav").frames == n - SR


@pytest.mark.parametrize(("container", "encoding"), [("WAV", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
@pytest.mark.parametrize(("start_s", "end_s"), [(1, 2.6), (2.4, 9), (30, 40)])
def test_outside_the_file(tmp_path, write, container, encoding, start_s, end_s):
    source = write(container, encoding)
    n = len(read(source, "float32"))
    with pytest.raises(AudioError) as caught:
        extract(source, start_s, end_s, tmp_path / "out.wav")
    line = str(caught.value)
    assert f"{source}: it lasts {n / SR:.3f} s" in line
    assert "\n" not in line
    assert os.listdir(tmp_path) == [source.name]


@pytest.mark.parametrize(
    ("start_s", "end_s"), [(-1, 1), (1, 1), (2, 1), (float("nan"), 1), (0, float("inf")), (0, 1e-6)]
)
def test_no_stretch_of_time(tmp_path, write, start_s, end_s):
    source = write("WAV", "PCM_16")
    with pytest.raises(UsageError, match=r"^(.*: )?from "):
        extract(source, start_s, end_s, tmp_path / "out.wav")
    assert os.listdir(tmp_path) == [source.name]


def test_a_file_that_is_there_stays_unless_forced(tmp_path, write):
    source, out = write("WAV", "PCM_16"), tmp_path / "out.wav"
    out.write_bytes(b"mine")
    with pytest.raises(ClapsearchError, match=r"out\.wav is there already.*--force"):
        extract(source, 0, 1, out)
    assert out.read_bytes() == b"mine"
    extract(source, 0, 1, out, force=True)
    assert soundfile.info(out).frames == SR


def test_a_file_that_comes_meanwhile_stays(tmp_path, write, monkeypatch):
    source, out = write("WAV", "PCM_16"), tmp_path / "out.wav"
    publish = module._publish

    def late(draft, target, *, force):
        target.write_bytes(b"theirs")
        publish(draft, target, force=force)

    monkeypatch.setattr(module, "_publish", late)
    with pytest.raises(ClapsearchError, match="is there already"):
        extract(source, 0, 1, out)
    assert out.read_bytes() == b"theirs"
    assert sorted(os.listdir(tmp_path)) == ["out.wav", source.name]


def test_the_source_is_never_its_own_extract(tmp_path, write):
    source = write("WAV", "PCM_16")
    before = source.read_bytes()
    (tmp_path / "link.wav").symlink_to(source)
    for out in (source, tmp_path / "link.wav"):
        with pytest.raises(UsageError, match="it is the file to cut from"):
            extract(source, 0, 1, out, force=True)
    assert source.read_bytes() == before


def test_places_that_cannot_be(tmp_path, write):
    source = write("WAV", "PCM_16")
    (tmp_path / "folder.wav").mkdir()
    for out, said in [("x.mp3", "ends in .wav"), ("folder.wav", "it is a folder"), ("no/x.wav", "no such folder")]:
        with pytest.raises(ClapsearchError, match=said):
            extract(source, 0, 1, tmp_path / out, force=True)


def test_a_source_that_is_no_sound(tmp_path):
    (tmp_path / "text.wav").write_bytes(b"no sound at all\n" * 100)
    with pytest.raises(AudioError, match=r"text\.wav: not a sound file"):
        extract(tmp_path / "text.wav", 0, 1, tmp_path / "out.wav")
    with pytest.raises(UnreadableError, match=r"gone\.wav: cannot be read"):
        extract(tmp_path / "gone.wav", 0, 1, tmp_path / "out.wav")


@pytest.mark.skipif(os.name == "nt", reason="POSIX names")
def test_a_name_that_is_no_valid_text(tmp_path, write):
    folder = os.fsencode(tmp_path)
    os.rename(write("WAV", "PCM_16"), os.path.join(folder, b"r\xe9\n.wav"))
    extract(os.fsdecode(os.path.join(folder, b"r\xe9\n.wav")), 0, 1, os.fsdecode(os.path.join(folder, b"\xe9.wav")))
    assert sorted(os.listdir(folder)) == [b"r\xe9\n.wav", b"\xe9.wav"]
    with pytest.raises(AudioError, match=r"r\\xe9\\n\.wav: it lasts"):
        extract(os.fsdecode(os.path.join(folder, b"r\xe9\n.wav")), 0, 9, tmp_path / "out.wav")


def test_a_full_disk(tmp_path, small_disk):
    soundfile.write(tmp_path / "long.wav", noise(60, sr=48_000), 48_000, subtype="PCM_16")
    with pytest.raises(ClapsearchError, match=r"cannot write .*out\.wav \(.*\); make room there") as caught:
        extract(tmp_path / "long.wav", 0, 60, small_disk / "out.wav")
    assert "\n" not in str(caught.value)
    assert os.listdir(small_disk) == []
    extract(tmp_path / "long.wav", 0, 20, small_disk / "out.wav")
