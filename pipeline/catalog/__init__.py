"""The store between runs: tables, vectors, runs and models, kept by one writer.

tables/<table>/           Delta Lake, one commit per write; a run names the versions it published
vectors/<encoder>/*.parquet   append-only, keyed by content hash
indexes/<modality>/<encoder>/ the FAISS index of the last run, with its ids
models/                   the registry: versions of models and which is champion
training/<task>/          scratch of a fine-tune under way
runs/<run>/               resolved configuration, summary, report, exports of a run
work/<run>/               scratch of a run under way or stopped, removed when it has ended
writer.lock, writer.owner.json   held by the run under way, and who that is; training.* by a
                          fine-tune
"""

import lazy_loader

# What other rooms import, by name, is in `__init__.pyi`; each is loaded on first use.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
