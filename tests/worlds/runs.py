"""Run settings over toy encoders, and the files of rows that their sources read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.catalog import Catalog
from pipeline.config.outputs import ExportSettings
from pipeline.config.run import RunConfig
from pipeline.nightly.deliver import write_export
from pipeline.storage.place import Place

NAMES = ("anna", "bert", "carl", "dora")
# Gates that hold nothing back, whatever a handful of records does.
OPEN_GATES = {"max_removed": 1, "max_cluster": 1, "max_in_review": 1}


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write one line of JSON per row."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_texts(path: Path, texts: Iterable[str]) -> Path:
    """Write the texts as rows whose ids are their numbers."""
    return write_jsonl(path, ({"id": str(n), "text": text} for n, text in enumerate(texts)))


def write_walks(path: Path) -> Path:
    """Write eight texts in four pairs of near copies: n and nb."""
    texts = [f"{name} walked along the long river with {name} and a dog" for name in NAMES]
    rows = [{"id": str(n), "text": text} for n, text in enumerate(texts)]
    near = [{"id": f"{n}b", "text": f"{text}."} for n, text in enumerate(texts)]
    return write_jsonl(path, rows + near)


def rows_in(path: Path, kind: str = "jsonl", *, name: str = "s", **changes: Any) -> dict[str, Any]:
    """A source of ids and texts; `changes` are settings of it."""
    columns = {"id": "id", "text": "text"}
    return {"type": kind, "name": name, "path": str(path), "columns": columns, **changes}


def pictures_in(folder: Path, *, name: str = "p") -> dict[str, Any]:
    """A source of pictures."""
    return {"type": "image_folder", "name": name, "path": str(folder)}


def run_config(catalog: Path | Place, /, *sources: dict[str, Any], **changes: Any) -> RunConfig:
    """Settings of a run with toy encoders, in this process; `changes` are settings of it."""
    return RunConfig.model_validate(
        {
            "catalog": str(catalog),
            "sources": sources,
            "text_encoder": {"type": "toy"},
            "image_encoder": {"type": "toy_image"},
            "images": {"workers": 0},
            **changes,
        }
    )


def exported(config: RunConfig, out: Path, what: str = "clusters") -> bytes:
    """Export the published run as CSV and read the bytes."""
    catalog = Catalog(config.catalog)
    export = ExportSettings.model_validate({"what": what, "format": "csv", "path": str(out)})
    write_export(catalog, catalog.run(), export)
    return out.read_bytes()
