"""Kill at random moments, by the hundred: ``python tests/kills.py --kills 300``; what it prints is what happened."""

import argparse
import collections
import random
import sys
import tempfile
import time
from pathlib import Path

from stories import STORIES, Undisturbed, environment, make_checkpoints


def main() -> int:
    """Play stories in turn, each killed one to three times before it may end; returns the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kills", type=int, default=300, help="how many kills must hit a running process")
    arguments.add_argument("--seed", type=int, default=int(time.time()), help="printed, so that a run can be repeated")
    arguments.add_argument("--only", choices=sorted(STORIES), help="one story alone")
    chosen = arguments.parse_args()
    environment()
    print(f"seed {chosen.seed}")
    chance, hits, began = random.Random(chosen.seed), collections.Counter[str](), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kills-") as home:
        checkpoints = make_checkpoints(Path(home))
        names = [chosen.only] if chosen.only else list(STORIES)
        stories = [Undisturbed(name, Path(home), checkpoints) for name in names]
        while hits.total() < chosen.kills:
            for story in stories:
                since = time.monotonic()
                n_hit = story.play_and_kill(chance, n_kills=chance.randint(1, 3))
                hits[story.name] += n_hit
                print(f"{hits.total():>4}  {story.name}: {n_hit} in {time.monotonic() - since:.1f} s", flush=True)
    print(", ".join(f"{n} in {name}" for name, n in hits.items()))
    print(f"{hits.total()} kills in {time.monotonic() - began:.0f} s: no result was lost, doubled or wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
