"""Records: no row is lost, and nothing depends on the order rows arrive in."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from pipeline.config.sources import ImageSettings
from pipeline.errors import PipelineError
from pipeline.ingestion.decoding import Decoder, image_reader
from pipeline.ingestion.images import ImageError
from pipeline.ingestion.records import (
    IMAGE_BYTES,
    build_records,
    drop_duplicate_ids,
    exact_groups,
)
from pipeline.storage.schemas import QUARANTINE, RECORDS, ROWS

NOW = datetime(2024, 5, 1, tzinfo=UTC)
HERE = ImageSettings(workers=0)


def png(colour: str, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 10), colour).save(out, kind)
    return out.getvalue()


RED, RED_BMP, BLUE, BROKEN = png("red"), png("red", "BMP"), png("blue"), png("red")[:45]


def rows_table(rows: list[dict[str, Any]]) -> pa.Table:
    filled = [
        {"location": f"f:{i}", "fields": [], "attributes": [], **row} for i, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(filled, schema=ROWS)


def build(rows: list[dict[str, Any]], *, images: ImageSettings = HERE) -> Any:
    with Decoder(images) as decoder:
        return build_records(rows_table(rows), source="s", images=images, now=NOW, decoder=decoder)


row = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["a", "b", "c", "", None]),
        "text": st.one_of(st.none(), st.sampled_from(["", " ", "\x00", "x  y"]), st.text()),
        "image_bytes": st.sampled_from([None, RED, RED_BMP, BLUE, BROKEN, b""]),
        "timestamp": st.one_of(st.none(), st.integers(0, 3).map(lambda d: NOW + timedelta(d))),
    }
)


@settings(deadline=None, max_examples=60)
@given(st.lists(row, max_size=12))
def test_rows_in_are_records_plus_quarantine(rows: list[dict[str, Any]]) -> None:
    result = build(rows)
    assert result.records.schema.equals(RECORDS)
    assert result.rejected.schema.equals(QUARANTINE)
    assert result.image_bytes.schema.equals(IMAGE_BYTES)
    places = [*result.records["location"].to_pylist(), *result.rejected["location"].to_pylist()]
    assert sorted(places) == sorted(f"f:{i}" for i in range(len(rows)))
    for record in result.records.to_pylist():
        assert record["text_hash"] or record["image_hash"]
        assert (record["text"] is None) == (record["text_hash"] is None)
    stored = result.image_bytes["image_hash"].to_pylist()
    assert sorted(stored) == sorted(set(result.records["image_hash"].drop_null().to_pylist()))

    kept, repeated = drop_duplicate_ids(result.records)
    assert len(kept) + len(repeated) == len(result.records)
    assert sorted(kept["record_id"].to_pylist()) == sorted(
        set(result.records["record_id"].to_pylist())
    )
    assert repeated.schema.equals(QUARANTINE)


@settings(deadline=None, max_examples=60)
@given(st.lists(row, max_size=12), st.randoms(use_true_random=False), st.integers(1, 5))
def test_the_record_that_stays_does_not_depend_on_order_or_chunks(
    rows: list[dict[str, Any]], random: Any, chunk: int
) -> None:
    records = build(rows).records
    order = list(range(len(records)))
    random.shuffle(order)
    shuffled = pa.Table.from_batches(
        records.take(pa.array(order, pa.int64())).to_batches(chunk), schema=RECORDS
    )
    first, second = drop_duplicate_ids(records), drop_duplicate_ids(shuffled)
    for left, right in zip(first, second, strict=True):
        assert left.sort_by("location").equals(right.sort_by("location"))


def test_the_newest_stays_then_the_smallest_content_and_the_kept_place_is_named() -> None:
    records = build(
        [
            {"key": "a", "text": "no time"},
            {"key": "a", "text": "old", "timestamp": NOW - timedelta(1)},
            {"key": "a", "text": "new", "timestamp": NOW},
            {"key": "a", "text": "new", "timestamp": NOW},
            {"key": "b", "text": "other"},
        ]
    ).records
    kept, repeated = drop_duplicate_ids(records)
    assert kept["location"].to_pylist() == ["f:2", "f:4"]
    assert set(repeated["reason"].to_pylist()) == {"duplicate id: kept f:2"}


def test_a_text_stays_where_its_picture_cannot_be_read() -> None:
    result = build(
        [
            {"key": "a", "text": "has text", "image_bytes": BROKEN},
            {"key": "b", "text": "has text", "image_uri": "/no/such/file.png"},
            {"key": "c", "text": " \t\x00 "},
            {"key": "d", "image_bytes": b"", "attributes": [("note", "y" * 5000)]},
            {"key": "e", "text": "https://example.org/never-fetched.png"},
        ]
    )
    told = dict(
        zip(*(result.records[name].to_pylist() for name in ("record_id", "problem")), strict=True)
    )
    assert told == {
        "s:a": "truncated picture",
        "s:b": "picture cannot be read: No such file or directory",
        "s:e": None,
    }
    assert result.records["image_hash"].null_count == 3
    assert result.rejected["reason"].to_pylist() == ["neither text nor picture", "empty file"]
    raw = json.loads(result.rejected["raw"][1].as_py())
    assert raw == {"id": "d", "note": "y" * 5000}, "the row, whole"


def test_a_row_out_of_a_broken_one_wins_no_id() -> None:
    result = build(
        [
            {"key": "a", "text": "a piece", "location": "f:1 (out of a broken row)",
             "timestamp": NOW},
            {"key": "a", "text": "the row"},
        ]
    )  # fmt: skip
    kept, repeated = drop_duplicate_ids(result.records)
    assert kept["text"].to_pylist() == ["the row"]
    assert json.loads(repeated["raw"][0].as_py())["text"] == "a piece"


def test_a_picture_record_has_its_measures() -> None:
    record = build([{"key": "a", "image_bytes": RED}]).records.to_pylist()[0]
    assert (record["image_width"], record["image_height"]) == (20, 10)
    assert record["image_detail"] == 0
    assert record["image_effective_side"] == 0
    assert record["thumbnail"].startswith(b"\xff\xd8")
    assert (record["first_seen"], record["last_seen"], record["deleted"]) == (NOW, NOW, False)
    assert (record["text"], record["text_hash"], record["word_count"]) == (None, None, None)


def test_exact_groups_lead_to_the_smallest_id() -> None:
    rows: list[dict[str, Any]] = [
        {"key": "d", "text": "same", "image_bytes": RED},
        {"key": "b", "text": "same", "image_bytes": RED_BMP},
        {"key": "c", "text": "same"},
        {"key": "a", "text": " same "},
        {"key": "e", "image_bytes": RED},
    ]
    records = build(rows).records
    assert exact_groups(records).tolist() == [1, 1, 3, 3, 4]
    assert exact_groups(records.slice(0, 0)).tolist() == []


@pytest.fixture(scope="module")
def pool() -> Iterator[Decoder]:
    with Decoder(ImageSettings(workers=2)) as decoder:
        yield decoder


def test_processes_give_what_this_process_gives(pool: Decoder, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(RED)
    uris = [str(tmp_path / "a.png"), None, str(tmp_path), "file:///no/such", None]
    data = [None, BLUE, None, None, BROKEN]
    found = pool.decode(uris, data, settings=HERE)
    assert found == Decoder(HERE).decode(uris, data, settings=HERE)
    assert [isinstance(item, str) for item in found] == [False, False, True, True, True]


def test_a_killed_process_is_a_clear_error(pool: Decoder) -> None:
    pool.decode([None], [RED], settings=HERE)
    assert pool._pool is not None
    for process in list(pool._pool._processes.values()):
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(PipelineError, match=r"images\.workers"):
        pool.decode([None] * 50, [RED] * 50, settings=HERE)


def test_the_processes_end_with_the_one_they_work_for() -> None:
    """As after a kill -9 of a run."""
    code = """if True:
        import os, signal
        from pipeline.config import ImageSettings
        from pipeline.ingestion import Decoder
        decoder = Decoder(ImageSettings(workers=1))
        decoder.decode([None], [b""], settings=ImageSettings())
        print(*decoder._pool._processes, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    # The pipe ends when the last process that holds it does.
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, timeout=120)
    assert done.returncode == -signal.SIGKILL
    (number,) = map(int, done.stdout.split())
    assert not Path(f"/proc/{number}").exists() or "Z" in _state(number)


def _state(number: int) -> str:
    return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2]


def test_the_reader_has_a_limit_and_reads_no_pipes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(RED)
    assert image_reader(f"file://{path}") == RED
    with pytest.raises(ImageError, match="too large"):
        image_reader(str(path), limit=10)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="not a regular file"):
        image_reader(str(tmp_path / "pipe.png"))
    with pytest.raises(ImageError, match="cannot be read"):
        image_reader("nosuchprotocol://x/y.png")


def test_a_hundred_thousand_records_resolve_quickly() -> None:
    count = 100_000
    ids = np.random.default_rng(0).integers(0, count // 2, count)
    table = pa.table(
        {
            name: pa.array([f"s:{i}" for i in ids])
            if name == "record_id"
            else pa.array([f"f:{i}" for i in range(count)])
            if name in ("source", "location", "text_hash")
            else pa.nulls(count, RECORDS.field(name).type)
            for name in RECORDS.names
        }
    )
    kept, repeated = drop_duplicate_ids(table)
    assert len(kept) == len(np.unique(ids))
    assert len(kept) + len(repeated) == count
    assert np.array_equal(exact_groups(table), np.arange(count))
