"""A registered model made ready to judge: its encoder's settings and its calibrated rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.catalog.registry.version import Encoder, ModelVersion
from pipeline.encoders import fingerprint_of, folder_digest
from pipeline.errors import ModelError
from pipeline.evaluation import Calibration
from pipeline.matching import GEOMETRY_METHOD, JudgeModel, LearnedRule

JUDGE, CALIBRATION, SPLIT = "judge", "calibration.json", "split.parquet"
IMAGE_ENCODER = "image_encoder"  # the folder of its files


@dataclass(frozen=True)
class RegisteredJudge:
    """A version opened and verified.

    Attributes:
        model: of the registry.
        rule: its judge with its own calibration.
    """

    model: ModelVersion
    rule: LearnedRule

    @property
    def modality(self) -> str:
        """'text' or 'image'."""
        return self.rule.model.modality

    @property
    def encoder(self) -> Encoder:
        """Settings that open its encoder."""
        return self.model.encoder

    @property
    def image_encoder(self) -> Encoder | None:
        """Settings that open the encoder of the pictures beside the texts; None: not looked at."""
        if self.rule.model.pictures is None:
            return None
        return self.model.image_encoder


def open_registered(model: ModelVersion) -> RegisteredJudge:
    """Load the judge of a verified version.

    Raises:
        ModelError: a file is missing or damaged, the calibration belongs to another judge, or it
            learned from another way of laying pictures upon each other.
    """
    judge = JudgeModel.load(model.folder / JUDGE)
    if judge.pictures is not None and model.facts.image_encoder is None:
        raise ModelError(f"{model.reference} does not say which encoder sees its pictures")
    if judge.geometry not in (None, GEOMETRY_METHOD):
        raise ModelError(
            f"{model.reference} learned from way {judge.geometry} of laying pictures upon each "
            f"other, and this is way {GEOMETRY_METHOD}; fine-tune again"
        )
    calibration = model.read(CALIBRATION, Calibration)
    calibration.require_model(judge_fingerprint(model.facts.encoder_fingerprint, model.folder))
    return RegisteredJudge(model, LearnedRule(judge, calibration, model.reference))


def judge_fingerprint(encoder_fingerprint: str, folder: Path) -> str:
    """What a calibration is bound to: the encoder and the judge's files, 16 hex digits."""
    return fingerprint_of(encoder=encoder_fingerprint, judge=folder_digest(folder / JUDGE))


def champion_purpose(purpose: str, modality: str) -> str:
    """The registry's name for what a champion is champion of; texts need no mention."""
    return purpose if modality == "text" else f"{purpose}, {modality}s"
