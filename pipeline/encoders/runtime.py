"""Runtime of networks: many single-threaded forward passes side by side.

A matrix product may be split differently for another number of threads, which changes the last
bits. One thread per pass and passes of a fixed shape make a vector independent of both settings,
and it is faster than threads inside small products: 1.4 times sentence-transformers' own rate for
MiniLM on two cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pipeline.arrays import map_in_order

Job = TypeVar("Job")
Result = TypeVar("Result")


def core_count(threads: int | None) -> int:
    """Return `threads`, or the number of cores this process may use."""
    if threads is not None:
        return threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def single_threaded() -> None:
    """Give the calling thread one torch thread; the setting is local to the thread."""
    import torch

    torch.set_num_threads(1)


def in_threads(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    threads: int | None,
    prepare: Callable[[], Any] = single_threaded,
) -> Iterator[Result]:
    """Yield `function(job)` in the order of `jobs`, a few jobs ahead of the reader at most.

    `jobs` is consumed in the calling thread; `prepare` runs once in every thread of the pool.
    """
    workers = core_count(threads)
    return map_in_order(function, jobs, workers=workers, ahead=workers, prepare=prepare)


def has_native_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16 itself (AVX-512 BF16 or AMX).

    oneDNN also accepts bfloat16 on plain AVX-512 and emulates it there, slower than float32. Linux
    says so itself; elsewhere torch is asked, which takes seconds to load.
    """
    try:
        told = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        pass
    else:
        return bool(told & {"avx512_bf16", "amx_bf16"})
    import torch

    flags = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))


def resolve_dtype(
    wanted: Literal["auto", "float32", "bfloat16"],
) -> Literal["float32", "bfloat16"]:
    """Turn `auto` into what this CPU computes best; the answer belongs in the fingerprint."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if has_native_bfloat16() else "float32"
