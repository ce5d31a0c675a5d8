"""Advice on a damaged table: which run is still whole, and the command that returns to it."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from pipeline.catalog.runs import runs_of
from pipeline.errors import CatalogError
from pipeline.storage import Place, check_whole


def advice(root: Place, table: str, runs: Callable[[], pa.Table]) -> str:
    """What to do about a damaged table, in the words of an error; never raises.

    Args:
        root: the folder of the tables. runs: reads the table of runs.
    """
    catalog = root.path.rsplit("/", 1)[0]
    if table == "labels":
        return "It holds the verdicts of people and nothing else has them: restore it from a backup"
    if table == "runs":
        return (
            "The tables, vectors and models are not touched by this. Each run's row is also in "
            f"runs/*/run.json: `gemel doctor --catalog {catalog} --rebuild-runs` makes the table "
            "anew"
        )
    whole = _whole_run(root, runs)
    if whole is None:
        return (
            "No earlier run is whole: move the catalog away and run again, or restore a backup; "
            "the sources are not touched by this"
        )
    return f"Run {whole} is whole: `gemel runs rollback {whole} --catalog {catalog}` returns to it"


def _whole_run(root: Place, runs: Callable[[], pa.Table]) -> str | None:
    """The newest published run all of whose tables are as they were written."""
    try:
        found = runs_of(runs())
    except CatalogError:
        return None
    for run in found:
        if run.status == "published" and all(_sound(root, *i) for i in run.versions.items()):
            return run.run
    return None


def _sound(root: Place, table: str, version: int) -> bool:
    from deltalake import DeltaTable

    place = root / table
    try:
        # Not `Tables.files`: its error would ask for advice again.
        delta = DeltaTable(place.path, version=version, storage_options=place.delta_options)
        for uri in delta.file_uris():
            check_whole(place / uri.rsplit("/", 1)[-1])
    except Exception:  # noqa: BLE001 - whatever it is, this version is not whole
        return False
    return True
