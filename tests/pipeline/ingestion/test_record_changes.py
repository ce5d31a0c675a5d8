"""Tonight's records told from last night's, against a count by hand."""

from datetime import UTC, datetime

import pyarrow as pa

from pipeline.config.run import RunConfig
from pipeline.ingestion.record_changes import diff_records
from pipeline.storage.schemas import QUARANTINE, RECORDS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = {"id": "i", "text": "t"}
SOURCE = {"type": "csv", "name": "s", "path": "s.csv", "columns": COLUMNS}
SOURCES = RunConfig.model_validate({"catalog": "c", "sources": [SOURCE]}).sources


def records(rows: dict[str, tuple[str | None, str | None]]) -> pa.Table:
    blank = dict.fromkeys(RECORDS.names)
    return pa.Table.from_pylist(
        [
            {
                **blank, "record_id": f"s:{name}", "source": "s", "location": f"s.csv:{place}",
                "text_hash": text, "image_hash": image, "first_seen": NOW,
            }
            for place, (name, (text, image)) in enumerate(rows.items())
        ],
        schema=pa.schema([field.with_nullable(True) for field in RECORDS]),
    )  # fmt: skip


def test_records_are_new_changed_or_gone() -> None:
    before = records({"a": ("1", None), "b": ("2", "p"), "c": ("3", None), "d": ("4", None)})
    after = records({"e": ("9", None), "d": ("4", None), "b": ("2", None), "a": ("x", None)})
    nothing = QUARANTINE.empty_table()

    def told(base: pa.Table | None) -> dict[str, int]:
        counts = diff_records(after, nothing, base, SOURCES).counts({"s": 4})
        return {name: counts[name] for name in ("new", "changed", "deleted")}

    assert told(before) == {"new": 1, "changed": 2, "deleted": 1}
    assert told(None) == {"new": 4, "changed": 0, "deleted": 0}
