"""Inputs: paths of files and folders become unfinished sources, each with its kind and dialect."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import (
    Columns,
    CsvSource,
    ImageFolderSource,
    JsonlSource,
    ParquetSource,
    SheetSource,
    SourceConfig,
    TableSource,
)
from pipeline.errors import SourceError
from pipeline.ingestion.sniffing.dialect import sniff_dialect
from pipeline.ingestion.sources import open_source
from pipeline.ingestion.sources.files import READ_ERRORS, find_files, without_credentials
from pipeline.ingestion.sources.image_folder import EXTENSIONS, is_picture
from pipeline.ingestion.sources.sheets.sheet import SUFFIXES as SHEETS
from pipeline.ingestion.sources.walking import walk

Kind = Literal["csv", "jsonl", "parquet", "sheet", "picture"]
_KINDS: dict[str, Kind] = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".psv": "csv", ".txt": "csv", ".dat": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet",
    ".pq": "parquet", **dict.fromkeys(SHEETS, "sheet"),
}  # fmt: skip
# Of a folder, only what is surely a table: a README.txt is none.
_SURE = frozenset(_KINDS) - {".txt", ".dat"}
_PACKED = (".gz", ".zst", ".bz2")
MOST = 40  # sources of one call: more are one export in parts, or no tables
# No column is known before the rows are looked at.
_ALL = Columns.model_construct(
    id=None, text=None, text_names=True, image=None, image_bytes=None, attributes="*",
    timestamp=None,
)  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """What some paths hold.

    Attributes:
        tables: their columns not yet chosen, every one an attribute.
        folders: of pictures. left_out: how many files are neither.
        pictures: how many are below the folders.
    """

    tables: tuple[TableSource, ...]
    folders: tuple[ImageFolderSource, ...]
    pictures: int = 0
    left_out: int = 0


def find_inputs(paths: Sequence[str | Path]) -> Inputs:
    """Look what some paths hold; of files only the start is read.

    Raises:
        SourceError: a path is not there, holds nothing to compare, or cannot be read.
    """
    tables: list[TableSource] = []
    folders: list[ImageFolderSource] = []
    pictures = other = 0
    names: set[str] = set()
    for given in paths:
        path = Path(given).expanduser()
        if path.is_dir():
            found, count, rest = _folder(path, names)
            tables += found
            pictures, other = pictures + count, other + rest
            if count and not found:
                name = _free_name(path.resolve().name, names)
                folders.append(ImageFolderSource(name=name, type="image_folder", path=str(path)))
        elif path.exists():
            tables.append(sniff_table(path, name=_free_name(_stem(path), names)))
        elif any(sign in str(given) for sign in "*?[") or "://" in str(given):
            tables.append(_pattern(str(given), names))
        else:
            raise SourceError(_missing(path))
    if len(tables) > MOST:
        raise SourceError(
            f"{len(tables)} tables with different columns; name the files that belong together"
        )
    return Inputs(tuple(tables), tuple(folders), pictures, other)


def sniff_table(path: Path | str, *, name: str) -> TableSource:
    """The source of one file, a pattern or a folder of files of one kind.

    Raises:
        SourceError: it is a picture, of an unknown kind, or cannot be read.
    """
    place = str(path)
    kind = _kind_of(place)
    settings: dict[str, Any] = {"name": name, "path": place, "columns": Columns(text="?")}
    everything = {"columns": _ALL}
    match kind:
        case "picture":
            folder = Path(place).parent
            raise SourceError(f"{place} is a picture; give its folder: gemel find {folder}")
        case "parquet":
            parquet = ParquetSource(type="parquet", **settings)
            source: TableSource = parquet
            everything = {"columns": _but_binary(parquet)}
        case "sheet":
            source = SheetSource(type="sheet", **settings)
        case "jsonl":
            source = JsonlSource(type="jsonl", **settings)
        case _:
            probe = CsvSource(type="csv", **settings)
            dialect = sniff_dialect(find_files(probe, suffixes=tuple(_SURE))[0])
            source = probe.model_copy(update=dialect)
    source = source.model_copy(update=everything)
    open_source(source).check()
    return source


def _but_binary(source: ParquetSource) -> Columns:
    """All columns but those that hold pictures or other bytes."""
    with first_parquet(source) as parquet:
        names = tuple(f.name for f in parquet.schema_arrow if not is_binary(f.type))
    return _ALL.model_copy(update={"attributes": names})


def is_binary(kind: pa.DataType) -> bool:
    """Whether a column holds bytes."""
    return any(test(kind) for test in (pa.types.is_binary, pa.types.is_large_binary))


@contextmanager
def first_parquet(source: ParquetSource) -> Iterator[pq.ParquetFile]:
    """The first file of a source."""
    file = find_files(source, suffixes=(".parquet", ".pq"))[0]
    try:
        with file.fs.open(file.path, "rb") as stream, pq.ParquetFile(stream) as parquet:
            yield parquet
    except READ_ERRORS as error:
        raise SourceError(f"{file.path}: {without_credentials(error)}") from error


def _kind_of(place: str) -> Kind:
    """By its ending, which a packed file has before that of the packer; else by its first bytes."""
    ending = _ending(place)
    if ending in _KINDS:
        return _KINDS[ending]
    if ending in EXTENSIONS:
        return "picture"
    if any(sign in place for sign in "*?["):
        return "csv"
    with open(place, "rb") as file:
        start = file.read(64)
    if start.startswith(b"PAR1"):
        return "parquet"
    if is_picture(start):
        return "picture"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return "jsonl"
    return "csv"


def _folder(folder: Path, names: set[str]) -> tuple[list[TableSource], int, int]:
    """The tables of a folder, how many pictures and how many other files are below it."""
    kinds: dict[Kind, list[str]] = {}
    pictures = other = 0
    for key, reason in walk(str(folder)):
        ending = _ending(key)
        if reason is None and ending in _SURE:
            kinds.setdefault(_KINDS[ending], []).append(key)
        elif reason is None and ending in EXTENSIONS:
            pictures += 1
        else:
            other += 1
    tables: list[TableSource] = []
    for kind, keys in kinds.items():
        if len(keys) > 1 and kind != "sheet" and _alike(folder, keys):
            name = _free_name(folder.resolve().name, names)
            first = sniff_table(folder / keys[0], name=name)
            tables.append(first.model_copy(update={"path": str(folder)}))
        else:
            tables += [
                sniff_table(folder / key, name=_free_name(_stem(Path(key)), names))
                for key in sorted(keys)
            ]
    if not tables and not pictures:
        raise SourceError(
            f"{folder} holds no table and no picture; tables end in {', '.join(sorted(_SURE))}"
        )
    return tables, pictures, other


def _alike(folder: Path, keys: Iterable[str]) -> bool:
    """Whether files are parts of one table: the same columns."""
    return len({tuple(columns_of(sniff_table(folder / key, name="x"))) for key in keys}) == 1


def columns_of(source: TableSource) -> list[str]:
    """The names of a table's columns, in their order, as its start has them."""
    if isinstance(source, ParquetSource):
        with first_parquet(source) as parquet:
            return list(parquet.schema_arrow.names)
    names: dict[str, None] = {}
    for batch in open_source(source).batches(rows=200):
        for row in batch.rows["attributes"].to_pylist():
            names.update(dict.fromkeys(name for name, _ in row))
        break
    return list(names)


def _pattern(given: str, names: set[str]) -> TableSource:
    base = re.sub(r"[*?\[].*", "", given).rstrip("/")
    return sniff_table(given, name=_free_name(_stem(Path(base or "table")), names))


def _ending(path: str) -> str:
    place = Path(path)
    return Path(place.stem).suffix.lower() if place.suffix.lower() in _PACKED else (
        place.suffix.lower()
    )  # fmt: skip


def _stem(path: Path) -> str:
    return Path(path.stem).stem if path.suffix.lower() in _PACKED else path.stem


def _free_name(wanted: str, names: set[str]) -> str:
    """A name of a source that is not taken yet."""
    base = re.sub(r"[^A-Za-z0-9_.-]+", "_", wanted).strip("_.") or "table"
    name, number = base, 2
    while name in names:
        name, number = f"{base}_{number}", number + 1
    names.add(name)
    return name


def _missing(path: Path) -> str:
    """That a path is not there, with what is: the nearest name in its folder."""
    folder = next((p for p in path.parents if p.is_dir()), Path())
    near = get_close_matches(path.name, [item.name for item in folder.iterdir()], 1)
    hint = f"; did you mean {folder / near[0]}?" if near else f"; it was looked for in {folder}"
    return f"there is no {path}{hint}"


def of_kind(source: SourceConfig) -> str:
    """What a source is, in words: its format, and the dialect where it is not the usual one."""
    match source:
        case CsvSource():
            sign = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
            said = f"columns by {sign[source.delimiter]}" if source.delimiter in sign else "lines"
            return said if source.header else f"{said}, no header"
        case JsonlSource():
            return "JSON"
        case ParquetSource():
            return "Parquet"
        case SheetSource():
            return "a sheet"
        case _:
            return "a folder of pictures"
