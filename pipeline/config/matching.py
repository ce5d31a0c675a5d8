"""Settings of the judge without labels."""

from __future__ import annotations

from pydantic import Field, model_validator

from pipeline.config.base import Cosine, Frozen, Share


class CosineRule(Frozen):
    """Thresholds on the cosine for an encoder that ships without a default judge."""

    accept: Cosine = Field(description="Cosine of a pair that just is a duplicate.")
    review: Cosine = Field(description="Cosine of a pair that a person should just see.")

    @model_validator(mode="after")
    def _ordered(self) -> CosineRule:
        if self.review > self.accept:
            raise ValueError("review must not exceed accept")
        return self


class SelfCalibrationSettings(Frozen):
    """Thresholds found without labels, on edited copies of the user's own records."""

    images: bool = Field(
        True, description="False: without labels the image encoder's stated default decides."
    )
    texts: bool = Field(
        False, description="True: also for a text encoder that ships a default judge."
    )
    precision: Share = Field(0.99, description="Expected of the pairs that the score accepts.")
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="Of the lower bound that is told beside it."
    )
    sample: int = Field(500, ge=100, description="Records that copies are made of, two of each.")


class JudgeSettings(Frozen):
    """Where decisions fall. Defaults belong to the shipped encoders only."""

    accept: Share | None = Field(
        None,
        description="Probability at or above which a pair is joined; none: the rule's own, 0.5 for "
        "texts and the shipped judge of words, else 0.9.",
    )
    review: Share | None = Field(
        None,
        description="Probability at or above which a person should look; none: 0.2 and 0.5.",
    )
    pretrained: str | None = Field(
        None, description="File of another judge of words than the shipped one."
    )
    text: CosineRule | None = Field(None, description="Needed for a text encoder of your own.")
    image: CosineRule | None = Field(None, description="Needed for an image encoder of your own.")
    self_calibration: SelfCalibrationSettings = SelfCalibrationSettings()
    geometry: bool = Field(
        True, description="Whether pairs of pictures are laid upon each other (OpenCV)."
    )

    @model_validator(mode="after")
    def _ordered(self) -> JudgeSettings:
        if None not in (self.review, self.accept) and self.review > self.accept:  # type: ignore[operator]
            raise ValueError("review must not exceed accept")
        return self
