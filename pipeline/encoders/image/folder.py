"""Pictures through any local sentence-transformers folder that takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import ImageSettings, SentenceTransformersImage
from pipeline.encoders.fingerprint import fingerprint_of, folder_digest
from pipeline.encoders.image.base import PictureEncoder
from pipeline.encoders.image.loader import PREPARED, Pixels
from pipeline.encoders.model_folder import load_model
from pipeline.errors import EncoderError


def open_image_folder(
    config: SentenceTransformersImage, *, images: ImageSettings, threads: int | None
) -> PictureEncoder:
    """Open a local folder; pictures are squashed to the input size its processor names.

    The processor then finds them at their size, so that it neither crops nor scales again.

    Raises:
        EncoderError: it is not such a folder, needs its own code, or does not take pictures.
    """
    folder = Path(config.path)
    model = load_model(folder)
    if not model.supports("image"):
        raise EncoderError(f"{folder} does not take pictures, only {model.modalities}")
    size = input_size(model)
    return PictureEncoder(
        network=_network(model),
        image_size=size,
        name=folder.name,
        fingerprint=fingerprint_of(
            files=folder_digest(folder), size=size, prepared=PREPARED, version=1
        ),
        dimension=int(model.get_embedding_dimension()),
        batch_size=config.batch_size,
        images=images,
        threads=threads,
    )


def _network(model: Any) -> Any:
    import torch
    from PIL import Image

    def network(pixels: Pixels) -> NDArray[np.float32]:
        pictures = [Image.fromarray(picture.transpose(1, 2, 0)) for picture in pixels]
        with torch.inference_mode():
            features = model.preprocess(pictures)
            vectors: NDArray[np.float32] = model(features)["sentence_embedding"].float().numpy()
        return vectors

    return network


def input_size(model: Any) -> int:
    """Return the side in pixels that the model's processor crops or scales to, else 224."""
    module = _image_module(model)
    if own := getattr(module, "image_size", None):
        return int(own)
    processor = getattr(module, "processor", None)
    processor = getattr(processor, "image_processor", processor)
    for setting in ("crop_size", "size"):
        value = getattr(processor, setting, None)
        for key in ("height", "shortest_edge"):
            side = getattr(value, key, None) or (
                value.get(key) if isinstance(value, dict) else None
            )
            if side:
                return int(side)
    return 224


def _image_module(model: Any) -> Any:
    """Return the module that reads pictures: the first, or the first of a router's route."""
    from sentence_transformers.base.modules import Router

    module = model[0]
    if not isinstance(module, Router):
        return module
    submodules: Any = module.sub_modules
    return submodules[module.route_mappings.get((None, "image"), "image")][0]
