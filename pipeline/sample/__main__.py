"""Write the bundled sample: `python -m pipeline.sample FOLDER`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.sample import EXPECTED, write_sample


def main() -> int:
    """Write the sample and say what it holds; 0 for done, 2 when it cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.sample", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write, e.g. .gemel/sample-data")
    try:
        folder = write_sample(parser.parse_args().folder)
    except PipelineError as error:
        print(error, file=sys.stderr)
        return 2
    counts = ", ".join(f"{source} {expected.rows} rows" for source, expected in EXPECTED.items())
    print(f"{folder}: {counts}; labels in {folder / 'labels.csv'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
