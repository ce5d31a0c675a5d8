"""Gemel: duplicate and near-duplicate detection over text and image records.

Library use, without Prefect:

    from pipeline import load_config, run
    summary = run(load_config("configs/sample.yaml"))
"""

from __future__ import annotations

from typing import Any

__all__ = ["load_config", "run"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: `import pipeline` stays light.
    if name == "load_config":
        from pipeline.config import load_config

        return load_config
    if name == "run":
        from pipeline.nightly import run

        return run
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
