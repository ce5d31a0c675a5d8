"""Work in processes of their own, each with its seconds, its peak of memory and what it found.

A process starts with the peak of the one that started it as its own (Linux, at exec), so what
imports this module stays small: data and heavy libraries are for functions that are `called`.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

PEERS = {
    "semhash": ("semhash==0.5.0", "pyarrow==26.0.1", "safetensors==0.8.0"),
    "rensa": ("rensa==0.5.0", "pyarrow==26.0.1"),
    "imagehash": ("imagehash==4.3.2", "pillow==13.0.0"),
    "feed": ("pandas==3.1.1", "pillow==13.0.0", "pyarrow==26.0.1"),
    "splink": ("splink==5.0.0", "pandas==3.1.1", "pyarrow==26.0.1"),
    # A newer BTrees has lost what dedupe calls.
    "dedupe": ("dedupe==3.0.3", "BTrees==6.1", "pyarrow==26.0.1"),
    "goldenmatch": ("goldenmatch==3.22.0", "polars==2.1.0", "pyarrow==26.0.1"),
}
HERE = Path(__file__).parent
sys.path += [str(HERE / "rows"), str(HERE / "size")]  # whose functions are `called`


class UnfinishedError(Exception):
    """A process that did not come to its end, or a peer that cannot be installed."""


def called(function: Callable[..., dict[str, Any]], **given: Any) -> dict[str, Any]:
    """What a function of a module beside this one returns in a process of its own.

    Seconds are those since the process began, imports included, and the peak that of its end,
    unless the function measures them itself.
    """
    names = (function.__module__, function.__name__, json.dumps(given, default=str))
    return ended([sys.executable, __file__, *names])


def peer(out: Path, name: str, *given: object) -> dict[str, Any]:
    """The same of a function of `peer_scripts.py`, in the environment of the peers."""
    python = installed(out, name)
    return ended([str(python), "-I", str(HERE / "peer_scripts.py"), name, *map(str, given)])


def ended(command: Sequence[str]) -> dict[str, Any]:
    """What a command printed as JSON, under its wall seconds and its peak of memory.

    Raises:
        UnfinishedError: it ended with an error, whose last line is told.
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        if process.returncode:
            errors.seek(0)
            raise UnfinishedError(_last_line(errors.read(), process.returncode))
    # A library may have printed before.
    told = json.loads(said[max(said.find("\n{"), 0) :])
    return {"seconds": seconds, "peak_gb": usage.ru_maxrss / 1e6, **told}


def _last_line(text: str, code: int) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else f"exit status {code}"


def peak_gb() -> float:
    """Peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


@cache
def installed(out: Path, name: str) -> Path:
    """The interpreter of an environment that has the peers and nothing of ours.

    Raises:
        UnfinishedError: the peer cannot be installed.
    """
    python = out / "peers" / "bin" / "python"
    if not python.exists():
        venv.create(out / "peers", with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *PEERS[name]], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnfinishedError(f"not installed: {_last_line(done.stderr, done.returncode)}")
    return python


def peer_versions(out: Path) -> list[str]:
    """Names and versions of what the peers' environment holds."""
    found = (out / "peers").glob("lib/*/site-packages/*.dist-info")
    return sorted(path.name.removesuffix(".dist-info") for path in found)


def main() -> None:
    began = time.perf_counter()
    module, name, given = sys.argv[1:]
    told = getattr(import_module(module), name)(**json.loads(given))
    print(json.dumps({"seconds": time.perf_counter() - began, **told}))


if __name__ == "__main__":
    main()
