"""Guesses: paths become sources that are ready to run, with what was guessed in words."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from pipeline.config import Columns, CsvSource, ParquetSource, SourceConfig, TableSource
from pipeline.errors import ConfigError, SourceError
from pipeline.ingestion.sniffing.columns import ColumnFacts, names_of, read_facts
from pipeline.ingestion.sniffing.inputs import (
    find_inputs,
    first_parquet,
    is_binary,
    of_kind,
)
from pipeline.ingestion.sniffing.roles import Roles, guess_roles, warn_of
from pipeline.ingestion.sources.image_folder import is_picture

LISTED = 8  # names of columns that are told


@dataclass(frozen=True)
class Stated:
    """What the user says of the columns; None: it is guessed.

    Attributes:
        id: "" says that there is none: rows are numbered.
    """

    text: tuple[str, ...] | None = None
    id: str | None = None
    image: str | None = None
    time: str | None = None
    delimiter: str | None = None

    @property
    def names(self) -> list[tuple[str, str]]:
        """Each name with the option that states it."""
        single = [("--id", self.id), ("--image", self.image), ("--time", self.time)]
        named = [(option, name) for option, name in single if name]
        return [*(("--text", name) for name in self.text or ()), *named]


@dataclass(frozen=True)
class GuessedSource:
    """A source with what it was made from.

    Attributes:
        rows: read so far; `whole`: those are all.
        attributes: names of the columns that are only kept.
    """

    source: SourceConfig
    roles: Roles
    rows: int | None
    whole: bool
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Guess:
    """What some paths hold, and what of it is compared."""

    sources: tuple[GuessedSource, ...]
    paths: tuple[str, ...]

    @property
    def configs(self) -> tuple[SourceConfig, ...]:
        """The sources, complete."""
        return tuple(found.source for found in self.sources)

    @property
    def rows(self) -> int:
        """Rows of the tables, as far as they were read."""
        return sum(found.rows or 0 for found in self.sources)

    def lines(self) -> list[str]:
        """What was guessed, a line a source, and how to say otherwise."""
        said = [_line(found) for found in self.sources]
        notes = [f"note: {note}" for found in self.sources for note in found.roles.notes]
        return [*said, *notes, *self._otherwise()]

    def _otherwise(self) -> list[str]:
        tables = [found for found in self.sources if found.rows is not None]
        if not tables:
            return []
        roles = tables[0].roles
        named = (*roles.text, *tables[0].attributes)
        text = ",".join([name.strip() for name in named if "," not in name][:2]) or "title"
        id_ = roles.id or "COLUMN"
        paths = " ".join(map(shlex.quote, self.paths))
        return [f"not so? gemel find {paths} --text {shlex.quote(text)} --id {shlex.quote(id_)}"]


def guess_sources(paths: Sequence[str | Path], stated: Stated = Stated()) -> Guess:
    """Look at some paths and choose what is compared.

    Raises:
        SourceError: a path is not there, or nothing in it can be compared.
        ConfigError: a stated column is in none of the tables.
    """
    inputs = find_inputs(paths)
    read = []
    for table in inputs.tables:
        if stated.delimiter and isinstance(table, CsvSource):
            table = table.model_copy(update={"delimiter": stated.delimiter})
        read.append((table, *read_facts(table)))
    stated = _resolved(stated, [name for _, facts, _, _ in read for name in names_of(facts)])
    _check_stated(stated, [facts for _, facts, _, _ in read])
    found = [_guess_table(table, facts, rows, whole, stated) for table, facts, rows, whole in read]
    folders = [GuessedSource(folder, Roles(image="path"), None, True) for folder in inputs.folders]
    _check_something([*found, *folders])
    return Guess((*found, *folders), tuple(map(str, paths)))


def _guess_table(
    table: TableSource, facts: list[ColumnFacts], rows: int, whole: bool, stated: Stated
) -> GuessedSource:
    names = names_of(facts)
    if not rows:
        raise SourceError(f"{table.path} has no rows")
    root = getattr(table, "image_root", None) or _folder_of(table)
    guessed = guess_roles(facts, has_picture=lambda value: _is_picture(value, root))
    here = Stated(
        text=None if stated.text is None else tuple(n for n in stated.text if n in names),
        id=stated.id if stated.id in (*names, "") else None,
        image=stated.image if stated.image in names else None,
        time=stated.time if stated.time in names else None,
    )
    roles = replace(
        guessed,
        text=here.text or (guessed.text if stated.text is None else ()),
        id=guessed.id if here.id is None else here.id or None,
        image=here.image or guessed.image,
        time=here.time or guessed.time,
    )
    taken = {roles.id, roles.image, roles.time}
    roles = replace(roles, text=tuple(n for n in roles.text if n not in taken or here.text))
    roles = warn_of(facts, roles, told=here.text or ())
    if not roles.text and not roles.image and not _picture_bytes(table):
        raise SourceError(
            f"{table.path}: no column can be compared, they are {', '.join(names[:LISTED])}: "
            "numbers, codes, or the same in every row; name some with --text"
        )
    columns = Columns(
        id=roles.id,
        text=roles.text if len(roles.text) > 1 else next(iter(roles.text), None),
        image=roles.image,
        image_bytes=None if roles.image else _picture_bytes(table),
        timestamp=roles.time,
    )
    used = {*roles.text, roles.id, roles.image, roles.time}
    kept = tuple(n for n in names if n not in used and "." not in n)
    source = table.model_copy(update={"columns": columns})
    return GuessedSource(source, roles, rows, whole, kept)


def _resolved(stated: Stated, there: Sequence[str]) -> Stated:
    """Names as the columns are written: a person leaves out blanks at the ends, and case."""
    plain = {name.strip().casefold(): name for name in reversed(there)}

    def meant(name: str | None) -> str | None:
        if not name or name in there:
            return name
        return plain.get(name.strip().casefold(), name)

    return replace(
        stated,
        text=stated.text and tuple(meant(name) or name for name in stated.text),
        id=meant(stated.id),
        image=meant(stated.image),
        time=meant(stated.time),
    )


def _check_stated(stated: Stated, tables: Sequence[Sequence[ColumnFacts]]) -> None:
    there = list(dict.fromkeys(name for facts in tables for name in names_of(facts)))
    for option, name in stated.names:
        if name not in there:
            near = get_close_matches(name, there, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            shown = ", ".join(there) or "(none)"
            raise ConfigError(
                f"{option} names '{name}', which is no column{hint}; the columns are: {shown}"
            )


def _check_something(found: Sequence[GuessedSource]) -> None:
    if not found:
        raise SourceError("nothing to look at: give a file or folder")


def _folder_of(table: TableSource) -> str:
    path = Path(table.path)
    return str(path if path.is_dir() else path.parent)


def _is_picture(value: str, root: str) -> bool:
    return "://" not in value and os.path.isfile(os.path.join(root, value))


def _picture_bytes(table: TableSource) -> str | None:
    """A binary column of a Parquet file whose values are pictures."""
    if not isinstance(table, ParquetSource):
        return None
    with first_parquet(table) as parquet:
        names: list[str] = [f.name for f in parquet.schema_arrow if is_binary(f.type)]
        if names and parquet.metadata.num_rows:
            first = next(parquet.iter_batches(20, columns=names))
            for name in names:
                values = [value for value in first[name].to_pylist() if value]
                if values and all(is_picture(value[:32]) for value in values):
                    return name
    return None


def _line(found: GuessedSource) -> str:
    source, roles = found.source, found.roles
    if found.rows is None:
        return f"{source.path}: pictures, each by its path"
    parts = [
        f"{found.rows:,}{'' if found.whole else ' and more'} rows, {of_kind(source)}",
        f"id {roles.id}" if roles.id else "no id, rows are numbered",
        f"text {_few(roles.text)}" if roles.text else "",
        f"picture {roles.image}" if roles.image else "",
        f"time {roles.time}" if roles.time else "",
        f"kept beside {_few(found.attributes)}" if found.attributes else "",
    ]
    return f"{source.path}: " + "; ".join(filter(None, parts))


def _few(names: Sequence[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
