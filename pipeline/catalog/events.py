"""The events of a run, or of all runs since one: what a downstream system consumes. SHELL."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.dataset as ds

from pipeline.catalog.catalog import Catalog
from pipeline.catalog.runs import Run
from pipeline.errors import CatalogError


def event_line(catalog: Catalog, run: Run) -> list[Run]:
    """The runs that led to `run`, the oldest first, itself last.

    Each was published when the next began; held, discarded and rolled back runs are none of them.
    """
    known = {one.run: one for one in catalog.runs()}
    found, name = [run], events_base(run)
    while name in known:
        found.append(known[name])
        name = events_base(known[name])
    return found[::-1]


def events_base(run: Run) -> str | None:
    """The run that a run's changes are told against."""
    return run.summary.changes.base


def events_of(catalog: Catalog, run: Run, *, since: str | None = None) -> pa.Table:
    """The events of a run, or of every run after `since` up to it, in the order they happened.

    Raises:
        CatalogError: `since` did not lead to the run, or a run has no events.
    """
    chosen = [run] if since is None else _after(catalog, run, since)
    # The table is appended to: the run's version has the events of all that led to it.
    stored = catalog.dataset("events", run=run)
    tables = [
        stored.to_table(filter=ds.field("run") == one.run).sort_by("cluster_id") for one in chosen
    ]
    return pa.concat_tables([stored.schema.empty_table(), *tables])


def _after(catalog: Catalog, run: Run, since: str) -> list[Run]:
    runs = event_line(catalog, run)
    names = [one.run for one in runs]
    if since not in names:
        status = next((one.status for one in catalog.runs() if one.run == since), "not known")
        raise CatalogError(
            f"run {since!r} is {status} and did not lead to run {run.run}: start anew from "
            f"`gemel export --what clusters --run {run.run}`, then ask for events since {run.run}"
        )
    return runs[names.index(since) + 1 :]


def retired_ids(catalog: Catalog, run: Run | None) -> pa.Array:
    """Ids of the clusters that died in the runs that led to `run`, itself too."""
    if run is None or "events" not in run.versions:
        return pa.array([], pa.string())
    names = [one.run for one in event_line(catalog, run)]
    died = (ds.field("event") == "died") & ds.field("run").isin(names)
    found = catalog.dataset("events", run=run).to_table(columns=["cluster_id"], filter=died)
    return found["cluster_id"].combine_chunks().cast(pa.string())
