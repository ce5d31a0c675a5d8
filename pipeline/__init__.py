"""Gemel: duplicate and near-duplicate detection over text and image records.

Library use, without Prefect:

    from pipeline import load_config, run
    summary = run(load_config("configs/sample.yaml"))
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pipeline.config import load_config as load_config
    from pipeline.nightly import run as run

# Loaded on first use: `import pipeline` stays light.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"config": ["load_config"], "nightly": ["run"]}
)
