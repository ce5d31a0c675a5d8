"""Gemel: duplicate and near-duplicate detection over text and image records.

Library use, without Prefect:

    from pipeline import load_config, run
    summary = run(load_config("configs/sample.yaml"))
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
