"""Which names a walk takes."""

import os

import pytest

from indexer.filters import excluder, is_audio, is_hidden

SOUNDS = [b"a.wav", b"A.WAV", b"a.b.Flac", b"a.aif", b"a.snd", b"\xff\xfe.ogg", b"two\nlines.mp3", b"a.m4a", b"a.WMA"]
VIDEOS = [b"a.mp4", b"A.MOV", b"a.webm", b"a.wav.mkv", b"\xff.avi"]


@pytest.mark.parametrize("video", [False, True])
@pytest.mark.parametrize("name", SOUNDS)
def test_audio_suffixes_count_in_any_case(name, video):
    assert is_audio(name, video=video)


@pytest.mark.parametrize("name", VIDEOS)
def test_videos_are_taken_only_if_asked_for(name):
    assert not is_audio(name)
    assert is_audio(name, video=True)


@pytest.mark.parametrize("video", [False, True])
@pytest.mark.parametrize(
    "name", [b"a.txt", b"wav", b"mp4", b".", b".wav", b".mp4", b"a.", b"a.wav.part", b"a.wav ", b"a.ts", b"a.dts", b""]
)
def test_other_names_are_no_sounds(name, video):
    assert not is_audio(name, video=video)


def test_dot_names_are_hidden():
    assert is_hidden(b"._rain.wav")
    assert is_hidden(b".cache")
    assert not is_hidden(b"_rain.wav")


def test_without_globs_nothing_is_excluded():
    assert not excluder([])(b"a.wav")


@pytest.mark.parametrize(
    ("glob", "relpath"),
    [
        ("*.mp3", b"a.mp3"),
        ("*.mp3", b"deep/down/a.mp3"),
        ("old", b"old"),
        ("old", b"takes/old"),
        ("old/", b"takes/old"),
        ("takes/*/bad_*", b"takes/1/bad_a.wav"),
        ("/takes/raw", b"takes/raw"),
        ("take?.wav", b"take1.wav"),
        ("[ab].wav", b"x/b.wav"),
        ("*", b"two\nlines.wav"),
        ("a+b (1).wav", b"a+b (1).wav"),
    ],
)
def test_a_glob_matches_a_name_or_a_whole_path(glob, relpath):
    assert excluder([glob])(relpath)


@pytest.mark.parametrize(
    ("glob", "relpath"),
    [
        ("*.mp3", b"a.mp3.wav"),
        ("*.mp3", b"a.MP3"),
        ("old", b"older"),
        ("old", b"takes/my old"),
        ("bad_*", b"bad/good.wav"),
        ("raw/a.wav", b"takes/raw/a.wav"),
        ("a.wav", b"a-wav"),
        ("a+b.wav", b"aab.wav"),
    ],
)
def test_a_glob_leaves_the_rest(glob, relpath):
    assert not excluder([glob])(relpath)


def test_any_of_several_globs_excludes():
    is_excluded = excluder(["*.mp3", "old"])
    assert [is_excluded(name) for name in (b"a.mp3", b"x/old", b"a.wav")] == [True, True, False]


def test_a_question_mark_is_one_character_whatever_its_bytes():
    is_excluded = excluder(["?.wav", "r[üö]m.wav"])
    assert is_excluded("ü.wav".encode())
    assert is_excluded("röm.wav".encode())
    assert not is_excluded("üö.wav".encode())


def test_globs_reach_names_that_are_not_text():
    is_excluded = excluder([os.fsdecode(b"bad\xff*"), "?oise.wav"])
    assert is_excluded(b"x/bad\xff\xfe.wav")
    assert is_excluded(b"\xffoise.wav")
    assert not is_excluded(b"bad\xfe.wav")
