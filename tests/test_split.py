"""Splits: nothing held out is trained on, not even another take of it."""

import itertools
import random
from pathlib import Path

import pytest

from clapsearch.evaluation.clips import Clip
from clapsearch.evaluation.manifest import read_manifest
from clapsearch.evaluation.split import keys, split_by_group, without

COLLECTION = Path(__file__).parents[2] / "shared" / "sounds" / "manifest.csv"


def clip(path: str, **columns: str) -> Clip:
    return Clip(path, labels=("rain",), columns=columns)


def shared(one: list[Clip], other: list[Clip]) -> set[str]:
    """Return the paths, sha1 and groups that stand on both sides."""
    return set(itertools.chain(*map(keys, one))) & set(itertools.chain(*map(keys, other)))


def random_clips(seed: int, *, has_split: bool) -> list[Clip]:
    rng = random.Random(seed)
    return [
        clip(
            f"{i}.wav",
            sha1=f"{rng.randrange(150):040x}",
            group=f"group {rng.randrange(80)}",
            **({"split": rng.choice(["train", "train", "train", "train", "dev"])} if has_split else {}),
        )
        for i in range(200)
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("has_split", [True, False])
def test_path_sha1_and_group_stay_apart(seed: int, has_split: bool) -> None:
    clips = [*random_clips(seed, has_split=has_split), *(clip(f"alone{i}.wav", split="train") for i in range(50))]
    training, held = split_by_group(clips)
    assert shared(training, held) == set()
    assert len(training) + len(held) == len(clips)
    assert all(other in held for other in clips if other.columns.get("split") == "dev")


def test_a_chain_of_takes_is_one_family() -> None:
    chain = [
        clip("a.wav", group="one", split="dev"),
        clip("b.wav", group="one", sha1="AB", split="train"),
        clip("c.wav", sha1="ab", split="train"),
        clip("./c.wav", group="two", split="train"),
        clip("d.wav", group="two", split="train"),
        clip("e.wav", group="three", split="train"),
    ]
    training, held = split_by_group(chain)
    assert [one.path for one in training] == ["e.wav"]
    assert held == chain[:5]
    assert [one.path for one in without(chain, chain[:1])] == ["e.wav"]


def test_without_a_split_the_same_sounds_are_held_out_whatever_else_there_is() -> None:
    clips = [clip(f"{i}.wav", group=f"{i // 2}") for i in range(400)]
    training, held = split_by_group(clips)
    assert 0.08 < len(held) / 400 < 0.25
    assert split_by_group(clips[:200])[1] == [one for one in held if one in clips[:200]]
    assert split_by_group(list(reversed(clips)))[1] == list(reversed(held))
    assert len(training) == 400 - len(held)


@pytest.mark.skipif(not COLLECTION.exists(), reason="needs the collection of recordings beside the project")
def test_no_dev_recording_of_the_collection_can_enter_training() -> None:
    clips = read_manifest(COLLECTION).clips
    training, held = split_by_group(clips)
    dev = [one for one in clips if one.columns["split"] == "dev"]
    assert held == dev
    assert len(dev) == 650
    assert shared(training, dev) == set()
    assert {one.columns["sha1"] for one in training}.isdisjoint(one.columns["sha1"] for one in dev)
    assert {one.columns["group"] for one in training}.isdisjoint(one.columns["group"] for one in dev)
