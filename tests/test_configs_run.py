"""Every shipped configuration runs on the sample's data, with toy encoders to be quick."""

from pathlib import Path

import pytest

from pipeline import run
from pipeline.config import ToyImage, ToyText, load_config
from pipeline.sample import EXPECTED, write_sample

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample's data and a copy of the configurations."""
    folder = tmp_path_factory.mktemp("configs")
    write_sample(folder / ".gemel" / "sample-data")
    (folder / "configs").mkdir()
    for path in CONFIGS:
        (folder / "configs" / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize("name", [path.name for path in CONFIGS])
def test_it_runs_and_every_row_is_accounted_for(home: Path, name: str) -> None:
    config = load_config(home / "configs" / name)
    toy = {"text_encoder": ToyText(type="toy"), "image_encoder": ToyImage(type="toy_image")}
    summary = run(config.model_copy(update=toy))
    assert summary["status"] == "published"
    expected = [EXPECTED[source.name] for source in config.sources]
    assert summary["counts"]["rows"] == sum(source.rows for source in expected)
    assert summary["counts"]["records"] == sum(source.records for source in expected)
    assert summary["counts"]["duplicate_clusters"] > 0
    assert set(summary["exports"]) == {export.path for export in config.exports}
    assert all(Path(export.path).stat().st_size > 0 for export in config.exports)


def test_no_two_configurations_share_a_catalog_or_a_file() -> None:
    loaded = [load_config(path) for path in CONFIGS]
    paths = [c.catalog for c in loaded] + [e.path for c in loaded for e in c.exports]
    assert len(set(paths)) == len(paths)
