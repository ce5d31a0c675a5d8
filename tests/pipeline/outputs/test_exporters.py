"""Every exporter against the table it was given, and what is left when writing fails."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import json
import os
from pathlib import Path
from typing import Any, get_args

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import ValidationError

from pipeline.config.outputs import FORMATS, ExportSettings, Format
from pipeline.errors import ConfigError, PipelineError
from pipeline.outputs.exporters import check_exports, open_exporter
from pipeline.storage.csv_cells import escape, unescape

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("score", pa.float32()),
        ("size", pa.int32()),
        ("exact", pa.bool_()),
        ("when", pa.timestamp("us", tz="UTC")),
        ("extra", pa.map_(pa.string(), pa.string())),
        ("blob", pa.binary()),
    ]
)
NASTY = [
    "=1+1",
    " =x",
    "'=x",
    "''=x",
    '"=x',
    "\t=x",
    "\r",
    "@a",
    "-1.5",
    "-1+2",
    "+49",
    "＝x",
    "a\nb",
]
TEXT = st.one_of(st.text(max_size=20), st.sampled_from(NASTY))
ROW = st.fixed_dictionaries(
    {
        "id": st.none() | TEXT,
        "score": st.none() | st.floats(-1, 1, width=32),
        "size": st.none() | st.integers(-5, 5),
        "exact": st.none() | st.booleans(),
        "when": st.none() | st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2100, 1, 1)),
        "extra": st.none() | st.dictionaries(TEXT, TEXT, max_size=3),
        "blob": st.none() | st.binary(max_size=9),
    }
)
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    cells = [
        row
        | {
            "extra": None if row["extra"] is None else sorted(row["extra"].items()),
            "when": None if row["when"] is None else row["when"].replace(tzinfo=dt.UTC),
        }
        for row in rows
    ]
    return pa.Table.from_pylist(cells, schema=SCHEMA)


def read_parquet(path: str) -> pa.Table:
    return pq.read_table(path)


def read_jsonl(path: str) -> pa.Table:
    return _table([json.loads(line) for line in Path(path).read_bytes().splitlines()])


def read_csv(path: str) -> pa.Table:
    """Read with the standard library, which takes both null and empty text for empty."""
    with open(path, encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    rows = []
    for row in lines:
        cells: dict[str, Any] = {name: None if cell == "" else cell for name, cell in row.items()}
        for name in ("score", "size", "exact", "extra"):
            if cells[name] is not None:
                cells[name] = json.loads(cells[name])
        rows.append(cells)
    return _table(rows)


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    for row in rows:
        if row["when"] is not None:
            row["when"] = dt.datetime.fromisoformat(row["when"])
        if row["extra"] is not None:
            row["extra"] = list(row["extra"].items())
        if row["blob"] is not None:
            row["blob"] = base64.b64decode(row["blob"])
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def read_xlsx(path: str) -> pa.Table:
    """Read with openpyxl, which takes empty text for an empty cell."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(io.BytesIO(Path(path).read_bytes()))
    head, *lines = book.active.iter_rows(values_only=True)
    rows = [dict(zip(head, line, strict=True)) for line in lines]
    for row in rows:
        row["extra"] = None if row["extra"] is None else json.loads(row["extra"])
    return _table(rows)


READERS = {"parquet": read_parquet, "jsonl": read_jsonl, "csv": read_csv, "xlsx": read_xlsx}


def write(table: pa.Table, kind: Format, path: Path | str, *, safe: bool = False) -> int:
    exporter = open_exporter(kind, spreadsheet_safe=safe)
    return exporter.write(iter(table.to_batches(2)), table.schema, path=str(path))


def test_every_configurable_format_is_offered_and_read_here():
    offered = get_args(ExportSettings.model_fields["format"].annotation)
    assert set(FORMATS) == set(offered) == set(READERS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "xlsx"])
@SLOW
@given(rows=st.lists(ROW, max_size=6))
def test_round_trip_equals_the_table(kind, rows, tmp_path_factory):
    table = table_of(rows)
    path = tmp_path_factory.mktemp("out") / f"new/folder/file.{kind}"
    assert write(table, kind, path) == len(rows)
    expected = table.to_pylist()
    if kind == "csv":  # the one thing a CSV reader loses: "" and null look alike
        for row in expected:
            row["id"] = row["id"] or None
            row["blob"] = row["blob"] or None
    assert READERS[kind](str(path)).to_pylist() == expected


@pytest.mark.parametrize("kind", FORMATS)
def test_same_rows_same_bytes(kind, tmp_path):
    table = pa.table({"id": ["b", "a", None], "score": pa.array([0.9, None, 1], pa.float32())})
    for name in ("one", "two"):
        write(table, kind, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("earlier", [None, b"last night"])
def test_failure_midway_leaves_what_was_there(kind, earlier, tmp_path):
    path = tmp_path / "file"
    if earlier is not None:
        path.write_bytes(earlier)

    def batches():
        yield pa.record_batch({"id": ["a"]})
        raise RuntimeError("the disk of the reader broke")

    with pytest.raises(RuntimeError, match="broke"):
        open_exporter(kind).write(batches(), pa.schema([("id", pa.string())]), path=str(path))
    assert [p.name for p in tmp_path.iterdir()] == ([] if earlier is None else ["file"])
    assert earlier is None or path.read_bytes() == earlier


@pytest.mark.parametrize("kind", FORMATS)
def test_urls_and_replacement(kind):
    url = f"memory://exports/{kind}/file"
    for rows in (3, 1):
        assert write(pa.table({"id": ["a"] * rows}), kind, url) == rows
    memory = fsspec.filesystem("memory")
    assert [Path(p).name for p in memory.ls(f"/exports/{kind}", detail=False)] == ["file"]


@pytest.mark.parametrize("kind", FORMATS)
def test_unwritable_place_is_named(kind, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(PipelineError, match=r"cannot write .*file/out"):
        write(pa.table({"id": ["a"]}), kind, tmp_path / "file" / "out")


def exports(*paths):
    return [ExportSettings(path=str(path)) for path in paths]


def test_places_that_cannot_be_written_are_found_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    wrong = {
        "folder": "this is a folder; name a file in it",
        "file/out.csv": f"{tmp_path}/file is not a folder",
        "file/deeper/out.csv": f"{tmp_path}/file is not a folder",
        "dangling/out.csv": f"{tmp_path}/dangling is not a folder",
    }
    for path, reason in wrong.items():
        with pytest.raises(ConfigError) as error:
            check_exports(exports(tmp_path / "fine.csv", tmp_path / path))
        assert f"exports.1.path: {reason}" in str(error.value)
        assert f"found '{tmp_path}/{path}'" in str(error.value)
    with pytest.raises(ConfigError, match=r"exports\.1\.path: another export is written there"):
        check_exports(exports(tmp_path / "a.csv", tmp_path / "a.csv"))
    with pytest.raises(ConfigError, match=r"nosuch.*install what it needs"):
        check_exports(exports("nosuch://bucket/a.csv"))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / "folder")
    with pytest.raises(ConfigError, match=r"/folder is not writable; allow it"):
        check_exports(exports(tmp_path / "folder" / "new" / "a.csv"))


def test_places_that_can_be_written_are_left_as_they_are(tmp_path):
    (tmp_path / "old.csv").write_text("last night")
    check_exports(exports(tmp_path / "old.csv", tmp_path / "new/deep/a.csv", "memory://x/a.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]
    assert (tmp_path / "old.csv").read_text() == "last night"


def test_a_workbook_shows_groups_as_text_and_numbers(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    table = pa.table(
        {
            "group": [1, 1, 2],
            "action": ["keep", "remove", "keep"],
            "probability": pa.array([1.0, 0.9876, 1.0], pa.float32()),
            "title": ["=1+1", "a\x00b", "x" * 40_000],
            "note": [None, "", "＝2"],
        }
    )
    exporter = open_exporter("xlsx")
    assert exporter.write(iter(table.to_batches()), table.schema, str(tmp_path / "x.xlsx")) == 3
    sheet = openpyxl.load_workbook(tmp_path / "x.xlsx").active
    head, *rows = sheet.iter_rows()
    assert [cell.value for cell in head] == table.column_names
    assert [[cell.value for cell in row][:3] for row in rows] == [
        [1, "keep", 1], [1, "remove", 0.9876], [2, "keep", 1],
    ]  # fmt: skip
    assert {cell.data_type for row in rows for cell in row[3:] if cell.value} == {"s"}
    assert [row[3].value for row in rows][:2] == ["=1+1", "a⟨U+0000⟩b"]
    assert len(rows[2][3].value) == 32_767
    assert [bool(row[0].border.top.style) for row in rows] == [True, False, True]
    assert [row[0].font.bold for row in rows] == [True, False, True]


@pytest.mark.parametrize("kind", FORMATS)
def test_no_rows_still_makes_a_file(kind, tmp_path):
    assert write(SCHEMA.empty_table(), kind, tmp_path / "file") == 0
    assert READERS[kind](str(tmp_path / "file")).num_rows == 0


@pytest.mark.parametrize("cell", ["=1+1", "+1", "@x", "-1+1", "\t=1", "\r=1", "  =1", "'=1", '"=1'])
def test_formulas_never_start_a_cell(cell):
    escaped = escape(pa.array([cell]))[0].as_py()
    assert escaped == "'" + cell
    assert unescape(escaped) == cell


@pytest.mark.parametrize("cell", ["plain", "a=b", "-1.5", "-2e10", "it's", "'quoted'", "", "é-1"])
def test_harmless_cells_are_left_alone(cell):
    assert escape(pa.array([cell]))[0].as_py() == cell == unescape(cell)


def test_numeric_columns_keep_their_sign(tmp_path):
    table = pa.table({"=n": [-1.5], "t": ["-1.5"], "u": ["@maria2"], "key": ["@maria2"]})
    write(table, "csv", tmp_path / "file")
    assert (tmp_path / "file").read_text() == (
        '"=n","t","u","key"\n-1.5,"-1.5","@maria2","@maria2"\n'
    )
    write(table, "csv", tmp_path / "safe", safe=True)
    assert (tmp_path / "safe").read_bytes().decode() == (
        '\ufeff"\'=n","t","u","key"\n-1.5,"-1.5","\'@maria2","@maria2"\n'
    ), "an id is never altered"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"path": "out.parquet", "format": "csv"}, "path ends in .parquet and format is csv"),
        ({"path": "out.jsonl", "spreadsheet_safe": True}, "spreadsheet_safe applies to csv only"),
    ],
)
def test_exports_whose_ending_and_settings_differ_are_refused(given, fault):
    with pytest.raises(ValidationError, match=fault):
        ExportSettings.model_validate(given)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("a.parquet", "parquet"), ("b.JSONL", "jsonl"), ("c.csv", "csv"), ("d", "csv")],
)
def test_an_export_without_a_format_follows_its_ending(path, kind):
    assert ExportSettings.model_validate({"path": path}).format == kind


def test_null_and_empty_text_differ_in_the_file(tmp_path):
    write(pa.table({"a": pa.array([None, ""]), "b": ["x", "x"]}), "csv", tmp_path / "file")
    assert (tmp_path / "file").read_text() == '"a","b"\n,"x"\n"","x"\n'
