"""What the bundled checkpoint is trained on: recordings of a captioned library, and sounds synthesised for it.

``python -m clapsearch.training.recipe LIBRARY FOLDER`` writes the sounds and a manifest of both into FOLDER;
``make checkpoint`` trains on them.
"""

import argparse
import csv
import os
from collections.abc import Iterator
from pathlib import Path

from clapsearch.evaluation.manifest import read_manifest
from clapsearch.training.synthesis.sounds import Synthesised, write_sounds

# Fine-tuning is shown on these: the bundled checkpoint has heard none of them.
KEPT_OUT = {"instrument"}
# Kinds whose held-out recordings choose the best weights.
CHOOSING = {"sfx", "ambience", "voice"}
COLUMNS = ("path", "caption", "label", "split", "kind", "group", "sha1", "licence", "author", "origin")
N_EACH = 10  # synthesised sounds of a kind


def write_manifest(library: Path, folder: Path, *, n_each: int = N_EACH) -> Path:
    """Write the sounds that have to be synthesised, and one manifest of all; returns its path.

    Parameters
    ----------
    library : Path
        A manifest with the columns kind and split.
    folder : Path
        Made if need be.
    n_each : int
        Synthesised sounds of each kind.

    Raises
    ------
    ClapsearchError
        If the library's manifest cannot be read.
    """
    rows = list(_recordings(library))
    made = write_sounds(folder / "synthesised", n_each)
    path = folder / "manifest.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
        writer.writerows(_synthesised(sound) for sound in made)
    return path


def _recordings(library: Path) -> Iterator[dict[str, str]]:
    """Yield the recordings to learn from and those to choose by; others enter neither side."""
    for clip in read_manifest(library, None).clips:
        split, kind = clip.columns["split"], clip.columns["kind"]
        if (kind in CHOOSING) if split == "dev" else (split == "train" and kind not in KEPT_OUT):
            texts = {"path": clip.path, "caption": clip.captions[0], "label": clip.labels[0]}
            yield {name: clip.columns[name] for name in COLUMNS if name in clip.columns} | texts


def _synthesised(sound: Synthesised) -> dict[str, str]:
    path = os.path.abspath(sound.path)
    texts = {"path": path, "caption": sound.caption, "label": sound.label}
    return texts | {"split": "train", "kind": "synthesised", "group": path, "licence": "CC0-1.0"}


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description="Write what the bundled checkpoint is trained on.")
    parser.add_argument("library", type=Path, help="manifest of recordings: path, caption, label, kind, split, group")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    print(write_manifest(arguments.library, arguments.folder))


if __name__ == "__main__":
    main()
