"""A run whose pairs of pictures geometry looks at, and whose thresholds edited copies give."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.catalog.runs import Run
from pipeline.catalog.summary.figures import GeometryCounts
from pipeline.config.run import RunConfig
from pipeline.errors import ConfigError
from pipeline.matching.evidence import ImageEvidence
from pipeline.matching.rules.default_rules import LogisticImageRule
from pipeline.nightly.stages.geometry import verify_pictures
from tests.worlds.pictures import drawn, save
from tests.worlds.runs import OPEN_GATES, pictures_in, run_config

pytestmark = pytest.mark.slow


def photograph(name: str) -> Image.Image:
    return Image.fromarray(load_sample_image(name))


def config(folder: Path, **changes: Any) -> RunConfig:
    plain = {"image_encoder": {"type": "copy_detection"}, "gates": OPEN_GATES}
    return run_config(folder / "catalog", pictures_in(folder / "photos"), **{**plain, **changes})


def last(folder: Path) -> tuple[Catalog, Run]:
    catalog = Catalog(folder / "catalog")
    return catalog, catalog.runs()[0]


def geometry(folder: Path) -> GeometryCounts:
    found = last(folder)[1].summary.geometry
    assert found is not None
    return found


def pair(folder: Path, one: str, other: str) -> dict[str, Any]:
    catalog, night = last(folder)
    rows = catalog.read("pairs", run=night).to_pylist()
    ids = {f"p:{one}.png", f"p:{other}.png"}
    found: dict[str, Any]
    (found,) = [row for row in rows if {row["left_id"], row["right_id"]} == ids]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    china = photograph("china.jpg")
    template = china.copy()
    template.paste(photograph("flower.jpg").resize((190, 120)), (20, 20))
    small = china.crop((60, 40, 420, 320)).rotate(8, Image.Resampling.BICUBIC, expand=True)
    save(tmp_path, a=china, b=ImageOps.mirror(small), c=template, d=photograph("flower.jpg"))
    return tmp_path


def test_geometry_lifts_an_edited_copy_and_says_how_it_was_edited(folder: Path) -> None:
    run(config(folder, judge={"geometry": False}))
    alone = pair(folder, "a", "b")
    assert alone["decision"] != "duplicate"
    assert alone["image_verified"] is None
    assert alone["image_edit"] is None
    summary = run(config(folder))
    found = pair(folder, "a", "b")
    assert found["decision"] == "duplicate"
    assert found["reason"] == "one picture is the other, edited"
    assert found["image_verified"] is True
    assert "mirrored, rotated by 8°" in found["image_edit"]
    assert "cropped to" in found["image_edit"]
    assert found["image_cosine"] == alone["image_cosine"]
    assert summary.counts.duplicate_clusters == 1


def test_one_template_around_two_contents_is_left_to_a_person(folder: Path) -> None:
    run(config(folder, judge={"geometry": False}))
    assert pair(folder, "a", "c")["decision"] == "duplicate"
    run(config(folder))
    found = pair(folder, "a", "c")
    assert found["decision"] == "review"
    assert found["image_verified"] is False
    assert found["reason"] == "pictures alike, but geometry does not find one in the other"


def test_what_was_looked_at_is_not_looked_at_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config(folder))
    first = geometry(folder)
    assert first.fresh == first.looked_at > 0
    save(folder, e=photograph("china.jpg").crop((10, 10, 600, 400)))
    run(config(folder))
    catalog, night = last(folder)
    second = geometry(folder)
    assert 0 < second.fresh < second.looked_at
    stored = catalog.read("alignments", run=night)
    run(config(folder), full=True)
    again = last(folder)[1]
    assert catalog.read("alignments", run=again).equals(stored)
    assert geometry(folder).fresh == 0

    (folder / "photos" / "b.png").unlink()
    assert run(config(folder, gates={"max_shrinkage": 1, "max_removed": 1, "max_cluster": 1}))


def test_a_night_with_a_known_catalog_equals_a_rebuild(folder: Path, tmp_path: Path) -> None:
    run(config(folder))
    save(
        folder,
        e=ImageOps.flip(photograph("flower.jpg")),
        f=photograph("china.jpg").resize((300, 200)),
    )
    run(config(folder))
    run(config(folder, catalog=str(folder / "other")))
    nights = [(Catalog(folder / name), Catalog(folder / name).runs()[0])
              for name in ("catalog", "other")]  # fmt: skip
    tables = []
    for catalog, night in nights:
        rows = catalog.read("pairs", run=night).drop(["run"]).to_pylist()
        tables.append(sorted(rows, key=lambda row: (row["left_id"], row["right_id"])))
    assert tables[0] == tables[1]
    assert len(tables[0]) > 3


def test_small_portions_find_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(folder, e=ImageOps.flip(photograph("flower.jpg")), f=photograph("flower.jpg").rotate(90))
    tables = []
    for number, most in enumerate((1024, 2)):
        monkeypatch.setattr("pipeline.matching.geometry.verify_pairs.AT_A_TIME", most)
        place = folder / f"catalog-{number}"
        run(config(folder, catalog=str(place), candidates={"image_floor": -1}))
        catalog = Catalog(place)
        tables.append(catalog.read("alignments", run=catalog.runs()[0]))
    assert len(tables[0]) == 15  # all pairs of six pictures
    assert tables[0].equals(tables[1])


def test_a_picture_that_is_gone_is_not_aligned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pipeline.matching.geometry.verify_pairs.decode_for_geometry", lambda ref, settings: None
    )
    run(config(folder))
    assert pair(folder, "a", "b")["image_verified"] is None
    assert geometry(folder).verified == 0


def recording(looked_at: list[tuple[str, str]]) -> Callable[..., Any]:
    """`look`, with the pairs that it is given noted."""

    def noted(context: Any, hashes: pa.Array, pairs: Any) -> Any:
        sides = (hashes.take(pa.array(side)).to_pylist() for side in pairs)
        looked_at.extend(zip(*sides, strict=True))
        return verify_pictures(context, hashes, pairs)

    return noted


def test_thresholds_without_labels_come_from_edited_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Drawn shapes are so alike that no precision is reached, unless nearly all pairs are copies.
    monkeypatch.setattr("pipeline.evaluation.synthetic.thresholds.FEWEST_COPIES", 1000.0)
    save(tmp_path, **{f"t{number:03}": drawn(number) for number in range(110)})
    looked_at: list[tuple[str, str]] = []
    for module in ("geometry", "synthetic_copies"):
        monkeypatch.setattr(
            f"pipeline.nightly.stages.{module}.verify_pictures", recording(looked_at)
        )
    loose = {"judge": {"self_calibration": {"precision": 0.9}}}
    summary = run(config(tmp_path, **loose))
    found = summary.state.self_calibrations["image"]
    assert found.why is None
    rule = found.rule
    assert rule.records == 110
    assert rule.made == 220
    assert rule.target == 0.9
    assert rule.precision >= 0.9
    assert looked_at
    assert len(set(looked_at)) == len(looked_at)  # two pictures are laid upon each other once
    assert summary.calibrated is False
    assert "copies-image-" in summary.models.judge
    assert summary.models.image.floor == rule.floor
    # The same records give the same thresholds, and the night after keeps them.
    again = run(config(tmp_path, catalog=str(tmp_path / "other"), **loose))
    assert again.state.self_calibrations["image"].rule == rule
    save(tmp_path, new=drawn(1000))
    later = run(config(tmp_path, **loose))
    assert later.state.self_calibrations["image"].run == summary.run
    assert later.reused.judged_all is None


def test_too_few_records_leave_the_stated_default(folder: Path) -> None:
    summary = run(config(folder))
    found = summary.state.self_calibrations["image"]
    assert found.rule is None
    assert found.why == "4 distinct images, it takes 100"
    assert summary.status == "published"


def test_an_encoder_without_a_default_needs_copies_or_a_statement(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.nightly.state import rules as state

    monkeypatch.setattr(state, "default_of", lambda encoder: None)
    monkeypatch.setattr("pipeline.nightly.stages.self_calibration.default_of", lambda encoder: None)
    with pytest.raises(ConfigError, match="edited copies of this corpus gave none: 4 distinct"):
        run(config(folder))


def test_the_rule_lifts_holds_and_leaves_alone() -> None:
    nothing = np.full(4, np.nan)
    evidence = ImageEvidence(
        cosine=np.array([0.5, 0.9, 0.9, 0.5]), exact=np.zeros(4, bool), sides=np.full(4, 2.0),
        geometry=np.array([1, 0, np.nan, 0]), background=nothing,
        features=np.zeros((4, 0), np.float32), beyond=np.zeros(4, bool),
    )  # fmt: skip
    rule = LogisticImageRule(bias=-10.0, cosine=15.0)
    found = rule.probability(evidence)
    plain = rule.probability(replace(evidence, geometry=nothing))
    assert found[0] >= rule.accept
    assert plain[0] < rule.accept
    assert rule.review <= found[1] < rule.accept <= plain[1]
    assert found[2] == plain[2]
    assert found[3] == plain[3]
