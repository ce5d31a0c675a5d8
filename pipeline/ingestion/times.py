"""Times as people write them, to UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pyarrow as pa

from pipeline.storage import WHEN

_NUMBER = re.compile(r"\d+(\.\d+)?")
_EPOCHS = ((1e8, 1e11, 1.0), (1e11, 1e14, 1e3), (1e14, 1e17, 1e6))  # from, below, units a second


def parse_times(values: pa.Array) -> pa.Array:
    """Parse ISO 8601 dates and times, or epoch seconds, milli- or microseconds, to UTC.

    A time without zone is taken as UTC. Numbers below 1e8 are not taken for times, so a bare year
    is none; what does not parse becomes null.
    """
    return pa.array([_time(value) for value in values.to_pylist()], type=WHEN)


def _time(value: str | None) -> datetime | None:
    text = value.strip() if value else ""
    if not text:
        return None
    try:
        if len(text) != 8 and _NUMBER.fullmatch(text):
            return _epoch(float(text))
        when = datetime.fromisoformat(text)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _epoch(number: float) -> datetime | None:
    for low, high, scale in _EPOCHS:
        if low <= number < high:
            return datetime.fromtimestamp(number / scale, tz=UTC)
    return None
