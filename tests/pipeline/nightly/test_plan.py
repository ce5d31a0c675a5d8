"""What a night says that it will compute again."""

from typing import Any

import pytest

from pipeline.config.run import RunConfig
from pipeline.nightly.recomputation import AGAIN, recompute_notice

SAME = {"text_encoder": {"type": "toy"}, "judge": {"accept": 0.9}, "name": "a"}


def told(tonight: dict[str, Any], **given: Any) -> list[str]:
    known: dict[str, Any] = {"models_before": [], "models": [], "full": False, **given}
    return recompute_notice(SAME, {**SAME, **tonight}, **known)


def test_the_same_settings_compute_what_is_new() -> None:
    assert told({"name": "b"}) == ["only what is new or changed"]


def test_each_change_is_named_with_what_it_costs() -> None:
    lines = told({"judge": {"accept": 0.8}, "text_encoder": {"type": "minilm"}})
    assert [line.split(" has changed: ")[0] for line in lines[:2]] == ["text_encoder", "judge"]
    assert "every pair is judged again" in lines[1]
    assert lines[-1] == "else only what is new or changed"


def test_sources_that_are_set_duplicate_free_are_named() -> None:
    source = {"name": "a", "duplicate_free": True}
    assert told({"sources": [{"name": "a"}]}) == ["only what is new or changed"]
    assert told({"sources": [source]})[0] == (
        "sources[].duplicate_free has changed: every pair is judged and every cluster formed again"
    )


def test_another_model_is_named() -> None:
    assert "judged by m/v0002 now" in told({}, models=["m/v0002"], models_before=["m/v0001"])[0]
    assert "the stated defaults" in told({}, models_before=["m/v0001"])[0]


def test_the_first_night_and_a_full_one_compute_everything() -> None:
    first = recompute_notice(None, SAME, models_before=[], models=[], full=False)
    assert first == ["the first night: everything is computed"]
    assert told({}, full=True)[0].startswith("--full")


@pytest.mark.parametrize("setting", sorted(AGAIN))
def test_the_settings_exist(setting: str) -> None:
    assert setting in RunConfig.model_fields
