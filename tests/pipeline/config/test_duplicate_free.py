"""The setting `duplicate_free` of a source of any kind."""

from typing import Any

import pytest

from pipeline.config.run import RunConfig
from pipeline.config.sources import duplicate_free_names

COLUMNS = {"id": "id", "text": "text"}
KINDS: list[dict[str, Any]] = [
    *({"type": kind, "columns": COLUMNS} for kind in ("csv", "jsonl", "parquet")),
    {"type": "image_folder"},
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["type"])
def test_every_kind_of_source_can_be_set_so_and_none_is_by_default(kind: dict[str, Any]) -> None:
    sources = [
        {"name": "z", "path": "z", **kind, "duplicate_free": True},
        {"name": "b", "path": "b", **kind},
        {"name": "a", "path": "a", **kind, "duplicate_free": True},
    ]
    config = RunConfig.model_validate({"catalog": "c", "sources": sources})
    assert config.duplicate_free == ("a", "z")
    assert duplicate_free_names(config.model_dump(mode="json")) == ["a", "z"]
    assert duplicate_free_names({}) == []
