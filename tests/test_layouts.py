"""Published data sets are told by their headers, and their sounds found under the names people give them."""

import os
from pathlib import Path

import pytest

from clapsearch.errors import ClapsearchError
from clapsearch.evaluation.clips import Clip
from clapsearch.evaluation.layouts import recognise
from clapsearch.evaluation.manifest import read_manifest

# The first lines of the tables as they are distributed.
AUDIOCAPS = (
    "audiocap_id,youtube_id,start_time,caption\n"
    '103542,VjSEIRnLAh8,30,"food is frying, and a woman talks"\n'
    "103548,6BJ455B1aAs,0,a rocket flies by\n"
    "105630,VjSEIRnLAh8,30,oil sizzles\n"
)
CLOTHO = (
    "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n"
    'Santa Motor.wav,A machine whines.,A person trims.,Someone is trimming.,A pump whirs.,"Rhythmically, it squeals."\n'
    "20130327_valparaiso.traffic.02.wav,A jackhammer.,Men talk.,Vehicles.,Traffic roars.,Drilling.\n"
)
ESC50 = (
    "filename,fold,target,category,esc10,src_file,take\n"
    "1-100032-A-0.wav,1,0,dog,True,100032,A\n"
    "2-104105-B-37.wav,2,37,clock_alarm,False,104105,B\n"
)
URBANSOUND8K = (
    "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
    "100032-3-0-0.wav,100032,0,0.317551,1,5,3,dog_bark\n"
    "102305-6-0-0.wav,102305,0,2.61161,2,1,6,gun_shot\n"
)
GTZAN = (
    "filename,length,chroma_stft_mean,chroma_stft_var,label\n"
    "blues.00000.wav,661794,0.35008812,0.088756569,blues\n"
    "hiphop.00003.wav,661794,0.404784709,0.093999036,hiphop\n"
)
VGGSOUND = (
    "---g-f_I2yQ,1,people marching,test\n"
    "B5KE79I2f-A,188,wind noise,test\n"
    "B5KE79I2f-A,220,wind noise,train\n"
    '--9O4XZOge4,30,"female speech, woman speaking",train\n'
)
FSD50K_DEV = (
    "fname,labels,mids,split\n"
    '64760,"Electric_guitar,Guitar,Music","/m/02sgy,/m/0342h,/m/04rlf",train\n'
    '16399,"Male_speech_and_man_speaking,Human_voice","/m/05zppz,/m/09l8g",val\n'
)
FSD50K_EVAL = 'fname,labels,mids\n37199,"Bathtub_(filling_or_washing),Tick-tock","/m/03dnzn,/m/07qjznt"\n'


def plant(folder: Path, *names: str, **tables: str) -> Path:
    """Put empty files and tables into a folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name, text in tables.items():
        table(folder / f"{name}.csv", text)
    return folder


def table(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def clips(manifest: Path, audio: Path | None = None) -> list[Clip]:
    return read_manifest(manifest, audio).clips


def paths(manifest: Path, audio: Path | None = None) -> list[str]:
    return [clip.path for clip in clips(manifest, audio)]


def test_audiocaps_has_a_row_for_every_caption(tmp_path: Path) -> None:
    path = table(tmp_path / "test.csv", AUDIOCAPS)
    plant(tmp_path, "test/VjSEIRnLAh8.wav", "test/6BJ455B1aAs.wav", "train/_ezm-TpKj1w.wav")
    manifest = read_manifest(path)
    assert (manifest.name, manifest.audio) == ("AudioCaps", tmp_path)
    assert manifest.clips == [
        Clip(
            "test/VjSEIRnLAh8.wav",
            ("food is frying, and a woman talks", "oil sizzles"),
            columns={"group": "VjSEIRnLAh8"},
        ),
        Clip("test/6BJ455B1aAs.wav", ("a rocket flies by",), columns={"group": "6BJ455B1aAs"}),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "{}.wav",
        "Y{}.flac",
        "{}_30.m4a",
        "{}_000030.mp4",
        "Y{}_30.mp3",
        "Y{}_30_40.wav",
        "Y{}_30.000_40.000.wav",
        "{}_30.0_38.5.opus",
        "{}_30000_40000.flac",
        "{}_30000_37313.WAV",
    ],
)
@pytest.mark.parametrize("video", ["VjSEIRnLAh8", "YQSuFyFm3Lc", "Y_1_30_-_20", "_ezm-TpKj1_"])
def test_a_youtube_clip_is_found_under_every_name_that_downloaders_give_it(
    tmp_path: Path, name: str, video: str
) -> None:
    path = table(tmp_path / "a.csv", AUDIOCAPS.replace("VjSEIRnLAh8", video))
    plant(tmp_path / "audio", "deep/" + name.format(video))
    assert paths(path, tmp_path / "audio")[0] == "deep/" + name.format(video)


def test_files_named_by_caption_are_one_clip(tmp_path: Path) -> None:
    path = table(tmp_path / "test.csv", AUDIOCAPS)
    plant(tmp_path, "test/103542.wav", "test/103548.wav", "test/105630.wav")
    assert [(clip.path, len(clip.captions)) for clip in clips(path)] == [("test/103542.wav", 2), ("test/103548.wav", 1)]


def test_one_file_of_those_named_by_caption_is_enough(tmp_path: Path) -> None:
    path = table(tmp_path / "test.csv", AUDIOCAPS)
    plant(tmp_path, "test/105630.wav")
    assert [(clip.path, len(clip.captions)) for clip in clips(path)] == [
        ("test/105630.wav", 2),
        ("6BJ455B1aAs_0.wav", 1),
    ]


def test_another_part_of_the_video_is_another_clip(tmp_path: Path) -> None:
    path = table(tmp_path / "test.csv", AUDIOCAPS)
    plant(tmp_path, "VjSEIRnLAh8_40.wav", "VjSEIRnLAh8_40_50.wav", "VjSEIRnLAh8_300.wav", "VjSEIRnLAh80.wav")
    assert paths(path)[0] == "VjSEIRnLAh8_30.wav"


@pytest.mark.parametrize("folder", ["{}", "clotho_audio_{}"])
def test_clotho_has_a_folder_for_every_split(tmp_path: Path, folder: str) -> None:
    path = table(tmp_path / "clotho_captions_evaluation.csv", CLOTHO)
    plant(tmp_path, *(f"{folder.format(split)}/Santa Motor.wav" for split in ("development", "evaluation")))
    manifest = read_manifest(path)
    assert (manifest.name, manifest.audio) == ("Clotho", tmp_path / folder.format("evaluation"))
    assert [clip.path for clip in manifest.clips] == ["Santa Motor.wav", "20130327_valparaiso.traffic.02.wav"]
    assert manifest.clips[0].captions == (
        "A machine whines.",
        "A person trims.",
        "Someone is trimming.",
        "A pump whirs.",
        "Rhythmically, it squeals.",
    )


@pytest.mark.parametrize(
    "folder", ["{}", "clotho_audio_{}", "clotho_audio_{}/{}", "../clotho_audio_files/{}", "unpacked/{}"]
)
def test_clotho_is_found_wherever_its_archives_were_unpacked(tmp_path: Path, folder: str) -> None:
    path = table(tmp_path / "csv/clotho_captions_validation.csv", CLOTHO)
    name = f"{folder.format('validation', 'validation')}/20130327_valparaiso.traffic.02.flac"
    plant(tmp_path / "csv", name)
    assert read_manifest(path).file(clips(path)[1]).samefile(tmp_path / "csv" / name)


def test_white_space_around_a_name_does_not_count(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", CLOTHO.replace("Santa Motor.wav", " Santa Motor .wav "))
    plant(tmp_path, "Santa Motor.wav")
    assert paths(path)[0] == "Santa Motor.wav"


@pytest.mark.parametrize("manifest", ["meta/esc50.csv", "."])
def test_esc50(tmp_path: Path, manifest: str) -> None:
    table(tmp_path / "meta/esc50.csv", ESC50)
    plant(tmp_path, "audio/1-100032-A-0.wav", "audio/2-104105-B-37.wav", "tests/1-100032-A-0.wav")
    found = read_manifest(tmp_path / manifest)
    assert (found.name, found.audio) == ("ESC-50", tmp_path / "audio")
    assert found.clips == [
        Clip("1-100032-A-0.wav", labels=("dog",), columns={"fold": "1", "group": "100032", "esc10": "True"}),
        Clip("2-104105-B-37.wav", labels=("clock alarm",), columns={"fold": "2", "group": "104105", "esc10": "False"}),
    ]


@pytest.mark.parametrize("manifest", ["metadata/UrbanSound8K.csv", "."])
def test_urbansound8k(tmp_path: Path, manifest: str) -> None:
    table(tmp_path / "metadata/UrbanSound8K.csv", URBANSOUND8K)
    plant(tmp_path, "audio/fold5/100032-3-0-0.wav")
    found = read_manifest(tmp_path / manifest)
    assert (found.name, found.audio) == ("UrbanSound8K", tmp_path / "audio")
    assert found.clips == [
        Clip(
            "fold5/100032-3-0-0.wav",
            labels=("dog bark",),
            columns={"fold": "5", "group": "100032", "salience": "1"},
        ),
        Clip(
            "fold1/102305-6-0-0.wav",
            labels=("gun shot",),
            columns={"fold": "1", "group": "102305", "salience": "2"},
        ),
    ]


def test_gtzan_without_a_table(tmp_path: Path) -> None:
    plant(tmp_path / "genres", "blues/blues.00000.au", "jazz/jazz.00054.au", "jazz/._jazz.00054.au", "bextract.mf")
    manifest = read_manifest(tmp_path / "genres")
    assert (manifest.name, manifest.audio) == ("genres", tmp_path / "genres")
    assert manifest.clips == [
        Clip("blues/blues.00000.au", labels=("blues",)),
        Clip("jazz/jazz.00054.au", labels=("jazz",)),
    ]


@pytest.mark.parametrize("manifest", ["features_30_sec.csv", "."])
def test_gtzan_with_its_table_of_features(tmp_path: Path, manifest: str) -> None:
    plant(tmp_path, *(f"genres_original/{name}" for name in ("blues/blues.00000.wav", "hiphop/hiphop.00004.wav")))
    plant(tmp_path, "images_original/hiphop/hiphop.00003.png")
    plant(tmp_path, features_3_sec=GTZAN.replace("0.wav", "0.0.wav"), features_30_sec=GTZAN)
    found = read_manifest(tmp_path / manifest)
    assert found.name == "GTZAN"
    assert found.clips == [
        Clip("genres_original/blues/blues.00000.wav", labels=("blues",)),
        Clip("hiphop.00003.wav", labels=("hiphop",)),
    ]


@pytest.mark.parametrize("manifest", ["vggsound.csv", "."])
def test_vggsound_has_no_header(tmp_path: Path, manifest: str) -> None:
    plant(tmp_path, "audio/---g-f_I2yQ_000001.wav", "audio/B5KE79I2f-A_000220.wav", vggsound=VGGSOUND)
    found = read_manifest(tmp_path / manifest)
    assert (found.name, found.audio) == ("VGGSound", tmp_path)
    assert found.clips[2:] == [
        Clip("audio/B5KE79I2f-A_000220.wav", (), ("wind noise",), {"split": "train", "group": "B5KE79I2f-A"}),
        Clip(
            "--9O4XZOge4_000030.mp4", (), ("female speech, woman speaking",), {"split": "train", "group": "--9O4XZOge4"}
        ),
    ]
    assert [clip.path for clip in found.clips[:2]] == ["audio/---g-f_I2yQ_000001.wav", "B5KE79I2f-A_000188.mp4"]


FSD50K = [
    Clip("64760.wav", labels=("Electric guitar", "Guitar", "Music"), columns={"split": "train"}),
    Clip("16399.wav", labels=("Male speech, man speaking", "Human voice"), columns={"split": "val"}),
    Clip("37199.wav", labels=("Bathtub (filling or washing)", "Tick-tock"), columns={"split": "test"}),
]


def fsd50k(folder: Path) -> Path:
    plant(folder / "FSD50K.ground_truth", dev=FSD50K_DEV, eval=FSD50K_EVAL, vocabulary="0,Accordion,/m/0mkg\n")
    return plant(folder, "FSD50K.dev_audio/64760.wav", "FSD50K.dev_audio/16399.wav", "FSD50K.eval_audio/37199.wav")


@pytest.mark.parametrize("manifest", [".", "FSD50K.ground_truth"])
def test_the_folder_of_fsd50k_has_all_its_splits(tmp_path: Path, manifest: str) -> None:
    found = read_manifest(fsd50k(tmp_path) / manifest)
    assert (found.name, found.audio) == ("FSD50K", tmp_path)
    assert all(found.file(clip).is_file() for clip in found.clips)
    assert [(os.path.basename(clip.path), clip.labels, clip.columns) for clip in found.clips] == [
        (clip.path, clip.labels, clip.columns) for clip in FSD50K
    ]


@pytest.mark.parametrize(("subset", "expected"), [("dev", FSD50K[:2]), ("eval", FSD50K[2:])])
def test_a_table_of_fsd50k_has_its_own_sounds(tmp_path: Path, subset: str, expected: list[Clip]) -> None:
    found = read_manifest(fsd50k(tmp_path) / f"FSD50K.ground_truth/{subset}.csv")
    assert (found.audio, found.clips) == (tmp_path / f"FSD50K.{subset}_audio", expected)


def test_class_folders_may_lie_deeper(tmp_path: Path) -> None:
    plant(tmp_path, "train/dog_bark/1.wav", "test/dog_bark/2.flac", "test/rain/3.wav", "cover.jpg", "loose.wav")
    assert sorted((clip.path, clip.labels) for clip in clips(tmp_path)) == [
        ("test/dog_bark/2.flac", ("dog bark",)),
        ("test/rain/3.wav", ("rain",)),
        ("train/dog_bark/1.wav", ("dog bark",)),
    ]


@pytest.mark.parametrize("names", [[], ["a.wav"], ["dog/a.wav", "dog/b.wav"], ["dog/a.txt", "rain/a.txt"]])
def test_a_folder_without_classes_is_no_data_set(tmp_path: Path, names: list[str]) -> None:
    assert recognise(plant(tmp_path, *names)) is None


def test_the_sounds_may_be_elsewhere(tmp_path: Path) -> None:
    path = table(tmp_path / "meta/esc50.csv", ESC50)
    plant(tmp_path, "audio/1-100032-A-0.wav", "48k/fold1/1-100032-A-0.flac")
    manifest = read_manifest(path, tmp_path / "48k")
    assert manifest.audio == tmp_path / "48k"
    assert [clip.path for clip in manifest.clips] == ["fold1/1-100032-A-0.flac", "2-104105-B-37.wav"]


def test_a_sound_comes_before_its_video_and_other_files_do_not_count(tmp_path: Path) -> None:
    path = table(tmp_path / "vggsound.csv", VGGSOUND)
    plant(tmp_path, *(f"{kind}/---g-f_I2yQ_000001.{kind}" for kind in ("json", "mp4", "npy", "wav")))
    plant(tmp_path, "npy/B5KE79I2f-A_000188.npy", "mp4/B5KE79I2f-A_000188.mp4")
    assert paths(path)[:2] == ["wav/---g-f_I2yQ_000001.wav", "mp4/B5KE79I2f-A_000188.mp4"]


@pytest.mark.parametrize("audio", [".", "audio"])
def test_a_linked_folder_is_looked_into(tmp_path: Path, audio: str) -> None:
    path = table(tmp_path / "set/vggsound.csv", VGGSOUND)
    plant(tmp_path / "elsewhere", "---g-f_I2yQ_000001.wav")
    (tmp_path / "set/audio").symlink_to(tmp_path / "elsewhere")
    assert os.path.basename(paths(path, tmp_path / "set" / audio)[0]) == "---g-f_I2yQ_000001.wav"


def test_captions_are_tidied(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", AUDIOCAPS.replace("a rocket flies by", '"a  rocket\u200b\nflies\tby "'))
    assert clips(path)[1].captions == ("a rocket flies by",)


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("audiocap_id", "\ufeffaudiocap_id"), ("\n", "\n\n")])
def test_line_ends_blank_lines_and_a_byte_order_mark_do_not_count(tmp_path: Path, change: tuple[str, str]) -> None:
    path = table(tmp_path / "a.csv", AUDIOCAPS.replace(*change))
    assert clips(path) == clips(table(tmp_path / "b.csv", AUDIOCAPS))


@pytest.mark.parametrize("text", [AUDIOCAPS, CLOTHO, ESC50, URBANSOUND8K, GTZAN, VGGSOUND, FSD50K_DEV, FSD50K_EVAL])
def test_no_name_is_needed_to_tell_a_table(tmp_path: Path, text: str) -> None:
    layout = recognise(table(tmp_path / "my sounds.txt", text))
    assert layout is not None
    assert layout.audio == tmp_path
    assert len(layout.clips(tmp_path)) == len(text.splitlines()) - (text is not VGGSOUND)


@pytest.mark.parametrize("name", ["esc50.csv", "vggsound.csv", "test.csv", "a.jsonl"])
@pytest.mark.parametrize(
    "text",
    [
        "path,caption,label\na.wav,a dog,dog\n",
        "path,youtube_id,audiocap_id,start_time,caption\na.wav,VjSEIRnLAh8,1,30,a dog\n",
        "path,label,split\n---g-f_I2yQ.wav,people marching,test\n",
        '{"path": "a.wav", "caption": "a dog"}\n',
        "---g-f_I2yQ,1,people marching\n",
        "---g-f_I2yQ.wav,1,people marching,test\n",
        '"filename,fold',
        "a dog\nrain\n",
        "",
    ],
)
def test_other_files_are_no_data_set(tmp_path: Path, name: str, text: str) -> None:
    assert recognise(table(tmp_path / name, text)) is None


def test_what_is_no_text_or_not_there_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + bytes(100_000))
    assert recognise(tmp_path / "a.wav") is None
    assert recognise(tmp_path / "missing.csv") is None


def test_a_pipe_is_left_to_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert recognise(tmp_path / "pipe") is None


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (AUDIOCAPS.replace(",6BJ455B1aAs", ""), 3, "3 fields, not 4"),
        (AUDIOCAPS.replace("a rocket", "a rocket, perhaps,"), 3, "6 fields, not 4"),
        (AUDIOCAPS.replace("6BJ455B1aAs", ""), 3, "no youtube_id"),
        (AUDIOCAPS.replace("a rocket flies by", " \u200b"), 3, "it says nothing about its sound"),
        (AUDIOCAPS.replace(",0,a rocket", ",-1,a rocket"), 3, "start_time is '-1', no whole number of seconds"),
        (AUDIOCAPS.replace("105630,", '"105630,'), 4, "unexpected end of data"),
        (AUDIOCAPS.replace("a rocket flies by", '"a\nrocket"').replace("105630,", ""), 5, "3 fields, not 4"),
        (VGGSOUND.replace("220", "3:40"), 3, "start_time is '3:40', no whole number of seconds"),
        (VGGSOUND.replace(",train\n--9", "\n--9"), 3, "3 fields, not 4"),
        (CLOTHO.replace("Men talk.", '"Men" talk.'), 3, "',' expected after '\"'"),
        (ESC50.replace("clock_alarm", "_"), 3, "it says nothing about its sound"),
        (FSD50K_DEV + "\n\n16400\n", 6, "1 field, not 4"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, text: str, line: int, reason: str) -> None:
    path = table(tmp_path / "a.csv", text)
    with pytest.raises(ClapsearchError) as caught:
        read_manifest(path)
    assert str(caught.value) == f"cannot read {path}, line {line}: {reason}; mend it, or download the table again"


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CLOTHO.replace("jackhammer", "caf\xe9").encode("latin-1"))
    with pytest.raises(ClapsearchError, match=r"a\.csv, line 3: it is not UTF-8 text"):
        read_manifest(path)
