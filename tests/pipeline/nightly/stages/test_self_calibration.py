"""Texts whose thresholds come from edited copies, because nobody has labelled any."""

import random
from pathlib import Path
from typing import Any

import pytest

from pipeline import run
from pipeline.catalog import Catalog, RunSummary
from pipeline.config.run import RunConfig
from tests.worlds.runs import OPEN_GATES, rows_in, run_config, write_texts

pytestmark = pytest.mark.slow

PARTS = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
WORDS = [a + b + c for a in PARTS for b in PARTS[::3] for c in PARTS[::5]]


def texts(count: int, seed: int = 0) -> list[str]:
    """Texts of twelve words, every third of which has a copy with a letter doubled."""
    generator = random.Random(seed)
    out = []
    for number in range(count):
        words = generator.choices(WORDS, k=12)
        out.append(" ".join([*words, str(number)]))
        if number % 3 == 0:
            words[3] += words[3][-1]
            out.append(" ".join([*words, str(number)]))
    return out


def write(folder: Path, rows: list[str]) -> None:
    write_texts(folder / "in.jsonl", rows)


def config(folder: Path, catalog: str = "catalog", **changes: Any) -> RunConfig:
    usual = {"index": {"type": "exact"}, "judge": {"self_calibration": {"texts": True}}}
    given = {**usual, "gates": OPEN_GATES, **changes}
    return run_config(folder / catalog, rows_in(folder / "in.jsonl"), **given)


def pairs(folder: Path, catalog: str) -> list[dict[str, Any]]:
    kept = Catalog(folder / catalog)
    rows = kept.read("pairs", run=kept.runs()[0]).drop(["run"]).to_pylist()
    return sorted(rows, key=lambda row: (row["left_id"], row["right_id"]))


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[RunSummary]]:
    """A first night, a second with more texts, and one of a corpus that has doubled."""
    folder = tmp_path_factory.mktemp("texts")
    found = []
    for count in (300, 330, 700):
        write(folder, texts(count))
        found.append(run(config(folder)))
    return folder, found


def test_the_thresholds_are_kept_from_night_to_night(nights: Any) -> None:
    _, found = nights
    first, second, third = (night.state.self_calibrations["text"] for night in found)
    assert first.why is None
    assert first.rule.records == 400
    assert second == first
    assert third.run == found[2].run
    assert found[1].reused.judged_all is None
    assert found[2].reused.judged_all is not None


def test_the_copies_are_found_and_the_rest_is_not(nights: Any) -> None:
    folder, _ = nights
    accepted = [row for row in pairs(folder, "catalog") if row["decision"] == "duplicate"]
    rows = texts(700)
    number = [rows[int(row[side].split(":")[1])].split()[-1] for row in accepted
              for side in ("left_id", "right_id")]  # fmt: skip
    right = sum(one == other for one, other in zip(number[::2], number[1::2], strict=True))
    assert right / len(accepted) >= 0.98
    assert right >= 0.5 * 234


def test_a_rebuild_finds_the_same(nights: Any) -> None:
    folder, _ = nights
    run(config(folder, "other"))
    one, other = (pairs(folder, name) for name in ("catalog", "other"))
    assert one == other


def test_the_background_is_kept_where_cosines_are_normalised(nights: Any) -> None:
    folder, found = nights
    rule = found[1].state.self_calibrations["text"].rule
    kept = Catalog(folder / "catalog")
    night = next(one for one in kept.runs() if one.run == found[1].run)
    assert (rule.level is not None) == ("backgrounds" in night.versions)
    assert rule.gain[1] >= rule.gain[0]


def test_without_being_asked_the_stated_default_decides(nights: Any) -> None:
    folder, _ = nights
    summary = run(config(folder, "plain", judge={}))
    assert summary.state.self_calibrations == {}
    assert "copies-text" not in summary.models.judge
