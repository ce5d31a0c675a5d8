"""Pictures of one scene as negatives: only where geometry shows that they are no copies."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from pydantic import ValidationError
from sklearn.datasets import load_sample_image

from pipeline.config.self_supervised import ViewLearning, ViewTrainConfig
from pipeline.config.sources import ImageSettings
from pipeline.encoders import ImageRef
from pipeline.training.self_supervised import fit
from pipeline.training.self_supervised.objectives import VectorMemory, entropy, view_info_nce
from pipeline.training.self_supervised.picture_views import Photographs, PictureViews, picture_step
from pipeline.training.self_supervised.scenes import (
    NEAREST,
    known_strangers,
    nearest_of_group,
    negatives_beside,
)
from pipeline.training.self_supervised.views import ViewBatches
from pipeline.training.siamese.runtime import silence, torch_settings
from tests.worlds.vectors import random_vectors
from tests.worlds.views import SIZE, network, photographs

pytestmark = pytest.mark.slow


def photograph(name: str) -> Image.Image:
    return Image.fromarray(load_sample_image(name))


def ref(picture: Image.Image) -> ImageRef:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return ImageRef(data=out.getvalue())


def test_only_pictures_of_one_group_are_looked_at() -> None:
    group = np.array([0, 1, 0, 1, 1, 2])
    vectors = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    left, right = nearest_of_group(vectors, group)
    assert list(zip(left, right, strict=True)) == [(0, 2), (1, 3), (1, 4), (3, 4)]
    many = nearest_of_group(random_vectors(40, 4, seed=1), np.zeros(40, int))
    assert len(many[0]) <= 40 * NEAREST
    assert (many[0] < many[1]).all()


def test_copies_of_one_scene_are_no_negatives() -> None:
    china, flower = photograph("china.jpg"), photograph("flower.jpg")
    pictures = [china, ImageOps.mirror(china), flower, Image.new("RGB", (300, 200))]
    some = Photographs([ref(one) for one in pictures], np.zeros(4, np.int64), ImageSettings())
    vectors = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
    keys = known_strangers(some, vectors, threads=1)
    # The mirrored one is a copy, and of a blank picture geometry can tell nothing.
    assert [divmod(key, 4) for key in keys.tolist()] == [(0, 2), (1, 2)]
    near = negatives_beside(keys, 4, most=1)
    assert near.tolist() == [[2], [2], [0], [-1]]


def test_pairs_told_apart_count_as_if_they_shared_no_group() -> None:
    torch.manual_seed(0)
    first, second = (torch.nn.functional.normalize(torch.randn(4, 6), dim=1) for _ in range(2))
    one, two = torch.tensor([0, 0, 1, 2]), torch.tensor([0, 3, 1, 2])
    apart = torch.zeros(4, 4, dtype=torch.bool)
    apart[0, 1] = apart[1, 0] = True
    nothing = VectorMemory.empty(6)
    told = view_info_nce(first, second, one, nothing, temperature=0.1, apart=apart)
    assert torch.equal(told, view_info_nce(first, second, two, nothing, temperature=0.1))
    assert not torch.equal(told, view_info_nce(first, second, one, nothing, temperature=0.1))
    assert torch.equal(entropy(first, one, apart=apart), entropy(first, two))


def test_a_training_puts_scenes_into_one_step_and_learns_from_them() -> None:
    some = photographs()
    views = PictureViews(some, size=SIZE, seed=3, edits=("mirror", "tone"))
    asked: list[int] = []

    def apart(vectors: np.ndarray) -> np.ndarray:
        asked.append(len(vectors))
        count = len(vectors)
        return np.array([row * count + row + 1 for row in range(0, count, 2)])

    given = fit.ViewData(views, picture_step, some.group, 0, apart)
    losses = []
    for scenes in (False, True):
        settings = ViewLearning(epochs=1, batch_size=8, learning_rate=1e-3, scenes=scenes, near=0)
        with silence(), torch_settings(1, seed=0):
            losses.append(fit.fit_views(network(), given, settings, seed=0)[0].loss)
    assert asked == [24]
    assert losses[0] != losses[1]
    near = negatives_beside(apart(np.zeros((24, 2))), 24, most=1)
    for step in ViewBatches(near, size=8, join=1, seed=0, epochs=1):
        rows = {row for _, row in step}
        assert all(row ^ 1 in rows for row in rows)


@pytest.mark.parametrize(
    "changes", [{"views": {"type": "texts"}}, {"learning": {"objective": "vicreg"}}]
)
def test_scenes_are_for_pictures_and_one_objective(changes: dict[str, object]) -> None:
    whole = {
        "name": "x", "out": "out", "views": {"type": "pictures"},
        "sources": [{"type": "parquet", "name": "s", "path": "x.parquet",
                     "columns": {"id": "id", "text": "t", "image_bytes": "i"}}],
    }  # fmt: skip
    learning = {"scenes": True, **changes.pop("learning", {})}  # type: ignore[dict-item]
    with pytest.raises(ValidationError, match=r"learning\.scenes is for views of pictures"):
        ViewTrainConfig.model_validate({**whole, **changes, "learning": learning})
