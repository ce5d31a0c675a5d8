"""The commands `gemel find` and `gemel init`: a first look without a configuration."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from flows.cli.options import JsonOption, show
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.config import RunConfig
    from pipeline.finding import Found
    from pipeline.ingestion import Guess

TextOption = Annotated[
    str | None, Parameter(name="--text", help="Columns that are compared, as title,brand.")
]
IdOption = Annotated[
    str | None, Parameter(name="--id", help="Column with the row's id; '' numbers the rows.")
]
ImageOption = Annotated[str | None, Parameter(name="--image", help="Column with pictures.")]
TimeOption = Annotated[str | None, Parameter(name="--time", help="Column with the row's time.")]
DelimiterOption = Annotated[
    str | None, Parameter(name="--delimiter", help="Between columns of CSV; 'tab' for a tab.")
]
ThoroughOption = Annotated[
    bool,
    Parameter(name="--thorough", negative="", help="Search by MiniLM: slower, finds rewordings."),
]


def register(app: App) -> None:
    """Add the commands to the command line."""
    app.command(find)
    app.command(init)


def find(
    *paths: str,
    text: TextOption = None,
    id_: IdOption = None,
    image: ImageOption = None,
    time: TimeOption = None,
    delimiter: DelimiterOption = None,
    thorough: ThoroughOption = False,
    save: Annotated[
        Path | None, Parameter(help="Write the configuration of this for the nights.")
    ] = None,
    out: Annotated[
        Path | None, Parameter(help="Folder of the result. Default: one below .gemel.")
    ] = None,
    xlsx: Annotated[
        bool, Parameter(negative="", help="Write the table as a workbook too; needs openpyxl.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Find the duplicates in files and folders: tables, pictures or both. No configuration.

    Says which columns it takes, then shows the surest and the most doubtful groups side by side.
    Tables: CSV and its like, JSON, Parquet, and .xlsx or .ods where python-calamine is installed.
    Nothing is changed or deleted; a second call on the same files answers at once.

    Example: `gemel find products.csv`
    """
    guess = _guess(paths, text, id_, image, time, delimiter)
    from pipeline.finding import find_config, find_in_sources, place_of

    config = find_config(
        guess.configs,
        catalog=out or place_of(paths),
        rows=guess.rows,
        formats=("csv", "xlsx") if xlsx else ("csv",),
        thorough=thorough,
    )
    for line in guess.lines():
        print(line, file=sys.stderr)
    _save(config, save, paths)
    from pipeline.outputs import check_exports

    check_exports(config.exports)
    from flows.cli.run import run_flow

    found = find_in_sources(config, run=lambda chosen: run_flow(chosen, plain=True, quiet=as_json))
    _show(found, guess, as_json=as_json)
    return 0


def init(
    *paths: str,
    text: TextOption = None,
    id_: IdOption = None,
    image: ImageOption = None,
    time: TimeOption = None,
    delimiter: DelimiterOption = None,
    thorough: ThoroughOption = False,
    save: Annotated[Path | None, Parameter(help="File to write. Default: gemel.yaml.")] = None,
) -> int:
    """Write the configuration of `gemel find` on the same paths, for the nights; runs nothing.

    Example: `gemel init products.csv --save gemel.yaml`
    """
    guess = _guess(paths, text, id_, image, time, delimiter)
    from pipeline.finding import find_config

    for line in guess.lines():
        print(line, file=sys.stderr)
    config = find_config(guess.configs, catalog=".", rows=guess.rows, thorough=thorough)
    _save(config, save or Path("gemel.yaml"), paths)
    return 0


def _guess(
    paths: tuple[str, ...],
    text: str | None,
    id_: str | None,
    image: str | None,
    time: str | None,
    delimiter: str | None,
) -> Guess:
    """What the paths hold. Only the light rooms are loaded: a wrong path is told at once."""
    from pipeline.ingestion import Stated, guess_sources

    if not paths:
        raise ConfigError("name a file or folder: gemel find products.csv")
    sign = {"tab": "\t", "\\t": "\t"}.get(delimiter or "", delimiter)
    if sign is not None and len(sign) != 1:
        raise ConfigError(f"--delimiter is one character, or tab (found {delimiter!r})")
    names = None if text is None else tuple(filter(None, map(str.strip, text.split(","))))
    return guess_sources(paths, Stated(names, id_, image, time, sign))


def _save(config: RunConfig, path: Path | None, paths: tuple[str, ...]) -> None:
    if path is None:
        return
    from pipeline.finding import nightly_yaml

    if path.is_dir():
        raise ConfigError(f"--save {path} is a folder; name a file, such as {path}/gemel.yaml")
    told = nightly_yaml(config, path, paths=paths)
    if path.exists() and path.read_text(encoding="utf-8") != told:
        raise ConfigError(f"{path} is there already; remove it, or name another file: --save")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(told, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--save {path}: cannot be written: {error.strerror}") from error
    print(f"written: {path}; every night: gemel run {path}", file=sys.stderr)


def _show(found: Found, guess: Guess, *, as_json: bool) -> None:
    if as_json:
        show(_facts(found, guess), [], as_json=True)
        return
    from rich.console import Console

    from pipeline.finding import found_lines

    console = Console(highlight=False)
    for line in found_lines(found, colour=console.is_terminal):
        console.print(line, markup=False, emoji=False, soft_wrap=not console.is_terminal)


def _facts(found: Found, guess: Guess) -> dict[str, Any]:
    from dataclasses import asdict

    sure, doubtful = found.shown()
    groups = {
        name: [
            {**asdict(g), "members": [{**asdict(m), "thumbnail": None} for m in g.members]}
            for g in these
        ]
        for name, these in (("sure", sure), ("doubtful", doubtful))
    }
    return {
        "sources": [json.loads(source.model_dump_json()) for source in guess.configs],
        "counts": found.summary.to_json()["counts"],
        **groups,
        "tables": list(found.tables),
        "report": found.report,
        "fresh": found.fresh,
    }
