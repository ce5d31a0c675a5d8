"""A whole run without labels over photographs and five plain edits of each.

    python tests/bench/pictures/edited_photographs.py --data DATA [--photographs 1002]

The photographs are those that the shipped network's training held back. Told, with Wilson's 95 %
intervals: of the accepted pairs the share that is a photograph and an edit of it, or two edits of
one; of the pairs of a photograph and an edit the share that is accepted, by edit; and of the edits
the share that is in its photograph's cluster. Pairs of different photographs of one group, which
may be seconds apart or equal, are counted apart.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
from pathlib import Path
from typing import Any

from copy_detection import EDITS, edited, told
from PIL import Image
from real_data import keep
from train_images import recipe

from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig
from pipeline.encoders import ImageRef
from pipeline.nightly.runner import run
from pipeline.training.self_supervised.train import read_training_records
from pipeline.training.self_supervised.views import split_views


def write(data: Path, folder: Path, most: int) -> list[str]:
    """Write the photographs and their edits; returns the group of each photograph."""
    config = recipe(data, Path("unused"))
    material = read_training_records(config)
    _, held = split_views(material.group, held_back=config.held_back, seed=config.seed)
    held = held[:most]
    folder.mkdir(parents=True)
    for number, row in enumerate(held.tolist()):
        ref: ImageRef = material.items[row]
        Image.open(io.BytesIO(ref.data or b"")).convert("RGB").save(
            folder / f"{number:05}-0.png", compress_level=1
        )
        for edit, copy in enumerate(edited(ref), start=1):
            (folder / f"{number:05}-{edit}.jpg").write_bytes(copy.data or b"")
    return [str(material.group[row]) for row in held.tolist()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--photographs", type=int, default=1002)
    chosen = parser.parse_args()
    work = chosen.out.resolve() / "edited-photographs"
    shutil.rmtree(work, ignore_errors=True)
    groups = write(chosen.data.resolve(), work / "pictures", chosen.photographs)
    config = RunConfig.model_validate(
        {
            "catalog": str(work / "catalog"),
            "sources": [{"type": "image_folder", "name": "p", "path": str(work / "pictures")}],
            "gates": {"max_removed": 1, "max_in_review": 1},
        }
    )
    summary = run(config)
    catalog = Catalog(config.catalog)
    night = catalog.runs()[0]
    accepted = catalog.read("pairs", run=night, columns=["left_id", "right_id", "decision"])
    right = wrong = scene = 0
    found = [0] * (len(EDITS) + 1)
    for row in accepted.to_pylist():
        if row["decision"] != "duplicate":
            continue
        (one, first), (other, second) = (
            map(int, row[side].split(":")[1].split(".")[0].split("-"))
            for side in ("left_id", "right_id")
        )
        if one != other:
            scene += groups[one] == groups[other]
            wrong += groups[one] != groups[other]
            continue
        right += 1
        if min(first, second) == 0:
            found[max(first, second)] += 1
    clusters = catalog.read("clusters", run=night, columns=["record_id", "cluster_id"])
    place = dict(zip(*(clusters[name].to_pylist() for name in clusters.column_names), strict=True))
    together = sum(
        place[f"p:{n:05}-{e}.jpg"] == place[f"p:{n:05}-0.png"]
        for n in range(len(groups)) for e in range(1, len(EDITS) + 1)
    )  # fmt: skip
    total = len(groups) * len(EDITS)
    figures: dict[str, Any] = {
        "accepted pairs that are right": told(right, max(right + wrong, 1)),
        "accepted pairs of two photographs of one group": scene,
        "pairs of photograph and edit, accepted": told(sum(found), total),
        **{
            f"accepted, {name}": told(found[number], len(groups))
            for number, name in enumerate(EDITS, start=1)
        },
        "edits in their photograph's cluster": told(together, total),
        "threshold": summary.state.self_calibrations.get("image"),
        "seconds": round(summary.seconds),
    }
    print(json.dumps(figures, indent=1, default=str))
    keep(chosen.out / "edited_photographs.json", **figures)


if __name__ == "__main__":
    main()
