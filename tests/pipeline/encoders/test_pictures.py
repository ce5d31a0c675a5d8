"""The networks' parts against their definitions, and the loader's worker processes."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config.encoders import CopyDetection, ToyImage
from pipeline.config.sources import ImageSettings
from pipeline.encoders import ImageRef
from pipeline.encoders.image import efficientnet
from pipeline.encoders.image.loader import load_pictures
from pipeline.encoders.opening import open_encoder
from pipeline.errors import EncoderError


@pytest.mark.parametrize("power", [1.0, 3.0, 5.5])
def test_gem_equals_its_formula(power: float) -> None:
    import torch

    from pipeline.encoders.copy_network import gem

    features = np.random.default_rng(0).normal(size=(2, 5, 3, 4))
    expected = np.maximum(features, 1e-6) ** power
    pooled = gem(torch.from_numpy(features), power=power).numpy()
    np.testing.assert_allclose(pooled, expected.mean(axis=(2, 3)) ** (1 / power))


@pytest.mark.slow
def test_the_network_knows_a_cat() -> None:
    import torch
    from PIL import Image
    from skimage.data import chelsea

    from pipeline.encoders.image.base import standardise
    from pipeline.encoders.image.loader import prepare_picture

    model = efficientnet.load_network(224)
    pixels = prepare_picture(Image.fromarray(chelsea()), size=224)[None]
    mean, std = (127 / 255,) * 3, (128 / 255,) * 3
    with torch.inference_mode():
        chances = model(torch.from_numpy(standardise(pixels, mean=mean, std=std)))
    assert float(chances.softmax(1)[0, 281:286].sum()) > 0.9


def test_other_weights_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "weights.pth"
    other.write_bytes(b"other")
    with pytest.raises(EncoderError, match=efficientnet.SHA256):
        efficientnet.load_network(224, weights=other)


def test_onnx_without_onnxruntime_names_the_package(
    onnx_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from pipeline.config.encoders import OnnxImage

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EncoderError, match="pip install onnxruntime"):
        open_encoder(OnnxImage(type="onnx", path=str(onnx_file)), images=ImageSettings(), threads=1)


def test_onnx_equals_torchscript(
    opened: Callable[[Any], Any],
    onnx_file: Path,
    torchscript_file: Path,
    pictures: list[ImageRef],
) -> None:
    from pipeline.config.encoders import OnnxImage, TorchScriptImage

    one = opened(OnnxImage(type="onnx", path=str(onnx_file), image_size=32))
    two = opened(TorchScriptImage(type="torchscript", path=str(torchscript_file), image_size=32))
    (left,), (right,) = one.encode(pictures), two.encode(pictures)
    np.testing.assert_allclose(left.vectors, right.vectors, atol=1e-5)


def test_batches_without_a_readable_picture_keep_their_places(pictures: list[ImageRef]) -> None:
    broken = ImageRef(data=b"no picture")
    refs = [*[broken] * 5, *pictures[:7], *[broken] * 4, pictures[7], *[broken] * 5]
    encoder: Any = open_encoder(
        ToyImage(type="toy_image"), images=ImageSettings(workers=0), threads=1
    )
    parts = list(dataclasses.replace(encoder, batch_size=2, threads=2).encode(refs))
    positions = np.concatenate([part.positions for part in parts])
    failed = [position for part in parts for position, _ in part.failed]
    assert len(parts) == 11
    assert positions.tolist() == [*range(5, 12), 16]
    assert failed == [*range(5), *range(12, 16), *range(17, 22)]
    (whole,) = encoder.encode(pictures[:8])
    np.testing.assert_array_equal(np.concatenate([part.vectors for part in parts]), whole.vectors)


def test_a_large_jpeg_is_read_reduced_and_stays_near_itself(opened: Callable[[Any], Any]) -> None:
    from PIL import Image
    from skimage.data import chelsea

    large = Image.fromarray(chelsea()).resize((2400, 1600), Image.Resampling.BICUBIC)
    refs = []
    for kind in ("JPEG", "PNG"):
        file = io.BytesIO()
        large.save(file, kind, quality=95)
        refs.append(ImageRef(data=file.getvalue()))
    (part,) = opened(CopyDetection(backend="float32")).encode(refs)
    assert 0.99 < float(part.vectors[0] @ part.vectors[1]) < 1 - 1e-6


class Fatal:
    """Ends the process that reads it from a message."""

    def __reduce__(self) -> Any:
        return os._exit, (1,)


@pytest.mark.slow
def test_workers_give_what_one_process_gives_and_survive(
    pictures: list[ImageRef], tmp_path: Path
) -> None:
    good = tmp_path / "a.png"
    good.write_bytes(pictures[0].data or b"")
    refs = [*(pictures * 7), ImageRef(uri=str(good)), ImageRef(uri=str(tmp_path / "none.png"))]
    refs += [ImageRef(), ImageRef(uri=f"file://{good}")]
    encoder = open_encoder(ToyImage(type="toy_image"), images=ImageSettings(workers=0), threads=1)
    (alone,) = encoder.encode(refs)
    assert [position for position, _ in alone.failed] == [78, 79]
    many: dict[str, Any] = {"size": 8, "batch_size": 256, "settings": ImageSettings(workers=2)}
    (pooled,) = load_pictures([*refs, *pictures], **many)
    (single,) = load_pictures([*refs, *pictures], **{**many, "settings": ImageSettings(workers=0)})
    np.testing.assert_array_equal(pooled.pixels, single.pixels)
    assert pooled.failed == single.failed

    killer = ImageRef(data=pictures[0].data, storage_options={"fatal": Fatal()})
    (survived,) = load_pictures([*refs[:66], killer, *pictures], **many)
    assert survived.failed == [(66, "the decoder's process died on this picture")]
    assert len(survived.positions) == 66 + len(pictures)
