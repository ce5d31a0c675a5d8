"""Pictures turned and mirrored: what asking for them in all orientations brings.

    python tests/bench/orientations.py --data ../shared/data [--photographs 150]

Photographs that training held back, each with a cut copy of it turned by a quarter, flipped, and
both. Told, with Wilson's 95 % intervals: pairs of a photograph and its copy that are candidates and
that a whole run without labels accepts, with `candidates.orientations` and without, by the shipped
network and by EfficientNet-Lite0, which was not trained for turns.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path
from typing import Any

from copy_detection import told
from PIL import Image
from real_data import keep
from train_images import recipe

from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig
from pipeline.nightly.runner import run
from pipeline.training.self_supervised.train import read_training_records
from pipeline.training.self_supervised.views import split_views

TURNS = (
    Image.Transpose.ROTATE_90,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSVERSE,
)


def write(data: Path, folder: Path, most: int) -> int:
    """Write photographs and their copies; returns how many photographs there are."""
    config = recipe(data, Path("unused"))
    material = read_training_records(config)
    _, held = split_views(material.group, held_back=config.held_back, seed=config.seed)
    folder.mkdir(parents=True)
    for number, row in enumerate(held[:most].tolist()):
        whole = Image.open(io.BytesIO(material.items[row].data or b"")).convert("RGB")
        whole.save(folder / f"{number:05}-0.png", compress_level=1)
        width, height = whole.size
        part = whole.crop((width // 12, height // 12, width - width // 12, height - height // 12))
        for kind, turn in enumerate(TURNS, start=1):
            part.transpose(turn).save(folder / f"{number:05}-{kind}.jpg", quality=90)
    return len(held[:most])


def measured(folder: Path, catalog: Path, **settings: Any) -> dict[str, Any]:
    shutil.rmtree(catalog, ignore_errors=True)
    source = {"type": "image_folder", "name": "p", "path": str(folder)}
    gates = {"max_removed": 1, "max_in_review": 1, "max_cluster": 1}
    given = {"catalog": str(catalog), "sources": [source], "gates": gates, **settings}
    summary = run(RunConfig.model_validate(given))
    kept = Catalog(catalog)
    rows = kept.read("pairs", run=kept.runs()[0]).to_pylist()
    number = {name: Path(name.split(":")[1]).stem.split("-") for row in rows
              for name in (row["left_id"], row["right_id"])}  # fmt: skip
    found = {"candidates": 0, "accepted": 0, "wrong": 0}
    for row in rows:
        (one, kind), (other, edit) = (number[row[f"{side}_id"]] for side in ("left", "right"))
        accepted = row["decision"] == "duplicate"
        found["wrong"] += accepted and one != other
        if one == other and "0" in (kind, edit):
            found["candidates"] += 1
            found["accepted"] += accepted
    return {**found, "seconds": round(summary["seconds"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--photographs", type=int, default=150)
    chosen = parser.parse_args()
    work = chosen.out.resolve() / "orientations"
    shutil.rmtree(work, ignore_errors=True)
    wanted = len(TURNS) * write(chosen.data.resolve(), work / "pictures", chosen.photographs)
    rows = []
    for encoder in ("copy_detection", "efficientnet_lite0"):
        for on in (False, True):
            found = measured(
                work / "pictures", work / "catalog",
                image_encoder={"type": encoder}, candidates={"orientations": on},
            )  # fmt: skip
            rows.append({"encoder": encoder, "orientations": on, **found})
            cells = [told(found[name], wanted) for name in ("candidates", "accepted")]
            print(f"| {encoder} | {on} | {' | '.join(cells)} | {found['wrong']} "
                  f"| {found['seconds']} |", flush=True)  # fmt: skip
    keep(chosen.out / "orientations.json", photographs=chosen.photographs, rows=rows)


if __name__ == "__main__":
    main()
