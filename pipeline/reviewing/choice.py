"""The run that is reviewed: told before anything heavy is loaded."""

from __future__ import annotations

from pipeline.catalog import Catalog, Run
from pipeline.errors import CatalogError

OPEN = ("published", "held")


def choose_run(catalog: Catalog, name: str | None = None) -> Run:
    """The newest run that is published or held, or the one named.

    Raises:
        CatalogError: there is none, or it has no tables.
    """
    runs = catalog.runs()
    found = next(
        (run for run in runs if (run.run == name if name is not None else run.status in OPEN)), None
    )
    if found is None:
        known = ", ".join(f"{run.run} ({run.status})" for run in runs[:5]) or "none"
        wanted = "run to review yet" if name is None else f"run {name!r}"
        raise CatalogError(
            f"the catalog {catalog.root} has no {wanted}; its runs: {known}. `gemel run` makes one"
        )
    if "clusters" not in found.versions or found.summary.tables_dropped:
        raise CatalogError(
            f"run {found.run} is {found.status} and has no tables to review; name another by --run"
        )
    return found
