"""Print the shipped copy network's default judge, as `matching/rules/default_rules.py` has it.

    python tests/bench/pictures/fit_image_judge.py --data DATA

From photographs that training held back: copies are five plain edits of them; what must not be
accepted are pairs of different photographs, those of one group, which may be seconds apart, among
them. Accepted (0.9): the least cosine from which no more than 1 in 500 pairs of one group and 1 in
100,000 pairs of strangers lie, up to the next 0.05. Review (0.5): that of 1 in 20 and 1 in 1,000,
down to 0.05. The floor of the search is 0.05 below review.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from copy_detection import EDITS, edited, embed
from train_images import recipe

from pipeline.config.encoders import CopyDetection
from pipeline.config.sources import ImageSettings
from pipeline.encoders import ImageRef
from pipeline.encoders.opening import open_encoder
from pipeline.training.self_supervised.train import read_training_records
from pipeline.training.self_supervised.views import split_views

SCENES, STRANGERS = {"accept": 1 / 500, "review": 1 / 20}, {"accept": 1e-5, "review": 1e-3}
BELOW = 0.05  # review, the floor of the search
QUANTILES = (0, 0.01, 0.05, 0.5, 0.95, 0.99, 0.999, 1)


def cosines(data: Path, path: str | None) -> dict[str, np.ndarray]:
    config = recipe(data, Path("unused"))
    material = read_training_records(config)
    _, held = split_views(material.group, held_back=config.held_back, seed=config.seed)
    group, refs = material.group[held], [material.items[row] for row in held]
    encoder = open_encoder(CopyDetection(path=path), images=ImageSettings(), threads=None)
    whole = embed(encoder, refs)
    copies: list[ImageRef] = [copy for ref in refs for copy in edited(ref)]
    made = embed(encoder, copies).reshape(len(refs), len(EDITS), -1)
    between = whole @ whole.T
    upper = np.triu(np.ones_like(between, dtype=bool), 1)
    same = group[:, None] == group[None, :]
    return {
        "copies": np.einsum("nd,ned->ne", whole, made).ravel(),
        "scenes": between[upper & same],
        "strangers": between[upper & ~same],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--path", help="another network's folder")
    chosen = parser.parse_args()
    found = cosines(chosen.data.resolve(), chosen.path)
    for name, values in found.items():
        print(
            name,
            len(values),
            np.quantile(values, (0, 0.01, 0.05, 0.5, 0.95, 0.99, 0.999, 1)).round(3),
        )
    at = {
        name: max(
            np.quantile(found["scenes"], 1 - SCENES[name]),
            np.quantile(found["strangers"], 1 - STRANGERS[name]),
        )
        for name in SCENES
    }
    print({name: round(float(cosine), 3) for name, cosine in at.items()})
    at = {
        "accept": math.ceil(at["accept"] / BELOW) * BELOW,
        "review": math.floor(at["review"] / BELOW) * BELOW,
    }
    slope = math.log(9) / (at["accept"] - at["review"])
    floor = at["review"] - BELOW
    print({name: round(float(cosine), 3) for name, cosine in at.items()})
    print(f"floor={floor:.2f}, bias={-slope * at['review']:.3f}, cosine={slope:.3f}")
    for name, cosine in at.items():
        print(
            name, {key: round(float((values >= cosine).mean()), 5) for key, values in found.items()}
        )


if __name__ == "__main__":
    main()
