"""Assemble long recordings to search: in each, one known sound at a known time among others.

Usage::

    python tests/bench/assemble.py MANIFEST OUT [--audio DIR] [--split dev] [--where kind=sfx,ambience,voice]
        [--n 100] [--min-minutes 2] [--max-minutes 10] [--known-share 0.6] [--min-filler 0] [--seed 0]
        [--sr 48000]

Writes ``OUT/000.flac`` and so on (mono, 16 bit) and, when all are there, ``OUT/manifest.csv`` with the columns path,
caption, label, start_s and end_s of the known sound, source (its path) and seed; a known sound of several captions or
labels has a row for each. A run that was stopped goes on where it was; the same arguments give the same bytes.

Nothing but its sound may tell the known one, and no other recording may hold it:

- labels that share a word (glass, glass break) stay together, and are either known or filler labels; a filler has no
  label and no caption of a known sound;
- a known sound is whole, lasts 0.5 to 30 s and is used once; labels take turns, so that there are many of them;
- fillers last ``--min-filler`` seconds at least, are cut to their first 30 s and come again in one recording only after
  all of them were in it;
- all have one loudness: -30 dBFS RMS, less where the peak would pass -1 dBFS;
- between two sounds are 0 to 1 s of silence; fades are 5 ms in (an impact keeps its attack) and 50 ms out;
- the duration is uniform in the limits, the known sound's start uniform in the recording; the filler before it and the
  last one are cut to fit.
"""

import argparse
import csv
import hashlib
import itertools
import os
import random
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from clapsearch.audio import decode
from clapsearch.errors import AudioError, ClapsearchError, UsageError
from clapsearch.evaluation.clips import Clip, Manifest, select
from clapsearch.evaluation.manifest import read_manifest
from clapsearch.present import plural, printable

MIN_KNOWN_S, MAX_PIECE_S = 0.5, 30.0
MIN_CUT_S = 0.1  # a shorter rest before the known sound, or at the end, stays silent
MAX_PAUSE_S = 1.0
FADE_IN_S, FADE_OUT_S = 0.005, 0.05
RMS, PEAK = 10 ** (-30 / 20), 10 ** (-1 / 20)
MIN_RMS = 10 ** (-70 / 20)  # quieter ones are silence, or would become noise
COLUMNS = ("path", "caption", "label", "start_s", "end_s", "source", "seed")
Waveform = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sound:
    """A sound that decodes: its first `n_samples`, at most 30 s, and the factor that brings them to the loudness."""

    clip: Clip
    n_samples: int
    gain: float


Division = tuple[list[Sound], list[Sound]]  # known ones and fillers


@dataclass(frozen=True)
class Placed:
    """The first `n_samples` of a sound, from sample `start` of a recording."""

    sound: Sound
    start: int
    n_samples: int


@dataclass(frozen=True)
class Recording:
    """What to write: sounds in order of time, the known one among them."""

    sr: int
    n_samples: int
    known: Placed
    sounds: tuple[Placed, ...]

    @property
    def key(self) -> str:
        """Tell this recording from any other; its file carries it."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


# --- sounds ----------------------------------------------------------------------------------------------------------


def survey(manifest: Manifest, clips: Sequence[Clip], sr: int) -> list[Sound]:
    """Decode every clip once; leave out what does not decode or is silent."""
    found = []
    for clip in clips:
        try:
            waveform = decode_start(manifest.file(clip), sr)
        except AudioError:
            continue
        rms, peak = float(np.sqrt(np.mean(np.square(waveform)))), float(np.abs(waveform).max())
        if rms >= MIN_RMS:
            found.append(Sound(clip, len(waveform), min(RMS / rms, PEAK / peak)))
    return found


def decode_start(path: Path, sr: int) -> Waveform:
    """Decode the first 30 s, or all there is, shape (n_samples,); AudioError names the file."""

    def start(blocks: Iterator[Waveform]) -> Waveform:
        kept, n_left = [], round(MAX_PIECE_S * sr)
        for block in blocks:
            kept.append(block[:n_left].copy())
            n_left -= len(kept[-1])
        return np.concatenate(kept)

    try:
        return decode(path, start, sr=sr)[1]
    except AudioError as error:
        raise AudioError(f"{printable(path)}: {error}") from error


# --- which sounds ----------------------------------------------------------------------------------------------------


def divide(sounds: Sequence[Sound], able: Sequence[Sound], share: float, rng: random.Random) -> Division:
    """Divide sounds into known ones (of those able, in the order to use them) and fillers; no text is on both sides."""
    labels = {label for sound in sounds for label in sound.clip.labels}
    families = related(labels, {label for sound in able for label in sound.clip.labels})
    rng.shuffle(families)
    known: set[str] = set()
    for family in families:
        if len(known) + len(family) <= max(1, share * len(labels)):
            known.update(family)
    able = [sound for sound in able if known.issuperset(sound.clip.labels)]
    taken = known.union(*(sound.clip.captions for sound in able))
    fillers = [sound for sound in sounds if taken.isdisjoint(sound.clip.labels + sound.clip.captions)]
    return take_turns(able, rng), fillers


def related(labels: set[str], able: set[str]) -> list[list[str]]:
    """Group labels so that no word is in two groups; return the groups that have a label of those able."""
    groups: list[tuple[set[str], list[str]]] = []
    for label in sorted(labels):
        words, group = set(re.findall(r"[^\W_]+", label.lower())), [label]
        for other in [other for other in groups if other[0] & words]:
            groups.remove(other)
            words, group = words | other[0], other[1] + group
        groups.append((words, group))
    return [group for _, group in groups if not able.isdisjoint(group)]


def take_turns(sounds: Sequence[Sound], rng: random.Random) -> list[Sound]:
    """Order sounds: one of every (first) label, then the second of every label, and so on."""
    by_label: dict[str, list[Sound]] = {}
    for sound in rng.sample(sounds, len(sounds)):
        by_label.setdefault(sound.clip.labels[0], []).append(sound)
    return [sound for turn in itertools.zip_longest(*by_label.values()) for sound in turn if sound is not None]


def check(division: Division, n: int) -> None:
    """Refuse a division that cannot make `n` recordings."""
    known, fillers = division
    there = f"{plural(len(known), 'sound')} of {plural(len(_labels(known)), 'label')} can be the known one"
    if len(known) < n:
        raise UsageError(f"too few sounds: {there}, {n} are needed; give a smaller --n or a larger --known-share")
    if not fillers:
        raise UsageError(
            f"too few labels: {there}, none is left to fill with, 1 is needed; "
            "give sounds of more labels or a smaller --min-filler"
        )


def _labels(sounds: Iterable[Sound]) -> set[str]:
    return {label for sound in sounds for label in sound.clip.labels}


# --- recordings ------------------------------------------------------------------------------------------------------


def plan(sounds: Sequence[Sound], options: argparse.Namespace) -> tuple[dict[str, Recording], list[Sound]]:
    """Draw all recordings, by file name, from the sounds; returns the fillers, too."""
    sr = options.sr
    limits = (round(options.min_minutes * 60 * sr), round(options.max_minutes * 60 * sr))
    most = min(limits[0], round(MAX_PIECE_S * sr) - 1)  # of 30 s there may have been more
    able = [sound for sound in sounds if MIN_KNOWN_S * sr <= sound.n_samples <= most]
    known, fillers = divide(sounds, able, options.known_share, random.Random(options.seed))
    fillers = [sound for sound in fillers if sound.n_samples >= options.min_filler * sr]
    check((known, fillers), options.n)
    rngs = [random.Random(f"{options.seed}/{number}") for number in range(options.n)]
    drawn = [draw(sound, fillers, limits, sr, rng) for sound, rng in zip(known, rngs, strict=False)]
    return {f"{number:03}.flac": recording for number, recording in enumerate(drawn)}, fillers


def draw(known: Sound, fillers: Sequence[Sound], limits: tuple[int, int], sr: int, rng: random.Random) -> Recording:
    """Draw a recording; `limits` are the fewest and most samples it may have."""
    n = rng.randint(*limits)
    placed = Placed(known, rng.randint(0, n - known.n_samples), known.n_samples)
    queue = _endless(fillers, rng)
    before = shortened(list(fill(0, placed.start, queue, sr, rng)), placed.start - _pause(sr, rng), sr)
    after = fill(placed.start + placed.n_samples + _pause(sr, rng), n, queue, sr, rng)
    return Recording(sr, n, placed, (*before, placed, *after))


def fill(at: int, end: int, queue: Iterator[Sound], sr: int, rng: random.Random) -> Iterator[Placed]:
    """Place sounds from sample `at` on, with pauses; the last one is cut at `end`."""
    while end - at >= MIN_CUT_S * sr:
        sound = next(queue)
        yield Placed(sound, at, min(sound.n_samples, end - at))
        at += min(sound.n_samples, end - at) + _pause(sr, rng)


def shortened(placed: list[Placed], end: int, sr: int) -> list[Placed]:
    """Let the last of some sounds end at a sample, so that the next one comes after a pause as all others do."""
    if not placed:
        return []
    *others, last = placed
    return [*others, replace(last, n_samples=min(last.n_samples, max(round(MIN_CUT_S * sr), end - last.start)))]


def _endless(sounds: Sequence[Sound], rng: random.Random) -> Iterator[Sound]:
    while True:
        yield from rng.sample(sounds, len(sounds))


def _pause(sr: int, rng: random.Random) -> int:
    return rng.randint(0, round(MAX_PAUSE_S * sr))


def render(recording: Recording, manifest: Manifest) -> Iterator[Waveform]:
    """Yield a recording's silences and sounds in order of time."""
    at = 0
    for placed in recording.sounds:
        waveform = decode_start(manifest.file(placed.sound.clip), recording.sr)[: placed.n_samples]
        yield np.zeros(placed.start - at, np.float32)
        yield faded(waveform * np.float32(placed.sound.gain), recording.sr)
        at = placed.start + placed.n_samples
    yield np.zeros(recording.n_samples - at, np.float32)


def faded(waveform: Waveform, sr: int) -> Waveform:
    """Fade in and out, each over at most a quarter."""
    n_in, n_out = (min(round(seconds * sr), len(waveform) // 4) for seconds in (FADE_IN_S, FADE_OUT_S))
    envelope = np.ones(len(waveform), np.float32)
    envelope[:n_in] = np.linspace(0, 1, n_in)
    envelope[len(waveform) - n_out :] = np.linspace(1, 0, n_out)
    return waveform * envelope


# --- files -----------------------------------------------------------------------------------------------------------


def write(recording: Recording, path: Path, manifest: Manifest) -> None:
    """Write a recording, a sound at a time, under its name only once it is whole."""
    part = path.with_name(path.name + ".part")
    with soundfile.SoundFile(part, "w", recording.sr, 1, "PCM_16", format="FLAC") as file:
        file.comment = recording.key
        for waveform in render(recording, manifest):
            file.write(waveform)
    os.replace(part, path)


def is_written(recording: Recording, path: Path) -> bool:
    """Say whether a file holds just this recording."""
    try:
        with soundfile.SoundFile(path) as file:
            return bool(file.comment == recording.key)
    except soundfile.LibsndfileError:
        return False


def rows(name: str, recording: Recording) -> Iterator[tuple[str, ...]]:
    """Yield a row of the manifest, but for the seed, for every caption and label of the known sound."""
    known, clip = recording.known, recording.known.sound.clip
    times_s = [f"{sample / recording.sr:.6f}" for sample in (known.start, known.start + known.n_samples)]
    for caption, label in itertools.product(clip.captions or ("",), clip.labels):
        yield name, caption, label, *times_s, clip.path


# --- the command -----------------------------------------------------------------------------------------------------


def assemble(options: argparse.Namespace) -> str:
    """Write the recordings that are not there yet and the manifest; returns a line that sums up."""
    manifest = read_manifest(options.manifest, options.audio)
    clips = [clip for clip in select(manifest.clips, columns(options)) if clip.labels]
    options.out.mkdir(parents=True, exist_ok=True)
    sounds = survey(manifest, clips, options.sr)
    recordings, fillers = plan(sounds, options)
    part = options.out / "manifest.csv.part"
    with part.open("w", encoding="utf-8", newline="") as file:
        (options.out / "manifest.csv").unlink(missing_ok=True)  # it says that all recordings are there
        new = [name for name, recording in recordings.items() if not is_written(recording, options.out / name)]
        for name in new:
            write(recordings[name], options.out / name, manifest)
        table = [row for name, recording in recordings.items() for row in rows(name, recording)]
        csv.writer(file).writerows([COLUMNS, *((*row, options.seed) for row in table)])
    os.replace(part, options.out / "manifest.csv")
    return summary(recordings.values(), fillers, len(new), len(clips) - len(sounds))


def columns(options: argparse.Namespace) -> dict[str, list[str]]:
    """Return what --split and --where ask for, by column."""
    wanted = {"split": [options.split]} if options.split else {}
    for text in options.where:
        column, _, values = text.partition("=")
        if not (column and values):
            raise UsageError(f"--where {printable(text)} is not COLUMN=VALUE,VALUE, such as kind=sfx,voice")
        wanted[column] = values.split(",")
    return wanted


def summary(recordings: Collection[Recording], fillers: Sequence[Sound], n_new: int, n_left_out: int) -> str:
    """Say what there is now."""
    hours = sum(recording.n_samples / recording.sr for recording in recordings) / 3600
    known = _labels(recording.known.sound for recording in recordings)
    return (
        f"{plural(len(recordings), 'recording')} of {hours:.2f} h ({n_new} new), {plural(len(known), 'known label')}, "
        f"{plural(len(_labels(fillers)), 'filler label')} ({plural(len(fillers), 'sound')}); "
        f"{plural(n_left_out, 'sound')} left out (not decoded, or silent)"
    )


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Assemble long recordings with one known sound each.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--audio", type=Path, help="the folder that the manifest's paths start from")
    parser.add_argument("--split", default="dev", help="empty for all sounds (default: dev)")
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE,VALUE")
    parser.add_argument("--n", type=int, default=100, help="recordings (default: 100)")
    parser.add_argument("--min-minutes", type=float, default=2.0, help="shortest recording (default: 2)")
    parser.add_argument("--max-minutes", type=float, default=10.0, help="longest recording (default: 10)")
    parser.add_argument("--known-share", type=float, default=0.6, help="of all labels, the others fill (default: 0.6)")
    parser.add_argument("--min-filler", type=float, default=0.0, help="shortest filler in seconds (default: 0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sr", type=int, default=48_000, help="sample rate in Hz (default: 48000)")
    options = parser.parse_args(arguments)
    if not MIN_KNOWN_S / 60 <= options.min_minutes <= options.max_minutes <= 24 * 60:
        parser.error(
            f"from {options.min_minutes:g} to {options.max_minutes:g} minutes: give 0.01 to 1440, shorter first"
        )
    if options.n < 1 or not 0 < options.known_share < 1 or not 8_000 <= options.sr <= 192_000:
        parser.error("--n is at least 1, --known-share between 0 and 1, --sr 8000 to 192000 Hz")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Assemble; return the exit code."""
    options = parse_arguments(arguments)
    try:
        print(assemble(options))
    except ClapsearchError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except (OSError, soundfile.LibsndfileError) as error:  # reading has errors of its own
        reason = getattr(error, "strerror", None) or error
        print(f"cannot write to {printable(options.out)}: {reason}; make room, or give another folder", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
