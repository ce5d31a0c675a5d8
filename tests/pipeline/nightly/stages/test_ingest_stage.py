"""Night after night: what is new, what stays, what goes, and which pictures are decoded."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.catalog import Catalog
from pipeline.catalog.runs import Run
from pipeline.catalog.summary.run_summary import RunSummary
from pipeline.config.run import RunConfig
from pipeline.errors import SourceError
from pipeline.nightly.stages import ingest
from pipeline.nightly.stages.settle import IngestResult
from pipeline.nightly.state.context import RunContext, new_context
from pipeline.sample.pictures import photograph as sample_photograph
from tests.worlds.runs import run_config, write_jsonl

FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)


def photograph(path: Path, seed: int) -> Path:
    """A picture of one size in bytes whatever its content, written an hour ago."""
    grid = np.random.default_rng(seed).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(grid).save(path, "BMP")
    old = time.time() - 3600
    os.utime(path, (old, old + 0.125))
    return path


def texts(**by_id: str) -> list[dict[str, Any]]:
    return [{"id": key, "text": text} for key, text in by_id.items()]


def jsonl(path: Path, name: str = "s", **more: Any) -> dict[str, Any]:
    columns = {"id": "id", "text": "text", **more.pop("columns", {})}
    return {"type": "jsonl", "name": name, "path": str(path), "columns": columns, **more}


def folder(path: Path) -> dict[str, Any]:
    return {"type": "image_folder", "name": "p", "path": str(path)}


def config(at: Path, *sources: dict[str, Any], **changes: Any) -> RunConfig:
    return run_config(at / "catalog", *sources, **changes)


def night(made: RunConfig, number: int, *, full: bool = False) -> IngestResult:
    """Ingest once on top of the last night and publish what it wrote."""
    catalog = Catalog(made.catalog)
    base = catalog.published()
    started = FIRST + timedelta(days=number)
    context = new_context(made, base=base.run if base else None, full=full, started=started)
    facts = ingest.ingest(context)
    name, versions = context.run, facts.versions
    summary = RunSummary(run=name, name="nightly", status="published")
    catalog.publish(Run(name, started, started, "published", {}, versions, summary))
    return facts


def records(made: RunConfig) -> dict[str, dict[str, Any]]:
    catalog = Catalog(made.catalog)
    return {row["record_id"]: row for row in catalog.read("records", run=catalog.run()).to_pylist()}


def told(facts: IngestResult) -> dict[str, int]:
    return {**vars(facts.changes), "unchanged": facts.unchanged, "carried": facts.carried}


def test_a_complete_source_deletes_by_absence(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    made = config(tmp_path, jsonl(path))
    write_jsonl(path, texts(a="one fish", b="two fish", c="red fish"))
    assert told(night(made, 0)) == {
        "new": 3, "changed": 0, "unchanged": 0, "deleted": 0, "carried": 0,
    }  # fmt: skip
    write_jsonl(path, texts(a="one  fish", b="two fishes", d="blue fish"))
    facts = night(made, 1)
    counts = {"new": 1, "changed": 1, "unchanged": 1, "deleted": 1, "carried": 0}
    assert told(facts) == counts
    assert facts.sources == {"s": {"rows": 3, "records": 3, "quarantined": 0, **counts}}
    assert facts.removed_sources == {}
    found = records(made)
    assert set(found) == {"s:a", "s:b", "s:d"}
    seen = {key: (row["first_seen"], row["last_seen"]) for key, row in found.items()}
    tonight = FIRST + timedelta(days=1)
    assert seen == {"s:a": (FIRST, tonight), "s:b": (FIRST, tonight), "s:d": (tonight, tonight)}


@pytest.mark.parametrize("full", [False, True])
def test_an_append_only_feed_deletes_nothing(tmp_path: Path, full: bool) -> None:
    path = tmp_path / "in.csv"
    made = config(tmp_path, jsonl(path, type="csv", complete=False))
    path.write_text("id,text\na,one fish\nb,two fish\n")
    night(made, 0)
    path.write_text("id,text\nb,two fishes\nc,red fish\n,no id\n")
    facts = night(made, 1, full=full)
    assert told(facts) == {"new": 1, "changed": 1, "unchanged": 0, "deleted": 0, "carried": 1}
    assert (facts.rows, facts.records, facts.quarantined) == (3, 3, 1)
    path.write_text("id,text\n")
    assert told(night(made, 2, full=full))["carried"] == 3
    found = records(made)
    seen = {
        key: (row["text"], (row["first_seen"] - FIRST).days, (row["last_seen"] - FIRST).days)
        for key, row in found.items()
    }
    assert seen == {
        "s:a": ("one fish", 0, 0), "s:b": ("two fishes", 0, 1), "s:c": ("red fish", 1, 1),
    }  # fmt: skip


def test_a_source_that_is_no_longer_configured_takes_its_records_along(tmp_path: Path) -> None:
    kept = write_jsonl(tmp_path / "kept.jsonl", texts(a="one fish"))
    gone = write_jsonl(tmp_path / "gone.jsonl", texts(a="one fish", b="two fish"))
    night(config(tmp_path, jsonl(kept), jsonl(gone, "old", complete=False)), 0)
    made = config(tmp_path, jsonl(kept))
    facts = night(made, 1)
    assert (facts.changes.deleted, facts.removed_sources) == (2, {"old": 2})
    assert set(facts.sources) == {"s"}
    assert set(records(made)) == {"s:a"}


def test_what_a_damaged_file_held_is_not_deleted(tmp_path: Path) -> None:
    """Absence proves nothing where a file could not be read to its end."""
    both = tmp_path / "in"
    both.mkdir()
    write_jsonl(both / "a.jsonl", texts(a="one fish", b="two fish"))
    write_jsonl(both / "b.jsonl", texts(c="red fish", d="blue fish"))
    made = config(tmp_path, jsonl(both))
    night(made, 0)
    write_jsonl(both / "a.jsonl", texts(a="one fish"))
    (both / "b.jsonl").unlink()
    (both / "b.jsonl").symlink_to(tmp_path / "nowhere")
    facts = night(made, 1)
    assert told(facts) == {"new": 0, "changed": 0, "unchanged": 1, "deleted": 1, "carried": 2}
    assert set(records(made)) == {"s:a", "s:c", "s:d"}


def test_only_new_and_changed_pictures_are_decoded(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(4):
        photograph(pictures / f"{number}.bmp", number)
    photograph(pictures / "broken.bmp", 9).write_bytes(b"BM nothing")
    os.utime(pictures / "broken.bmp", (1, 1.125))
    made = config(tmp_path, folder(pictures))
    assert night(made, 0).pictures_decoded == 5
    before = records(made)
    facts = night(made, 1)
    assert (facts.pictures_decoded, facts.unchanged, facts.quarantined) == (0, 4, 1)
    again = records(made)
    assert {key: without_night(row) for key, row in again.items()} == {
        key: without_night(row) for key, row in before.items()
    }
    # The same bytes at another time; other bytes of the same size, a few milliseconds later.
    os.utime(pictures / "0.bmp", (5000, 5000.125))
    changed = pictures / "1.bmp"
    at = changed.stat().st_mtime_ns
    photograph(changed, 77)
    os.utime(changed, ns=(at, at + 4_000_000))
    facts = night(made, 2)
    assert (facts.pictures_decoded, facts.unchanged, facts.changes.changed) == (2, 3, 1)
    assert without_night(records(made)["p:0.bmp"]) == without_night(before["p:0.bmp"])
    assert night(made, 3, full=True).pictures_decoded == 5
    smaller = config(tmp_path, folder(pictures), images={"workers": 0, "thumbnail": 16})
    assert night(smaller, 4).pictures_decoded == 5
    assert night(smaller, 5).pictures_decoded == 0


def test_the_true_side_of_a_picture_is_kept_and_known_the_next_night(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    photo = Image.open(sample_photograph("sklearn/flower.jpg"))
    photo.save(pictures / "photo.png")
    photo.resize((2 * photo.width, 2 * photo.height)).save(pictures / "twice.png")
    for path in pictures.iterdir():
        os.utime(path, (1, 1.125))
    lines = write_jsonl(tmp_path / "in.jsonl", texts(a="one fish"))
    made = config(tmp_path, folder(pictures), jsonl(lines))
    night(made, 0)
    before = {key: row["image_effective_side"] for key, row in records(made).items()}
    assert 0.6 * photo.width < before["p:photo.png"] <= photo.width
    assert before["p:twice.png"] == pytest.approx(before["p:photo.png"], rel=0.15)
    assert before["s:a"] is None
    assert night(made, 1).pictures_decoded == 0
    assert {key: row["image_effective_side"] for key, row in records(made).items()} == before


def test_a_record_of_before_the_quality_is_not_taken_for_what_a_picture_came_to(
    tmp_path: Path,
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    photograph(pictures / "a.bmp", 1)
    made = config(tmp_path, folder(pictures))
    night(made, 0)
    catalog = Catalog(made.catalog)
    before = catalog.published()
    assert before
    rows = catalog.read("records", run=before)
    at = rows.schema.get_field_index("image_quality")
    rows = rows.set_column(at, "image_quality", pa.nulls(len(rows), rows.schema.field(at).type))
    versions = before.versions | {"records": catalog.tables.replace("records", rows)}
    catalog.publish(replace(before, versions=versions))
    assert night(made, 1).pictures_decoded == 1
    assert records(made)["p:a.bmp"]["image_quality"] == 100


def without_night(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "last_seen"}


def test_a_file_just_written_may_be_written_again_unseen(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    path = photograph(pictures / "a.bmp", 1)
    soon = time.time_ns() + 10**9
    os.utime(path, ns=(soon, soon))
    made = config(tmp_path, folder(pictures))
    night(made, 0)
    before = records(made)["p:a.bmp"]["image_hash"]
    photograph(path, 2)
    os.utime(path, ns=(soon, soon))
    assert night(made, 1).pictures_decoded == 1
    assert records(made)["p:a.bmp"]["image_hash"] != before


def test_pictures_inside_rows_are_told_by_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    columns = {"id": "id", "text": "text", "image_bytes": "picture"}
    source = {"type": "parquet", "name": "s", "path": str(path), "columns": columns}

    def write(*seeds: int) -> None:
        rows = [
            {"id": str(i), "text": None, "picture": photograph(tmp_path / "x", seed).read_bytes()}
            for i, seed in enumerate(seeds)
        ]
        schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("picture", pa.binary())])
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)

    write(1, 2, 2)
    made = config(tmp_path, source)
    assert night(made, 0).pictures_decoded == 3
    write(2, 3, 1)
    facts = night(made, 1)
    assert (facts.pictures_decoded, facts.unchanged, facts.changes.changed) == (1, 0, 3)


def test_pictures_are_decoded_again_when_what_is_known_is_lost(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    photograph(pictures / "a.bmp", 1)
    made = config(tmp_path, folder(pictures))
    night(made, 0)
    for part in (tmp_path / "catalog" / "tables" / "pictures").glob("*.parquet"):
        part.write_bytes(b"PAR1 no more")
    assert night(made, 1).pictures_decoded == 1
    assert night(made, 2).pictures_decoded == 0


def test_a_source_that_goes_away_while_it_is_read_stops_the_run(tmp_path: Path) -> None:
    both = tmp_path / "in"
    both.mkdir()
    for name in "ab":
        write_jsonl(both / f"{name}.jsonl", texts(**{f"{name}{n}": f"fish {n}" for n in range(9)}))
    made = config(tmp_path, jsonl(both), shard_rows=4)
    night(made, 0)
    context = new_context(made, started=FIRST + timedelta(days=1))
    with vanishing(both / "b.jsonl"), pytest.raises(SourceError, match=r"'s' went away.*b\.jsonl"):
        ingest.ingest(context)
    only = config(tmp_path, jsonl(both / "a.jsonl"), shard_rows=4)
    context = new_context(only, started=FIRST + timedelta(days=2))
    with vanishing(both / "a.jsonl"), pytest.raises(SourceError, match=r"'s' went away"):
        ingest.ingest(context)
    assert context.work.kept(IngestResult) is None


class vanishing:  # noqa: N801 - reads as a statement
    """Delete a file as soon as the first rows are kept."""

    def __init__(self, path: Path) -> None:
        self.path, self.patch = path, pytest.MonkeyPatch()

    def __enter__(self) -> None:
        from pipeline.catalog import Scratch

        original = Scratch.keep_shard

        def keep(work: Scratch, name: str, key: str, table: pa.Table) -> int:
            self.path.unlink(missing_ok=True)
            return original(work, name, key, table)

        self.patch.setattr(Scratch, "keep_shard", keep)

    def __exit__(self, *_: object) -> None:
        self.patch.undo()


def test_only_the_portions_that_changed_are_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.ingestion import records as records_
    from pipeline.nightly.stages import ingest

    path = tmp_path / "in.jsonl"
    made = config(tmp_path, jsonl(path), shard_rows=2)
    write_jsonl(path, texts(a="one", b="two", c="three", d="four", e="five"))
    built: list[int] = []
    original = records_.build_records

    def counted(batch: pa.Table, **options: Any) -> Any:
        built.append(len(batch))
        return original(batch, **options)

    monkeypatch.setattr(ingest, "build_records", counted)
    context = new_context(made, started=FIRST)
    ingest.ingest(context)
    assert built == [2, 2, 1]
    write_jsonl(path, texts(a="one", b="two", c="three!", d="four", e="five"))
    (context.work.folder / "IngestResult.json").unlink()
    facts = ingest.ingest(context)
    assert built == [2, 2, 1, 2]
    stored = context.catalog.tables.read("records", version=facts.versions["records"])
    assert stored["text"].to_pylist() == ["one", "two", "three!", "four", "five"]
    assert stored["last_seen"].unique().to_pylist() == [FIRST]
    assert unfinished(context) == 3


def unfinished(context: RunContext) -> int:
    return len(list((context.work.folder / "records").iterdir()))
