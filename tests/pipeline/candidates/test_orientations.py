"""Pictures that are asked for mirrored and turned too."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from pipeline import run
from pipeline.candidates.dense_groups import find_dense_groups
from pipeline.candidates.indexes import build_index
from pipeline.candidates.orientations import turned_pairs
from pipeline.catalog import Catalog
from pipeline.config.candidates import ExactIndex
from pipeline.config.encoders import ToyImage
from pipeline.config.sources import ImageSettings
from pipeline.encoders import ImageRef
from pipeline.encoders.image.base import PictureEncoder
from pipeline.encoders.image.orientations import OTHERS, open_turned, orient
from pipeline.encoders.opening import open_encoder

from ..matching.test_verify_pairs import config as plain, drawn, save

FLIP, TURN = Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90
SETTINGS = ImageSettings(workers=0)


def toy() -> PictureEncoder:
    encoder = open_encoder(ToyImage(type="toy_image"), images=SETTINGS, threads=1)
    assert isinstance(encoder, PictureEncoder)
    return encoder


def ref(picture: Image.Image) -> ImageRef:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return ImageRef(data=out.getvalue())


def test_there_are_eight_orientations_and_all_differ() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 5), dtype=np.uint8)
    every = [orient(pixels, number) for number in range(OTHERS + 1)]
    assert np.array_equal(every[0], pixels)
    assert len({one.tobytes() for one in every}) == 8
    picture = Image.fromarray(pixels[0].transpose(1, 2, 0))
    mirrored = np.asarray(picture.transpose(FLIP)).transpose(2, 0, 1)
    assert np.array_equal(every[4][0], mirrored)
    quarter = np.asarray(picture.transpose(TURN)).transpose(2, 0, 1)
    assert np.array_equal(every[1][0], quarter)


def test_a_vector_of_turned_pictures_is_seven_of_the_encoder() -> None:
    encoder = toy()
    whole = open_turned(encoder)
    assert whole.dimension == 7 * encoder.dimension
    assert whole.fingerprint != encoder.fingerprint
    pictures = [drawn(number).resize((80, 80)) for number in range(5)]
    (found,) = whole.encode([ref(picture) for picture in pictures])
    parts = found.vectors.reshape(5, 7, -1) * np.sqrt(7)
    assert np.allclose(np.linalg.norm(parts, axis=2), 1, atol=1e-6)
    (quarter,) = encoder.encode([ref(picture.transpose(TURN)) for picture in pictures])
    (mirrored,) = encoder.encode([ref(picture.transpose(FLIP)) for picture in pictures])
    # Scaling and turning swap places, but for where the scaler's steps fall.
    for part, wanted in ((0, quarter.vectors), (3, mirrored.vectors)):
        assert (parts[:, part] * wanted).sum(axis=1).min() > 0.99


def random_unit(rows: int, width: int, seed: int) -> Any:
    values = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize("by_index", [False, True])
def test_all_pairs_near_in_another_orientation_are_found(
    by_index: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, floor = 60, 0.6
    vectors = random_unit(count, 8, 0)
    other = random_unit(count * 7, 8, 1)
    joined = (other / np.sqrt(np.float32(7))).reshape(count, -1)
    crowds = find_dense_groups(vectors, floor=floor, crowd=1000, cosine=0.98)
    index = None
    if by_index:
        monkeypatch.setattr("pipeline.candidates.orientations.FRESH_SCORES", 0)
        monkeypatch.setattr("pipeline.candidates.orientations.ROWS", 7)
        index = build_index(ExactIndex(type="exact"), vectors, floor=floor)
    everything = np.arange(count)
    left, right = turned_pairs(vectors, joined, crowds, fresh=everything, index=index)
    best = (other.reshape(count, 7, 8) @ vectors.T).max(axis=1)
    near = np.triu(np.maximum(best, best.T) >= floor, 1)
    assert len(left) > 100
    assert list(zip(*np.nonzero(near), strict=True)) == list(zip(left, right, strict=True))
    # What is new is asked for in both ways, so the pairs of two nights are those of one.
    fresh = np.array([3, 17, 59])
    one, two = turned_pairs(vectors, joined, crowds, fresh=fresh, index=None)
    touched = np.isin(left, fresh) | np.isin(right, fresh)
    assert np.array_equal(one, left[touched])
    assert np.array_equal(two, right[touched])


def config(folder: Path, **changes: Any) -> Any:
    candidates = {"orientations": True, "image_floor": 0.9}
    return plain(
        folder, **{"image_encoder": {"type": "toy_image"}, "candidates": candidates, **changes}
    )


def shape(number: int) -> Image.Image:
    return drawn(number).resize((360, 270), Image.Resampling.BICUBIC)


def pairs(catalog: Catalog) -> list[dict[str, Any]]:
    rows = catalog.read("pairs", run=catalog.run()).drop(["run"]).to_pylist()
    return sorted(rows, key=lambda row: (row["left_id"], row["right_id"]))


def test_a_turned_copy_is_found_only_where_it_is_asked_for(tmp_path: Path) -> None:
    save(tmp_path, a=shape(1), b=shape(1).transpose(TURN), c=shape(2), d=shape(3))
    without = run(config(tmp_path, candidates={"image_floor": 0.9}))
    assert without["counts"]["duplicate_clusters"] == 0
    summary = run(config(tmp_path))
    assert summary["counts"]["duplicate_clusters"] == 1
    assert "1 pairs more in another orientation" in summary["index"]["image"]
    catalog = Catalog(tmp_path / "catalog")
    (found,) = [row for row in pairs(catalog) if row["decision"] == "duplicate"]
    assert {found["left_id"], found["right_id"]} == {"p:a.png", "p:b.png"}
    assert found["reason"] == "one picture is the other, edited"
    assert found["image_cosine"] < 0.9
    # The night after embeds what is new alone, and finds what a full run would.
    save(tmp_path, e=shape(2).transpose(FLIP))
    later = run(config(tmp_path))
    assert later["counts"]["images_embedded"] == 1
    assert later["counts"]["duplicate_clusters"] == 2
    assert later["model"]["image"]["turned"] in catalog.stored_encoders()
    kept = pairs(catalog)
    run(config(tmp_path), full=True)
    assert pairs(catalog) == kept


def test_without_geometry_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"judge\.geometry is false; set it to true"):
        config(tmp_path, judge={"geometry": False})
