"""Generated parts of the README pages: from the code to Markdown, by `make docs`.

A part stands between `<!-- KIND: ARGUMENT -->` and `<!-- end -->` and is written anew each time:

rooms                 the rooms, a line each, with a link
imports               the same as a table, with what each room may import
files                 the modules below the page's folder, a line each
settings: MODEL …     a table of settings; of a union, one of all its members
columns: TABLE        a table's columns and types; what they mean stays as the page has it
commands              every command with its options
"""

import ast
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import pipeline.config
from pipeline.storage.schemas import TABLES

ROOT = Path(__file__).parent.parent
PART = re.compile(r"(<!-- (\w+)(?:: ([\w ]+))? -->\n)(.*?)(<!-- end -->)", re.DOTALL)
# Along the data's way, then what serves it.
ROOMS = ("config", "ingestion", "encoders", "candidates", "matching", "clustering", "outputs",
         "evaluation", "labels", "training", "catalog", "nightly", "finding",
         "reviewing", "storage", "arrays",
         "sample")  # fmt: skip


def pages() -> list[Path]:
    """Every Markdown page that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def rendered(page: Path) -> str:
    """The page with its generated parts as the code has them."""

    def part(found: re.Match[str]) -> str:
        lines = KINDS[found[2]](page, found[3] or "", found[4])
        return "".join([found[1], *(f"{line}\n" for line in lines), found[5]])

    return PART.sub(part, page.read_text(encoding="utf-8"))


def table(*rows: tuple[str, ...]) -> list[str]:
    """Markdown of a table whose first row is its header."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


# --- rooms and their files -----------------------------------------------------------------------


def sentence(path: Path) -> str:
    """What a module's docstring says first: its first paragraph, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def room_sentence(room: str) -> str:
    """The one sentence that says what a room is for."""
    return sentence(ROOT / "pipeline" / room / "__init__.py")


def allowed(room: str) -> list[str]:
    """The rooms that a room may import: those on the floors below its own."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    floors = [re.split(r" [|:] ", floor) for floor in contracts[0]["layers"] if floor != "errors"]
    level = next((n for n, floor in enumerate(floors) if room in floor), len(floors) - 1)
    return [name for floor in floors[level + 1 :] for name in floor]


def room_lines(page: Path, argument: str, old: str) -> list[str]:
    """Each room: its name, which is a link, and its sentence."""
    return [f"- [`{room}/`](pipeline/{room}/README.md) {room_sentence(room)}" for room in ROOMS]


def import_table(page: Path, argument: str, old: str) -> list[str]:
    """Each room with what it may import."""
    rows = [
        (
            f"[`{room}/`]({room}/README.md)",
            room_sentence(room),
            ", ".join(f"`{name}`" for name in allowed(room)) or "no other room",
        )
        for room in ROOMS
    ]
    return table(("room", "what it is for", "may import"), *rows)


def file_lines(page: Path, argument: str, old: str) -> list[str]:
    """Each module below the page's folder with the first words of its docstring."""

    def lines(folder: Path, indent: str) -> Iterator[str]:
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("__"):
                yield f"{indent}- `{path.name}`: {sentence(path).removesuffix(' SHELL.')}"
        for inner in sorted(folder.glob("*/__init__.py")):
            yield f"{indent}- `{inner.parent.name}/`: {sentence(inner)}"
            yield from lines(inner.parent, indent + "  ")

    found = list(lines(page.parent, ""))
    room = page.parent.name if page.parent.parent.name == "pipeline" else ""
    if room not in ROOMS or room == "sample":
        return found
    names = ", ".join(f"`{name}`" for name in allowed(room)) or "no other room"
    return [*found, "", f"May import: {names}."]


# --- settings ------------------------------------------------------------------------------------


def config_names() -> dict[str, Any]:
    """Everything that a module of the room `config` defines, by name."""
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(pipeline.config.__path__, "pipeline.config."):
        found |= vars(importlib.import_module(module.name))
    return found


def models_of(kind: Any) -> list[type[BaseModel]]:
    """The models that an annotation names, those of a union in its order."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    inner = [models_of(part) for part in get_args(kind)]
    return list(dict.fromkeys(model for models in inner for model in models))


def type_name(model: type[BaseModel]) -> str:
    """The `type` that selects a member of a union; empty for other models."""
    field = model.model_fields.get("type")
    return str(get_args(field.annotation)[0]) if field else ""


def code(value: Any) -> str:
    """A value as YAML has it."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(code(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:_}" if value >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0") + "0" * (value == int(value))
    return str(value) if re.fullmatch(r"[\w+]+", str(value)) else json.dumps(value)


def default(field: FieldInfo) -> str:
    """The default of a setting, as a cell."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return f"`{type_name(type(value))}`" if type_name(type(value)) else "below"
    return f"`{code(value)}`"


def bounds(metadata: tuple[Any, ...] | list[Any]) -> str:
    """What limits a number, in signs."""
    flat = [inner for item in metadata for inner in (getattr(item, "metadata", None) or [item])]
    limits = {sign: value for item in flat for name, sign in SIGNS.items()
              if (value := getattr(item, name, None)) is not None}  # fmt: skip
    if {"≥", "≤"} <= set(limits):
        return f" {limits['≥']:,} to {limits['≤']:,}"
    return ",".join(f" {sign} {value:,}" for sign, value in limits.items())


SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
PLAIN = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`", Path: "path"}


def values(kind: Any, limits: str = "") -> str:
    """What a setting may be, in words."""
    if models := models_of(kind):
        types = ", ".join(f"`{name}`" for model in models if (name := type_name(model)))
        said = f"`type`: {types}" if types else "section"
        if get_origin(kind) is tuple:
            return f"list of sections, {said}" if types else "list of sections"
        return said
    if get_origin(kind) is Annotated:
        return values(get_args(kind)[0], limits or bounds(get_args(kind)[1:]))
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        first, *rest = get_args(kind)
        if rest == [...]:
            return f"list of {values(first)}"
        return f"{len(rest) + 1} {values(first)}s"
    if get_origin(kind) is dict:
        return "mapping"
    if get_origin(kind) in (Union, UnionType):
        parts = [values(part, limits) for part in get_args(kind) if part is not NoneType]
        return " or ".join(parts)
    return PLAIN[kind] + (limits.replace(".0", "") if kind in (int, float) else "")


def meaning(field: FieldInfo) -> str:
    """What a setting means: its description, else that of the one section it holds."""
    models = models_of(field.annotation)
    said = field.description or (models[0].__doc__ if len(models) == 1 else "") or ""
    return " ".join(said.split("\n\n")[0].split()).removesuffix(".")


def settings(models: list[type[BaseModel]]) -> list[str]:
    """A table of settings; with the types that have each where there are several."""
    types: dict[tuple[str, ...], list[str]] = {}
    for model in models:
        for name, field in model.model_fields.items():
            if name != "type":
                limits = bounds(field.metadata)
                row = (f"`{name}`", values(field.annotation, limits), default(field))
                types.setdefault((*row, meaning(field)), []).append(type_name(model))
    header = ("setting", "value", "default", "meaning")
    if len(models) == 1:
        return table(header, *types)
    with_settings = [m for m in models if set(m.model_fields) - {"type"}]
    every = {type_name(model) for model in with_settings}

    def said(names: list[str]) -> str:
        return "all" if set(names) == every else ", ".join(f"`{name}`" for name in names)

    return table(("type", *header), *((said(names), *row) for row, names in types.items()))


def setting_table(page: Path, argument: str, old: str) -> list[str]:
    """The settings of the models or unions that are named."""
    known = config_names()
    return settings([model for name in argument.split() for model in models_of(known[name])])


# --- columns and commands ------------------------------------------------------------------------


def arrow_name(kind: pa.DataType) -> str:
    """An Arrow type in short."""
    if pa.types.is_list(kind):
        return f"list of {arrow_name(kind.value_type)}"
    if pa.types.is_timestamp(kind):
        return "time, UTC"
    return "map of strings" if pa.types.is_map(kind) else str(kind)


def column_table(page: Path, argument: str, old: str) -> list[str]:
    """The columns of a table; their meaning is kept from the page, where a person writes it."""
    said = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| (.*?) \|$", old, re.MULTILINE))
    rows = [
        (f"`{field.name}`", arrow_name(field.type) + ", or empty" * field.nullable,
         said.get(field.name, "").replace("\\|", "|"))
        for field in TABLES[argument]
    ]  # fmt: skip
    return table(("column", "type", "meaning"), *rows)


def command_lines(page: Path, argument: str, old: str) -> list[str]:
    """Every command: how it is called, what it does, its options."""
    from flows.cli.main import app

    def lines(inner: Any, words: str) -> Iterator[str]:
        if inner.default_command is None:
            for name in sorted(n for n in inner if not n.startswith("-")):
                yield from lines(inner[name], f"{words} {name}")
            return
        parameters = list(inner.assemble_argument_collection())
        placed = [
            found for found in parameters
            if found.field_info.kind is not inspect.Parameter.KEYWORD_ONLY
        ]  # fmt: skip
        call = [found.names[0].removeprefix("--").upper() for found in placed]
        call = [
            word if found.required else f"[{word}]"
            for word, found in zip(call, placed, strict=True)
        ]
        yield from [f"### `{' '.join([words, *call])}`", ""]
        yield from [*inspect.cleandoc(inner.default_command.__doc__ or "").splitlines(), ""]
        options = [found for found in parameters if found not in placed]
        rows = [
            (f"`{found.names[0]}`", option_values(found.hint), option_default(found),
             (found.parameter.help or "").removesuffix("."))
            for found in options
        ]  # fmt: skip
        yield from [*table(("option", "value", "default", "meaning"), *rows), ""]

    return list(lines(app, "gemel"))


def option_values(hint: Any) -> str:
    """What an option takes, in words."""
    return "a switch" if hint is bool else values(hint)


def option_default(found: Any) -> str:
    """The default of an option, as a cell."""
    if found.hint is bool:
        return "off"
    value = found.field_info.default
    if value is inspect.Parameter.empty:
        return "required"
    named = f"`{found.parameter.env_var[0]}`, else " if found.parameter.env_var else ""
    return named + ("none" if value is None else f"`{code(value)}`")


KINDS: dict[str, Callable[[Path, str, str], list[str]]] = {
    "rooms": room_lines,
    "imports": import_table,
    "files": file_lines,
    "settings": setting_table,
    "columns": column_table,
    "commands": command_lines,
}


def main() -> None:
    """Write every page's generated parts, and name the pages that changed."""
    for page in pages():
        text = rendered(page)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
