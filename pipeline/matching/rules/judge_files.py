"""The files of a judge's folder: facts in JSON, arrays in safetensors, read whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError

Arrays = dict[str, npt.NDArray[Any]]


def write_arrays(arrays: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
    """Write named arrays as safetensors; no file when there are none."""
    from safetensors.numpy import save_file

    if arrays:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


@contextmanager
def reading_files(
    folder: Path, *, facts: str, arrays: str
) -> Iterator[tuple[dict[str, Any], Arrays]]:
    """Give the facts of one file and the arrays of another (none when it is absent).

    Raises:
        ModelError: a file is missing or damaged, or what is made of them in the block fails.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        path = folder / arrays
        yield json.loads((folder / facts).read_text()), load_file(path) if path.exists() else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise ModelError(f"the judge in {folder} cannot be read: {error!r}") from error
