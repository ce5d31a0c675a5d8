"""Catalog and run that a command means; what it chose by itself goes to stderr."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import CatalogError

if TYPE_CHECKING:
    from pipeline.catalog import Catalog, Run

DEFAULT_CATALOG = Path(".gemel/catalog")


def chosen_catalog(given: str | None) -> Catalog:
    """The catalog named, else the default one, else the only one beside it.

    Raises:
        CatalogError: there is none, or there are several.
    """
    from pipeline.catalog import Catalog

    beside = [] if given else _catalog_beside()
    if len(beside) > 1:
        raise CatalogError(
            f"there is no catalog at {DEFAULT_CATALOG}, and several beside it: "
            f"{', '.join(map(str, beside))}; choose one with --catalog"
        )
    if beside:
        print(f"using the catalog {beside[0]}; --catalog names another", file=sys.stderr)
    return Catalog(given or next(iter(beside), DEFAULT_CATALOG), create=False)


def resolve(given: str | None) -> str | None:
    """A catalog as a configuration takes it: a local one absolute."""
    return str(Path(given).resolve()) if given and "://" not in given else given


def likely_catalog(given: str | None) -> str:
    """The folder that `chosen_catalog` would open, without a complaint when there is none."""
    beside = [] if given else _catalog_beside()
    return given or str(beside[0] if len(beside) == 1 else DEFAULT_CATALOG)


def _catalog_beside() -> list[Path]:
    """The catalogs beside an absent default one."""
    if DEFAULT_CATALOG.exists():
        return []
    return sorted(runs.parent.parent for runs in DEFAULT_CATALOG.parent.glob("*/tables/runs"))


def chosen_run(kept: Catalog, name: str | None) -> Run:
    """The run named, else the newest published one; a newer one that is not goes to stderr."""
    found = kept.run(name)
    newest = kept.runs()[0]
    if name is None and newest.run != found.run:
        print(
            f"note: the newer run {newest.run} is {newest.status}: this is the last published one; "
            f"see `gemel runs show {newest.run}`",
            file=sys.stderr,
        )
    return found
