"""Every format, rate and channel count becomes the same mono waveform, and every bad file one clear error."""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from encoders import cut, patched, snr_db
from signals import noise

from clapsearch.audio import BLOCK_SAMPLES, AudioInfo, decode, load, probe
from clapsearch.errors import AudioError, UnreadableError

LOSSLESS = [
    ("WAV", "PCM_U8", 2**-7),
    ("WAV", "PCM_16", 2**-15),
    ("WAV", "PCM_24", 2**-23),
    ("WAV", "PCM_32", 1e-6),
    ("WAV", "FLOAT", 0),
    ("WAV", "DOUBLE", 0),
    ("WAVEX", "PCM_24", 2**-23),
    ("WAVEX", "FLOAT", 0),
    ("RF64", "PCM_16", 2**-15),
    ("W64", "PCM_24", 2**-23),
    ("AIFF", "PCM_S8", 2**-7),
    ("AIFF", "PCM_24", 2**-23),
    ("AIFF", "FLOAT", 0),
    ("CAF", "PCM_16", 2**-15),
    ("CAF", "ALAC_24", 2**-23),
    ("FLAC", "PCM_16", 2**-15),
    ("FLAC", "PCM_24", 2**-23),
    ("AU", "PCM_16", 2**-15),
]
LOSSY = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("WAV", "ULAW"), ("WAV", "IMA_ADPCM")]


def write(path: Path, waveform: np.ndarray, sr: int = 48_000, *, kind: str = "WAV", subtype: str = "FLOAT") -> Path:
    with soundfile.SoundFile(path, "w", sr, 1 if waveform.ndim == 1 else waveform.shape[1], subtype, None, kind) as to:
        for start in range(0, len(waveform), sr):  # in one piece, the Vorbis encoder overflows its stack
            to.write(waveform[start : start + sr])
    return path


def tones(duration_s: float, sr: int, *freqs_hz: float) -> np.ndarray:
    time_s = np.arange(round(duration_s * sr)) / sr
    return sum(0.2 * np.sin(2 * np.pi * freq_hz * time_s) for freq_hz in freqs_hz).astype(np.float32)


# --- what is decoded -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "subtype", "step"), LOSSLESS)
def test_lossless_formats_come_back_within_one_step(tmp_path: Path, kind: str, subtype: str, step: float) -> None:
    stereo = np.stack([noise(0.5, seed=1), noise(0.5, seed=2)], axis=1)
    path = write(tmp_path / "sound", stereo, kind=kind, subtype=subtype)
    assert probe(path) == AudioInfo(24_000, 48_000, 2, f"{kind}/{subtype}")
    assert np.abs(load(path) - stereo.mean(axis=1)).max() <= step + 1e-7


@pytest.mark.parametrize(("kind", "subtype"), LOSSY)
def test_lossy_formats_come_back_in_time_and_in_level(tmp_path: Path, kind: str, subtype: str) -> None:
    wanted = tones(1.0, 48_000, 440, 1000)
    path = write(tmp_path / "sound", wanted, kind=kind, subtype=subtype)
    info, found = decode(path, lambda blocks: np.concatenate(list(blocks)))
    assert (info.sr, info.channels, info.format) == (48_000, 1, f"{kind}/{subtype}")
    assert info.n_samples == len(found) == pytest.approx(48_000, abs=1200)
    assert snr_db(found[1000:47_000], wanted[1000:47_000]) > 20


@pytest.mark.parametrize("name", ["sound.mp3", "sound.flac", "sound", "sound.txt", "sound.raw.wav"])
def test_the_content_counts_not_the_name(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, noise(0.1), kind="AIFF", subtype="PCM_16")
    assert probe(path).format == "AIFF/PCM_16"


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.wav"
    shutil.move(write(tmp_path / "a.wav", noise(0.1)), name)
    assert probe(os.fsdecode(name)).n_samples == 4800
    assert np.array_equal(load(os.fsdecode(name)), noise(0.1))


def test_info_of_a_decode_tells_what_was_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(0.5, sr=44_100), 44_100)
    info, _ = decode(path, list)
    assert info == probe(path) == AudioInfo(22_050, 44_100, 1, "WAV/FLOAT")
    assert info.duration_s == 0.5


def test_one_millisecond_is_enough(tmp_path: Path) -> None:
    assert len(load(write(tmp_path / "a.wav", noise(0.001, sr=8_000), 8_000))) == 48


# --- sample rates ----------------------------------------------------------------------------------------------------

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000]


@pytest.mark.parametrize("sr", RATES)
def test_streamed_resampling_equals_resampling_at_once(tmp_path: Path, sr: int) -> None:
    waveform = noise((2 * BLOCK_SAMPLES + 1234) / sr, seed=sr % 97, sr=sr, level=0.5)
    path = write(tmp_path / "a.wav", waveform, sr)
    assert np.array_equal(load(path), soxr.resample(waveform, sr, 48_000, quality="HQ"))


@pytest.mark.parametrize("sr", RATES)
def test_a_tone_stays_that_tone(tmp_path: Path, sr: int) -> None:
    found = load(write(tmp_path / "a.wav", tones(1.0, sr, 997, 2503), sr))
    assert len(found) == 48_000
    middle = slice(2400, -2400)
    assert np.abs(found - tones(1.0, 48_000, 997, 2503))[middle].max() < 2e-5


@pytest.mark.parametrize("sr", [96_000, 192_000])
def test_what_48_khz_cannot_hold_is_filtered_not_folded(tmp_path: Path, sr: int) -> None:
    found = load(write(tmp_path / "a.wav", tones(1.0, sr, 30_000), sr))
    assert np.abs(found[2400:-2400]).max() < 1e-4


def test_another_target_rate(tmp_path: Path) -> None:
    waveform = noise(1.0, sr=44_100)
    path = write(tmp_path / "a.wav", waveform, 44_100)
    assert np.array_equal(load(path, sr=16_000), soxr.resample(waveform, 44_100, 16_000, quality="HQ"))
    assert np.array_equal(load(path, sr=44_100), waveform)


# --- channels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", range(1, 13))
def test_channels_are_averaged_before_resampling(tmp_path: Path, channels: int) -> None:
    sound = np.stack([noise(1.0, seed=seed, sr=44_100) for seed in range(channels)], axis=1)
    path = write(tmp_path / "a.wav", sound, 44_100)
    assert probe(path).channels == channels
    mean = sound.mean(axis=1)
    assert np.allclose(load(path), soxr.resample(mean, 44_100, 48_000, quality="HQ"), atol=1e-6)


def test_out_of_phase_stereo_gives_its_louder_channel(tmp_path: Path) -> None:
    left = noise(0.5, level=0.5)
    path = write(tmp_path / "a.wav", np.stack([left, -1.01 * left], axis=1))
    assert np.array_equal(load(path), np.float32(-1.01) * left)


def test_one_live_channel_of_twelve_is_taken(tmp_path: Path) -> None:
    sound = np.zeros((24_000, 12), np.float32)
    sound[:, 7] = noise(0.5)
    assert np.array_equal(load(write(tmp_path / "a.wav", sound)), sound[:, 7])


def test_one_live_channel_of_four_is_still_averaged(tmp_path: Path) -> None:
    sound = np.zeros((24_000, 4), np.float32)
    sound[:, 1] = noise(0.5)
    assert np.array_equal(load(write(tmp_path / "a.wav", sound)), sound[:, 1] / 4)


def test_the_limit_of_cancelling_is_20_db(tmp_path: Path) -> None:
    left = noise(0.5, level=0.5)
    above = np.stack([left, -0.79 * left], axis=1)  # mean 19.6 dB under the left channel
    below = np.stack([left, -0.81 * left], axis=1)  # 20.4 dB
    assert np.allclose(load(write(tmp_path / "a.wav", above)), 0.105 * left, atol=1e-6)
    assert np.array_equal(load(write(tmp_path / "b.wav", below)), left)


def test_cancelling_is_judged_over_the_whole_file(tmp_path: Path) -> None:
    n = BLOCK_SAMPLES  # two blocks of stereo
    left = noise(n / 48_000, level=0.5)
    right = np.where(np.arange(n) < n // 2, -left, left)
    assert np.allclose(load(write(tmp_path / "a.wav", np.stack([left, right], axis=1))), (left + right) / 2)


def test_a_second_pass_only_where_channels_cancel(tmp_path: Path) -> None:
    left = noise(0.5)
    calls = []

    def consume(blocks: Iterator[np.ndarray]) -> int:
        calls.append(sum(len(block) for block in blocks))
        return len(calls)

    decode(write(tmp_path / "a.wav", np.stack([left, left], axis=1)), consume)
    assert calls == [24_000]
    info, result = decode(write(tmp_path / "b.wav", np.stack([left, -left], axis=1)), consume)
    assert (calls, result, info.n_samples) == ([24_000] * 3, 3, 24_000)


def test_silence_in_many_channels_is_silence(tmp_path: Path) -> None:
    assert not load(write(tmp_path / "a.wav", np.zeros((4800, 6), np.float32))).any()


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "sr"), [(1, 48_000), (2, 96_000), (12, 48_000)])
def test_blocks_are_bounded_and_memory_is_flat(tmp_path: Path, channels: int, sr: int) -> None:
    path = tmp_path / "a.wav"
    with soundfile.SoundFile(path, "w", sr, channels, "PCM_16") as to:
        for seed in range(8):
            to.write(np.repeat(noise(5, seed=seed, sr=sr)[:, None], channels, axis=1))
    beats: list[int] = []
    tracemalloc.start()
    _, longest = decode(path, lambda blocks: max(len(block) for block in blocks), on_block=lambda: beats.append(1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert longest <= 1.01 * BLOCK_SAMPLES // channels
    assert len(beats) == -(-40 * sr // (BLOCK_SAMPLES // channels))
    assert peak < 6 * 4 * BLOCK_SAMPLES  # 6 MB, where the waveform has 7.7 to 92 MB


# --- bad files -------------------------------------------------------------------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="cannot be read: No such file"):
        probe(tmp_path / "a.wav")


def test_zero_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    with pytest.raises(AudioError, match="empty file"):
        probe(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "a.ogg", "a.aiff", "a.opus", "a.caf", "a"])
@pytest.mark.parametrize(
    "content", [b"To whom it may concern. " * 99, bytes(9000), b"\xff\xfb"], ids=["text", "zeros", "sync"]
)
def test_no_sound(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioError, match="not a sound file that can be decoded") as caught:
        probe(tmp_path / name)
    assert "exist" not in str(caught.value)
    assert not isinstance(caught.value, UnreadableError)


def test_raw_samples_have_no_header_to_go_by(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(9000))
    with pytest.raises(AudioError, match="raw samples without a header; convert"):
        probe(tmp_path / "a.raw")


def test_folders_and_pipes_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path, tmp_path / "pipe.wav"):
        with pytest.raises(AudioError, match="not a regular file"):
            probe(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become someone else")
def test_file_of_somebody_else() -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    path = write(folder / "a.wav", noise(0.1))
    try:
        path.chmod(0o644)
        os.seteuid(65534)
        assert probe(path).n_samples == 4800
        os.seteuid(0)
        path.chmod(0o600)
        os.seteuid(65534)
        with pytest.raises(UnreadableError, match="cannot be read: Permission denied"):
            probe(path)
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "AIFF", "W64", "AU", "FLAC"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_file_cut_short_says_so(tmp_path: Path, kind: str, subtype: str, share: float) -> None:
    path = cut(write(tmp_path / "a", noise(1.0), kind=kind, subtype=subtype), share)
    with pytest.raises(AudioError, match=r"truncated.*\d"):
        load(path)


def test_a_flac_cut_between_two_frames_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", noise(1.0), kind="FLAC", subtype="PCM_16")
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\xff\xf8")])  # the sync code of the last frame
    with pytest.raises(AudioError, match=r"truncated: the header promises 1\.00 s, the file holds 0\.94 s"):
        load(path)


def test_a_long_flac_damaged_in_the_middle_says_where(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", noise(20), kind="FLAC", subtype="PCM_16")
    middle = path.stat().st_size // 2
    content = bytearray(path.read_bytes())
    content[middle : middle + 20_000] = bytes(20_000)
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"damaged or truncated: decoding fails after 5\.46 s"):
        load(path)


def test_a_last_percent_may_be_missing(tmp_path: Path) -> None:
    info, found = decode(cut(write(tmp_path / "a.wav", noise(1.0)), 0.995), lambda blocks: sum(map(len, blocks)))
    assert info.n_samples == found == pytest.approx(47_760, abs=20)


@pytest.mark.parametrize(("kind", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")])
def test_streams_are_taken_as_far_as_they_go(tmp_path: Path, kind: str, subtype: str) -> None:
    info, _ = decode(cut(write(tmp_path / "a", noise(10), kind=kind, subtype=subtype), 0.5), list)
    assert 3 < info.duration_s < 7


# ffmpeg, arecord, SoX and espeak, mpg123, recorders that died: none of them could seek back to fill in the size.
@pytest.mark.parametrize("size", [0xFFFFFFFF, 0, 0x7FFFFFFF, 0x80000000, 0x7FFFF000, 0xFFFFFFFF - 36])
@pytest.mark.parametrize("riff", [None, 0, 36, 0xFFFFFFFF])
def test_a_streamed_wav_is_whole(tmp_path: Path, size: int, riff: int | None) -> None:
    path = write(tmp_path / "a.wav", noise(1.0), subtype="PCM_16")
    wanted = load(path)
    patched(path, b"data", 4, struct.pack("<I", size))
    patched(path, b"RIFF", 4, struct.pack("<I", (size + 36) & 0xFFFFFFFF if riff is None else riff))
    assert probe(path).n_samples == 48_000
    assert np.array_equal(load(path), wanted)


def test_a_wav_without_samples_is_not_taken_for_a_streamed_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.zeros(0, np.float32), subtype="PCM_16")
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 4000) + bytes(4000))
    patched(path, b"RIFF", 4, struct.pack("<I", path.stat().st_size - 8))
    with pytest.raises(AudioError, match="too short: 0 samples"):
        load(path)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0, 0x7FFFFFFF])
def test_a_streamed_aiff_or_au_is_whole(tmp_path: Path, size: int) -> None:
    aiff = write(tmp_path / "a.aiff", noise(1.0), kind="AIFF", subtype="PCM_16")
    assert len(load(patched(aiff, b"SSND", 4, struct.pack(">I", size)))) == 48_000
    au = write(tmp_path / "a.au", noise(1.0), kind="AU", subtype="PCM_16")
    assert len(load(patched(au, b".snd", 8, b"\xff" * 4))) == 48_000


def test_a_streamed_flac_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", noise(8.0), kind="FLAC", subtype="PCM_16")
    wanted = load(path)
    total = 8 + 13  # 36 bits after marker, block header and 13 bytes of STREAMINFO and a half
    patched(path, b"fLaC", total, bytes([path.read_bytes()[total] & 0xF0, 0, 0, 0, 0]))
    assert soundfile.info(path).frames > 10**18
    assert probe(path).n_samples == 0
    info, found = decode(path, lambda blocks: np.concatenate(list(blocks)))
    assert info.n_samples == 8 * 48_000
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_nan_and_infinite_samples_are_named_by_time(tmp_path: Path, value: float, subtype: str) -> None:
    sound = np.stack([noise(10), noise(10, seed=1)], axis=1)
    sound[round(7.25 * 48_000), 1] = value  # in the third block
    path = write(tmp_path / "a.wav", sound, subtype=subtype)
    assert probe(path).channels == 2
    with pytest.raises(AudioError, match=r"NaN or infinite sample at 7\.250 s"):
        load(path)


@pytest.mark.parametrize("n_samples", [0, 1, 47])
def test_less_than_a_millisecond_is_too_short(tmp_path: Path, n_samples: int) -> None:
    with pytest.raises(AudioError, match=f"too short: {n_samples} samples at 48000 Hz"):
        load(write(tmp_path / "a.wav", noise(1)[:n_samples]))


def test_longer_than_a_day(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.zeros(10, np.float32), 1000, subtype="PCM_U8")
    n_samples = 25 * 3600 * 1000
    patched(path, b"data", 4, struct.pack("<I", n_samples))
    os.truncate(path, 44 + n_samples)  # sparse
    with pytest.raises(AudioError, match="longer than the limit of 24 h; split"):
        decode(path, lambda blocks: sum(map(len, blocks)), sr=1000)


@pytest.mark.parametrize("sr", [0, 1, 999, 1_536_001, 0x7FFFFFFF])
def test_sample_rates_nobody_uses(tmp_path: Path, sr: int) -> None:
    path = patched(write(tmp_path / "a.wav", noise(0.1)), b"fmt ", 12, struct.pack("<I", sr))
    with pytest.raises(AudioError, match=r"sample rate of|not a sound file"):
        load(path)


@pytest.mark.parametrize("channels", [0, 0xFFFF])
def test_channel_counts_nobody_uses(tmp_path: Path, channels: int) -> None:
    with pytest.raises(AudioError):
        load(patched(write(tmp_path / "a.wav", noise(0.1)), b"fmt ", 10, struct.pack("<H", channels)))


_DECODE_WITH_LITTLE_MEMORY = """
import resource, sys, time
from clapsearch.audio import AudioError, load
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
for path in sys.argv[1:]:
    started = time.monotonic()
    try:
        load(path)
        print("decoded")
    except AudioError as error:
        print(f"{time.monotonic() - started:.0f} {error}")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory through /proc")
def test_a_header_that_declares_10_to_the_12_samples_fails_at_once_in_little_memory(tmp_path: Path) -> None:
    huge = struct.pack("<q", 2 * 10**12)
    rf64 = write(tmp_path / "a.rf64", noise(0.1), kind="RF64", subtype="PCM_16")
    patched(rf64, b"ds64", 8, huge + huge + struct.pack("<q", 10**12))
    w64 = write(tmp_path / "a.w64", noise(0.1), kind="W64", subtype="PCM_16")
    patched(patched(w64, b"riff", 16, huge), b"data", 16, huge)
    caf = write(tmp_path / "a.caf", noise(0.1), kind="CAF", subtype="PCM_16")
    patched(caf, b"data", 4, huge[::-1])
    flac = write(tmp_path / "a.flac", noise(0.1), kind="FLAC", subtype="PCM_16")
    patched(flac, b"fLaC", 22, b"\xff" * 4)
    files = [str(path) for path in (rf64, w64, caf, flac)]
    run = subprocess.run(
        [sys.executable, "-c", _DECODE_WITH_LITTLE_MEMORY, *files], capture_output=True, text=True, check=True
    )
    rf64_says, w64_says, caf_says, flac_says = run.stdout.splitlines()
    assert rf64_says.startswith("0 truncated: the header promises 2000000000000 bytes")
    assert w64_says.startswith("0 truncated: the header promises 2000000000000 bytes")
    assert caf_says.startswith("0 not a sound file that can be decoded")
    assert flac_says.startswith("0 truncated: the header promises")
