"""How far decoding runs ahead of embedding."""

import threading
import time

import numpy as np
import pytest

from clapsearch.audio import AudioInfo
from indexer.decode import Decoded
from indexer.feed import Feed
from indexer.spill import KEPT_FRAMES


class Source:
    """Gives out sounds of some length as fast as they are taken."""

    def __init__(self, n_frames: int, n_sounds: int) -> None:
        self.n_frames, self.n_sounds, self.n_given = n_frames, n_sounds, 0

    def run(self, paths, wants, should_stop):
        for i in range(self.n_sounds):
            self.n_given += 1
            yield Decoded(b"%d" % i, b"", AudioInfo(1, 1, 1, ""), np.zeros((self.n_frames, 0), np.float32), 0.0)


@pytest.mark.parametrize(("n_frames", "n_ahead"), [(1001, 6), (KEPT_FRAMES // 2, 6), (2 * KEPT_FRAMES, 2), (10**6, 1)])
def test_the_longer_the_sounds_the_fewer_wait(n_frames, n_ahead):
    source = Source(n_frames, 20)
    never = threading.Event().is_set
    with Feed(source, [], lambda path, content_hash: True, never, look_ahead=6) as outcomes:
        next(outcomes)
        given, deadline = 1 + n_ahead + 1, time.monotonic() + 5  # one taken, some waiting, one at the door
        while source.n_given < given and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert source.n_given == given
        assert len(list(outcomes)) == 19
