"""The sound of videos, from the flag to the answer; and formats that PyAV reads, among the others."""

import encoders
import peek
from encoders import tones, write_video
from peek import found
from watching import hurry, watching
from world import ALL

__all__ = ["hurry"]


def test_videos_are_taken_when_asked_for_and_the_folder_remembers(world, fused, no_model):
    write_video(world.folder / "film.mp4", [tones(0.5)])
    assert world.index(no_model).unchanged == 5
    assert world.index(fused, world.folder, video=True).indexed == 1
    assert found(world.library, fused) == sorted([*ALL, "film.mp4"])
    assert world.index(no_model).unchanged == 6
    with world.library.reading() as reading:
        assert [root.video for root in reading.roots()] == [True]


def test_videos_leave_the_answers_when_no_longer_wanted_and_come_back_free(world, fused, no_model):
    write_video(world.folder / "film.mp4", [tones(0.5)])
    world.index(fused, world.folder, video=True)
    assert world.index(no_model, world.folder, video=False).missing == 1
    assert found(world.library, fused) == ALL
    assert world.index(no_model, world.folder, video=True).returned == 1


def test_a_video_without_sound_is_a_failure_with_its_reason(world, fused):
    write_video(world.folder / "silent.mp4")
    report = world.index(fused, world.folder, video=True)
    assert [reason for _, reason in report.failed] == ["no sound in it"]


def test_a_sound_that_pyav_reads_is_one_among_the_others(world, fused):
    encoders.write(world.folder / "rain" / "song.m4a", tones(12))
    assert world.index(fused).indexed == 1
    query = "SELECT e.n FROM embedding e JOIN content c ON c.id = e.content_id WHERE c.format LIKE '%AAC%'"
    ((n_vectors,),) = peek.rows(world.library.path, query)
    assert n_vectors == 3  # the whole, and moments at 0 and 2 s
    assert found(world.library, fused) == sorted([*ALL, "song.m4a"])


def test_a_watcher_follows_videos_where_they_are_wanted(world, fused, hurry):
    world.index(fused, world.folder, video=True)
    with watching(world.library, fused) as it:
        write_video(world.folder / "film.mkv", [tones(0.5)])
        it.until_told("indexed", "film.mkv")
