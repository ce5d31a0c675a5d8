"""Options that many commands share, and how every command prints its result."""

from __future__ import annotations

import json
from typing import Annotated, Any

from cyclopts import Parameter

from flows.cli.choice import DEFAULT_CATALOG

CatalogOption = Annotated[
    str | None,
    Parameter(
        name="--catalog",
        help="Folder of the catalog, or s3://…. "
        f"Default: {DEFAULT_CATALOG}, else that of the configuration in this folder, else the "
        "only one below .gemel.",
        env_var="GEMEL_CATALOG",
    ),
]
JsonOption = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


def show(data: Any, lines: list[str], *, as_json: bool) -> None:
    """Print a result for a person or for a machine."""
    print(json.dumps(data, indent=2, default=str) if as_json else "\n".join(lines))
