"""The parallel stage: real worker processes, on files that try to take them down."""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
import soundfile

from clapsearch.errors import AudioError, ClapsearchError, UnreadableError
from clapsearch.mel import FrontEnd
from indexer.decode import Decoded, DecodePool, Skipped, Unwanted, decode_one
from indexer.worker import hash_content, read_log_mel

FRONT_END = FrontEnd(48_000, 1024, 480, 64, 50.0, 14_000.0, 480_000, "htk", "repeatpad")
POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="signals and pipes of POSIX")


@pytest.fixture
def paths(tmp_path, write_sound):
    """Four short sounds."""
    return [os.fsencode(write_sound(tmp_path / f"{i}.wav", duration_s=0.2 + 0.1 * i, seed=i)) for i in range(4)]


def run(paths, wants=lambda path, content_hash: True, *, n_workers=1, stall_s=60.0):
    """Return all outcomes by path."""
    with DecodePool(FRONT_END, n_workers=n_workers, stall_s=stall_s) as pool:
        outcomes = list(pool.run(iter(paths), wants))
    assert len({outcome.path for outcome in outcomes}) == len(outcomes)
    return {outcome.path: outcome for outcome in outcomes}


def workers():
    """Return the worker processes of this process."""
    return multiprocessing.active_children()


def write(path, content=b""):
    path.write_bytes(content)
    return os.fsencode(path)


def test_workers_give_what_one_process_gives(tmp_path, paths, write_sound):
    paths.append(os.fsencode(write_sound(tmp_path / "long.wav", duration_s=13, seed=9)))
    paths.append(os.fsencode(write_sound(tmp_path / "44k.wav", seed=10, sr=44_100)))
    outcomes = run(paths, n_workers=2)
    assert set(outcomes) == set(paths)
    for path, outcome in outcomes.items():
        info, log_mel = read_log_mel(path, FRONT_END)
        assert isinstance(outcome, Decoded)
        assert outcome.content_hash == hash_content(path)
        assert outcome.info == info
        assert outcome.log_mel.dtype == np.float32
        assert np.array_equal(outcome.log_mel, log_mel)
        assert outcome.seconds > 0


def test_equal_bytes_have_equal_hashes_and_others_do_not(tmp_path):
    one, two = write(tmp_path / "one", b"x" * 3_000_000), write(tmp_path / "two", b"x" * 3_000_000)
    assert hash_content(one) == hash_content(two)
    assert hash_content(one) != hash_content(write(tmp_path / "three", b"x" * 3_000_001))


def test_unwanted_content_is_hashed_only(paths):
    asked = []

    def wants(path, content_hash):
        asked.append((path, content_hash))
        return path != paths[1]

    outcomes = run(paths, wants)
    assert asked == [(path, hash_content(path)) for path in paths]
    assert isinstance(outcomes.pop(paths[1]), Unwanted)
    assert all(isinstance(outcome, Decoded) for outcome in outcomes.values())


def test_names_that_are_not_text_reach_the_decoder(tmp_path, write_sound):
    path = os.path.join(os.fsencode(tmp_path), b"\xff\n.wav")
    os.rename(write_sound(tmp_path / "a.wav"), path)
    assert isinstance(run([path])[path], Decoded)


def test_no_path_no_outcome():
    assert run([]) == {}


def test_bad_files_are_verdicts_and_the_worker_goes_on(tmp_path, paths):
    soundfile.write(tmp_path / "silence.wav", np.zeros(48_000, np.float32), 48_000)
    bad = {
        write(tmp_path / "text.wav", b"this is no sound\n" * 10): "not a sound file",
        write(tmp_path / "empty.wav"): "empty file (0 bytes)",
        os.fsencode(tmp_path / "silence.wav"): "digital silence",
    }
    outcomes = run([*bad, *paths])
    for path, reason in bad.items():
        assert isinstance(outcomes[path], Skipped)
        assert reason in outcomes[path].reason
        assert outcomes[path].content_hash == hash_content(path)
        assert not outcomes[path].transient
    assert all(isinstance(outcomes[path], Decoded) for path in paths)


def test_a_file_that_vanished_is_worth_another_try(tmp_path, paths):
    gone = os.fsencode(tmp_path / "gone.wav")
    outcome = run([gone, *paths])[gone]
    assert outcome.transient
    assert outcome.reason == "cannot be read: No such file or directory"
    assert outcome.content_hash is None


def test_a_file_that_changes_while_it_is_read_is_worth_another_try(paths):
    def wants(path, content_hash):
        if path == paths[0]:
            os.utime(path, ns=(1, 1))
        return True

    outcomes = run(paths, wants)
    assert isinstance(outcomes[paths[0]], Skipped)
    assert outcomes[paths[0]].transient
    assert "changed while it was read" in outcomes[paths[0]].reason
    assert all(isinstance(outcomes[path], Decoded) for path in paths[1:])


@POSIX_ONLY
def test_a_worker_killed_while_it_reads_is_one_failure_worth_another_try(tmp_path, paths):
    """A pipe without a writer holds the worker inside open()."""
    pipe = os.fsencode(tmp_path / "pipe.wav")
    os.mkfifo(pipe)

    def kill_reader():
        writer = _wait_for_reader(pipe)
        os.kill(workers()[0].pid, signal.SIGKILL)
        os.close(writer)

    killer = threading.Thread(target=kill_reader)
    killer.start()
    outcomes = run([pipe, *paths])
    killer.join()
    assert "crashed on this file (SIGKILL)" in outcomes[pipe].reason
    assert outcomes[pipe].transient
    assert outcomes[pipe].content_hash is None
    assert all(isinstance(outcomes[path], Decoded) for path in paths)


def _wait_for_reader(pipe):
    """A pipe can be opened to write without waiting only while someone reads it."""
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.01)


@POSIX_ONLY
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_file_that_kills_its_decoder_is_one_verdict(paths, number):
    def wants(path, content_hash):
        if path == paths[1]:
            os.kill(workers()[0].pid, number)
        return True

    outcomes = run(paths, wants)
    fatal = outcomes.pop(paths[1])
    assert isinstance(fatal, Skipped)
    assert f"crashed on this file ({number.name})" in fatal.reason
    assert fatal.content_hash == hash_content(paths[1])
    assert not fatal.transient
    assert all(isinstance(outcome, Decoded) for outcome in outcomes.values())


@POSIX_ONLY
def test_a_worker_told_to_end_is_no_verdict_about_its_file(paths):
    """A service manager sends SIGTERM to all processes at once."""

    def wants(path, content_hash):
        if path == paths[0]:
            os.kill(workers()[0].pid, signal.SIGTERM)
        return True

    outcomes = run(paths, wants)
    assert outcomes[paths[0]].transient
    assert all(isinstance(outcomes[path], Decoded) for path in paths[1:])


@POSIX_ONLY
def test_a_file_that_stalls_while_it_is_read_is_one_failure_worth_another_try(tmp_path, paths):
    pipe = os.fsencode(tmp_path / "pipe.wav")
    os.mkfifo(pipe)
    outcomes = run([pipe, *paths], n_workers=2, stall_s=2)
    assert "stood still for 2 s" in outcomes[pipe].reason
    assert outcomes[pipe].transient
    assert all(isinstance(outcomes[path], Decoded) for path in paths)


@POSIX_ONLY
def test_a_file_that_stalls_its_decoder_is_one_verdict(paths):
    def wants(path, content_hash):
        if path == paths[1]:
            os.kill(workers()[0].pid, signal.SIGSTOP)
        return True

    outcomes = run(paths, wants, stall_s=2)
    assert "stood still for 2 s" in outcomes[paths[1]].reason
    assert not outcomes[paths[1]].transient
    assert outcomes[paths[1]].content_hash == hash_content(paths[1])
    assert all(isinstance(outcomes.pop(path), Decoded) for path in (paths[0], paths[2], paths[3]))


def test_a_slow_reader_is_no_stall(tmp_path, paths, write_sound):
    """While the caller is busy with one outcome, the other worker is not heard, and is not to blame."""
    long = os.fsencode(write_sound(tmp_path / "long.wav", duration_s=60))
    with DecodePool(FRONT_END, n_workers=2, stall_s=2) as pool:
        outcomes = []
        for outcome in pool.run(iter([paths[0], long, *paths[1:]]), lambda path, content_hash: True):
            time.sleep(0 if outcomes else 2.2)
            outcomes.append(outcome)
    assert len(outcomes) == 5
    assert all(isinstance(outcome, Decoded) for outcome in outcomes)


@POSIX_ONLY
def test_a_slow_start_is_no_stall(paths):
    with DecodePool(FRONT_END, n_workers=1, stall_s=1) as pool:
        os.kill(workers()[0].pid, signal.SIGSTOP)
        threading.Timer(1.5, os.kill, (workers()[0].pid, signal.SIGCONT)).start()
        assert isinstance(next(pool.run(iter(paths), lambda path, content_hash: True)), Decoded)


def test_it_stops_when_asked(paths):
    outcomes = []
    with DecodePool(FRONT_END, n_workers=1) as pool:
        for outcome in pool.run(iter(paths), lambda path, content_hash: True, lambda: len(outcomes) == 2):
            outcomes.append(outcome.path)
    assert outcomes == paths[:2]


def test_no_worker_outlives_the_pool(paths):
    with DecodePool(FRONT_END, n_workers=3) as pool:
        pids = [worker.pid for worker in workers()]
        next(pool.run(iter(paths), lambda path, content_hash: True))
    assert len(pids) == 3
    assert not workers()
    assert not any(psutil.pid_exists(pid) for pid in pids)


@POSIX_ONLY
def test_no_worker_outlives_the_pool_even_in_the_middle_of_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    stop = iter([False, True])
    with DecodePool(FRONT_END, n_workers=1) as pool:
        pid = workers()[0].pid
        paths = iter([os.fsencode(tmp_path / "pipe.wav")])
        assert list(pool.run(paths, lambda path, content_hash: True, lambda: next(stop))) == []
    assert not psutil.pid_exists(pid)


@POSIX_ONLY
def test_workers_that_cannot_start_are_one_error(paths, monkeypatch):
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", b"/bin/false")
    with (
        DecodePool(FRONT_END, n_workers=2) as pool,
        pytest.raises(ClapsearchError, match=r"decode workers cannot start \(exit 1\)"),
    ):
        list(pool.run(iter(paths), lambda path, content_hash: True))
    assert not workers()


@POSIX_ONLY
def test_too_many_workers_for_the_machine_are_one_error():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds() + 12, hard))
    try:
        with pytest.raises(ClapsearchError, match=r"cannot start .*--workers"):
            DecodePool(FRONT_END, n_workers=40)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not workers()


def test_one_file_alone_gives_its_log_mel(paths):
    assert np.array_equal(decode_one(paths[0], FRONT_END)[1], read_log_mel(paths[0], FRONT_END)[1])


def test_one_bad_file_alone_is_an_error(tmp_path):
    with pytest.raises(AudioError, match="empty file"):
        decode_one(write(tmp_path / "empty.wav"), FRONT_END)


def test_reading_a_folder_as_a_file_is_unreadable(tmp_path):
    with pytest.raises(UnreadableError, match="cannot be read"):
        hash_content(os.fsencode(tmp_path))


@POSIX_ONLY
def test_interrupt_at_the_start_leaves_the_workers_alone(paths):
    """A terminal sends ^C to the whole group; what it means is for the parent to say."""
    script = f"""
import os, signal
from clapsearch.mel import FrontEnd
from indexer.decode import DecodePool
signal.signal(signal.SIGINT, lambda *_: None)
with DecodePool({FRONT_END!r}, n_workers=2) as pool:
    os.killpg(0, signal.SIGINT)
    print([type(outcome).__name__ for outcome in pool.run(iter({paths!r}), lambda path, content_hash: True)])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, start_new_session=True)
    assert done.stderr == ""
    assert done.stdout.split() == str(["Decoded"] * 4).split()
