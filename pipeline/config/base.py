"""Base of all settings: frozen models, read from a YAML file with errors that name the fix."""

from __future__ import annotations

import os
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
    """Turn a pydantic error into one line per field: name, value, fix."""
    lines = [f"{origin} has {error.error_count()} wrong setting(s):"]
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"]) or "(whole file)"
        match item["type"]:
            case "extra_forbidden":
                lines.append(f"  {field}: no such setting; check the spelling or remove it")
            case "missing":
                lines.append(f"  {field}: required but absent; add it")
            case _:
                said = item["msg"].removeprefix("Value error, ")
                lines.append(f"  {field}: {said} (found {item['input']!r:.80})")
    return "\n".join(lines)
