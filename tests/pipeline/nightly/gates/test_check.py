"""What cannot work is refused before any work: field, value and fix in one line."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import run
from pipeline.config.run import RunConfig
from pipeline.encoders.preflight import check_encoder
from pipeline.errors import CatalogError, ConfigError, EncoderError, PipelineError
from pipeline.ingestion.sources import open_source
from pipeline.nightly.checks import prepare
from tests.worlds.runs import pictures_in, rows_in, run_config

TEXT = {"text_encoder": {"type": "toy"}, "image_encoder": {"type": "toy_image"}}
OWN = {"judge": {"text": {"accept": 0.9, "review": 0.8}, "image": {"accept": 0.9, "review": 0.8}}}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    lines = [f"{n},the {n} little house on the very old hill {n * 37}" for n in range(30)]
    path.write_text("id,text\n" + "\n".join(lines) + "\n")
    return path


def config(rows: Path, **changes: Any) -> RunConfig:
    return run_config(rows.parent / "catalog", rows_in(rows, "csv"), **changes)


def refused(made: RunConfig, kind: type[PipelineError]) -> str:
    with pytest.raises(kind) as error:
        prepare(made)
    words = str(error.value)
    assert "\n" not in words
    assert not Path(made.catalog).exists(), "a check changes nothing"
    return words


def folder_of(path: Path, modules: str | None) -> Path:
    path.mkdir()
    if modules is not None:
        (path / "modules.json").write_text(modules)
    return path


@pytest.mark.parametrize("field", ["text_encoder", "image_encoder"])
def test_a_folder_that_is_no_model_is_refused(field: str, rows: Path, tmp_path: Path) -> None:
    kind = {"text_encoder": "sentence_transformers"}.get(field, "sentence_transformers_image")

    def said(path: Path) -> str:
        words = refused(
            config(rows, **{**OWN, field: {"type": kind, "path": str(path)}}), EncoderError
        )
        assert words.startswith(f"{field}.path: {path} ")
        assert words.endswith("a local folder that SentenceTransformer.save_pretrained wrote")
        return words

    assert "is not there (nothing is fetched)" in said(tmp_path / "absent")
    assert "is not a folder" in said(rows)
    assert "has no modules.json" in said(folder_of(tmp_path / "plain", None))
    assert "that is not JSON" in said(folder_of(tmp_path / "broken", "[{"))
    assert "names no modules" in said(folder_of(tmp_path / "empty", "{}"))
    good = folder_of(tmp_path / "good", json.dumps([{"idx": 0, "name": "0", "type": "x.Y"}]))
    prepare(config(rows, **{**OWN, field: {"type": kind, "path": str(good)}}))


def test_network_files_that_are_none_are_refused(rows: Path, tmp_path: Path) -> None:
    def said(kind: str, path: Path) -> str:
        encoder = {"type": kind, "path": str(path)}
        words = refused(config(rows, **{**OWN, "image_encoder": encoder}), EncoderError)
        assert words.startswith(f"image_encoder.path: {path} ")
        assert f"type {kind} needs" in words
        return words

    for kind in ("torchscript", "onnx"):
        assert "is not there" in said(kind, tmp_path / "absent")
        assert "is a folder" in said(kind, tmp_path)
    assert "is not TorchScript" in said("torchscript", rows)
    weights = tmp_path / "weights.pt"
    with zipfile.ZipFile(weights, "w") as archive:
        archive.writestr("weights/data.pkl", b"")
    assert "weights without their network" in said("torchscript", weights)
    page = tmp_path / "page.onnx"
    page.write_text("<!doctype html>")
    assert "is not ONNX" in said("onnx", page)
    page.write_bytes(b"")
    assert "is not ONNX" in said("onnx", page)


def test_real_network_files_pass(tmp_path: Path) -> None:
    import torch
    from onnx import TensorProto, helper, save

    path = tmp_path / "net.pt"
    torch.jit.script(torch.nn.Flatten()).save(str(path))
    network = {"type": "torchscript", "path": str(path)}
    made = run_config(Path("c"), pictures_in(Path("p")), image_encoder=network)
    check_encoder(made.image_encoder, field="image_encoder")
    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    node = helper.make_node("Identity", ["x"], ["y"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    save(helper.make_model(helper.make_graph([node], "g", [shape], [out])), tmp_path / "net.onnx")
    network = {"type": "onnx", "path": str(tmp_path / "net.onnx")}
    onnx = run_config(Path("c"), pictures_in(Path("p")), image_encoder=network)
    check_encoder(onnx.image_encoder, field="image_encoder")


# --- labels, catalog ------------------------------------------------------------------------------


def labels(folder: Path, *pairs: tuple[str, str, int]) -> str:
    path = folder / "labels.csv"
    lines = [",".join(map(str, pair)) for pair in pairs]
    path.write_text("left_id,right_id,label\n" + "\n".join(lines) + "\n")
    return str(path)


def test_labels_of_other_records_fail_before_embedding(
    rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pipeline.nightly.stages.embed.embed_modality",
        lambda *_: pytest.fail("something was embedded"),
    )
    path = labels(rows.parent, ("0", "1", 1), ("2", "3", 0), ("s:1", "4", 0))
    made = config(rows, labels=path)
    prepare(made)  # the ids are known after the ingest only
    with pytest.raises(ConfigError) as error:
        run(made)
    said = str(error.value)
    assert said.startswith(f"labels: none of the 3 pairs in {path} names two of the run's 30 ")
    assert "such as '0', '2', '1', the records 's:0', 's:1', 's:2'" in said
    assert said.endswith("write record ids as source:key")


def test_labels_that_are_partly_unknown_are_counted(rows: Path) -> None:
    path = labels(rows.parent, ("s:0", "s:1", 0), ("s:2", "s:gone", 1), ("x", "y", 1))
    found = run(config(rows, labels=path)).labels
    assert found is not None
    assert (found.pairs, found.unknown) == (1, 2)


def test_labels_without_rows_are_refused(rows: Path) -> None:
    said = refused(config(rows, labels=labels(rows.parent)), ConfigError)
    assert "labels.csv has no rows; give a file with labelled rows" in said


def test_a_catalog_that_is_a_file_is_refused(rows: Path) -> None:
    with pytest.raises(CatalogError, match=r"in\.csv is not a folder; name another"):
        prepare(config(rows, catalog=str(rows / "below")))


# --- the kind of a picture's column ---------------------------------------------------------------


def test_paths_and_pictures_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"id": ["1"], "photo": [b"\x89PNG"], "path": ["a.png"]}), path)

    def said(**columns: str) -> str:
        source = rows_in(path, "parquet", columns={"id": "id", **columns})
        made = run_config(Path("c"), source)
        with pytest.raises(ConfigError) as error:
            open_source(made.sources[0]).check()
        return str(error.value)

    as_path = said(image="photo")
    assert "columns.image 'photo' must be a path or URL, is binary" in as_path
    assert as_path.endswith("go under columns.image_bytes")
    as_bytes = said(image_bytes="path")
    assert "columns.image_bytes 'path' must be binary, is string" in as_bytes
    assert as_bytes.endswith("goes under columns.image")
