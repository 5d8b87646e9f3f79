"""Kills at random moments in everything that writes; ``make kills`` plays the same stories by the hundred."""

import random
import sys

import pytest
import torch
from stories import STORIES, Undisturbed

from indexer import pipeline

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("stories")


@pytest.fixture(scope="module", params=STORIES)
def story(request, home, fused_folder, unfused_folder):
    torch.set_num_threads(1)
    return Undisturbed(request.param, home, {"fused": fused_folder, "unfused": unfused_folder})


@pytest.fixture(autouse=True)
def commits(monkeypatch):
    """Put back how often runs commit: stories vary it."""
    monkeypatch.setattr(pipeline, "COMMIT_FILES", pipeline.COMMIT_FILES)


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_loses_doubles_and_falsifies_nothing(story, seed):
    story.play_and_kill(random.Random(seed))


@pytest.mark.parametrize("seed", [100])
def test_kills_one_after_the_other_lose_double_and_falsify_nothing(story, seed):
    story.play_and_kill(random.Random(seed), n_kills=3)
