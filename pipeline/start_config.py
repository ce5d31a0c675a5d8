"""What a fine-tune's encoder starts from, and how a static student is readied by its teacher."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.encoder_config import (
    CopyDetection,
    MiniLmEncoder,
    SentenceTransformersImage,
    SentenceTransformersText,
    StaticText,
    ToyText,
)
from pipeline.settings import Frozen


class CharacterCnn(Frozen):
    """A Siamese time-delay network over characters, from scratch (Bromley et al., 1993)."""

    type: Literal["character_cnn"]
    dimension: int = Field(128, ge=16)
    channels: int = Field(256, ge=16)
    layers: int = Field(4, ge=1, le=12)
    kernel: int = Field(5, ge=2, le=15)
    max_characters: int = Field(256, ge=16)


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
