"""Manifests of our own: csv and jsonl, and what is wrong with some."""

import json
from pathlib import Path

import pytest

from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.evaluation.clips import Clip, select
from clapsearch.evaluation.manifest import read_manifest


def written(folder: Path, text: str | bytes, name: str = "manifest.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_csv_has_captions_labels_and_further_columns(tmp_path: Path) -> None:
    text = 'path,caption,label,split\na.wav,"rain, on tin",rain,dev\nsub/b.wav,  two   words ,wind,train\n'
    manifest = read_manifest(written(tmp_path, text))
    assert manifest.clips == [
        Clip("a.wav", ("rain, on tin",), ("rain",), {"split": "dev"}),
        Clip("sub/b.wav", ("two words",), ("wind",), {"split": "train"}),
    ]
    assert manifest.audio == tmp_path
    assert manifest.file(manifest.clips[1]) == tmp_path / "sub" / "b.wav"
    assert manifest.notes == []


def test_several_captions_and_labels_in_any_form(tmp_path: Path) -> None:
    csv = "path,caption_1,caption_2,labels\na.wav,one,two,rain; wind;\nb.wav,three,,rain\n"
    rows = [
        {"path": "a.wav", "captions": ["one", "two"], "labels": ["rain", "wind"]},
        {"path": "b.wav", "caption": "three", "label": "rain"},
    ]
    jsonl = "\n\n".join(map(json.dumps, rows))
    expected = [Clip("a.wav", ("one", "two"), ("rain", "wind")), Clip("b.wav", ("three",), ("rain",))]
    assert read_manifest(written(tmp_path, csv)).clips == expected
    assert read_manifest(written(tmp_path, jsonl, "manifest.jsonl")).clips == expected


def test_rows_of_one_path_are_one_clip(tmp_path: Path) -> None:
    text = "path,caption,label\na.wav,one,rain\nb.wav,other,wind\na.wav,two,rain\na.wav,one,storm\n"
    clips = read_manifest(written(tmp_path, text)).clips
    assert clips == [Clip("a.wav", ("one", "two"), ("rain", "storm")), Clip("b.wav", ("other",), ("wind",))]


def test_a_byte_order_mark_and_control_characters_do_no_harm(tmp_path: Path) -> None:
    clips = read_manifest(written(tmp_path, "\ufeffpath,caption\na.wav,rain\x1b[2J on\ttin\n")).clips
    assert clips == [Clip("a.wav", ("rain [2J on tin",))]


def test_audio_says_where_paths_start(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    path = written(tmp_path, "path,label\na.wav,rain\n/abs/b.wav,wind\n")
    manifest = read_manifest(path, tmp_path / "sounds")
    assert manifest.file(manifest.clips[0]) == tmp_path / "sounds" / "a.wav"
    assert manifest.file(manifest.clips[1]) == Path("/abs/b.wav")
    with pytest.raises(ClapsearchError, match="nowhere is no folder"):
        read_manifest(path, tmp_path / "nowhere")


def test_empty_captions_and_columns_without_a_meaning_are_told(tmp_path: Path) -> None:
    text = "path,caption,label,mood\na.wav,,rain,sad\nb.wav,  ,wind,glad\nc.wav,dogs,dog,\n"
    manifest = read_manifest(written(tmp_path, text))
    assert manifest.clips[0] == Clip("a.wav", (), ("rain",), {"mood": "sad"})
    assert manifest.notes == ["columns that mean nothing here but to --where: mood", "2 rows without a caption"]


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "m.csv", "has no rows"),
        ("path,caption\n", "m.csv", "has no rows"),
        ("file,caption\na.wav,rain\n", "m.csv", "no column path; it has file, caption"),
        ("path,tag\na.wav,rain\n", "m.csv", "neither a column caption nor label; it has path, tag"),
        ("path,label\na.wav,rain\n ,rain\n", "m.csv", "m.csv, line 3: no path"),
        (b"path,label\n\xff\xfe,rain\n", "m.csv", "cannot read .*m.csv: .*codec can't decode"),
        ('{"path": "a.wav", "label": "x"}\n{"path": \n', "m.jsonl", "line 2 is not JSON"),
        ('["a.wav"]\n', "m.jsonl", "line 1 is no JSON object"),
        ('{"path": 3, "label": "x"}\n', "m.jsonl", "m.jsonl, line 1: no path"),
        (None, "m.csv", "cannot read .*m.csv: No such file"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, text: str | bytes | None, name: str, message: str) -> None:
    path = tmp_path / name if text is None else written(tmp_path, text, name)
    with pytest.raises(ClapsearchError, match=message) as caught:
        read_manifest(path)
    assert "\n" not in str(caught.value)


def test_clips_are_chosen_by_any_columns_together() -> None:
    clips = [Clip(f"{i}.wav", columns={"fold": str(i % 3), "kind": "sfx" if i < 6 else "music"}) for i in range(9)]
    assert [clip.path for clip in select(clips, {"fold": ["1", "2"], "kind": ["music"]})] == ["7.wav", "8.wav"]
    assert select(clips, {}) == clips


def test_clips_are_chosen_by_label_too() -> None:
    clips = [Clip("a.wav", labels=("rain", "wind")), Clip("b.wav", labels=("dog",)), Clip("c.wav")]
    assert [clip.path for clip in select(clips, {"label": ["wind", "cat"]})] == ["a.wav"]
    with pytest.raises(UsageError, match="no sound is left with label=cat; label is one of dog, rain, wind"):
        select(clips, {"label": ["cat"]})
    with pytest.raises(UsageError, match="no column fold to choose by; it has label"):
        select(clips, {"fold": ["1"]})


def test_a_choice_of_nothing_says_what_there_is() -> None:
    clips = [Clip(f"{i}.wav", columns={"fold": str(i)}) for i in range(12)]
    with pytest.raises(UsageError, match="no column split to choose by; it has fold"):
        select(clips, {"split": ["dev"]})
    with pytest.raises(UsageError, match=r"no sound is left with fold=99; fold is one of 0, 1, 10, 11, 2, .*, \.\.\."):
        select(clips, {"fold": ["99"]})
