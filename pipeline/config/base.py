"""Base of all settings: frozen models, read from a YAML file with errors that name the fix."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
)
from pydantic_core import ErrorDetails

from pipeline.errors import ConfigError

Share = Annotated[float, Field(ge=0, le=1)]
Cosine = Annotated[float, Field(ge=-1, le=1)]


class Frozen(BaseModel):
    """Base of every setting: immutable, and a misspelt name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


SECRET = ("key", "secret", "token", "password", "credential")


def mask_secrets(options: dict[str, Any]) -> dict[str, Any]:
    """The options with every value whose name speaks of a secret replaced by '***'."""
    return {
        name: mask_secrets(value)
        if isinstance(value, dict)
        else "***"
        if any(word in name.casefold() for word in SECRET)
        else value
        for name, value in options.items()
    }


_Purpose = Literal[
    "deduplication", "record_linkage", "catalogue_cleaning", "data_quality", "search", "research"
]
PURPOSES: tuple[str, ...] = get_args(_Purpose)
REFUSED_USES = (
    "identification of persons", "biometrics", "access control", "surveillance", "admission"
)  # fmt: skip


def _in_scope(purpose: object) -> object:
    if purpose not in PURPOSES:
        refused = f"{', '.join(REFUSED_USES[:-1])} and {REFUSED_USES[-1]}"
        raise ValueError(
            f"must be one of {', '.join(PURPOSES)}; {refused} are out of scope: Gemel says that "
            "two records are alike, never that two persons are one, nor who may enter"
        )
    return purpose


# What a model is for, and which champion a run takes.
Purpose = Annotated[_Purpose, BeforeValidator(_in_scope)]


class CatalogSettings(Frozen):
    """Where the catalog is."""

    catalog: str = Field(description="Folder of the catalog, or s3://…; made when absent.")
    catalog_options: dict[str, Any] = Field(
        default_factory=dict,
        description="Of an s3:// catalog: key, secret, token, profile, and endpoint_url and "
        "region_name under client_kwargs; what is absent comes from the environment (AWS_…).",
    )

    @field_serializer("catalog_options")
    def _without_secrets(self, options: dict[str, Any]) -> dict[str, Any]:
        """What is stored and shown of a configuration holds no credentials."""
        return mask_secrets(options)


Settings = TypeVar("Settings", bound=Frozen)


def read_settings(path: str | Path, model: type[Settings], **overrides: Any) -> Settings:
    """Read a YAML file of settings; overrides that are not None win.

    Raises:
        ConfigError: the file is missing, is not YAML, or a field does not fit. The message has
            one line per field with its name, the value found and what would be right.
    """
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold a mapping of settings, found {type(data).__name__}")
    data = {**data, **{name: value for name, value in overrides.items() if value is not None}}
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explain_errors(error, origin=str(path))) from error


def resolve_path(folder: Path, value: str | None) -> str | None:
    """A local path, started from `folder`; URLs and None stay as they are."""
    if value is None or "://" in value:
        return value
    return os.path.normpath(folder / Path(value).expanduser())


def anchor_paths(folder: Path, item: Settings, *names: str) -> Settings:
    """Settings whose path fields `names`, those they have, start from `folder`."""
    update = {
        name: resolve_path(folder, getattr(item, name)) for name in names if hasattr(item, name)
    }
    return item.model_copy(update=update)


def user_cache() -> Path:
    """Where this machine keeps what can be made again: $GEMEL_HOME, else the user's cache."""
    if home := os.environ.get("GEMEL_HOME"):
        return Path(home)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gemel"


def explain_errors(error: ValidationError, *, origin: str) -> str:
    """Turn a pydantic error into one line per field: name, value, fix. Each fault is told once."""
    found: dict[str, str] = {}
    for item in error.errors(include_url=False):
        field = _field(item["loc"])
        if field not in found:
            found[field] = _fault(item, field.rpartition(".")[2])
    # Where something inside is wrong, that the whole is wrong too says nothing more.
    told = [
        f"  {field}: {fault}"
        for field, fault in found.items()
        if not any(other.startswith(f"{field}.") for other in found)
    ]
    return "\n".join([f"{origin} has {len(told)} wrong setting(s):", *told])


def _field(place: tuple[int | str, ...]) -> str:
    """The path of a setting as it is written: without the names of the forms that were tried."""
    parts = [str(part) for part in place]
    known = _names()
    kept = [
        part
        for at, part in enumerate(parts)
        if (part.isdigit() or part in known or at + 1 == len(parts) or not at)
        and part not in parts[at + 1 : at + 2]
    ]
    while len(kept) > 1 and not kept[-1].isdigit() and _is_form(kept[-1]):
        kept.pop()
    return ".".join(kept) or "(whole file)"


def _is_form(part: str) -> bool:
    """Whether a part of a path is a type that was tried: `str`, `tuple[str, ...]`."""
    return part in ("str", "int", "float", "bool", "none") or bool(re.search(r"[\[\](]", part))


def _fault(item: ErrorDetails, name: str) -> str:
    """What is wrong with a setting, and what to do, in plain words."""
    given, context = item["input"], item.get("ctx", {})
    shown = f"(found {given!r:.80})"
    match item["type"]:
        case "extra_forbidden":
            if places := _places().get(name):
                return f"no such setting here; {name} belongs under {' or '.join(places)}"
            near = get_close_matches(name, sorted(_names()), 1, cutoff=0.75)
            hint = f"did you mean {near[0]}?" if near else "check the spelling or remove it"
            return f"no such setting; {hint}"
        case "missing":
            return "required but absent; add it"
        case "union_tag_not_found":
            return "has no `type`; add one"
        case "union_tag_invalid":
            choices = re.findall(r"'([^']+)'", str(context.get("expected_tags", "")))
            return _choice(str(context.get("tag")), choices, what="type")
        case "literal_error":
            choices = re.findall(r"'([^']+)'", str(context.get("expected", "")))
            return _choice(given, choices) if choices else f"{_plain(item['msg'])} {shown}"
        case "too_short":
            return f"needs {context.get('min_length', 1)} or more {shown}"
        case kind if kind in _WANTED:
            wanted = _WANTED[kind]
            hint = f", such as [{given}]" if kind in _LISTS and isinstance(given, str) else ""
            return f"must be {wanted}{hint} {shown}"
        case _:
            return f"{_plain(item['msg'])} {shown}"


def _choice(given: Any, choices: list[str], *, what: str = "") -> str:
    near = get_close_matches(str(given), choices, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    begin = f"{what} must be" if what else "must be"
    return f"{begin} one of {', '.join(choices)}{hint} (found {given!r:.80})"


def _plain(message: str) -> str:
    """What the library says, without its own words."""
    said = message.removeprefix("Value error, ")
    return re.sub(r"^(Input|String|Value) should (be|have|match)", r"must \2", said)


_LISTS = {"tuple_type", "list_type"}
_WANTED = {
    **dict.fromkeys(_LISTS, "a list"),
    **dict.fromkeys(
        ("dict_type", "mapping_type", "model_type", "model_attributes_type"),
        "a mapping of settings, `name: value`",
    ),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "text; put it into quotes",
}


@cache
def _names() -> frozenset[str]:
    """The names of all settings."""
    waiting: list[type[BaseModel]] = list(Frozen.__subclasses__())
    names: set[str] = set()
    while waiting:
        kind = waiting.pop()
        names.update(kind.model_fields)
        waiting += kind.__subclasses__()
    return frozenset(names)


@cache
def _places() -> dict[str, tuple[str, ...]]:
    """The sections that each setting of one or two sections belongs under."""
    kinds: list[type[BaseModel]] = list(Frozen.__subclasses__())
    for kind in kinds:  # grows
        kinds += kind.__subclasses__()
    places: dict[str, set[str]] = {}
    for kind in kinds:
        for section, field in kind.model_fields.items():
            inside = field.annotation
            if isinstance(inside, type) and issubclass(inside, BaseModel):
                for name in inside.model_fields:
                    places.setdefault(name, set()).add(section)
    return {name: tuple(sorted(found)) for name, found in places.items() if len(found) <= 2}
