"""The catalog: everything Gemel keeps. The only room that knows names of files.

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

from pipeline.catalog.catalog import Catalog
from pipeline.catalog.scratch import Scratch
from pipeline.catalog.tables import Tables
from pipeline.catalog.vectors import VectorStore

__all__ = ["Catalog", "Scratch", "Tables", "VectorStore"]
