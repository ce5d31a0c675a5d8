"""Every shipped configuration runs on the sample's data, with toy or tiny encoders to be quick."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import run
from pipeline.config.encoders import CharacterCnn, ToyImage, ToyText
from pipeline.config.finetune import load_train_config
from pipeline.config.run import load_config
from pipeline.config.self_supervised import is_view_config, load_view_config
from pipeline.sample import EXPECTED, write_sample
from pipeline.training.finetuning import finetune
from pipeline.training.self_supervised.train import train_self_supervised

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
# Prefect's own files are tested where its server is.
CONFIGS = [path for path in sorted((ROOT / "configs").glob("*.yaml")) if "prefect" not in path.name]
# `encoder` is a key of fine-tunes alone.
TRAIN = [path for path in CONFIGS if "encoder" in yaml.safe_load(path.read_text("utf-8"))]
VIEWS = [path for path in CONFIGS if is_view_config(path)]
RUN = [path for path in CONFIGS if path not in [*TRAIN, *VIEWS]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample's data and a copy of the configurations."""
    folder = tmp_path_factory.mktemp("configs")
    write_sample(folder / ".gemel" / "sample-data")
    (folder / "configs").mkdir()
    for path in CONFIGS:
        (folder / "configs" / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize("name", [path.name for path in RUN])
def test_it_runs_and_every_row_is_accounted_for(home: Path, name: str) -> None:
    config = load_config(home / "configs" / name)
    toy: dict[str, Any] = {"image_encoder": ToyImage(type="toy_image")}
    if config.student is None:  # nothing can be distilled from a toy
        toy["text_encoder"] = ToyText(type="toy")
    summary = run(config.model_copy(update=toy))
    assert summary.status == "published"
    expected = [EXPECTED[source.name] for source in config.sources]
    assert summary.counts.rows == sum(source.rows for source in expected)
    assert summary.counts.records == sum(source.records for source in expected)
    assert summary.counts.duplicate_clusters > 0
    assert set(summary.exports) == {export.path for export in config.exports}
    assert all(Path(export.path).stat().st_size > 0 for export in config.exports)


def tiny(start: Any) -> dict[str, Any]:
    """Settings of an encoder that is there at once, or trained in moments."""
    if not isinstance(start, CharacterCnn):
        return {"start": ToyText(type="toy"), "train": False, "distill": None}
    size = {"dimension": 16, "channels": 16, "layers": 1}
    return {"start": start.model_copy(update=size), "epochs": 1}


@pytest.mark.parametrize("name", [path.name for path in TRAIN])
def test_it_trains_calibrates_and_registers(home: Path, tmp_path: Path, name: str) -> None:
    config = load_train_config(home / "configs" / name, catalog=str(tmp_path / "catalog"))
    settings = {
        "encoder": config.encoder.model_copy(update=tiny(config.encoder.start)),
        "judge": config.judge.model_copy(update={"kind": "boosted"}),
    }
    summary = finetune(config.model_copy(update=settings))
    assert summary.model == f"{config.name}/v0001"
    assert summary.held_out == "test"
    assert summary.metrics.average_precision.value > 0.5
    assert set(config.slices) == set(summary.errors.slices)
    assert Path(summary.report).stat().st_size > 0


@pytest.mark.parametrize("name", [path.name for path in VIEWS])
def test_it_learns_from_views(home: Path, tmp_path: Path, name: str) -> None:
    config = load_view_config(home / "configs" / name, out=str(tmp_path / "out"))
    # No workers: what is forked of a process that has run everything else may not end well.
    small = {"train_size": 64, "image_size": 64, "dimension": 16, "workers": 0}
    views = config.views.model_copy(update=small)
    learning = config.learning.model_copy(update={"epochs": 1, "batch_size": 16})
    facts = train_self_supervised(config.model_copy(update={"views": views, "learning": learning}))
    assert facts.trained_on + facts.held_back == facts.records > 30
    assert set(facts.held_back_figures) == {"before", "after"}
    assert "identifying persons" in (tmp_path / "out" / "README.md").read_text()


def test_no_two_configurations_share_a_catalog_or_a_file() -> None:
    loaded = [load_config(path) for path in RUN]
    paths = [c.catalog for c in loaded] + [e.path for c in loaded for e in c.exports]
    assert len(set(paths)) == len(paths)


def test_one_fine_tune_is_for_the_sample_and_the_others_have_their_own_catalogs() -> None:
    trained = {path.name: load_train_config(path) for path in TRAIN}
    runs = {load_config(path).catalog for path in RUN}
    assert len({config.catalog for config in trained.values()}) == len(trained)
    assert len({config.name for config in trained.values()}) == len(trained)
    assert [name for name, config in trained.items() if config.catalog in runs] == ["finetune.yaml"]
