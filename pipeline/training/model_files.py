"""The files of a registered version: what a fine-tune leaves in its folder. SHELL."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.catalog import CALIBRATION, IMAGE_ENCODER, JUDGE, SPLIT, ModelFacts, champion_purpose
from pipeline.config import ImageEncoderConfig, TrainConfig
from pipeline.evaluation import ModelMetrics
from pipeline.outputs import TrainingRecord
from pipeline.storage import to_json
from pipeline.training.data.trained_pairs import split_table
from pipeline.training.data.training_data import LabelledData
from pipeline.training.held_out import TrainedModel
from pipeline.training.model_facts import METRICS, package_versions, start_name


def fill(
    folder: Path,
    config: TrainConfig,
    data: LabelledData,
    model: TrainedModel,
    metrics: ModelMetrics,
) -> ModelFacts:
    """Write a version's files but its reports; return what model.json says."""
    settings = model.trained.settings
    if model.trained.folder is not None:
        shutil.copytree(model.trained.folder, folder / "encoder")
        settings = settings.model_copy(update={"path": "encoder"})
    model.judge.save(folder / JUDGE)
    (folder / CALIBRATION).write_text(to_json(model.calibration))
    pq.write_table(split_table(data.pairs, data.usable["train"]), folder / SPLIT)
    (folder / METRICS).write_text(to_json(metrics))
    record = TrainingRecord(
        config=config.model_dump(mode="json"),
        labels=data.pairs.facts,
        splits=data.pairs.sizes(),
        leaks=data.leaks,
        encoder=model.trained.facts,
        distillation=model.trained.distillation,
        history=model.trained.history,
        judge=model.facts,
        seed=config.seed,
        versions=package_versions(),
    )
    (folder / "training.json").write_text(to_json(record))
    return ModelFacts(
        purpose=champion_purpose(config.purpose, model.judge.modality),
        parent=start_name(config),
        encoder=settings,
        encoder_fingerprint=model.fingerprint,
        modality=model.judge.modality,
        image_encoder=_image_encoder(folder, config, model),
    )


def _image_encoder(
    folder: Path, config: TrainConfig, model: TrainedModel
) -> ImageEncoderConfig | None:
    """Copy the encoder of the pictures beside the texts, where the judge sees them."""
    settings = config.judge.image_encoder
    if model.judge.pictures is None or settings is None:
        return None
    if path := getattr(settings, "path", None):
        place = Path(IMAGE_ENCODER) / Path(path).name
        (folder / IMAGE_ENCODER).mkdir()
        (shutil.copytree if Path(path).is_dir() else shutil.copyfile)(path, folder / place)
        settings = settings.model_copy(update={"path": place.as_posix()})
    return settings
