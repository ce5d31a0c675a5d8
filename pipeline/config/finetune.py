"""Settings of one fine-tune, complete in one YAML file, and `load_train_config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.config.base import (
    CatalogSettings,
    Frozen,
    Purpose,
    Share,
    anchor_paths,
    read_settings,
    resolve_path,
)
from pipeline.config.encoders import (
    CopyDetection,
    DistillSettings,
    ImageEncoderConfig,
    MiniLmEncoder,
    StartConfig,
    anchor_encoder,
)
from pipeline.config.labels import LabelConfig
from pipeline.config.sources import ImageSettings, SourceConfig, TextSettings


class SplitSettings(Frozen):
    """How entities are shared out where the labels name no split."""

    valid: float = Field(
        0.2, gt=0, lt=1, description="Share of the pairs that choose and calibrate."
    )
    test: float = Field(
        0.2, ge=0, lt=1, description="Held out for the final figures; 0: the validation pairs."
    )

    @model_validator(mode="after")
    def _leaves_training(self) -> SplitSettings:
        if self.valid + self.test >= 1:
            raise ValueError("valid + test must leave a share for training")
        return self


class NegativeSettings(Frozen):
    """Where pairs of different records come from beside the given ones."""

    mined: int = Field(
        4, ge=0, description="Hard negatives per record, the nearest in the encoder's own index."
    )
    remine_every: int = Field(1, ge=1, description="Epochs between two minings.")
    max_records: int = Field(
        20_000,
        ge=2,
        description="Records of a split that are mined for and searched at most; of more, as many "
        "are drawn by seed, and the report counts them.",
    )
    suspect_cosine: Annotated[float, Field(ge=0, le=1)] = Field(
        0.95, description="Nearer unlabelled records are suspected duplicates: no negatives."
    )
    closed_world: bool = Field(
        False,
        description="True: every pair not labelled same is different (complete clusters), so mined "
        "pairs enter the evaluation too.",
    )


# --- the encoder -------------------------------------------------------------------------------

Objective = Literal[
    "contrastive", "online_contrastive", "triplet", "info_nce", "supervised_contrastive",
    "cosent", "supervised_contrastive+cosent", "cosine",
]  # fmt: skip


class EncoderTraining(Frozen):
    """How the Siamese encoder is fine-tuned."""

    @model_validator(mode="after")
    def _starts_somewhere(self) -> EncoderTraining:
        if not self.train and self.start.type == "character_cnn":
            raise ValueError("character_cnn starts from random weights: set train: true")
        if self.train and self.start.type == "toy":
            raise ValueError(
                "toy counts trigrams and has no weights to train: choose minilm or character_cnn, "
                "or set train: false"
            )
        return self

    @model_validator(mode="after")
    def _has_a_teacher(self) -> EncoderTraining:
        kind = self.start.type
        if self.distill is None or kind == "static":
            return self
        if kind != "sentence_transformers":
            raise ValueError(
                f"distill is for a static student, and start is {kind}: set start: {{type: static}}"
            )
        if self.distill.teacher is None:
            raise ValueError(
                "distill needs a teacher beside a folder: name distill.teacher, such as "
                "{type: minilm}"
            )
        return self

    train: bool = Field(True, description="False: keep the encoder, train the judge alone.")
    start: StartConfig = Field(MiniLmEncoder(), description="What training starts from.")
    distill: DistillSettings | None = Field(
        None, description="Learn the teacher's cosines first; none: not."
    )
    objective: Objective = Field(
        "supervised_contrastive+cosent", description="What is minimised; a sum of two is allowed."
    )
    margin: float = Field(0.5, gt=0, description="Of the contrastive losses and triplets.")
    temperature: float = Field(0.07, gt=0, description="Of the softmax losses and CoSENT.")
    epochs: int = Field(5, ge=1, description="At most.")
    batch_size: int = Field(64, ge=2, description="Pairs per step.")
    learning_rate: float = Field(5e-5, gt=0, description="Its greatest value.")
    weight_decay: float = Field(0.01, ge=0, description="Of AdamW.")
    warmup: Share = Field(0.1, description="Share of the steps with a rising learning rate.")
    max_tokens: int = Field(128, ge=8, description="Longer texts are cut in training only.")
    patience: int = Field(2, ge=1, description="Epochs without a better validation until the end.")
    precision: Literal["auto", "32", "bf16"] = Field(
        "auto", description="Of the numbers; auto: bf16 where the hardware has it."
    )
    max_minutes: float | None = Field(None, gt=0, description="Stop training after so long.")
    checkpoint_minutes: float = Field(5.0, gt=0, description="What a kill loses at most.")
    folds: int = Field(
        1,
        ge=1,
        le=10,
        description="Above 1: as many encoders more, each blind to its fold, whose vectors the "
        "judge learns from. 1: the judge and the encoder are joined on the validation pairs.",
    )


# --- the judge ---------------------------------------------------------------------------------


class JudgeTraining(Frozen):
    """How evidence becomes a probability, and where the decisions fall."""

    kind: Literal["auto", "similarity", "linear", "boosted", "blend"] = Field(
        "auto", description="auto: the best on validation."
    )
    few_labels: int = Field(
        300,
        ge=0,
        description="Of fewer labelled pairs the judge that a run has without labels is corrected, "
        "where it judged the catalog's last published run and `kind` is auto; no encoder is "
        "trained then. 0: never.",
    )
    accept: Literal["target_precision", "balanced"] = Field(
        "target_precision",
        description="How the accept threshold is chosen: the lowest that shows the target "
        "precision, or the one of the greatest F1 on validation, whatever precision it shows.",
    )
    target_precision: float = Field(0.95, gt=0, lt=1, description="Of the accepted pairs.")
    target_recall: float = Field(
        0.95, gt=0, lt=1, description="Share of the duplicates at or above the review threshold."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of both bounds.")
    on_unreachable: Literal["error", "best"] = Field(
        "best",
        description="best: accept at the highest lower bound that is reachable, and say so; error: "
        "stop. `gemel calibrate` always stops.",
    )
    background: int = Field(
        0, ge=0, description="Neighbours that normalise each cosine; 0: chosen on validation."
    )
    attributes: tuple[str, ...] = Field(
        (),
        description="Attributes compared beside the text; `timestamp`: the record's time. Only "
        "what is known before a person decides.",
    )

    geometry: bool = Field(
        True,
        description="Lay labelled pairs of pictures upon each other, as runs then do, and let a "
        "judge of pictures learn from what is found.",
    )
    image_encoder: ImageEncoderConfig | None = Field(
        CopyDetection(),
        description="Looks at the pictures beside the texts, where records have both; must be the "
        "nightly run's. none: a judge of texts sees no pictures.",
    )

    @field_validator("attributes")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"named twice: {', '.join(twice)}; name each once")
        return names


class PromotionSettings(Frozen):
    """When a candidate replaces the champion."""

    metric: Literal["average_precision", "f1", "recall_at_precision_95"] = Field(
        "average_precision", description="By which candidate and champion are compared."
    )
    min_gain: float = Field(0.0, description="Least gain over the champion, same held-out pairs.")
    max_slice_loss: Share = Field(0.05, description="Most F1 a slice with enough pairs may lose.")
    min_precision_low: Share | None = Field(
        None,
        description="Least lower bound of the precision at the accept threshold; none: the target, "
        "or the champion's own bound where that is lower; without a champion any, and it is said.",
    )
    promote: bool = Field(True, description="False: register only; `gemel models promote` later.")


class TrainConfig(CatalogSettings):
    """One fine-tune, complete."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Name of the model.")
    purpose: Purpose = Field("deduplication", description="What the model is for; in its card.")
    labels: tuple[LabelConfig, ...] = Field(min_length=1, description="One or more, see below.")
    sources: tuple[SourceConfig, ...] = Field(
        (), description="Records that labels by id name; none: the catalog's published ones."
    )
    text: TextSettings = TextSettings()
    images: ImageSettings = ImageSettings()
    split: SplitSettings = SplitSettings()
    negatives: NegativeSettings = NegativeSettings()
    min_positives: int = Field(10, ge=2, description="Fewer labelled duplicates are refused.")
    encoder: EncoderTraining = EncoderTraining()
    judge: JudgeTraining = JudgeTraining()
    slices: tuple[str, ...] = Field(
        (), description="Attributes, text columns or `source`: failures are told apart."
    )
    min_slice: int = Field(30, ge=1, description="Pairs below which a slice is too small to tell.")
    gate: PromotionSettings = PromotionSettings()
    threads: int | None = Field(None, ge=1, description="CPU threads; none: all cores.")
    seed: int = Field(0, description="Of splits, training and intervals.")


def load_train_config(path: str | Path, **overrides: Any) -> TrainConfig:
    """Read a fine-tune's configuration; relative paths in it start from the file's own folder.

    Raises:
        ConfigError: as `pipeline.config.run.load_config`.
    """
    config = read_settings(path, TrainConfig, **overrides)
    folder = Path(path).resolve().parent
    encoder = {"start": anchor_encoder(folder, config.encoder.start)}
    if config.encoder.distill and config.encoder.distill.teacher:
        encoder["distill"] = config.encoder.distill.model_copy(
            update={"teacher": anchor_paths(folder, config.encoder.distill.teacher, "path")}
        )
    pictures = config.judge.image_encoder and anchor_paths(
        folder, config.judge.image_encoder, "path"
    )
    return config.model_copy(
        update={
            "catalog": resolve_path(folder, config.catalog),
            "encoder": config.encoder.model_copy(update=encoder),
            "judge": config.judge.model_copy(update={"image_encoder": pictures}),
            "labels": tuple(anchor_paths(folder, label, "path") for label in config.labels),
            "sources": tuple(
                anchor_paths(folder, source, "path", "image_root") for source in config.sources
            ),
        }
    )
