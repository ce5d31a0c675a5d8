"""Edits of pictures: still pictures, decided by the generator alone, and doing what they say."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline.evaluation.synthetic.picture_edits import PICTURE_EDITS, edit_picture


def picture(width: int = 90, height: int = 60, seed: int = 0) -> Image.Image:
    """Smooth colours, so that what an edit adds stands out."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [np.sin(7 * x + seed), np.cos(5 * y + 2 * seed), np.sin(3 * (x + y) + seed)]
    return Image.fromarray(((np.stack(waves, axis=2) + 1) * 127).astype(np.uint8))


OTHER = picture(70, 110, seed=5)


def made(name: str, seed: int, given: Image.Image | None = None) -> Image.Image:
    return PICTURE_EDITS[name](given or picture(), np.random.default_rng(seed), OTHER)


@pytest.mark.parametrize("name", PICTURE_EDITS)
def test_an_edit_gives_another_picture_decided_by_the_generator(name: str) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (120, 150, 3)).astype(np.uint8)
    before = Image.fromarray(noise)  # full of detail, so that blurring and sharpening show
    kept = before.tobytes()
    different = 0
    for seed in range(6):
        first, again = made(name, seed, before), made(name, seed, before)
        assert first.mode == "RGB"
        assert min(first.size) >= 20
        assert first.size == again.size
        assert first.tobytes() == again.tobytes()
        different += first.tobytes() != before.tobytes()
    assert different >= 5
    assert before.tobytes() == kept  # what was given stays as it was


@pytest.mark.parametrize("size", [(24, 24), (8, 300), (300, 8), (1, 1)])
@pytest.mark.parametrize("name", PICTURE_EDITS)
def test_no_shape_is_too_odd(name: str, size: tuple[int, int]) -> None:
    small = picture(*size)
    for seed in range(3):
        assert min(made(name, seed, small).size) >= 1


def test_turns_and_mirrors_lose_nothing() -> None:
    before = picture()
    assert ImageOps.mirror(made("mirror", 0)).tobytes() == before.tobytes()
    assert ImageOps.flip(made("flip", 0)).tobytes() == before.tobytes()
    sizes = {made("quarter_turn", seed).size for seed in range(12)}
    assert sizes == {(90, 60), (60, 90)}


def test_a_crop_is_a_box_of_the_picture() -> None:
    whole = np.asarray(picture(80, 80))
    for seed in range(10):
        part = np.asarray(made("crop", seed, picture(80, 80)))
        height, width = part.shape[:2]
        assert 0.15 < part.size / whole.size < 0.95
        places = (
            (whole[y : y + height, x : x + width] == part).all()
            for y in range(81 - height)
            for x in range(81 - width)
        )
        assert any(places)


def test_pastes_hold_both_pictures() -> None:
    for seed in range(5):
        on = made("onto", seed)
        assert on.width * on.height > 90 * 60  # all of the picture is still there
        under = np.asarray(made("under", seed))
        kept = (under == np.asarray(picture())).all(axis=2).mean()
        assert 0.6 < kept < 0.97


def test_edits_are_drawn_without_repetition_and_named_in_order() -> None:
    names = ["mirror", "grayscale", "pad"]
    seen = set()
    for seed in range(60):
        done = edit_picture(picture(), np.random.default_rng(seed), OTHER, names=names, count=2)
        assert len(set(done.edits)) == 2
        seen.add(done.edits)
        picture_again = picture()
        random = np.random.default_rng(seed)
        random.choice(len(names), 2, replace=False)
        for name in done.edits:
            picture_again = PICTURE_EDITS[name](picture_again, random, OTHER)
        assert picture_again.tobytes() == done.picture.tobytes()
    assert len(seen) == 6
    all_of_them = edit_picture(picture(), np.random.default_rng(0), OTHER, names=names, count=9)
    assert sorted(all_of_them.edits) == sorted(names)
    nothing = edit_picture(picture(), np.random.default_rng(0), OTHER, names=names, count=0)
    assert nothing.picture.tobytes() == picture().tobytes()
