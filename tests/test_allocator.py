"""Freed memory is kept: counted in page faults, which a busy machine does not change."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from clapsearch.allocator import keep_freed_memory
from clapsearch.mel import FrontEnd, log_mel

if sys.argv[1] == "keep":
    keep_freed_memory()
front_end = FrontEnd(48_000, 1024, 480, 64, 50.0, 14_000.0, 480_000, "htk", "repeatpad")
waveform = np.random.default_rng(0).normal(0, 0.1, 480_000).astype(np.float32)
log_mel([waveform], front_end)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    log_mel([waveform], front_end)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT, mode], check=True, capture_output=True, timeout=120)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's setting")
def test_arrays_that_come_and_go_stop_faulting_pages_in() -> None:
    kept, returned = page_faults("keep"), page_faults("return")
    if returned < 1000:
        pytest.skip("this C library keeps freed memory by itself")
    assert kept < returned / 4
