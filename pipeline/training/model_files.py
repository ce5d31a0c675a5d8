"""The files of a registered version: what a fine-tune leaves in its folder. SHELL."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.catalog import CALIBRATION, IMAGE_ENCODER, JUDGE, SPLIT, champion_purpose
from pipeline.config import TrainConfig
from pipeline.training.data.trained_pairs import split_table
from pipeline.training.data.training_data import LabelledData
from pipeline.training.held_out import TrainedModel
from pipeline.training.model_facts import package_versions, split_sizes, start_name, write_facts


def fill(
    folder: Path,
    config: TrainConfig,
    lesson: LabelledData,
    candidate: TrainedModel,
    metrics: dict[str, Any],
) -> dict[str, Any]:
    """Write a version's files but its reports; return what model.json says."""
    settings = candidate.trained.settings
    if candidate.trained.folder is not None:
        shutil.copytree(candidate.trained.folder, folder / "encoder")
        settings = settings.model_copy(update={"path": "encoder"})
    candidate.judge.save(folder / JUDGE)
    (folder / CALIBRATION).write_text(candidate.calibration.to_json() + "\n")
    pq.write_table(split_table(lesson.pairs, lesson.usable["train"]), folder / SPLIT)
    write_facts(folder / "metrics.json", metrics)
    write_facts(
        folder / "training.json",
        {
            "config": config.model_dump(mode="json"),
            "labels": lesson.pairs.facts,
            "splits": split_sizes(lesson),
            "leaks": lesson.leaks,
            "encoder": candidate.trained.facts,
            "history": candidate.trained.history,
            "judge": candidate.facts,
            "seed": config.seed,
            "versions": package_versions(),
        },
    )
    return {
        **_image_encoder(folder, config, candidate),
        "purpose": champion_purpose(config.purpose, candidate.judge.modality),
        "parent": start_name(config),
        "encoder": settings.model_dump(mode="json"),
        "encoder_fingerprint": candidate.fingerprint,
        "modality": candidate.judge.modality,
    }


def _image_encoder(folder: Path, config: TrainConfig, candidate: TrainedModel) -> dict[str, Any]:
    """Copy the encoder of the pictures beside the texts, where the judge sees them."""
    settings = config.judge.image_encoder
    if candidate.judge.pictures is None or settings is None:
        return {}
    if path := getattr(settings, "path", None):
        place = Path(IMAGE_ENCODER) / Path(path).name
        (folder / IMAGE_ENCODER).mkdir()
        (shutil.copytree if Path(path).is_dir() else shutil.copyfile)(path, folder / place)
        settings = settings.model_copy(update={"path": place.as_posix()})
    return {IMAGE_ENCODER: settings.model_dump(mode="json")}
