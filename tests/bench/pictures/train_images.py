"""Make the copy-detection network that Gemel ships, as `configs/train_images_selfsup.yaml` says.

    python tests/bench/pictures/train_images.py --data DATA [--out build/copies]

The photographs of `photos_train` take the place of the sample's: their groups may show one scene.
A second, short training goes on from there with photographs of one scene as negatives.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pipeline.arrays import progress
from pipeline.config.self_supervised import ViewTrainConfig, load_view_config
from pipeline.config.sources import ParquetSource
from pipeline.outputs.terminal_models import view_lines
from pipeline.training.self_supervised.train import train_self_supervised

RECIPE = Path(__file__).parents[3] / "configs" / "train_images_selfsup.yaml"


SCENES = {"scenes": True, "epochs": 4, "learning_rate": 5e-5}


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
    data, out = chosen.data.resolve(), chosen.out.resolve()
    first = recipe(data, out.with_name(f"{out.name}-first"))
    views = first.views.model_copy(update={"start": first.out})
    learning = first.learning.model_copy(update=SCENES)
    second = recipe(data, out, views=views, learning=learning)
    for config in (first, second):
        with progress.listening(lambda *_: None, hearer=print):
            facts = train_self_supervised(config)
        print("\n".join(view_lines(facts)), flush=True)


if __name__ == "__main__":
    main()
