"""How the C library hands out memory to numpy and torch."""

import contextlib
import ctypes
import sys

# mallopt(3), glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_THRESHOLD_BYTES = 32 << 20  # the largest that glibc takes
_TRIM_THRESHOLD_BYTES = 256 << 20


def keep_freed_memory() -> None:
    """Let this process keep memory that it freed, up to 256 MB, for its next arrays; without glibc this does nothing.

    Every block of a log-mel and every clip of a forward pass frees and takes megabytes again. By default glibc returns
    them to the system each time, and faulting the pages in anew took half of the time of decoding.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)
