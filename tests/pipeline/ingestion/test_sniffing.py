"""Sniffing: delimiter, header and the roles of columns of files as people export them."""

import gzip
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import CsvSource, ImageFolderSource, JsonlSource, TableSource
from pipeline.errors import ConfigError, SourceError
from pipeline.ingestion import Guess, Stated, delivered_files, guess_sources, open_source

WORDS = [
    "old",
    "little",
    "house",
    "upon",
    "green",
    "hill",
    "beside",
    "river",
    "stone",
    "bridge",
    "market",
    "garden",
]


def names(n: int) -> list[str]:
    rng = random.Random(7)
    return [" ".join(rng.sample(WORDS, 4)) for _ in range(n)]


def guess(path: Path, **stated: object) -> Guess:
    return guess_sources([path], Stated(**stated))  # type: ignore[arg-type]


def only(found: Guess) -> TableSource:
    """The only source, a table."""
    (source,) = found.configs
    assert not isinstance(source, ImageFolderSource)
    return source


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_a_semicolon_export_in_the_encoding_of_windows(tmp_path: Path) -> None:
    rows = [f"{n};{t} für Ämter;{n},50;2024-01-{n % 28 + 1:02}" for n, t in enumerate(names(60))]
    path = write(tmp_path, "x.csv", "Nummer;Bezeichnung;Preis;geändert\r\n" + "\r\n".join(rows),
                 "cp1252")  # fmt: skip
    source = only(guess(path))
    assert isinstance(source, CsvSource)
    assert (source.delimiter, source.header) == (";", True)
    assert source.columns.id == "Nummer"
    assert source.columns.text == "Bezeichnung"
    batch = next(open_source(source).batches(rows=100))
    assert batch.rows.num_rows == 60
    assert "für Ämter" in batch.rows["text"][0].as_py()


def test_a_file_without_a_header_has_numbered_rows_and_columns(tmp_path: Path) -> None:
    text = "\n".join(f"{title}\t{number * 7.5}" for number, title in enumerate(names(40)))
    source = only(guess(write(tmp_path, "x.tsv", text)))
    assert isinstance(source, CsvSource)
    assert (source.delimiter, source.header, source.columns.id) == ("\t", False, None)
    assert source.columns.text == "column_1"
    rows = next(open_source(source).batches(rows=100)).rows
    assert rows["key"].to_pylist()[:2] == ["x.tsv:1", "x.tsv:2"]
    assert rows.num_rows == 40


def test_lines_of_text_are_one_column(tmp_path: Path) -> None:
    text = "\n".join(f"The {title}, and then some; {n}" for n, title in enumerate(names(30)))
    source = only(guess(write(tmp_path, "notes.txt", text)))
    rows = next(open_source(source).batches(rows=100)).rows
    assert rows.num_rows == 30
    assert rows["text"][0].as_py() == text.splitlines()[0]


def test_utf_16_as_spreadsheets_save_it(tmp_path: Path) -> None:
    text = "id\tname\n" + "\n".join(f"a{n}\t{title} é" for n, title in enumerate(names(30)))
    source = only(guess(write(tmp_path, "x.txt", text, "utf-16")))
    assert (source.columns.id, source.columns.text) == ("id", "name")


def test_bars_and_a_repeated_id(tmp_path: Path) -> None:
    text = "id|title|maker\n" + "\n".join(
        f"{n // 2}|{title}|{WORDS[n % 12]} works" for n, title in enumerate(names(50))
    )
    found = guess(write(tmp_path, "x.psv", text))
    assert only(found).columns.id is None
    assert "25 rows repeat one" in " ".join(found.lines())
    rows = next(open_source(found.configs[0]).batches(rows=100)).rows
    assert rows.num_rows == len(set(rows["key"].to_pylist())) == 50


def test_objects_inside_a_json_array(tmp_path: Path) -> None:
    items = [
        {"uuid": f"u-{n}", "product": {"title": title, "price": {"amount": n}}, "tags": ["a", "b"]}
        for n, title in enumerate(names(30))
    ]
    path = write(tmp_path, "x.json", json.dumps(items, indent=2))
    source = only(guess(path))
    assert isinstance(source, JsonlSource)
    assert (source.columns.id, source.columns.text) == ("uuid", "product.title")
    rows = next(open_source(source).batches(rows=100)).rows
    assert rows["text"].to_pylist() == [item["product"]["title"] for item in items]  # type: ignore[index]
    assert rows["location"][2].as_py() == "x.json:3"


def test_a_damaged_array_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="malformed JSON"):
        guess(write(tmp_path, "x.json", '[{"a": "b c d"}, {"a": '))


def test_packed_files_and_a_folder_of_parts(tmp_path: Path) -> None:
    for part in ("one", "two"):
        data = "id,title\n" + "\n".join(f"{part}{n},{t}" for n, t in enumerate(names(20)))
        (tmp_path / f"{part}.csv.gz").write_bytes(gzip.compress(data.encode()))
    source = only(guess(tmp_path))
    assert source.path == str(tmp_path)
    assert sum(b.rows.num_rows for b in open_source(source).batches(rows=100)) == 40


def test_identifying_numbers_are_compared_and_measures_are_not(tmp_path: Path) -> None:
    rng = random.Random(3)
    rows = [
        (n, t, rng.randint(10000, 99999), f"19{rng.randint(40, 99)}-03-0{n % 9 + 1}",
         ("new", "used")[n % 2], rng.random() * 90, "Terms and conditions apply to all orders")
        for n, t in enumerate(names(150))
    ]  # fmt: skip
    columns = ("customer_id", "name", "zip", "birth_date", "status", "price", "footer")
    table = pa.table({c: [row[i] for row in rows] for i, c in enumerate(columns)})
    pq.write_table(table, tmp_path / "x.parquet")
    source = only(guess(tmp_path / "x.parquet"))
    assert source.columns.id == "customer_id"
    assert source.columns.text == ("name", "zip", "birth_date")
    assert source.columns.timestamp is None


def test_boilerplate_is_left_out_and_named(tmp_path: Path) -> None:
    table = pa.table(
        {
            "title": names(60),
            "legal": [f"All rights reserved by the owner, see terms, page {n}" for n in range(60)],
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    found = guess(tmp_path / "x.parquet")
    assert only(found).columns.text == "title"
    assert any("legal is left out" in line for line in found.lines())
    said = guess(tmp_path / "x.parquet", text=("title", "legal"))
    assert only(said).columns.text == ("title", "legal")
    assert any("legal" in line and "makes all rows alike" in line for line in said.lines())


def test_what_is_stated_wins_and_what_is_wrong_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "x.csv", "id,title,body\n" + "\n".join(
        f"{n},{title},{title} again" for n, title in enumerate(names(30))))  # fmt: skip
    source = only(guess(path, text=("body",), id=""))
    assert (source.columns.id, source.columns.text) == (None, "body")
    with pytest.raises(ConfigError, match="did you mean title"):
        guess(path, text=("titel",))
    with pytest.raises(SourceError, match=r"did you mean .*x\.csv"):
        guess(tmp_path / "y.csv")


def test_columns_without_a_name_and_names_with_blanks(tmp_path: Path) -> None:
    lines = [f"{n}; S7-{n}0 ;{title};;" for n, title in enumerate(names(30))]
    path = write(tmp_path, "x.csv", "Nr; Titel ;Ort;;\n" + "\n".join(lines))
    source = only(guess(path))
    assert (source.columns.id, source.columns.text) == ("Nr", (" Titel ", "Ort"))
    assert only(guess(path, text=("titel",))).columns.text == " Titel "
    rows = next(open_source(source).batches(rows=100))
    assert (rows.rows.num_rows, rows.rejected.num_rows) == (30, 0)


def test_an_object_is_no_id_and_its_part_may_be(tmp_path: Path) -> None:
    items = [{"_id": {"$oid": f"{n:024x}"}, "title": title} for n, title in enumerate(names(30))]
    source = only(guess(write(tmp_path, "x.json", json.dumps(items))))
    assert source.columns.id == "_id.$oid"
    assert next(open_source(source).batches(rows=100)).rows["key"][1].as_py() == f"{1:024x}"


def test_a_table_of_numbers_cannot_be_compared(tmp_path: Path) -> None:
    text = "id,weight,height\n" + "\n".join(f"{n},{n * 1.5},{n * 2}" for n in range(30))
    with pytest.raises(SourceError, match=r"no column can be compared.*--text"):
        guess(write(tmp_path, "x.csv", text))


def test_pictures_alone_and_beside_a_table(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (source,) = guess(folder).configs
    assert isinstance(source, ImageFolderSource)
    write(folder, "list.csv", "sku,title,photo\n" + "\n".join(
        f"s{n},{title},{n % 3}.png" for n, title in enumerate(names(12))))  # fmt: skip
    (table,) = guess(folder).configs
    assert isinstance(table, CsvSource)
    assert (table.columns.id, table.columns.image) == ("sku", "photo")


def test_delivered_files_tell_a_change(tmp_path: Path) -> None:
    path = write(tmp_path, "x.csv", "id,title\n1,old little house\n2,green hill\n3,a bridge\n")
    sources = guess(path).configs
    before = delivered_files(sources)
    assert before == delivered_files(sources)
    path.write_text(path.read_text() + "4,another market\n")
    assert delivered_files(sources) != before


def test_sheets_are_read_where_openpyxl_is(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Item No", "Title", "Price"])
    for n, title in enumerate(names(30)):
        sheet.append([1000 + n, title, n * 1.25])
    book.save(tmp_path / "x.xlsx")
    source = only(guess(tmp_path / "x.xlsx"))
    assert (source.columns.id, source.columns.text) == ("Item No", "Title")
    rows = next(open_source(source).batches(rows=100)).rows
    assert rows["key"].to_pylist()[0] == "1000"
    assert rows["location"].to_pylist()[0] == "x.xlsx:2"
    wrong = source.model_copy(update={"sheet": "Tabelle9"})
    with pytest.raises(ConfigError, match="has no sheet 'Tabelle9'"):
        open_source(wrong).check()
