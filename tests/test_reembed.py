"""Embedding everything again, with the same checkpoint or another."""

import shutil
from dataclasses import replace
from pathlib import Path

import peek
import pytest
from peek import Watched, found
from world import ALL, ONE_WORKER, names, write

from clapsearch.errors import CheckpointError
from indexer.pipeline import index

# Embedding everything again


def test_a_full_run_embeds_everything_again_to_the_same_vectors(world, fused):
    vectors, ids = peek.vectors(world.library), peek.embedding_ids(world.library)
    shutil.copyfile(world.a, world.folder / "copy.wav")
    watched = Watched(fused)
    report = world.index(watched, full=True)
    assert (report.indexed, report.recognised, watched.n_embedded) == (5, 1, 5)
    assert peek.vectors(world.library) == vectors
    assert min(peek.embedding_ids(world.library).values()) > max(ids.values())
    assert found(world.library, fused) == sorted([*ALL, "copy.wav"])


def with_backend(embedder, backend="torch-elsewhere"):
    other = Watched(embedder)
    other.checkpoint = replace(embedder.checkpoint, backend=backend)
    return other


def all_embeddings(library):
    query = "SELECT p.backend, count(*) FROM embedding e JOIN checkpoint p ON p.id = e.checkpoint_id GROUP BY 1"
    return dict(peek.rows(library.path, query))


def test_a_full_run_on_another_backend_replaces_every_vector(world, fused):
    other = with_backend(fused)
    assert world.index(other, full=True).indexed == 5
    assert other.n_embedded == 5
    assert all_embeddings(world.library) == {"torch-elsewhere": 5}
    assert found(world.library, fused) == ALL


def test_backends_mix_in_one_library(world, fused, commit_each):
    """A copy read after its original was stored is known, whichever backend embedded it."""
    for name in ("m1.wav", "m2.wav", "m3.wav"):
        write(world.folder / name, 70)
    write(world.folder / "m0.wav", 71)
    other = with_backend(fused)
    report = world.index(other)
    assert (report.indexed, report.recognised, other.n_embedded) == (2, 2, 2)
    assert all_embeddings(world.library) == {"torch-cpu": 5, "torch-elsewhere": 2}
    assert found(world.library, fused) == [*ALL, "m0.wav", "m1.wav", "m2.wav", "m3.wav"]


def test_vectors_of_another_checkpoint_never_enter_by_the_way(world, unfused):
    """As when another process changed the library's checkpoint after the model was loaded."""
    write(world.folder / "e.wav", 72)
    with pytest.raises(CheckpointError, match="is not what this library was made with"):
        world.index(unfused)
    assert checkpoints(world.library) == {"fused": 5}


# Changing the checkpoint


def checkpoints(library):
    """Return how many embeddings each checkpoint has, by folder name."""
    query = "SELECT p.name, count(*) FROM embedding e JOIN checkpoint p ON p.id = e.checkpoint_id GROUP BY 1"
    return {Path(name).name: n for name, n in peek.rows(library.path, query)}


def active(library):
    with library.reading() as reading:
        return Path(reading.checkpoint().name).name


def test_a_new_checkpoint_takes_over_when_it_is_complete(world, unfused):
    report = world.index(unfused, full=True)
    assert (report.indexed, report.left_behind) == (5, 0)
    assert active(world.library) == "unfused"
    assert checkpoints(world.library) == {"unfused": 5}
    assert found(world.library, unfused) == ALL


def test_until_a_new_checkpoint_is_complete_the_old_one_answers(world, fused, unfused, commit_each):
    before = peek.vectors(world.library)
    watched = Watched(unfused)
    options = replace(ONE_WORKER, full=True)
    index(world.library, watched, options=options, should_stop=lambda: watched.n_embedded >= 2)
    assert 2 <= watched.n_embedded < 5
    assert active(world.library) == "fused"
    assert peek.vectors(world.library) == before
    assert found(world.library, fused) == ALL
    rest = Watched(unfused)
    report = world.index(rest, full=True)
    assert rest.n_embedded == 5 - watched.n_embedded
    assert report.left_behind == 0
    assert active(world.library) == "unfused"
    assert checkpoints(world.library) == {"unfused": 5}
    assert found(world.library, unfused) == ALL


def test_a_killed_change_of_checkpoint_leaves_the_old_one_in_charge(world, fused, unfused, commit_each):
    def interrupt(n):
        if n == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.index(Watched(unfused, interrupt), full=True)
    assert checkpoints(world.library) == {"fused": 5, "unfused": 3}
    assert active(world.library) == "fused"
    assert found(world.library, fused) == ALL


def test_an_offline_root_holds_up_a_change_of_checkpoint(world, fused, unfused, tmp_path):
    write(tmp_path / "other" / "x.wav", 57)
    world.index(fused, tmp_path / "other")
    away = world.folder.rename(world.folder.parent / "away")
    report = world.index(unfused, full=True)
    assert report.left_behind == 5
    assert active(world.library) == "fused"
    assert found(world.library, fused) == ["x.wav"]
    away.rename(world.folder)
    assert found(world.library, fused) == [*ALL, "x.wav"]
    assert world.index(unfused, full=True).left_behind == 0
    assert active(world.library) == "unfused"
    assert found(world.library, unfused) == [*ALL, "x.wav"]


def test_a_change_of_checkpoint_takes_all_roots_whichever_is_named(world, fused, unfused, tmp_path):
    write(tmp_path / "other" / "x.wav", 58)
    report = world.index(unfused, tmp_path / "other", full=True)
    assert (report.indexed, report.left_behind) == (6, 0)
    assert found(world.library, unfused) == [*ALL, "x.wav"]


def test_a_missing_sound_comes_back_after_a_change_of_checkpoint(world, unfused, no_model):
    kept = world.a.rename(world.folder.parent / "kept.wav")
    world.index(no_model)
    world.index(unfused, full=True)
    kept.rename(world.a)
    report = world.index(unfused)
    assert report.indexed == 1
    assert found(world.library, unfused) == ALL


def test_failed_files_do_not_hold_up_a_change_of_checkpoint(world, bad, fused, unfused):
    world.index(fused)
    report = world.index(unfused, full=True)
    assert names(report) == sorted(bad)
    assert report.left_behind == 0
    assert active(world.library) == "unfused"
