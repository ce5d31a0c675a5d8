"""The static student that Gemel ships, distilled from MiniLM again and rounded to float16.

Run by hand after a change of the recipe: `python tests/bench/training/ship_student.py`.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from pipeline.config import StaticText
from pipeline.encoders.text.distilled import SHIPPED, WEIGHTS, distil_from_teacher


def main() -> None:
    """Distil, round, and put the files in the place of the shipped ones."""
    with tempfile.TemporaryDirectory() as scratch:
        made = distil_from_teacher(StaticText(type="static"), students=Path(scratch))
        weights = load_file(made / WEIGHTS)
        save_file(
            {name: value.astype(np.float16) for name, value in weights.items()}, made / WEIGHTS
        )
        shutil.copytree(made, SHIPPED, dirs_exist_ok=True)
    print(f"written: {SHIPPED}")


if __name__ == "__main__":
    main()
