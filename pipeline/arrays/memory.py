"""Memory that was freed and that the process still holds."""

from __future__ import annotations

import ctypes
import os

import pyarrow as pa


def release_memory() -> None:
    """Return freed memory to the system: many blocks are of a size that glibc keeps.

    At a million texts the candidates would leave 3 GB behind that the next stage would stand on.
    """
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
