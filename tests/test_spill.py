"""Log-mels of hours: on disk while they wait, equal to the bit, and gone whatever ends the process."""

import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from signals import noise
from world import POSIX_ONLY

from clapsearch.clap import ClapEmbedder
from clapsearch.errors import AudioError, UnreadableError
from clapsearch.mel import FrontEnd, log_mel, log_mel_blocks
from clapsearch.weights import locate
from indexer import spill
from indexer.decode import Decoded, DecodePool, Skipped, decode_one
from indexer.spill import KEPT_FRAMES, Spilled, Spool
from indexer.worker import read_log_mel

pytestmark = POSIX_ONLY
LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
# A thousand frames a second: what takes three minutes of sound otherwise takes 17 s.
DENSE = FrontEnd(48_000, 1024, 48, 64, 50.0, 14_000.0, 480_000, "htk", "repeatpad")


@pytest.fixture
def few_kept(monkeypatch):
    """Let this process spill what is longer than 5 s."""
    monkeypatch.setattr(spill, "KEPT_FRAMES", 500)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A folder for temporary files of this process and the workers it starts."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def spooled(waveform, front_end):
    spool = Spool()
    spool.refill(log_mel_blocks([waveform], front_end))
    return spool.log_mel()


def write(path, waveform):
    soundfile.write(path, waveform, 48_000, format="WAV", subtype="FLOAT")
    return os.fsencode(path)


def spills(pid, folder):
    """Return the nameless files in a folder that a process has open."""
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(os.readlink(entry))
        except FileNotFoundError:  # closed meanwhile
            continue
    return [link for link in links if link.startswith(f"{folder}/") and link.endswith("(deleted)")]


# --- equal to the bit ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [slice(0, 1001), slice(700, 701), slice(2000, 9999), slice(5, 5), slice(-3, None)])
def test_rows_on_disk_are_the_rows(fused, few_kept, frames):
    waveform = noise(22)
    found, wanted = spooled(waveform, fused.front_end), log_mel([waveform], fused.front_end)
    assert isinstance(found, Spilled)
    assert len(found) == len(wanted)
    assert found[frames].dtype == np.float32
    assert np.array_equal(found[frames], wanted[frames])


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("kind", ["fused", "unfused"])
def test_vectors_are_equal_from_memory_and_from_disk(kind, batch_size, few_kept, request):
    folder = locate(str(request.getfixturevalue(f"{kind}_folder")))
    embedder = ClapEmbedder(folder, device="cpu", batch_size=batch_size)
    waveforms = [noise(duration_s, seed=seed) for seed, duration_s in enumerate([37, 3, 13])]
    on_disk = [spooled(waveform, embedder.front_end) for waveform in waveforms]
    assert all(isinstance(one, Spilled) for one in on_disk)
    in_memory = [log_mel([waveform], embedder.front_end) for waveform in waveforms]
    for found, wanted in zip(embedder.embed_audio(on_disk), embedder.embed_audio(in_memory), strict=True):
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize(("n_more", "kind"), [(0, np.ndarray), (1, Spilled)])
def test_only_long_log_mels_go_to_disk(n_more, kind):
    spool = Spool()
    spool.refill(iter([np.zeros((KEPT_FRAMES - 7, 2), np.float32), np.zeros((7 + n_more, 2), np.float32)]))
    assert isinstance(spool.log_mel(), kind)
    assert len(spool.log_mel()) == KEPT_FRAMES + n_more


def test_the_workers_hand_over_the_file(tmp_path, write_sound):
    paths = [os.fsencode(write_sound(tmp_path / f"{i}.wav", duration_s=s, seed=i)) for i, s in enumerate([1, 19, 23])]
    with DecodePool(DENSE, n_workers=2) as pool:
        outcomes = {outcome.path: outcome for outcome in pool.run(iter(paths), lambda path, content_hash: True)}
    for path, is_long in zip(paths, [False, True, True], strict=True):
        found, (info, wanted) = outcomes[path].log_mel, read_log_mel(path, DENSE)
        assert outcomes[path].info == info
        assert isinstance(found, Spilled) == is_long
        assert np.array_equal(found[:], wanted[:])


def test_one_long_file_alone_outlives_its_worker(tmp_path, write_sound):
    path = os.fsencode(write_sound(tmp_path / "long.wav", duration_s=19))
    assert np.array_equal(decode_one(path, DENSE)[1][:], read_log_mel(path, DENSE)[1][:])


# --- what is in the sound --------------------------------------------------------------------------------------------


def test_a_long_silence_is_silence(tmp_path, few_kept, fused):
    with pytest.raises(AudioError, match="digital silence"):
        read_log_mel(write(tmp_path / "silence.wav", np.zeros(48_000 * 20)), fused.front_end)


@pytest.mark.parametrize("at_s", [0, 19])
def test_a_long_sound_with_one_click_is_none(at_s, tmp_path, few_kept, fused):
    waveform = np.zeros(48_000 * 20)
    waveform[48_000 * at_s + 99] = 0.5
    _, found = read_log_mel(write(tmp_path / "click.wav", waveform), fused.front_end)
    assert found[:].max() > -50


@LINUX_ONLY
def test_a_second_pass_takes_the_place_of_the_first(tmp_path, scratch, few_kept, fused):
    """Channels that cancel each other show only at the end; then the louder one is read."""
    one = noise(20)
    _, found = read_log_mel(write(tmp_path / "anti.wav", np.stack([one, -0.99 * one], axis=1)), fused.front_end)
    assert np.array_equal(found[:], log_mel([one], fused.front_end))
    assert len(spills(os.getpid(), scratch)) == 1


# --- trouble ---------------------------------------------------------------------------------------------------------


@LINUX_ONLY
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_ends_while_it_spills_leaves_nothing(number, tmp_path, scratch, write_sound):
    long, short = (os.fsencode(write_sound(tmp_path / f"{s}.wav", duration_s=s, sr=8_000)) for s in (1000, 1))

    def strike(pid):
        while not spills(pid, scratch):
            time.sleep(0.001)
        os.kill(pid, number)

    with DecodePool(DENSE, n_workers=1, stall_s=2) as pool:
        (worker,) = multiprocessing.active_children()
        thread = threading.Thread(target=strike, args=(worker.pid,))
        thread.start()
        first, second = pool.run(iter([long, short]), lambda path, content_hash: True)
    thread.join()
    assert isinstance(first, Skipped)
    assert isinstance(second, Decoded)
    assert os.listdir(scratch) == []
    assert spills(os.getpid(), scratch) == []


@LINUX_ONLY
def test_a_file_is_free_again_when_nobody_needs_it(tmp_path, scratch, write_sound):
    long, short = (os.fsencode(write_sound(tmp_path / f"{s}.wav", duration_s=s)) for s in (19, 1))
    with DecodePool(DENSE, n_workers=1) as pool:
        (worker,) = multiprocessing.active_children()
        outcomes = pool.run(iter([long, short]), lambda path, content_hash: True)
        outcome = next(outcomes)
        assert len(spills(os.getpid(), scratch)) == 1
        del outcome
        next(outcomes)  # the worker and the pool have gone on
        assert spills(os.getpid(), scratch) == spills(worker.pid, scratch) == []


def test_a_full_disk_is_one_failure_worth_another_try(tmp_path, scratch, write_sound):
    paths = [os.fsencode(write_sound(tmp_path / f"{s}.wav", duration_s=s)) for s in (19, 1, 18)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, hard))
    try:
        pool = DecodePool(DENSE, n_workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pool:
        outcomes = list(pool.run(iter(paths), lambda path, content_hash: True))
    assert [type(outcome) for outcome in outcomes] == [Skipped, Decoded, Skipped]
    assert outcomes[0].transient
    assert outcomes[0].reason == (
        f"no room for its spectrogram in {scratch}: File too large at 4 MB; free some, or set TMPDIR to another folder"
    )
    assert os.listdir(scratch) == []


def test_a_folder_for_temporary_files_that_vanished_is_named(tmp_path, few_kept, fused, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(UnreadableError, match=r"in .*gone: No such file or directory at \d+ MB; .* TMPDIR"):
        spooled(noise(20), fused.front_end)
