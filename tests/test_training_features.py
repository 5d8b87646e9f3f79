"""The log-mels of a training set: right, computed once, there after any kill, and never stale."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from filelock import FileLock
from signals import noise

from clapsearch.audio import load
from clapsearch.errors import ClapsearchError, StoppedError
from clapsearch.evaluation.clips import Clip
from clapsearch.mel import FrontEnd, log_mel
from clapsearch.training.features import Features, build
from clapsearch.training.variants import Item, Recipe
from clapsearch.training.workers import compute

FRONT_END = FrontEnd(48_000, 1024, 480, 64, 50, 14_000, 480_000, "htk", "repeatpad")


@pytest.fixture
def files(tmp_path, write_sound) -> list[Path]:
    """Five short sounds and one of 12 s."""
    durations_s = [0.2, 0.5, 1.0, 0.3, 0.7, 12.0]
    return [
        write_sound(tmp_path / "sounds" / f"{seed}.wav", duration_s=each, seed=seed)
        for seed, each in enumerate(durations_s)
    ]


class Run:
    """Builds in one folder, and tells what was there before."""

    def __init__(self, files: list[Path], folder: Path) -> None:
        self.files, self.folder, self.progress = files, folder, []

    def __call__(self, **options) -> Features:
        self.progress = []
        clips = [Clip(file.name) for file in self.files]
        options = {"n_variants": 1, "n_workers": 1} | options
        on_progress = options.pop("on_progress", lambda *done: None)

        def record(*done: int) -> None:
            self.progress.append(done)
            on_progress(*done)

        return build(clips, self.files, FRONT_END, self.folder, on_progress=record, **options)

    @property
    def n_computed(self) -> int:
        return self.progress[-1][0] - self.progress[0][0]


@pytest.fixture
def run(files, tmp_path) -> Run:
    return Run(files, tmp_path / "features")


def assert_equal(one: Features, two: Features) -> None:
    assert one.paths == two.paths
    for i in range(len(one)):
        for variant in range(one.n_variants):
            assert np.array_equal(one.log_mel(i, variant), two.log_mel(i, variant))


def test_a_stop_keeps_what_is_done(files, tmp_path) -> None:
    run = Run(files, tmp_path / "features")
    with pytest.raises(StoppedError, match="stopped early, with the spectrograms of 2 of 6 sounds; the same command"):
        run(should_stop=lambda: run.progress[-1][0] == 2)
    assert len(run()) == 6
    assert run.n_computed == 4


def test_variants_are_one_clean_log_mel_and_augmented_ones(run, files, tmp_path):
    features = run(n_variants=3, n_workers=2)
    assert features.paths == [file.name for file in files]
    assert features.failed == []
    assert [features.n_frames(i, 0) for i in range(6)] == [1001] * 5 + [1201]
    for i, file in enumerate(files):
        clean = log_mel([load(file)], FRONT_END)
        found = [features.log_mel(i, variant) for variant in range(3)]
        assert all(
            each.dtype == np.float32 and each.shape == (features.n_frames(i, v), 64) for v, each in enumerate(found)
        )
        assert found[0] == pytest.approx(clean, abs=0.032)  # float16
        assert np.array_equal(found[1][100:200], features.log_mel(i, 1, 100, 200))
    changed = sum(
        not np.array_equal(features.log_mel(i, 1)[:900], features.log_mel(i, v)[:900]) for i in range(6) for v in (0, 2)
    )
    assert changed > 8
    assert_equal(features, Run(files, tmp_path / "another")(n_variants=3))  # whoever computes it, in whatever order


def test_what_is_there_is_not_computed_again(run):
    first = run()
    assert run.n_computed == 6
    assert_equal(run(), first)
    assert run.n_computed == 0
    run.files = run.files[:2]
    assert len(run()) == 2
    assert run.n_computed == 0


def test_more_variants_later_of_the_beginning_of_a_long_recording(run, files):
    options = {"max_duration_s": 11.0, "seed": 3}  # of the seed come variants that are slower
    first = run(n_variants=1, **options)
    more = run(n_variants=3, **options)
    assert run.n_computed == 6
    assert [np.array_equal(first.log_mel(i, 0), more.log_mel(i, 0)) for i in range(6)] == [True] * 6
    assert run(n_variants=2, **options).n_variants == 2
    assert run.n_computed == 0
    assert [more.n_frames(5, variant) <= 1101 for variant in range(3)] == [True] * 3
    assert more.log_mel(5, 0) == pytest.approx(log_mel([load(files[5])[: 11 * 48_000]], FRONT_END), abs=0.032)


def test_a_file_that_changed_is_computed_again(run, write_sound):
    before = run()
    write_sound(run.files[1], duration_s=0.5, seed=50)  # of the same size
    after = run()
    assert run.n_computed == 1
    same = [np.array_equal(before.log_mel(i, 0), after.log_mel(i, 0)) for i in range(6)]
    assert same == [True, False, True, True, True, True]


@pytest.mark.parametrize("other", [{"seed": 1}, {"max_duration_s": 5.0}])
def test_other_settings_are_other_entries(run, other):
    run()
    run(**other)
    assert run.n_computed == 6


def test_bad_files_are_failures_of_their_own(run, files):
    files[0].write_bytes(b"RIFF, or so")
    soundfile.write(files[2], np.zeros(4800), 48_000)
    files[3].unlink()
    features = run()
    assert features.paths == ["1.wav", "4.wav", "5.wav"]
    assert features.log_mel(1, 0) == pytest.approx(log_mel([load(files[4])], FRONT_END), abs=0.032)
    reasons = dict(features.failed)
    assert list(reasons) == ["0.wav", "2.wav", "3.wav"]
    assert "digital silence" in reasons["2.wav"]
    assert "No such file" in reasons["3.wav"]
    soundfile.write(files[3], noise(0.1), 48_000)
    assert run().paths == ["1.wav", "3.wav", "4.wav", "5.wav"]
    assert run.n_computed == 3  # a failure is tried again: the file may be readable now


@pytest.mark.parametrize("n_clips", [0, 1])
def test_nothing_to_train_on_is_one_line(run, files, n_clips):
    run.files = files[:n_clips]
    files[0].write_bytes(b"no sound")
    with pytest.raises(ClapsearchError, match=f"nothing to train on: {n_clips} of {n_clips} clip"):
        run()


def test_a_killed_worker_costs_no_file(run):
    def kill(n_done: int, _: int) -> None:
        if n_done == 2:
            worker = next(each for each in psutil.Process().children() if "spawn_main" in " ".join(each.cmdline()))
            worker.kill()

    features = run(on_progress=kill)
    assert len(features) == 6
    assert features.failed == []


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly(Item):
    """A clip that kills the worker which takes it, as a decoder does that a file makes crash."""

    def __reduce__(self):
        return die, ()


def test_a_file_that_kills_its_worker_each_time_is_a_failure_and_the_only_one(files):
    items = [Item(file.name, str(file), str(file)) for file in files[:4]]
    items[1] = Deadly(items[1].path, items[1].file, items[1].background)
    outcomes = dict(compute(items, Recipe(FRONT_END, 1, 0, 60.0), 2))
    assert sorted(outcomes) == [0, 1, 2, 3]
    assert [place for place, outcome in outcomes.items() if outcome.failure] == [1]
    assert "crashed" in outcomes[1].failure
    assert all(len(outcomes[place].log_mels) == 1 for place in (0, 2, 3))


SCRIPT = """
import sys
from pathlib import Path
from test_training_features import Run
if __name__ == "__main__":
    Run([Path(name) for name in sys.argv[2:]], Path(sys.argv[1]))(n_workers=2)
"""


def test_a_script_that_would_start_itself_again_is_told(files, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT.replace('if __name__ == "__main__":', "if True:"))
    command = [sys.executable, tmp_path / "script.py", tmp_path / "features", files[0]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert "ClapsearchError: workers cannot start (exit 1)" in ended.stderr


def test_a_killed_run_goes_on_where_it_was(run, files, tmp_path):
    more = [tmp_path / "sounds" / f"more{seed}.wav" for seed in range(60)]
    for seed, file in enumerate(more):
        soundfile.write(file, noise(5, seed=seed), 48_000)
    run.files = [*files, *more]
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, tmp_path / "script.py", run.folder, *run.files]
    process = subprocess.Popen(command, env=environment)
    index = run.folder / "index.jsonl"
    until = time.monotonic() + 60
    while not index.exists() or len(index.read_bytes().splitlines()) < 3:
        assert time.monotonic() < until
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert psutil.wait_procs(workers, timeout=10)[1] == []  # nobody is left behind
    n_there = len(index.read_bytes().splitlines())
    features = run(n_workers=2)
    assert 3 <= n_there < 66
    assert run.n_computed == 66 - n_there
    assert_equal(features, Run(run.files, tmp_path / "undisturbed")(n_workers=2))


@pytest.mark.parametrize(("data_cut", "index_cut", "n_lost"), [(0, 1, 1), (0, 250, 3), (1, 0, 1), (200_000, 0, 2)])
def test_what_was_half_written_is_computed_again(run, data_cut, index_cut, n_lost):
    whole = run()
    for name, cut in (("log_mels.f16", data_cut), ("index.jsonl", index_cut)):
        os.truncate(run.folder / name, (run.folder / name).stat().st_size - cut)
    assert_equal(run(), whole)
    assert run.n_computed == n_lost
    run()
    assert run.n_computed == 0
    assert (run.folder / "log_mels.f16").stat().st_size == whole.values.nbytes


def test_two_writers_never_meet(run):
    run.folder.mkdir()
    with FileLock(run.folder / "lock"), pytest.raises(ClapsearchError, match="another process is writing"):
        run()


def test_a_full_disk_is_one_line_and_with_room_the_run_goes_on(run, small_disk):
    whole = run()
    run.folder = small_disk / "features"
    (small_disk / "ballast").write_bytes(bytes(3_700_000))
    with pytest.raises(ClapsearchError, match=r"No space left on device.*make room") as raised:
        run()
    assert "\n" not in str(raised.value)
    (small_disk / "ballast").unlink()
    assert_equal(run(), whole)
    assert 0 < run.n_computed < 6


def test_a_write_that_takes_only_a_part_is_none(run):
    whole, limits = run(), resource.getrlimit(resource.RLIMIT_FSIZE)
    run.folder = run.folder.with_name("limited")
    resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, limits[1]))  # the last clip fits in part, its line would fit
    try:
        with pytest.raises(ClapsearchError, match="File too large"):
            run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_equal(run(), whole)


def test_a_folder_that_cannot_be_made_is_one_line(run):
    run.folder = run.files[0] / "features"
    with pytest.raises(ClapsearchError, match=r"cannot keep spectrograms in .*Not a directory"):
        run()
