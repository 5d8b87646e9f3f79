"""Sound files with damaged bytes: each ends as a sound or as a reason, soon, whatever the decoder makes of it."""

import random
import sys
import time
from pathlib import Path

import pytest
import soundfile
from signals import noise

from indexer.decode import Decoded, DecodePool, Skipped

FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "wav24": ("WAV", "PCM_24"),
    "adpcm": ("WAV", "IMA_ADPCM"),
    "aiff": ("AIFF", "PCM_16"),
    "caf": ("CAF", "ALAC_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "w64": ("W64", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
}
# A decoder may stall on garbage: it is killed after so long, and the run goes on.
STALL_S = 5.0


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """One small file of each format, by suffix."""
    folder = tmp_path_factory.mktemp("originals")
    files = {}
    for name, (format_, subtype) in FORMATS.items():
        soundfile.write(folder / name, noise(0.4, seed=1), 48_000, format=format_, subtype=subtype)
        suffix = {"wav24": "wav", "adpcm": "wav"}.get(name, name)
        files[name] = (suffix, (folder / name).read_bytes())
    return files


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """Damage bytes: a few anywhere, more in the header, a piece cut out, doubled or zeroed, the end torn off."""
    data = bytearray(raw)
    for _ in range(chance.choice([1, 2, 8, 64])):
        within = min(len(data), chance.choice([64, 512, len(data)]))
        data[chance.randrange(within)] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    start = chance.randrange(len(data))
    end = min(len(data), start + chance.choice([1, 4, 100, 5_000]))
    piece = chance.choice(["keep", "cut", "double", "zero", "end"])
    if piece == "cut":
        del data[start:end]
    elif piece == "double":
        data[start:start] = data[start:end]
    elif piece == "zero":
        data[start:end] = bytes(end - start)
    elif piece == "end":
        del data[start:]
    return bytes(data)


def decode_all(folder: Path, originals, front_end, n_files: int, seed: int):
    """Write mutants and decode them as a run does; returns the outcomes."""
    chance = random.Random(seed)
    paths = []
    for number in range(n_files):
        suffix, raw = originals[chance.choice(sorted(originals))]
        path = folder / f"{number}.{suffix}"
        path.write_bytes(mutated(raw, chance))
        paths.append(str(path).encode())
    with DecodePool(front_end, n_workers=2, stall_s=STALL_S) as pool:
        return paths, list(pool.run(iter(paths), lambda path, content_hash: True))


def check(paths, outcomes):
    assert sorted(outcome.path for outcome in outcomes) == sorted(paths)
    for outcome in outcomes:
        assert isinstance(outcome, Decoded | Skipped)
        if isinstance(outcome, Skipped):
            assert len(outcome.reason) < 300
            assert outcome.reason.isprintable()


def test_damaged_files_end_as_sounds_or_as_reasons(originals, fused, tmp_path):
    paths, outcomes = decode_all(tmp_path, originals, fused.front_end, 300, seed=0)
    check(paths, outcomes)
    assert {type(outcome) for outcome in outcomes} == {Decoded, Skipped}


@pytest.mark.slow
def test_ten_thousand_damaged_files_take_bounded_time(originals, fused, tmp_path):
    began = time.monotonic()
    paths, outcomes = decode_all(tmp_path, originals, fused.front_end, 10_000, seed=int(time.time()))
    check(paths, outcomes)
    killed = [outcome.reason for outcome in outcomes if isinstance(outcome, Skipped) and "decoder" in outcome.reason]
    # However bad the machine is, the time is at most that of the stalls and a second for each of the others.
    assert time.monotonic() - began < len(killed) * 2 * STALL_S + len(paths)
    print(f"{len(paths):,} files, {len(killed)} decoders killed, {time.monotonic() - began:.0f} s", file=sys.stderr)
