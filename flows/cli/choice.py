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

    beside = [] if given else _catalogs_here()
    if len(beside) > 1:
        raise CatalogError(
            f"there is no catalog at {DEFAULT_CATALOG}, and several could be meant: "
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
    beside = [] if given else _catalogs_here()
    return given or str(beside[0] if len(beside) == 1 else DEFAULT_CATALOG)


def _catalogs_here() -> list[Path]:
    """Where there is no default one: the catalogs of the configurations in this folder, else those
    below `.gemel`.
    """
    if DEFAULT_CATALOG.exists():
        return []
    return _configured() or sorted(
        runs.parent.parent for runs in DEFAULT_CATALOG.parent.glob("*/tables/runs")
    )


def _configured() -> list[Path]:
    """The catalogs that run configurations in this folder name, of those that are there."""
    import yaml

    found = set()
    for path in sorted(Path().glob("*.yaml")):
        try:
            told = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue  # `gemel run` says what is wrong with it
        named = told.get("catalog") if isinstance(told, dict) and "sources" in told else None
        if isinstance(named, str) and (Path(named) / "tables" / "runs").exists():
            found.add(Path(named))
    return sorted(found)


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
