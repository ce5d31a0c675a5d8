"""Settings of a first look: a guess becomes a configuration, and a file for the nights."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import (
    ExportSettings,
    GateSettings,
    ImageSettings,
    MiniLmEncoder,
    RetentionSettings,
    RunConfig,
    SourceConfig,
    StaticText,
)

TABLE = "duplicates"
FEW = 300  # rows that MiniLM embeds within seconds
# A first look is shown whatever it finds: there is nobody whose result it could spoil.
OPEN_GATES = GateSettings(
    min_candidate_recall=0,
    max_quarantined=1,
    max_shrinkage=1,
    max_ids_rewritten=1,
    max_removed=1,
    max_newly_removed=1,
    max_newly_removed_of_source=1,
    max_removal_growth=1e9,
    max_cluster=1,
    max_cluster_growth=1e9,
    max_in_review=1,
)
HEAD = """\
# Written by Gemel from: {paths}
# Every night: gemel run {name}   What each setting means: configs/README.md
# Paths start from this file's own folder. With labels of your own the judge gets better:
# gemel label suggest.
"""


def place_of(paths: Sequence[str | Path], base: str | Path = ".gemel") -> Path:
    """The folder in which a look at these paths is kept: the same for the same paths."""
    full = sorted(str(Path(path).expanduser().resolve()) for path in paths)
    key = hashlib.sha256("\0".join(full).encode()).hexdigest()[:8]
    return Path(base) / f"find-{_word(Path(full[0]).stem)}-{key}"


def find_config(
    sources: Sequence[SourceConfig],
    *,
    catalog: str | Path,
    rows: int,
    formats: Sequence[str] = ("csv",),
    thorough: bool = False,
    threads: int | None = None,
) -> RunConfig:
    """The configuration of a first look.

    Texts are searched by the static student, which is fast, and few of them by MiniLM, which also
    finds rewordings; the judge looks at words in any case.

    Args:
        rows: how many there are.
        catalog: folder of the catalog; the tables of the groups are written into it.
        formats: of the tables of the groups; none: no table.
        thorough: texts are searched by MiniLM: slower, and finds rewordings.
    """
    root = Path(catalog)
    return RunConfig(
        name=_word(root.name),
        catalog=str(root),
        sources=tuple(sources),
        text_encoder=(
            MiniLmEncoder(type="minilm")
            if thorough or rows <= FEW
            else StaticText(type="static")
        ),
        gates=OPEN_GATES,
        retention=RetentionSettings(runs=1, days=0),
        images=ImageSettings(workers=min(2, os.cpu_count() or 1)),
        exports=tuple(
            ExportSettings.model_validate(
                {"what": "groups", "path": str(root / f"{TABLE}.{ending}"), "format": ending,
                 **({"spreadsheet_safe": True} if ending == "csv" else {})}
            )
            for ending in formats
        ),
        threads=threads,
    )  # fmt: skip


def nightly_yaml(config: RunConfig, path: Path, *, paths: Sequence[str]) -> str:
    """The text of a configuration file for the nights: the same sources, columns and encoder.

    The gates are the usual ones, and catalog and tables are of its own: a look by hand changes
    nothing that the nights have published.

    Args:
        path: where the file will be; its relative paths start there.
        paths: what the user named.
    """
    name = _word(path.stem)
    folder = path.expanduser().resolve().parent
    out = f".gemel/{name}-out"
    told: dict[str, Any] = {
        "name": name,
        "catalog": f".gemel/{name}",
        "sources": [_source(source, folder) for source in config.sources],
        "text_encoder": config.text_encoder.model_dump(include={"type"}),
        "exports": [
            {"what": "groups", "path": f"{out}/duplicates.csv", "spreadsheet_safe": True},
            {"what": "removals", "path": f"{out}/removals.csv"},
            {"what": "survivors", "path": f"{out}/survivors.csv"},
        ],
    }
    body = yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=96)
    return HEAD.format(paths=", ".join(paths), name=path.name) + "\n" + body


def _source(source: SourceConfig, folder: Path) -> dict[str, Any]:
    said = source.model_dump(exclude_defaults=True, mode="json")
    said = {"name": said.pop("name"), "type": source.type, **said}
    if "://" not in source.path:
        said["path"] = os.path.relpath(Path(source.path).expanduser().resolve(), folder)
    return said


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_.") or "data"
