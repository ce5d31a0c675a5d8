"""Checkpoints of a long search, so that one that was stopped goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]
# A piece of a search by its name: kept earlier, or made now and kept.
Keep = Callable[[str, Callable[[], Arrays]], Arrays]


def no_checkpoint(_: str, make: Callable[[], Arrays]) -> Arrays:
    """Make every piece anew."""
    return make()
