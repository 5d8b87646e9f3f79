"""A bad file is one clear error, a good one is not taken for bad, and what a file names is never opened."""

import os
import random
import shutil
import struct
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from encoders import add_sound, cut, frames_of, patched, sixteen_bit, write, write_video
from peek import permissions_count
from signals import noise

from clapsearch import media
from clapsearch.audio import decode, load, probe
from clapsearch.errors import AudioError, UnreadableError

# --- bad files -------------------------------------------------------------------------------------------------------

INDEX_FIRST = {"options": {"movflags": "faststart"}}
GARBAGE = {
    "text": b"To whom it may concern. " * 999,
    "zeros": bytes(9000),
    "random": random.Random(0).randbytes(100_000),
    "one byte": b"x",
    "sync words": b"\xff\xf1\x50\x80" + b"\xff\xfb\x90\x64" + b"\x0b\x77" + b"OggS" + b"wvpk" + b"TTA1" + b"MAC ",
}


@pytest.mark.parametrize("suffix", [".m4a", ".aac", ".mka", ".wma", ".ac3", ".mpg"])
@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_no_sound_whatever_its_suffix(tmp_path: Path, suffix: str, content: bytes, capfd) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"not a sound file that can be decoded|no sound in it") as caught:
        load(path)
    assert not isinstance(caught.value, UnreadableError)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_zero_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").touch()
    with pytest.raises(AudioError, match="empty file"):
        probe(tmp_path / "a.m4a")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="cannot be read: No such file"):
        probe(tmp_path / "a.m4a")
    path = write(tmp_path / "a.m4a", noise(0.1))
    path.chmod(0)
    with permissions_count(), pytest.raises(UnreadableError, match="cannot be read: Permission denied"):
        probe(path)


@pytest.mark.skipif(sys.platform != "linux", reason="a file whose bytes cannot be read, through /proc")
def test_a_disk_that_fails_is_no_verdict_about_the_file() -> None:
    with pytest.raises(UnreadableError, match="cannot be read: Input/output error"):
        media.Media("/proc/self/mem")


def test_wav_is_left_to_libsndfile(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", noise(0.1), codec="pcm_s16le")
    assert probe(tmp_path / "a.wav").format == "WAV/PCM_16"
    with pytest.raises(AudioError, match="not a sound file"):
        probe(shutil.copy(tmp_path / "a.wav", tmp_path / "a.m4a"))


@pytest.mark.parametrize("share", [0.001, 0.02, 0.1, 0.35, 0.5, 0.77, 0.9])
@pytest.mark.parametrize(
    ("name", "codec", "extra"),
    [
        ("a.m4a", "aac", {}),
        ("a.m4a", "aac", INDEX_FIRST),
        ("a.m4a", "alac", INDEX_FIRST),
        ("a.mov", "pcm_s16le", INDEX_FIRST),
        ("a.wma", "wmav2", {"container": "asf", "bit_rate": 128_000}),
        ("a.mka", "aac", {}),
        ("a.mka", "flac", {}),
        ("a.mka", "pcm_s16le", {}),
        ("a.webm", "libopus", {}),
        ("a.wv", "wavpack", {}),
        ("a.tta", "tta", {}),
    ],
)
def test_a_file_cut_short_says_so(tmp_path: Path, name: str, codec: str, extra: dict, share: float) -> None:
    path = cut(write(tmp_path / name, noise(3.0), codec=codec, **extra), share)
    with pytest.raises(AudioError, match=r"truncated|cut short|no sound in it") as caught:
        load(path)
    assert "Input/output" not in str(caught.value)  # it is no fault of the disk


def test_a_cut_between_two_packets_says_how_much_is_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wma", noise(5.0), codec="wmav2", container="asf", bit_rate=128_000)
    content = path.read_bytes()
    start = content.index(bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")) + 50  # the data object
    (path.parent / "cut.wma").write_bytes(content[: start + (len(content) - start) // 3200 // 2 * 3200])
    with pytest.raises(AudioError, match=r"truncated: the header promises 5\.\d\d s, the file holds 2\.\d\d s"):
        load(path.parent / "cut.wma")


def test_a_last_percent_may_be_missing(tmp_path: Path) -> None:
    info, _ = decode(cut(write(tmp_path / "a.m4a", noise(20), **INDEX_FIRST), 0.995), list)
    assert info.duration_s == pytest.approx(19.9, abs=0.1)


@pytest.mark.parametrize("name", ["a.mov", "a.mkv"])
def test_a_video_cut_short_says_so(tmp_path: Path, name: str) -> None:
    with av.open(str(tmp_path / name), "w", options={"movflags": "faststart"} if name == "a.mov" else {}) as to:
        pictures, sound = to.add_stream("mpeg4", rate=25), add_sound(to, "pcm_s16le", 48_000, 1)
        pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
        for i, frame in enumerate(frames_of(sixteen_bit(noise(4.0)), 48_000)):
            if i % 2 == 0:
                picture = av.VideoFrame(32, 32, "yuv420p")
                picture.pts, picture.time_base = 5 * i // 2, Fraction(1, 25)
                to.mux(pictures.encode(picture))
            to.mux(sound.encode(av.AudioResampler(format="s16").resample(frame)[0]))
        to.mux(pictures.encode(None))
    with pytest.raises(AudioError, match=r"truncated: the header promises 4\.00 s, the file holds 1\.\d\d s"):
        load(cut(tmp_path / name, 0.4))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.wmv"])
def test_sound_that_ends_before_the_pictures_is_whole(tmp_path: Path, name: str) -> None:
    picture, sound = ("wmv2", "wmav2") if name == "a.wmv" else ("mpeg4", "aac")
    path = write_video(tmp_path / name, [noise(1.0)], duration_s=4.0, picture=picture, sound=sound)
    assert decode(path, list)[0].duration_s == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [("a.aac", "aac", "adts"), ("a.ac3", "ac3", None), ("a.m2ts", "aac", "mpegts"), ("a.flv", "aac", None)],
)
def test_streams_are_taken_as_far_as_they_go(tmp_path: Path, name: str, codec: str, container: str | None) -> None:
    path = write(tmp_path / name, noise(4.0), codec=codec, container=container)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.6)])
    assert 2 < decode(path, list)[0].duration_s < 3
    path.write_bytes(content[: int(len(content) * 0.3)] + bytes(2000) + content[int(len(content) * 0.4) :])
    assert 3 < decode(path, list)[0].duration_s < 4


@pytest.mark.parametrize(
    ("name", "codec"), [("a.m4a", "aac"), ("a.m4a", "alac"), ("a.mka", "flac"), ("a.wv", "wavpack"), ("a.tta", "tta")]
)
def test_damage_in_the_middle_says_where(tmp_path: Path, name: str, codec: str) -> None:
    path = write(tmp_path / name, noise(4.0), codec=codec)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 9000] = random.Random(0).randbytes(9000)
    path.write_bytes(content)
    with pytest.raises(
        AudioError, match=r"damaged or truncated: decoding fails after [12]\.\d\d s|truncated: the header"
    ):
        load(path)


def test_what_follows_the_sound_is_no_damage(tmp_path: Path) -> None:
    for name, codec in (("a.wv", "wavpack"), ("a.m4a", "alac"), ("a.mka", "flac"), ("a.tta", "tta")):
        path = write(tmp_path / name, noise(1.0), codec=codec)
        wanted = load(path)
        path.write_bytes(path.read_bytes() + b"TAG" + bytes(125))
        assert np.array_equal(load(path), wanted)


def test_a_length_that_nobody_wrote_is_not_missed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mka", noise(2.0, sr=8_000), 8_000, codec="pcm_u8", options={"live": "1"})
    info, _ = decode(path, list)
    assert (probe(path).n_samples, info.n_samples) == (0, 16_000)


def test_a_pause_of_the_clock_is_not_missing(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mka"), "w") as to:
        stream = add_sound(to, "pcm_s16le", 48_000, 1)
        for start in (0, 5 * 48_000):
            for frame in frames_of(noise(1.0), 48_000, start):
                frame = av.AudioResampler(format="s16").resample(frame)[0]
                to.mux(stream.encode(frame))
    assert probe(tmp_path / "a.mka").duration_s == pytest.approx(6.0, abs=0.01)
    assert decode(tmp_path / "a.mka", list)[0].duration_s == 2.0


def test_nan_samples_are_named_by_time(tmp_path: Path) -> None:
    sound = noise(10.0)
    sound[round(7.25 * 48_000)] = np.nan
    with pytest.raises(AudioError, match=r"NaN or infinite sample at 7\.250 s"):
        load(write(tmp_path / "a.mka", sound, codec="pcm_f32le"))


def test_less_than_a_millisecond_is_too_short(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="too short: 40 samples at 48000 Hz"):
        load(write(tmp_path / "a.mka", noise(1)[:40], codec="pcm_s16le"))


def test_sample_rates_nobody_uses(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="sample rate of 500 Hz is outside"):
        probe(write(tmp_path / "a.mka", noise(1, sr=500), 500, codec="pcm_s16le"))


def test_a_sound_that_changes_on_the_way(tmp_path: Path) -> None:
    one = write(tmp_path / "1.aac", np.stack([noise(1.0)] * 2, axis=1), container="adts")
    other = write(tmp_path / "2.aac", noise(1.0, sr=44_100), 44_100, container="adts")
    (tmp_path / "a.aac").write_bytes(one.read_bytes() + other.read_bytes())
    change = r"its sound changes from 48000 Hz stereo fltp to 44100 Hz mono fltp after 1\.\d\d s; convert the file"
    with pytest.raises(AudioError, match=change):
        load(tmp_path / "a.aac")


@pytest.mark.parametrize("tag", [b"drms", b"enca"])
def test_a_protected_file_of_itunes(tmp_path: Path, tag: bytes) -> None:
    path = write(tmp_path / "a.m4p", noise(1.0), container="mp4")
    with pytest.raises(AudioError, match=r"encrypted \(DRM\)"):
        probe(patched(path, b"mp4a", 0, tag))


def test_a_file_under_common_encryption(tmp_path: Path) -> None:
    scheme = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "01" * 16, "encryption_kid": "02" * 16}
    with pytest.raises(AudioError, match=r"encrypted \(DRM\)"):
        probe(write(tmp_path / "a.m4a", noise(1.0), container="mp4", options=scheme))


def test_a_protected_file_of_windows_media(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wma", noise(1.0), codec="wmav2", container="asf", bit_rate=128_000)
    content = path.read_bytes()
    size, n_objects = struct.unpack("<QI", content[16:28])
    extra = bytes.fromhex("14e68a292226174cb935dae07ee9289c") + struct.pack("<QI", 32, 4) + bytes(4)
    header = content[:16] + struct.pack("<QI", size + len(extra), n_objects + 1) + content[28:30]
    path.write_bytes(header + extra + content[30:])
    with pytest.raises(AudioError, match=r"encrypted \(DRM\)"):
        probe(path)


def test_a_codec_nobody_knows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mka", noise(1.0), codec="ac3")
    with pytest.raises(AudioError, match="its sound is in a codec that cannot be decoded; convert"):
        probe(patched(path, b"A_AC3", 0, b"A_XYZ"))


def test_a_sound_said_to_lie_outside_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.m4a", noise(1.0))
    with pytest.raises(AudioError, match="truncated"):
        load(patched(path, b"stco", 12, b"\x7f\xff\xff\xf0"))


def test_a_sound_said_to_lie_where_no_file_can_reach(tmp_path: Path) -> None:
    content = write(tmp_path / "a.m4a", noise(1.0)).read_bytes()
    at = content.index(b"stco") - 4
    far = struct.pack(">I4sIIQ", 24, b"co64", 0, 1, 1 << 62)
    (tmp_path / "a.m4a").write_bytes(content[:at] + far + content[at + 20 :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):  # they are four bytes longer now
        size = int.from_bytes(content[content.index(box) - 4 : content.index(box)])
        patched(tmp_path / "a.m4a", box, -4, struct.pack(">I", size + 4))
    with pytest.raises(AudioError, match="truncated") as caught:
        load(tmp_path / "a.m4a")
    assert not isinstance(caught.value, UnreadableError)


def test_a_codec_tag_that_is_not_text(tmp_path: Path) -> None:
    assert len(load(patched(write(tmp_path / "a.m4a", noise(1.0)), b"mp4a", 3, b"\xfe"))) > 48_000


_DECODE_WITH_LITTLE_MEMORY = """
import resource, sys
from clapsearch.audio import AudioError, load
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
for spare_mb in (1000, 3000):
    resource.setrlimit(resource.RLIMIT_AS, (used + (spare_mb << 20), -1))
    try:
        load(sys.argv[1])
    except AudioError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory through /proc")
def test_a_header_that_asks_for_all_memory(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").write_bytes(struct.pack(">I", 0x7FFFFFFF) + b"ftypM4A " + bytes(99))
    command = [sys.executable, "-c", _DECODE_WITH_LITTLE_MEMORY, str(tmp_path / "a.m4a")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    in_ffmpeg, in_reading = run.stdout.splitlines()
    assert in_ffmpeg.endswith("(Cannot allocate memory)")
    assert in_reading.endswith("(it asks for more memory than there is)")


# --- nothing else is opened ------------------------------------------------------------------------------------------

PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile other.mka\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:5,\nother.mka\n#EXT-X-ENDLIST\n",
    "m3u": "other.mka\n",
    "asx": '<asx version="3.0"><entry><ref href="other.mka"/></entry></asx>\n',
    "asf": "[Reference]\nRef1=other.mka\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
    "<Representation><BaseURL>other.mka</BaseURL></Representation></AdaptationSet></Period></MPD>",
}


@pytest.mark.parametrize("suffix", [".m4a", ".mka", ".wma", ".aac", ".mp4"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_is_no_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, suffix: str) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "other.mka", noise(1.0), codec="pcm_s16le")
    path = tmp_path / f"a{suffix}"
    path.write_text(PLAYLISTS[kind])
    if kind == "ffconcat":  # ffmpeg would read it
        with av.open(str(path)) as container:
            assert container.streams.audio
    with pytest.raises(AudioError, match="not a sound file that can be decoded"):
        load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
@pytest.mark.parametrize("also", ["", ",concat"], ids=["as it is", "if ffmpeg could take a playlist"])
def test_what_a_playlist_names_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, also: str) -> None:
    monkeypatch.setattr(media, "_CONTAINERS", media._CONTAINERS + also)
    media.demuxer_options.cache_clear()
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "other.mka")
    opened = threading.Thread(target=lambda: os.close(os.open(tmp_path / "other.mka", os.O_WRONLY)), daemon=True)
    opened.start()  # waits for a reader
    (tmp_path / "a.m4a").write_text(PLAYLISTS["ffconcat"])
    with pytest.raises(AudioError):
        load(tmp_path / "a.m4a")
    assert opened.is_alive()
    reader = os.open(tmp_path / "other.mka", os.O_RDONLY | os.O_NONBLOCK)
    opened.join()
    os.close(reader)
    media.demuxer_options.cache_clear()
