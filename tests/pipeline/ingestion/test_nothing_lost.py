"""Nothing lost: what damaged files hold is in survivors, removals or quarantine, each row once.

The oracle are marks in the bytes of the files themselves, counted after the damage.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from PIL import Image
from pydantic import TypeAdapter

from pipeline.config.sources import ImageSettings, SourceConfig
from pipeline.ingestion.decoding import Decoder
from pipeline.ingestion.records import build_records, drop_duplicate_ids
from pipeline.ingestion.sources import open_source
from pipeline.outputs.exporters import contents
from pipeline.storage.schemas import CLUSTERS, PAIRS, QUARANTINE, RECORDS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HERE = ImageSettings(workers=0)
JUNK = [b'"', b'""', b"\xe9", b"\xff\xfe", b",", b"\n", b"\r", b"\x00", b"{", b'"}\n{"', b"\\"]
TEXTS = [
    "plain", "a, b", 'said "so"', "two\nlines", "two\n7,lines", "größe 漢字", "'", "1.50", "@x", "",
]  # fmt: skip
EASY = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

Rows = list[dict[str, Any]]
row_texts = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=8)
damages = st.lists(st.tuples(st.floats(0, 1), st.sampled_from(JUNK)), max_size=3)


def marked(texts: list[str]) -> list[dict[str, str]]:
    """Rows with a mark each; two of three rows have an id of their own."""
    return [
        {"id": f"k{n // 3 * 3 if n % 3 == 2 else n}", "t": f"M{n}M {text}", "a": f"{n}.50"}
        for n, text in enumerate(texts)
    ]


def csv_bytes(rows: list[dict[str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "t", "a"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def jsonl_bytes(rows: list[dict[str, str]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def damaged(data: bytes, damage: list[tuple[float, bytes]], start: int) -> bytes:
    """Insert junk behind the first `start` bytes."""
    for share, junk in damage:
        at = start + round(share * (len(data) - start))
        data = data[:at] + junk + data[at:]
    return data


def outcome(kind: str, path: Path, **columns: str) -> tuple[Rows, Rows, Rows, int]:
    """Survivors, rows of the removed, quarantine, and the number of rows the source told of."""
    made: dict[str, Any] = {"name": "s", "type": kind, "path": str(path)}
    if columns:
        made["columns"] = columns
    records, refused, count = [], [], 0
    with Decoder(HERE) as decoder:
        for batch in open_source(TypeAdapter(SourceConfig).validate_python(made)).batches(rows=3):
            built = build_records(batch.rows, source="s", images=HERE, now=NOW, decoder=decoder)
            records.append(built.records)
            refused += [batch.rejected, built.rejected]
            count += batch.rows_in
    kept, twice = drop_duplicate_ids(pa.concat_tables([RECORDS.empty_table(), *records]))
    quarantine = pa.concat_tables([QUARANTINE.empty_table(), *refused, twice])
    ids = kept["record_id"].to_pylist()
    # Neighbours are taken for duplicates: what an export leaves out does not depend on why.
    members = [
        {
            "record_id": own, "representative": ids[n // 2 * 2], "cluster_id": f"c{n // 2}",
            "size": 2, "status": "confirmed", "probability_to_representative": 1.0,
            "keeper_reason": "longest", "cohesion": 1.0, "evidence": "text", "same_thing": False,
        }
        for n, own in enumerate(ids)
    ]  # fmt: skip
    clusters = pa.Table.from_pylist(members, CLUSTERS)
    survivors = listed(contents.export_survivors(kept, clusters))
    removals = listed(contents.export_removals(kept, clusters, PAIRS.empty_table()))
    by_id = {row["record_id"]: row for row in kept.to_pylist()}
    gone = [by_id[row["record_id"]] for row in removals]
    return survivors, gone, listed(contents.export_quarantine(quarantine)), count


def listed(found: contents.Contents) -> Rows:
    schema, batches = found
    rows: Rows = pa.Table.from_batches(batches, schema).to_pylist()
    return rows


def marks(*texts: object) -> Counter[str]:
    return Counter(re.findall(r"M\d+M", " ".join(map(str, texts))))


def delivered(*parts: Rows) -> Counter[str]:
    """Marks of survivors, removed and refused rows; `text` repeats what `fields` hold."""
    rows = [row for part in parts for row in part]
    return marks(
        *(value for row in rows for name, value in row.items() if name not in ("text", "reason"))
    )


@EASY
@given(row_texts, damages, st.booleans())
def test_damaged_csv(tmp_path: Path, texts: list[str], damage: Any, packed: bool) -> None:
    data = damaged(csv_bytes(marked(texts)), damage, len("id,t,a\n"))
    path = tmp_path / ("x.csv.gz" if packed else "x.csv")
    path.write_bytes(gzip.compress(data) + bytes(64) if packed else data)
    survivors, gone, refused, count = outcome("csv", path, id="id", text="t")
    assert len(survivors) + len(gone) + len(refused) == count
    assert delivered(survivors, gone, refused) == marks(data.decode("latin-1"))


@EASY
@example(["plain"] * 7 + ["a, b"], [(0.919921875, b'"}\n{"')])  # an object without an id
@given(row_texts, damages)
def test_damaged_json_lines(tmp_path: Path, texts: list[str], damage: Any) -> None:
    path = tmp_path / "x.jsonl"
    data = damaged(jsonl_bytes(marked(texts)), damage, 0)
    path.write_bytes(data)
    survivors, gone, refused, count = outcome("jsonl", path, id="id", text="t")
    lines = [line for line in data.split(b"\n") if line and not line.isspace()]
    assert len(survivors) + len(gone) + len(refused) == count == len(lines)
    assert delivered(survivors, gone, refused) == marks(data.decode("latin-1"))


@EASY
@example(['said "so"', 'said "so"', ""], [(0.36060874239350055, b'"')])  # a column's name
@example(['said "so"', 'said "so"', ""], [(0.36060874239350055, b"\xe9")])
@given(row_texts, st.lists(st.tuples(st.floats(0, 1), st.sampled_from(JUNK)), max_size=2))
def test_damaged_parquet(tmp_path: Path, texts: list[str], damage: Any) -> None:
    """A byte that is another: a length that changes makes the whole file unreadable."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_pylist(marked(texts)), path, row_group_size=2, compression="none")
    data = bytearray(path.read_bytes())
    for share, junk in damage:
        data[round(share * (len(data) - 1))] = junk[0]
    path.write_bytes(bytes(data))
    survivors, gone, refused, count = outcome("parquet", path, id="id", text="t")
    assert len(survivors) + len(gone) + len(refused) == count
    whole = [row for row in refused if row["location"] == "x.parquet"]
    assert count == (1 if whole else len(texts))
    if not damage:
        assert delivered(survivors, gone, refused) == marks(*(f"M{n}M" for n in range(len(texts))))


@pytest.mark.parametrize("kind", ["image_folder", "csv"])
def test_damaged_pictures(kind: str, tmp_path: Path) -> None:
    """A file that is no picture is refused; a row keeps its text without one."""
    for n in range(6):
        Image.new("RGB", (20, 10), (40 * n, 0, 0)).save(tmp_path / f"p{n}.png")
    (tmp_path / "p1.png").write_bytes((tmp_path / "p1.png").read_bytes()[:40])
    (tmp_path / "p2.png").write_bytes(b"no picture")
    if kind == "image_folder":
        survivors, gone, refused, count = outcome(kind, tmp_path)
        assert {row["location"] for row in refused} == {"p1.png", "p2.png"}
        assert len(survivors) + len(gone) == 4
    else:
        rows = [{"id": f"k{n}", "t": f"M{n}M", "a": f"p{n}.png"} for n in range(8)]
        (tmp_path / "x.csv").write_bytes(csv_bytes(rows))
        found = outcome(kind, tmp_path / "x.csv", id="id", text="t", image="a")
        survivors, gone, refused, count = found
        assert not refused, "pictures 6 and 7 are missing, their texts are not"
        assert delivered(survivors, gone) == marks(*(row["t"] for row in rows))
    assert len(survivors) + len(gone) + len(refused) == count
