"""The command `gemel review`: the review page of a catalog in this machine's browser."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from cyclopts import App, Parameter

from flows.cli.choice import chosen_catalog, resolve
from flows.cli.options import CatalogOption
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.catalog import Catalog, Run
    from pipeline.reviewing import Desk


def register(app: App) -> None:
    """Add the command to the command line."""
    app.command(review)


def review(
    config: Path | None = None,
    *,
    catalog: CatalogOption = None,
    run_name: Annotated[
        str | None,
        Parameter(name="--run", help="Default: the newest one that is published or held."),
    ] = None,
    cluster: Annotated[
        str | None, Parameter(help="Open this cluster first, by its id or that of a member.")
    ] = None,
    port: Annotated[int, Parameter(help="To listen on; 0: any that is free.")] = 0,
    by: Annotated[str | None, Parameter(help="Who answers. Default: you.")] = None,
    target: Annotated[
        float, Parameter(help="The precision that answers should show, below 1.")
    ] = 0.95,
    read_only: Annotated[bool, Parameter(negative="", help="Look, save nothing.")] = False,
    no_open: Annotated[
        bool, Parameter(negative="", help="Print the link only; open no browser.")
    ] = False,
) -> int:
    """Open the review page: decide pairs and clusters, and let the judge learn from it.

    It listens on this machine alone, and the printed link is the key to it. Answers are kept in
    the catalog at once and bind the next run. Ctrl-C ends it. Named by its configuration, a run
    also shows pictures that only the configuration's options can open.

    Example: `gemel review --catalog .gemel/sample`
    """
    if not 0 < target < 1:
        raise ConfigError(f"--target is {target}; a precision lies between 0 and 1, such as 0.95")
    kept, sources = _opened(config, catalog)
    from pipeline.reviewing import choose_run, serve

    run = choose_run(kept, run_name)
    first = "" if cluster is None else f"#/cluster/{quote(_cluster(kept, run, cluster), safe='')}"
    print(f"run {run.run} ({run.status}); Ctrl-C ends the page", file=sys.stderr)

    def opened() -> Desk:
        from pipeline.reviewing import Desk

        who = by or getpass.getuser()
        return Desk(kept, run, by=who, read_only=read_only, target=target, sources=sources)

    def ready(link: str) -> None:
        link += first
        print(link, flush=True)
        if not no_open:
            import webbrowser

            webbrowser.open(link)

    serve(opened, port=port, ready=ready)
    return 0


def _cluster(kept: Catalog, run: Run, name: str) -> str:
    """The id of a cluster by its own or a member's.

    Raises:
        ConfigError: there is none.
    """
    import pyarrow.compute as pc

    table = kept.read("clusters", run=run, columns=["cluster_id", "record_id"])
    for column in ("cluster_id", "record_id"):
        found = table.filter(pc.equal(table[column], name))
        if len(found):
            return str(found["cluster_id"][0].as_py())
    raise ConfigError(f"--cluster {name}: run {run.run} has neither a cluster nor a record of it")


def _opened(
    config: Path | None, catalog: str | None
) -> tuple[Catalog, list[dict[str, Any]] | None]:
    """The catalog, and the sources of the configuration where one was named."""
    if config is None:
        return chosen_catalog(catalog), None
    from pipeline.catalog import Catalog
    from pipeline.config import load_config

    settings = load_config(config, catalog=resolve(catalog))
    sources = settings.model_dump(mode="json")["sources"]
    return Catalog.of(settings, create=False), sources
