"""Health of a catalog: every file compared with what was written; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.catalog.catalog import Catalog
from pipeline.catalog.damage import advice
from pipeline.catalog.runs import Run
from pipeline.catalog.tables import Tables
from pipeline.errors import CatalogError
from pipeline.storage import DamageError, check_whole


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    ok: bool
    found: str


def check_catalog(catalog: Catalog) -> Iterator[Finding]:
    """Look at the published run's tables, every vector, the indexes and the models."""
    try:
        run = catalog.published()
    except CatalogError as error:
        yield Finding("runs", False, str(error))
        run = None
    else:
        yield Finding("runs", True, f"published: {run.run if run else 'none yet'}")
    if run is not None:
        yield from _check_tables(catalog.tables, run)
    yield from _check_labels(catalog.tables)
    yield from _check_vectors(catalog)
    yield from _check_indexes(catalog)
    yield from _check_models(catalog)


def _check_tables(tables: Tables, run: Run) -> Iterator[Finding]:
    for table, version in sorted(run.versions.items()):
        problem = table_problem(tables, table, version)
        found = problem or f"version {version} of run {run.run}, every checksum right"
        if problem:
            found += f". {advice(tables.root, table, tables.runs)}"
        yield Finding(f"table {table}", problem is None, found)


def table_problem(tables: Tables, table: str, version: int) -> str | None:
    """What is wrong with a table at a version; None when every file is as it was written."""
    try:
        for file in tables.files(table, version=version):
            try:
                check_whole(file)
            except DamageError as error:
                return f"{file}: {error}"
    except CatalogError as error:
        return str(error)
    return None


def _check_labels(tables: Tables) -> Iterator[Finding]:
    try:
        labels = tables.labels()
    except CatalogError as error:
        yield Finding("table labels", False, str(error))
    else:
        yield Finding("table labels", True, f"{0 if labels is None else len(labels)} verdicts")


def _check_vectors(catalog: Catalog) -> Iterator[Finding]:
    for fingerprint in (catalog.root / "vectors").names():
        files = catalog.vectors(fingerprint).files()
        problems = []
        for file in files:
            try:
                check_whole(file)
            except DamageError as error:
                problems.append(f"{file}: {error}")
        found = f"{len(files)} parts, every checksum right"
        if problems:
            found = (
                f"{len(problems)} of {len(files)} parts are damaged, the first {problems[0]}; the "
                "next run moves them aside and embeds what they held again"
            )
        yield Finding(f"vectors {fingerprint}", not problems, found)


def _check_indexes(catalog: Catalog) -> Iterator[Finding]:
    for path in sorted((catalog.local / "indexes").glob("*/*/ids.parquet")):
        name = f"index {path.parent.parent.name}"
        problem = _index_problem(path)
        found = f"{path.parent.name} and its ids agree"
        if problem:
            found = f"{path.parent}: {problem}; it is derived: the next run makes it anew"
        yield Finding(name, problem is None, found)


def _index_problem(path: Any) -> str | None:
    import pyarrow.parquet as pq

    try:
        ids = len(pq.read_table(path, page_checksum_verification=True))
        stored = path.with_name("index.faiss")
        if not stored.exists():
            return None
        import faiss

        vectors = faiss.read_index(str(stored)).ntotal
    except (OSError, pa.ArrowException, RuntimeError) as error:
        return " ".join(str(error).split())[:200]
    return None if ids == vectors else f"{vectors} vectors but {ids} ids"


def _check_models(catalog: Catalog) -> Iterator[Finding]:
    from pipeline.errors import ModelError

    registry = catalog.models
    try:
        problems = registry.problems()
        registry.history()
    except ModelError as error:
        yield Finding("models", False, str(error))
        return
    said = "; ".join(problems.values()) or f"{len(registry.list())} versions, every sha256 right"
    yield Finding("models", not problems, said)
