"""The published data sets: how their tables look, what a row says, and what people call the sound files.

Where each layout is defined:

- AudioCaps: ``dataset/README.md`` of github.com/cdjkim/audiocaps. The sounds are not part of it; their names are those
  of its downloaders (MorenoLaQuatra/audiocaps-download, Labbeti/aac-datasets, xieh97/audiocaps-dl) and of AudioSet's.
- Clotho: zenodo.org/records/4783391; the folders of its archives also as Labbeti/aac-datasets puts them.
- ESC-50: github.com/karolpiczak/ESC-50.
- UrbanSound8K: zenodo.org/records/1203745, described in soundata's loader.
- GTZAN: kaggle.com/datasets/andradaolteanu/gtzan-dataset-music-genre-classification. The original has no table: see
  the class folders of `layouts`.
- VGGSound: ``README.md`` of github.com/hche11/VGGSound, whose ``data/test.csv`` has the file names.
- FSD50K: zenodo.org/records/4060432, described in soundata's loader.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from clapsearch.evaluation.clips import Clip

Row = Mapping[str, str]
# Stems of YouTube clips: perhaps AudioSet's Y, the id, perhaps a start, perhaps an end; the end depends on the video's.
_YOUTUBE_STEM = re.compile(r"Y?([\w-]{11}(?:_[\d.]+)?)(?:_[\d.]+)?")


def words(name: str) -> str:
    """Return a label as a person would type it."""
    return " ".join(name.replace("_", " ").split())


def youtube_key(stem: str) -> str:
    """Return id and start of a YouTube clip's file name, whatever stands around them."""
    match = _YOUTUBE_STEM.fullmatch(stem)
    return match[1] if match else stem


@dataclass(frozen=True)
class Dataset:
    """One published data set.

    Attributes
    ----------
    name : str
        As its authors call it.
    columns : tuple of str
        What its header has among others, the sound's name or id first; all its fields if it has no header.
    clip : callable
        A row to its clip, under the name its authors gave the file. ValueError if the row makes no sense.
    tables : tuple of str
        Paths of its tables in its folder: what is evaluated on.
    audio : tuple of str
        Folders where its sounds are, relative to a table's; ``{split}`` is the last word of the table's name.
    first_row : tuple of str
        Patterns of the fields of the first row, where there is no header.
    other_stems : callable
        A row to further names that its sound goes by, without suffix.
    key : callable
        The stem of a file name to what is compared.
    """

    name: str
    columns: tuple[str, ...]
    clip: Callable[[Row], Clip]
    tables: tuple[str, ...]
    audio: tuple[str, ...] = (".",)
    first_row: tuple[str, ...] = ()
    other_stems: Callable[[Row], Iterable[str]] = lambda row: ()
    key: Callable[[str], str] = str.strip

    def begins_with(self, row: list[str]) -> bool:
        """Whether a table with this first row is one of the data set's; never one with a column path, like our own."""
        if not self.first_row:
            return {*self.columns} <= {*row} and "path" not in row
        return len(row) == len(self.first_row) and all(map(re.fullmatch, self.first_row, row))


def _audiocaps(row: Row) -> Clip:
    video = row["youtube_id"]
    return Clip(f"{video}_{_start_s(row)}.wav", captions=(row["caption"],), columns={"group": video})


def _audiocaps_stems(row: Row) -> list[str]:
    return [*_youtube_stems(row), row["audiocap_id"]]


def _clotho(row: Row) -> Clip:
    return Clip(row["file_name"], captions=tuple(row[f"caption_{number}"] for number in range(1, 6)))


def _esc50(row: Row) -> Clip:
    columns = {"fold": row["fold"], "group": row["src_file"], "esc10": row["esc10"]}
    return Clip(row["filename"], labels=(words(row["category"]),), columns=columns)


def _urbansound8k(row: Row) -> Clip:
    columns = {"fold": row["fold"], "group": row["fsID"], "salience": row["salience"]}
    path = f"fold{row['fold']}/{row['slice_file_name']}"
    return Clip(path, labels=(words(row["class"]),), columns=columns)


def _gtzan(row: Row) -> Clip:
    return Clip(row["filename"], labels=(words(row["label"]),))


def _vggsound(row: Row) -> Clip:
    columns = {"split": row["split"], "group": row["youtube_id"]}
    return Clip(f"{row['youtube_id']}_{_start_s(row):06d}.mp4", labels=(words(row["label"]),), columns=columns)


def _fsd50k(row: Row) -> Clip:
    # The authors put Male_speech_and_man_speaking for AudioSet's "Male speech, man speaking".
    labels = tuple(words(label.replace("_and_", ", ")) for label in row["labels"].split(","))
    return Clip(f"{row['fname']}.wav", labels=labels, columns={"split": row.get("split", "test")})


def _start_s(row: Row) -> int:
    text = row["start_time"]
    if not text.isdecimal():
        raise ValueError(f"start_time is {text!r}, no whole number of seconds")
    return int(text)


def _youtube_stems(row: Row) -> list[str]:
    """Return the usual names: start in seconds in several forms, in milliseconds, or none."""
    start_s = _start_s(row)
    starts = (f"{start_s:06d}", f"{start_s}", f"{start_s}.0", f"{start_s}.000", f"{1000 * start_s}")
    return [*(f"{row['youtube_id']}_{start}" for start in starts), row["youtube_id"]]


DATASETS = (
    Dataset(
        name="AudioCaps",
        columns=("youtube_id", "audiocap_id", "start_time", "caption"),
        clip=_audiocaps,
        tables=("test.csv",),
        other_stems=_audiocaps_stems,
        key=youtube_key,
    ),
    Dataset(
        name="Clotho",
        columns=("file_name", "caption_1", "caption_2", "caption_3", "caption_4", "caption_5"),
        clip=_clotho,
        tables=("clotho_captions_evaluation.csv",),
        audio=("{split}", "clotho_audio_{split}", "../clotho_audio_files/{split}", "."),
    ),
    Dataset(
        name="ESC-50",
        columns=("filename", "fold", "category", "esc10", "src_file"),
        clip=_esc50,
        tables=("meta/esc50.csv",),
        audio=("../audio", "."),
    ),
    Dataset(
        name="UrbanSound8K",
        columns=("slice_file_name", "fsID", "salience", "fold", "class"),
        clip=_urbansound8k,
        tables=("metadata/UrbanSound8K.csv", "UrbanSound8K.csv"),
        audio=("../audio", "."),
    ),
    Dataset(
        name="GTZAN",
        columns=("filename", "length", "chroma_stft_mean", "label"),
        clip=_gtzan,
        tables=("features_30_sec.csv",),
    ),
    Dataset(
        name="VGGSound",
        columns=("youtube_id", "start_time", "label", "split"),
        clip=_vggsound,
        tables=("vggsound.csv",),
        first_row=(r"[\w-]{11}", r"\d+", r".+", "train|test"),
        other_stems=_youtube_stems,
        key=youtube_key,
    ),
    Dataset(
        name="FSD50K",
        columns=("fname", "labels", "mids"),
        clip=_fsd50k,
        tables=("FSD50K.ground_truth/dev.csv", "FSD50K.ground_truth/eval.csv", "dev.csv", "eval.csv"),
        audio=("../FSD50K.{split}_audio", "FSD50K.{split}_audio", "."),
    ),
)
