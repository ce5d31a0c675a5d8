"""Settings of self-supervised training, complete in one YAML file: no labels, two edited views."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, model_validator

from pipeline.config.base import Frozen, Purpose, anchor_paths, read_settings, resolve_path
from pipeline.config.encoders import MiniLmEncoder, SentenceTransformersText
from pipeline.config.sources import ImageSettings, SourceConfig

ViewObjective = Literal[
    "info_nce", "barlow_twins", "vicreg", "self_distillation", "joint_embedding_prediction"
]


# The names of `evaluation.synthetic`, said here so that settings are checked without it.
PictureEdit = Literal[
    "crop",
    "centre_square",
    "stretch",
    "shrink",
    "mirror",
    "flip",
    "quarter_turn",
    "rotate",
    "perspective",
    "jpeg",
    "blur",
    "sharpen",
    "noise",
    "pixelate",
    "tone",
    "hue",
    "tint",
    "grayscale",
    "pad",
    "words",
    "face",
    "shapes",
    "stripes",
    "meme",
    "screenshot",
    "onto",
    "under",
    "blended",
]
TextEdit = Literal[
    "drop_words",
    "drop_span",
    "swap_words",
    "change_case",
    "mistype",
    "respace",
    "drop_field",
    "shorten",
]


class PictureViewSettings(Frozen):
    """Views of pictures, for the copy-detection network."""

    type: Literal["pictures"]
    start: str | None = Field(
        None, description="Folder of a copy-detection network; none: EfficientNet-Lite0 (ImageNet)."
    )
    dimension: int = Field(512, ge=16, le=1280, description="Length of the vectors.")
    image_size: int = Field(192, ge=64, description="Side in pixels of a picture in a run.")
    train_size: int = Field(160, ge=64, description="Of a view in training.")
    edits: tuple[PictureEdit, ...] = Field((), description="Done to pictures; none: all there are.")
    workers: int = Field(2, ge=0, description="Processes that make views.")


class TextViewSettings(Frozen):
    """Views of texts, for any sentence-transformers encoder."""

    type: Literal["texts"]
    start: Annotated[MiniLmEncoder | SentenceTransformersText, Field(discriminator="type")] = Field(
        MiniLmEncoder(), description="What training starts from."
    )
    edits: tuple[TextEdit, ...] = Field((), description="Done to texts; none: all there are.")
    max_tokens: int = Field(128, ge=8, description="Longer texts are cut in training only.")


class ViewLearning(Frozen):
    """What is minimised and for how long."""

    objective: ViewObjective = Field("info_nce", description="What is minimised.")
    temperature: float = Field(0.05, gt=0, description="Of info_nce.")
    entropy: float = Field(
        5.0, ge=0, description="Weight of the entropy regulariser beside info_nce; 0: none."
    )
    memory: int = Field(
        0, ge=0, description="Vectors of past steps that info_nce tells apart; old ones mislead."
    )
    momentum: float = Field(
        0.996, ge=0, lt=1, description="Of the teacher of self_distillation and of prediction."
    )
    epochs: int = Field(12, ge=1, description="Every record once each.")
    batch_size: int = Field(64, ge=2, description="Records per step, two views of each.")
    learning_rate: float = Field(1.5e-4, gt=0, description="Its greatest value.")
    weight_decay: float = Field(1e-4, ge=0, description="Of AdamW.")
    warmup: float = Field(0.05, ge=0, le=1, description="Share of the steps with a rising rate.")
    near: int = Field(
        3, ge=0, description="Records that look most alike put into a record's step, as negatives."
    )
    scenes: bool = Field(
        False,
        description="True: pictures of one group are negatives of info_nce too, where geometry "
        "sees enough of both and does not find the one in the other.",
    )


class ViewTrainConfig(Frozen):
    """One self-supervised training, complete."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Name of the model.")
    purpose: Purpose = Field("deduplication", description="What the model is for; in its card.")
    out: str = Field(description="Folder that the encoder is written to; made when absent.")
    sources: tuple[SourceConfig, ...] = Field(min_length=1, description="Records, as in a run.")
    group: str | None = Field(
        None,
        description="Attribute whose equal values may show the same scene or thing; such records "
        "are never each other's negatives and are held back together.",
    )
    most: int = Field(
        20_000, ge=2, description="Records that are learned from; of more, drawn by content hash."
    )
    held_back: float = Field(0.2, ge=0, lt=1, description="Share that only measures.")
    views: PictureViewSettings | TextViewSettings = Field(
        discriminator="type", description="Of what views are made, and how."
    )
    learning: ViewLearning = ViewLearning()
    images: ImageSettings = ImageSettings()
    seed: int = Field(0, description="Of the split, the views and the training.")

    @model_validator(mode="after")
    def _has_records(self) -> ViewTrainConfig:
        texts = self.views.type == "texts"
        if self.learning.scenes and (texts or self.learning.objective != "info_nce"):
            raise ValueError("learning.scenes is for views of pictures and the objective info_nce")
        for source in self.sources:
            if not (source.has_text if texts else source.has_images):
                raise ValueError(f"sources: {source.name} has no {self.views.type}")
        return self


def is_view_config(path: str | Path) -> bool:
    """Whether a file of settings is one of self-supervised training."""
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return False
    return isinstance(data, dict) and "views" in data


def load_view_config(path: str | Path, **overrides: Any) -> ViewTrainConfig:
    """Read the settings; relative paths in them start from the file's own folder.

    Raises:
        ConfigError: as `pipeline.config.run.load_config`.
    """
    config = read_settings(path, ViewTrainConfig, **overrides)
    folder = Path(path).resolve().parent
    views = config.views
    if isinstance(views, PictureViewSettings) and views.start:
        views = anchor_paths(folder, views, "start")
    elif isinstance(views, TextViewSettings):
        views = views.model_copy(update={"start": anchor_paths(folder, views.start, "path")})
    sources = (anchor_paths(folder, source, "path", "image_root") for source in config.sources)
    return config.model_copy(
        update={"out": resolve_path(folder, config.out), "views": views, "sources": tuple(sources)}
    )
