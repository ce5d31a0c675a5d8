"""Make the copy-detection network that Gemel ships, as `configs/train_images_selfsup.yaml` says.

    python tests/bench/train_images.py --data ../shared/data [--out build/copies]

The photographs of `photos_train` take the place of the sample's: their groups may show one scene.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pipeline import progress
from pipeline.reporting.training import view_lines
from pipeline.self_supervision import learn_from_views
from pipeline.source_config import ParquetSource
from pipeline.view_config import ViewTrainConfig, load_view_config

RECIPE = Path(__file__).parents[2] / "configs" / "train_images_selfsup.yaml"


def recipe(data: Path, out: Path, **changes: Any) -> ViewTrainConfig:
    source = ParquetSource.model_validate(
        {
            "type": "parquet",
            "name": "photos_train",
            "path": str(data / "photos_train" / "photos.parquet"),
            "columns": {"id": "photo_id", "image_bytes": "jpeg", "attributes": ["group"]},
        }
    )
    update = {"sources": (source,), "group": "group", "out": str(out), **changes}
    return load_view_config(RECIPE).model_copy(update=update)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/copies"))
    chosen = parser.parse_args()
    with progress.listening(lambda *_: None, hearer=print):
        facts = learn_from_views(recipe(chosen.data.resolve(), chosen.out.resolve()))
    print("\n".join(view_lines(facts)))


if __name__ == "__main__":
    main()
