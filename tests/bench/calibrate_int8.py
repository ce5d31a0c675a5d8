"""Print the table `BOUNDS` of pipeline/encoders/efficientnet_onnx.py.

    python tests/bench/calibrate_int8.py

The calibration pictures are photographs out of scikit-image and scikit-learn, whole and in seven
seeded crops each, some mirrored, some with another contrast and brightness.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageEnhance

from pipeline.encoders.image.efficientnet import load_network
from pipeline.encoders.image.efficientnet_layers import convolutions
from pipeline.encoders.image.loader import Pixels, prepare_picture
from pipeline.encoders.image.onnx_graph import measure_bounds
from pipeline.sample.pictures import photograph

PHOTOGRAPHS = [
    *(f"skimage/{name}.png" for name in ("astronaut", "brick", "camera", "chelsea", "coffee",
      "coins", "color", "grass", "gravel", "ihc", "logo", "moon", "motorcycle_left", "page")),
    *(f"skimage/{name}.jpg" for name in ("hubble_deep_field", "retina", "rocket")),
    *(f"sklearn/{name}.jpg" for name in ("china", "flower")),
]  # fmt: skip
CROPS, SIZE = 7, 224


def pictures() -> Iterator[Pixels]:
    rng = np.random.default_rng(0)
    for name in PHOTOGRAPHS:
        with Image.open(photograph(name)) as file:
            whole = file.convert("RGB")
        yield prepare_picture(whole, size=SIZE)
        for number in range(CROPS):
            share = rng.uniform(0.3, 1)
            width, height = int(whole.width * share), int(whole.height * share)
            left = int(rng.integers(0, whole.width - width + 1))
            top = int(rng.integers(0, whole.height - height + 1))
            crop = whole.crop((left, top, left + width, top + height))
            if number % 3 == 1:
                crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            if number % 3 == 2:
                crop = ImageEnhance.Contrast(crop).enhance(rng.uniform(0.5, 1.6))
                crop = ImageEnhance.Brightness(crop).enhance(rng.uniform(0.5, 1.5))
            yield prepare_picture(crop, size=SIZE)


if __name__ == "__main__":
    layers = convolutions(load_network(SIZE))
    for key, value in measure_bounds(layers, np.stack(list(pictures()))).items():
        print(f'    "{key}": {value},')
