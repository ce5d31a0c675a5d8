"""Sizes, crops and thumbnails of one wallpaper: what a whole run without labels joins.

    python tests/bench/pictures/wallpapers.py --data DATA [--out build/bench]

Told, with Wilson's 95 % intervals: pairs of these kinds that are accepted, groups of which all such
pictures are in one cluster; and the accepted pairs of two groups, those with equal pixels apart.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
from copy_detection import KINDS, told
from real_data import SETS, keep

from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig
from pipeline.nightly.runner import run

SET = "debian_wallpapers"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    folder = chosen.data.resolve() / SET
    catalog = chosen.out.resolve() / "wallpapers"
    shutil.rmtree(catalog, ignore_errors=True)
    sources = SETS[SET][0](folder)
    gates = {"max_removed": 1, "max_cluster": 1, "max_in_review": 1}
    run(RunConfig.model_validate({"catalog": str(catalog), "sources": sources, "gates": gates}))
    rows = {
        f"s:{row['image_id']}": row for row in pq.read_table(folder / "images.parquet").to_pylist()
    }
    kept = Catalog(catalog)
    night = kept.runs()[0]
    accepted = {
        (row["left_id"], row["right_id"]): row["exact_image"]
        for row in kept.read("pairs", run=night).to_pylist()
        if row["decision"] == "duplicate"
    }
    cluster = {
        row["record_id"]: row["cluster_id"]
        for row in kept.read("clusters", run=night, columns=["record_id", "cluster_id"]).to_pylist()
    }
    groups: dict[str, list[str]] = {}
    for name, row in rows.items():
        if row["kind"] in KINDS:
            groups.setdefault(row["group"], []).append(name)
    several = [sorted(names) for names in groups.values() if len(names) > 1]
    pairs = [pair for names in several for pair in itertools.combinations(names, 2)]
    found = sum(pair in accepted or pair[::-1] in accepted for pair in pairs)
    wrong = [
        exact for pair, exact in accepted.items() if len({rows[one]["group"] for one in pair}) == 2
    ]
    result = {
        "pairs accepted": told(found, len(pairs)),
        "groups whole": told(
            sum(len({cluster[name] for name in names}) == 1 for names in several), len(several)
        ),
        "accepted pairs of two groups": len(wrong),
        "of them with equal pixels": sum(wrong),
    }
    print(json.dumps(result, indent=1))
    keep(chosen.out / "wallpapers.json", found=result)


if __name__ == "__main__":
    main()
