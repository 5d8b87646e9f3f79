"""Splits that keep takes of one recording together, so that nothing held out is trained on."""

import hashlib
import os
from collections.abc import Sequence

from clapsearch.evaluation.clips import Clip

HELD_OUT = ("dev", "val", "valid", "validation", "test", "eval", "evaluation")


def split_by_group(
    clips: Sequence[Clip], *, held_out: Sequence[str] = HELD_OUT, share: float = 0.15
) -> tuple[list[Clip], list[Clip]]:
    """Divide clips for training and for choosing or testing.

    Clips that share a path, a sha1 or a group, be it by way of others, stay on one side. The manifest's own column
    split decides, and one held-out clip takes its whole family with it; without that column, a hash of the family
    decides, so that the same clips are held out whatever else a manifest holds.

    Parameters
    ----------
    held_out : sequence of str
        Values of the column split that are never trained on.
    share : float
        Of families to hold out where there is no column split.

    Returns
    -------
    training, held : list of Clip
        In the order given.
    """
    has_split = any("split" in clip.columns for clip in clips)
    family_of = families(clips)
    if has_split:
        held = {family for clip, family in zip(clips, family_of, strict=True) if clip.columns.get("split") in held_out}
    else:
        held = {family for family in family_of if _fraction(family) < share}
    sides: tuple[list[Clip], list[Clip]] = ([], [])
    for clip, family in zip(clips, family_of, strict=True):
        sides[family in held].append(clip)
    return sides


def without(clips: Sequence[Clip], held: Sequence[Clip]) -> list[Clip]:
    """Return the clips that share no path, sha1 or group, be it by way of others, with a held-out one."""
    family_of = families([*held, *clips])
    taken = set(family_of[: len(held)])
    return [clip for clip, family in zip(clips, family_of[len(held) :], strict=True) if family not in taken]


def families(clips: Sequence[Clip]) -> list[str]:
    """Return the name of each clip's family: the smallest of all the keys that connect it."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for clip in clips:
        first, *others = map(root, keys(clip))
        for other in others:
            one, two = sorted((root(first), root(other)))
            parent[two] = one
    return [root(keys(clip)[0]) for clip in clips]


def keys(clip: Clip) -> list[str]:
    """Return what a clip must not share with one on the other side: its path, sha1 and group."""
    named = {"path": os.path.normpath(clip.path), "sha1": clip.columns.get("sha1", "").lower()}
    named["group"] = clip.columns.get("group", "")
    return [f"{name} {value}" for name, value in named.items() if value]


def _fraction(family: str) -> float:
    return int.from_bytes(hashlib.sha256(os.fsencode(family)).digest()[:8], "big") / 2**64
