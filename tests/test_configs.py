"""Configurations: wrong ones fail with field, value and fix; shipped ones load."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config.finetune import load_train_config
from pipeline.config.run import RunConfig, load_config
from pipeline.config.self_supervised import is_view_config, load_view_config
from pipeline.errors import ConfigError

ROOT = Path(__file__).parent.parent
# Prefect's own files are tested where its server is.
CONFIGS = [path for path in sorted((ROOT / "configs").glob("*.yaml")) if "prefect" not in path.name]
# `encoder` is a key of fine-tunes alone.
TRAIN = [path for path in CONFIGS if "encoder" in yaml.safe_load(path.read_text("utf-8"))]
# `views` is one of trainings without labels.
VIEWS = [path for path in CONFIGS if is_view_config(path)]
RUN = [path for path in CONFIGS if path not in [*TRAIN, *VIEWS]]
GOOD: dict[str, Any] = {
    "catalog": "c",
    "sources": [
        {"name": "a", "type": "csv", "path": "a.csv", "columns": {"id": "id", "text": "t"}}
    ],
}


def write(tmp_path: Path, data: object) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_there_are_configurations_of_both_kinds() -> None:
    assert RUN
    assert TRAIN


def compare(loaded: Any, given: Any, *, at: Path) -> None:
    """What a file says stands in the settings, its paths counted from the file's folder."""
    if isinstance(given, dict):
        for key, value in given.items():
            compare(loaded[key], value, at=at)
    elif isinstance(given, list):
        assert len(loaded) == len(given)
        for one, other in zip(loaded, given, strict=True):
            compare(one, other, at=at)
    else:
        assert loaded in (given, [given], os.path.normpath(at / str(given)))


@pytest.mark.parametrize("path", RUN, ids=lambda p: p.name)
def test_shipped_configurations_mean_what_they_say(path: Path) -> None:
    loaded = load_config(path).model_dump(mode="json")
    compare(loaded, yaml.safe_load(path.read_text()), at=path.parent)


@pytest.mark.parametrize("path", TRAIN, ids=lambda p: p.name)
def test_shipped_fine_tunes_mean_what_they_say(path: Path) -> None:
    loaded = load_train_config(path).model_dump(mode="json")
    compare(loaded, yaml.safe_load(path.read_text()), at=path.parent)
    with pytest.raises(ConfigError, match="no such setting"):
        load_config(path)


@pytest.mark.parametrize("path", VIEWS, ids=lambda p: p.name)
def test_shipped_trainings_on_views_mean_what_they_say(path: Path) -> None:
    loaded = load_view_config(path).model_dump(mode="json")
    compare(loaded, yaml.safe_load(path.read_text()), at=path.parent)
    with pytest.raises(ConfigError, match="no such setting"):
        load_config(path)


def test_paths_start_from_the_configuration(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    assert config.catalog == str(tmp_path / "c")
    assert config.sources[0].path == str(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"treshold": 1}, ["treshold", "no such setting"]),
        ({"judge": {"accept": 7}}, ["judge.accept", "less than or equal to 1", "7"]),
        ({"judge": {"accept": 0.4, "review": 0.6}}, ["judge", "review must not exceed accept"]),
        ({"sources": []}, ["sources"]),
        ({"sources": GOOD["sources"] * 2}, ["used twice: a"]),
        (
            {"sources": [{**GOOD["sources"][0], "duplicate_free": True}]},
            ["sources", "a is duplicate_free and the only source", "leave duplicate_free out"],
        ),
        (
            {"sources": [{**GOOD["sources"][0], "duplicate_free": "perhaps"}]},
            ["sources", "duplicate_free"],
        ),
        ({"text_encoder": {"type": "bert"}}, ["text_encoder", "bert"]),
        ({"shard_rows": "many"}, ["shard_rows", "whole number", "many"]),
    ],
)
def test_errors_name_field_value_and_fix(
    tmp_path: Path, change: dict[str, object], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(write(tmp_path, {**GOOD, **change}))
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("export", "field", "places"),
    [
        ({"what": "removals", "merge_attributes": True}, "merge_attributes", "survivors"),
        ({"what": "clusters", "merge_attributes": True}, "merge_attributes", "survivors"),
        ({"what": "pairs", "include_review": True}, "include_review", "survivors and removals"),
        ({"what": "clusters", "include_review": True}, "include_review", "survivors and removals"),
        ({"what": "pairs", "min_size": 2}, "min_size", "clusters"),
        ({"what": "removals", "min_size": 2}, "min_size", "clusters"),
        (
            {"what": "events", "min_probability": 0.9},
            "min_probability",
            "clusters, pairs, survivors and removals",
        ),
    ],
)
def test_options_that_mean_nothing_for_an_export_are_refused(
    tmp_path: Path, export: dict[str, object], field: str, places: str
) -> None:
    data = {**GOOD, "exports": [{"path": "a.csv"}, {**export, "path": "b.csv"}]}
    with pytest.raises(ConfigError) as error:
        load_config(write(tmp_path, data))
    value = export[field]
    expected = f"exports.1.{field}: applies to {places} only, this one is {export['what']}"
    assert expected in str(error.value)
    assert f"leave it out (found {value!r})" in str(error.value)


@pytest.mark.parametrize("what", ["clusters", "pairs", "survivors", "removals"])
def test_a_least_probability_applies_to_every_export(tmp_path: Path, what: str) -> None:
    export = {"what": what, "path": "a.csv", "min_probability": 0.95, "merge_attributes": False}
    loaded = load_config(write(tmp_path, {**GOOD, "exports": [export]}))
    assert loaded.exports[0].min_probability == 0.95


def test_a_source_needs_content(tmp_path: Path) -> None:
    source = {**GOOD["sources"][0], "columns": {"id": "id"}}
    with pytest.raises(ConfigError, match="at least one of text, image"):
        load_config(write(tmp_path, {**GOOD, "sources": [source]}))


def test_unreadable_files_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="mapping"):
        load_config(tmp_path / "list.yaml")


def test_what_is_kept_of_a_configuration_holds_no_credentials() -> None:
    options = {"key": "AKIA", "secret": "s", "client_kwargs": {"endpoint_url": "u", "token": "t"}}
    source = {**GOOD["sources"][0], "storage_options": options}
    config = RunConfig.model_validate({**GOOD, "sources": [source]})
    assert config.sources[0].storage_options == options
    kept = config.model_dump(mode="json")["sources"][0]["storage_options"]
    shown = {"endpoint_url": "u", "token": "***"}
    assert kept == {"key": "***", "secret": "***", "client_kwargs": shown}
