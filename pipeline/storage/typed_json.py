"""Frozen dataclasses as JSON: plain values when they are written, checked when they are read."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

R = TypeVar("R")


def to_plain(record: object) -> Any:
    """A frozen dataclass as dictionaries, lists, numbers and strings."""
    kind: Any = type(record)
    return _adapter(kind).dump_python(record, mode="json")


def from_plain(kind: type[R], plain: object) -> R:
    """The dataclass that `to_plain` wrote.

    Raises:
        ValueError: a field is absent or of another type (`pydantic.ValidationError`).
    """
    of: Any = kind
    found: R = _adapter(of).validate_python(plain)
    return found


def to_json(record: object) -> str:
    """JSON text, keys sorted, that `from_json` reads back to an equal dataclass.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return json.dumps(to_plain(record), indent=2, sort_keys=True, allow_nan=False) + "\n"


def from_json(kind: type[R], text: str | bytes) -> R:
    """Read what `to_json` wrote.

    Raises:
        ValueError: it is no JSON of this kind; names the first field that does not fit.
    """
    from pydantic import ValidationError

    of: Any = kind
    try:
        found: R = _adapter(of).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from error
    return found


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
