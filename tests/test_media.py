"""Sound through ffmpeg equals its source, whatever its container, codec, rate and channels."""

import os
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soxr
from encoders import add_sound, encode, frames_of, lag, patched, sixteen_bit, snr_db, tones, write, write_video
from signals import noise

from clapsearch import media
from clapsearch.audio import AudioInfo, decode, load, probe
from clapsearch.errors import AudioError

# --- what is decoded -------------------------------------------------------------------------------------------------

LOSSLESS = [
    ("a.m4a", "alac", "s16p", "MOV/ALAC"),
    ("a.m4a", "alac", "s32p", "MOV/ALAC"),
    ("a.m4b", "flac", "s16", "MOV/FLAC"),
    ("a.mka", "flac", "s16", "MATROSKA/FLAC"),
    ("a.mka", "flac", "s32", "MATROSKA/FLAC"),
    ("a.mka", "pcm_s16le", None, "MATROSKA/PCM_S16LE"),
    ("a.mka", "pcm_s24le", None, "MATROSKA/PCM_S24LE"),
    ("a.mka", "pcm_s32le", None, "MATROSKA/PCM_S32LE"),
    ("a.mka", "pcm_f32le", None, "MATROSKA/PCM_F32LE"),
    ("a.mka", "pcm_f64le", None, "MATROSKA/PCM_F64LE"),
    ("a.wv", "wavpack", "s16p", "WV/WAVPACK"),
    ("a.wv", "wavpack", "fltp", "WV/WAVPACK"),
    ("a.tta", "tta", "s16", "TTA/TTA"),
    ("a.tta", "tta", "s32", "TTA/TTA"),
    ("a.mov", "pcm_s16be", None, "MOV/PCM_S16BE"),
]


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(("name", "codec", "sample_format", "kind"), LOSSLESS)
def test_lossless_formats_come_back_to_the_bit(
    tmp_path: Path, name: str, codec: str, sample_format: str | None, kind: str, channels: int
) -> None:
    sound = sixteen_bit(np.stack([noise(0.5, seed=seed) for seed in range(channels)], axis=1))
    container = "mp4" if name.endswith("m4b") else None
    path = write(tmp_path / name, sound, codec=codec, sample_format=sample_format, container=container)
    assert probe(path) == AudioInfo(24_000, 48_000, channels, kind)
    assert np.array_equal(load(path), sound.mean(axis=1))


def test_eight_bits(tmp_path: Path) -> None:
    sound = (np.round(noise(0.5) * 2**7) / 2**7).astype(np.float32)
    assert np.array_equal(load(write(tmp_path / "a.mka", sound, codec="pcm_u8")), sound)


# The delay of the encoder is left out where the container tells it; of WMA ffmpeg always drops the first frame.
LOSSY = [
    ("a.m4a", "aac", None, "MOV/AAC", 0),
    ("a.mka", "aac", None, "MATROSKA/AAC", 0),
    ("a.mka", "libopus", None, "MATROSKA/OPUS", 0),
    ("a.mka", "vorbis", None, "MATROSKA/VORBIS", 0),
    ("a.mka", "ac3", None, "MATROSKA/AC3", 0),
    ("a.mka", "mp2", None, "MATROSKA/MP2", 0),
    ("a.mka", "libmp3lame", None, "MATROSKA/MP3", 0),
    ("a.weba", "libopus", "webm", "MATROSKA/OPUS", 0),
    ("a.mp4", "libopus", None, "MOV/OPUS", 0),
    ("a.aac", "aac", "adts", "AAC/AAC", 1024),
    ("a.ac3", "ac3", None, "AC3/AC3", 256),
    ("a.eac3", "eac3", None, "EAC3/EAC3", 256),
    ("a.wma", "wmav2", "asf", "ASF/WMAV2", -2048),
    ("a.wma", "wmav1", "asf", "ASF/WMAV1", -2048),
    ("a.flv", "aac", None, "FLV/AAC", 1024),
    ("a.avi", "ac3", None, "AVI/AC3", 256),
    ("a.m2ts", "aac", "mpegts", "MPEGTS/AAC", 1024),
    ("a.mpg", "mp2", None, "MPEG/MP2", 481),
]


@pytest.mark.parametrize(("name", "codec", "container", "kind", "delay"), LOSSY)
def test_lossy_formats_come_back_in_time_and_in_level(
    tmp_path: Path, name: str, codec: str, container: str | None, kind: str, delay: int
) -> None:
    wanted = tones(1.0)
    stereo = np.stack([wanted, wanted], axis=1)
    path = write(tmp_path / name, stereo, codec=codec, container=container, bit_rate=192_000)
    info, found = decode(path, lambda blocks: np.concatenate(list(blocks)))
    assert (info.sr, info.channels, info.format) == (48_000, 2, kind)
    assert info.n_samples == len(found) == pytest.approx(48_000 + delay, abs=2200)
    assert lag(found, wanted) == delay
    assert snr_db(found[4000 + delay : 44_000 + delay], wanted[4000:44_000]) > 20


def test_a_telephone_format(tmp_path: Path) -> None:
    wanted = tones(1.0, 8_000)
    path = write(tmp_path / "a.amr", wanted, 8_000, codec="libopencore_amrnb", container="amr")
    info, found = decode(path, lambda blocks: np.concatenate(list(blocks)), sr=8_000)
    assert (info.sr, info.channels, info.format) == (8_000, 1, "AMR/AMR_NB")
    assert abs(lag(found, wanted)) < 100


def test_twice_the_same_bits(tmp_path: Path) -> None:
    for name, codec, container in (("a.m4a", "aac", None), ("a.wma", "wmav2", "asf"), ("a.mka", "libopus", None)):
        path = write(tmp_path / name, noise(1.0), codec=codec, container=container, bit_rate=128_000)
        assert np.array_equal(load(path), load(path))


@pytest.mark.parametrize(
    "name", [b"\xff.m4a", b"two\nlines.M4A", b"http:x.m4a", b"concat:a|b.m4a", b"-i.m4a", b"%d.m4a"]
)
def test_a_name_is_only_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes) -> None:
    shutil.move(write(tmp_path / "a.m4a", noise(0.1)), os.fsencode(tmp_path) + b"/" + name)
    monkeypatch.chdir(tmp_path)
    assert probe(os.fsdecode(name)).format == "MOV/AAC"
    assert len(load(os.fsdecode(name))) > 4800


@pytest.mark.parametrize("suffix", sorted(os.fsdecode(s) for s in media.AUDIO_SUFFIXES | media.VIDEO_SUFFIXES))
def test_ffmpeg_reads_every_suffix_of_its_own_whatever_the_container(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / "sound", noise(0.2), container="mp4")
    assert probe(path.rename(tmp_path / f"a{suffix.upper()}")).format == "MOV/AAC"


def test_a_title_that_is_not_text(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mka"), "w") as to:
        to.metadata["title"] = "TITLE"
        encode(to, add_sound(to, "aac", 48_000, 1), frames_of(noise(0.1), 48_000))
    assert probe(patched(tmp_path / "a.mka", b"TITLE", 0, b"\xff\xfe\xff")).format == "MATROSKA/AAC"


# --- rates and channels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sr", [8_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_every_rate_becomes_48_khz(tmp_path: Path, sr: int) -> None:
    waveform = sixteen_bit(noise(2.0, sr=sr))
    path = write(tmp_path / "a.m4a", waveform, sr, codec="alac", sample_format="s16p")
    assert probe(path) == AudioInfo(2 * sr, sr, 1, "MOV/ALAC")
    expected = waveform if sr == 48_000 else soxr.resample(waveform, sr, 48_000, quality="HQ")
    assert np.array_equal(load(path), expected)


@pytest.mark.parametrize("sr", [44_100, 96_000])
def test_lossy_sound_of_another_rate(tmp_path: Path, sr: int) -> None:
    found = load(write(tmp_path / "a.m4a", tones(1.0, sr), sr))
    wanted = tones(1.0)
    assert lag(found, wanted) == 0
    assert snr_db(found[4000:44_000], wanted[4000:44_000]) > 20


@pytest.mark.parametrize(("name", "codec", "sample_format"), [("a.wv", "wavpack", "s16p"), ("a.tta", "tta", "s16")])
def test_twelve_channels(tmp_path: Path, name: str, codec: str, sample_format: str) -> None:
    sound = sixteen_bit(np.stack([noise(0.5, seed=seed) for seed in range(12)], axis=1))
    path = write(tmp_path / name, sound, codec=codec, sample_format=sample_format)
    assert np.array_equal(load(path), sound.mean(axis=1))


def test_an_unusual_order_of_channels(tmp_path: Path) -> None:
    sound = sixteen_bit(np.stack([noise(2.0, seed=seed) for seed in range(3)], axis=1))
    path = write(tmp_path / "a.mov", sound, codec="pcm_s16le")
    patched(path, b"chan", 8, struct.pack(">I", 114 << 16 | 3))  # centre, left, right
    for _ in range(10):
        assert np.array_equal(load(path), sound.mean(axis=1))


def test_out_of_phase_stereo_gives_its_louder_channel(tmp_path: Path) -> None:
    left = sixteen_bit(noise(0.5, level=0.5))
    path = write(tmp_path / "a.m4a", np.stack([0.5 * left, -left], axis=1), codec="pcm_f32le", container="mov")
    assert np.allclose(load(path), -0.25 * left)
    path = write(tmp_path / "b.m4a", np.stack([left, -left], axis=1), codec="alac", sample_format="s16p")
    assert np.array_equal(load(path), left)


# --- videos ----------------------------------------------------------------------------------------------------------

VIDEOS = [
    ("a.mp4", "libx264", "aac", "MOV/AAC"),
    ("a.m4v", "mpeg4", "aac", "MOV/AAC"),
    ("a.mov", "mjpeg", "pcm_s16le", "MOV/PCM_S16LE"),
    ("a.3gp", "mpeg4", "aac", "MOV/AAC"),
    ("a.mkv", "libx264", "flac", "MATROSKA/FLAC"),
    ("a.webm", "libvpx", "libopus", "MATROSKA/OPUS"),
    ("a.avi", "mpeg4", "mp2", "AVI/MP2"),
    ("a.wmv", "wmv2", "wmav2", "ASF/WMAV2"),
    ("a.flv", "flv", "aac", "FLV/AAC"),
    ("a.mpg", "mpeg1video", "mp2", "MPEG/MP2"),
    ("a.vob", "mpeg2video", "ac3", "MPEG/AC3"),
    ("a.m2ts", "mpeg2video", "ac3", "MPEGTS/AC3"),
    ("a.ogv", "libvpx", "flac", "OGG/FLAC"),
    ("a.mxf", "mpeg2video", "pcm_s16le", "MXF/PCM_S16LE"),
]


@pytest.mark.parametrize(("name", "picture", "sound", "kind"), VIDEOS)
def test_the_sound_of_a_video(tmp_path: Path, name: str, picture: str, sound: str, kind: str) -> None:
    wanted = tones(1.0)
    info, found = decode(
        write_video(tmp_path / name, [wanted], picture=picture, sound=sound),
        lambda blocks: np.concatenate(list(blocks)),
    )
    assert (info.format, info.sr, info.channels) == (kind, 48_000, 1)
    assert abs(len(found) - 48_000) < 2200
    shift = lag(found, wanted)
    assert abs(shift) <= 2048
    assert snr_db(found[4000 + shift : 44_000 + shift], wanted[4000:44_000]) > 15


def test_pictures_are_not_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [noise(0.1)], picture="libx264")
    with open(path, "rb", buffering=0) as file, media._open(file) as container:
        assert container.streams.video[0].codec_context.pix_fmt is None
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


@pytest.mark.skipif(sys.platform != "linux", reason="counts what is read through /proc")
def test_pictures_are_skipped(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mov", [noise(1.0)], picture="rawvideo", size=800)

    def n_read() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    before = n_read()
    load(path)
    assert n_read() - before < 0.5 * path.stat().st_size


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi"])
def test_a_video_without_sound(tmp_path: Path, name: str) -> None:
    with pytest.raises(AudioError, match="no sound in it"):
        probe(write_video(tmp_path / name, picture="libvpx" if name == "a.webm" else "mpeg4"))


def test_the_default_track_or_the_first(tmp_path: Path) -> None:
    tracks = [sixteen_bit(noise(0.5, seed=seed)) for seed in range(3)]
    for default, chosen in ((None, 0), (0, 0), (2, 2)):
        path = write_video(tmp_path / "a.mkv", tracks, sound="pcm_s16le", default=default)
        assert np.array_equal(load(path), tracks[chosen])


# --- memory, threads, imports ----------------------------------------------------------------------------------------

_DECODE = """
import os, resource, sys
from clapsearch.audio import decode

def peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

def n_threads():
    return len(os.listdir("/proc/self/task"))

short, long = sys.argv[1:]
decode(short, lambda blocks: sum(map(len, blocks)))
before, threads = peak_mb(), [n_threads()]
info, _ = decode(long, lambda blocks: sum(map(len, blocks)), on_block=lambda: threads.append(n_threads()))
print(info.duration_s, peak_mb() - before, max(threads) - threads[0])
"""


def write_long(path: Path, packets: list[bytes], repeats: int, like: av.AudioStream) -> Path:
    """Write the packets of one sound over and over: a long sound in no time."""
    with av.open(str(path), "w") as to:
        stream = to.add_stream_from_template(like)
        for i in range(repeats * len(packets)):
            packet = av.Packet(packets[i % len(packets)])
            packet.pts = packet.dts = 1024 * i
            packet.duration, packet.time_base, packet.stream = 1024, Fraction(1, 48_000), stream
            packet.is_keyframe = True
            to.mux(packet)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory through /proc")
@pytest.mark.parametrize(
    "name", ["a.m4a", pytest.param("a.mka", marks=pytest.mark.slow), pytest.param("a.aac", marks=pytest.mark.slow)]
)
def test_half_an_hour_takes_no_more_memory_and_no_more_threads(tmp_path: Path, name: str) -> None:
    short = write(tmp_path / "short.m4a", noise(10.0))
    with av.open(str(short)) as container:
        like = container.streams.audio[0]
        packets = [bytes(packet) for packet in container.demux(like) if packet.size]
        long = write_long(tmp_path / name, packets, 180, like)
    command = [sys.executable, "-c", _DECODE, str(short), str(long)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    duration_s, added_mb, added_threads = map(float, run.stdout.split())
    assert duration_s > 1790
    assert added_mb < 40  # the waveform has 345
    assert added_threads == 0


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads through /proc")
def test_one_thread_also_for_codecs_that_could_take_more(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wv", np.stack([noise(10.0)] * 6, axis=1), codec="wavpack", sample_format="s16p")
    at_rest, at_work = len(os.listdir("/proc/self/task")), []
    decode(path, lambda blocks: sum(map(len, blocks)), on_block=lambda: at_work.append(os.listdir("/proc/self/task")))
    assert max(map(len, at_work)) == at_rest


def test_ffmpeg_is_loaded_only_when_a_file_needs_it(write_sound, tmp_path: Path) -> None:
    wav = write_sound(tmp_path / "a.wav")
    code = "import sys, indexer.filters, clapsearch.audio as a; a.load(sys.argv[1]); print('av' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code, str(wav)], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
