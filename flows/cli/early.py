"""What is checked before anything heavy is loaded: a wrong setting is told within a second."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pipeline.config import RunConfig

PrefectOption = Annotated[
    bool | None,
    Parameter(
        name="--prefect",
        negative="--no-prefect",
        help="Run it as a Prefect flow. Default: only where a Prefect server is configured.",
    ),
]


def check_early(config: RunConfig) -> None:
    """Hold exports and sources to what is there; `pipeline.nightly.prepare` checks the rest.

    Raises:
        ConfigError: an export cannot be written, or a source has no such column.
        SourceError: a source cannot be read at all.
    """
    from pipeline.ingestion import open_source
    from pipeline.outputs import check_exports

    check_exports(config.exports)
    for source in config.sources:
        open_source(source).check()


def takes_prefect(stated: bool | None) -> bool:
    """Whether a command runs as a Prefect flow: as stated, else where a server is configured.

    Prefect itself takes seconds to load, so its settings are looked up here: the variable
    PREFECT_API_URL, else the same in the active profile.
    """
    if stated is not None:
        return stated
    if "PREFECT_API_URL" in os.environ:
        return bool(os.environ["PREFECT_API_URL"])
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    path = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    name = os.environ.get("PREFECT_PROFILE") or profiles.get("active")
    profile = profiles.get("profiles", {}).get(name, {})
    return bool(profile.get("PREFECT_API_URL"))
