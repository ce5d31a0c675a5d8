"""Frozen dataclasses as JSON: plain values when they are written, checked when they are read."""

from __future__ import annotations

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


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
