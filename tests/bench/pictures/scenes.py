"""How many photographs of one scene a whole run without labels would merge.

    python tests/bench/pictures/scenes.py --data DATA [--out build/bench]

All photographs of `photos_train`: a group is one sender's garment or one product, photographed
again, often seconds apart. Counted are accepted pairs within and across groups, and groups that
hold one.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from copy_detection import told
from real_data import keep

from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig
from pipeline.nightly.runner import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    path = chosen.data.resolve() / "photos_train" / "photos.parquet"
    catalog = chosen.out.resolve() / "scenes"
    shutil.rmtree(catalog, ignore_errors=True)
    columns = {"id": "photo_id", "image_bytes": "jpeg"}
    source = {"type": "parquet", "name": "p", "path": str(path), "columns": columns}
    summary = run(
        RunConfig.model_validate(
            {"catalog": str(catalog), "sources": [source], "gates": {"max_removed": 1}}
        )
    )
    table = pq.read_table(path, columns=["photo_id", "group"])
    names = (f"p:{photo}" for photo in table["photo_id"].to_pylist())
    group = dict(zip(names, table["group"].to_pylist(), strict=True))
    size = Counter(group.values())
    kept = Catalog(catalog)
    wanted = ["left_id", "right_id", "decision", "image_verified"]
    accepted: list[dict[str, Any]] = [
        row
        for row in kept.read("pairs", run=kept.runs()[0], columns=wanted).to_pylist()
        if row["decision"] == "duplicate"
    ]
    same = [row for row in accepted if group[row["left_id"]] == group[row["right_id"]]]
    found = {
        "pairs of one group accepted": told(
            len(same), sum(number * (number - 1) // 2 for number in size.values())
        ),
        "groups with one": told(
            len({group[row["left_id"]] for row in same}), sum(n > 1 for n in size.values())
        ),
        "of them by geometry": sum(bool(row["image_verified"]) for row in same),
        "pairs of two groups accepted": len(accepted) - len(same),
        "seconds": round(sum(stage.seconds for stage in summary.stages)),
    }
    print(json.dumps(found, indent=1))
    keep(chosen.out / "scenes.json", found=found)


if __name__ == "__main__":
    main()
