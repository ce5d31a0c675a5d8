"""Settings of labels: the files they come in, and which columns mean what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.base import Frozen


class LabelFile(Frozen):
    """A file of labels: CSV, JSONL or Parquet, by its ending."""

    path: str = Field(description="The file.")
    split: str | None = Field(
        None, description="Column with train, valid or test; a given split is honoured and checked."
    )


class PairLabels(LabelFile):
    """Pairs by record id. Ids are 'source:key', or keys when there is one source."""

    type: Literal["pairs"]
    left: str = Field("left_id", description="Column of the one record's id.")
    right: str = Field("right_id", description="Of the other's.")
    label: str = Field("label", description="1 or same, 0 or different, between: graded.")


class InlineLabels(LabelFile):
    """Pairs whose texts or pictures stand in the row itself."""

    type: Literal["inline"]
    left_text: tuple[str, ...] = Field((), description="Text columns of the left side.")
    right_text: tuple[str, ...] = Field((), description="The right side's, in the same order.")
    left_json: str | None = Field(None, description="Column with the left fields as JSON object.")
    right_json: str | None = Field(None, description="The right side's.")
    left_image: str | None = Field(None, description="Column with the path of the left picture.")
    right_image: str | None = Field(None, description="The right side's.")
    names: tuple[str, ...] = Field((), description="Field names of the texts; none: the left's.")
    label: str = Field("label", description="1 or same, 0 or different, between: graded.")
    attributes: tuple[str, ...] = Field((), description="Columns kept as slices of the pair.")

    @model_validator(mode="after")
    def _both_sides(self) -> InlineLabels:
        sides = [
            (len(self.left_text), len(self.right_text), "left_text and right_text"),
            (self.left_json is None, self.right_json is None, "left_json and right_json"),
            (self.left_image is None, self.right_image is None, "left_image and right_image"),
        ]
        for left, right, name in sides:
            if left != right:
                raise ValueError(f"{name} belong together; name as many columns on both sides")
        if not self.left_text and not self.left_json and not self.left_image:
            raise ValueError("name left_text, left_json or left_image, and the right side's")
        if self.left_text and self.left_json:
            raise ValueError("left_text and left_json exclude each other; keep one")
        return self


class ClusterLabels(LabelFile):
    """Records with the entity each belongs to; members of one entity are duplicates."""

    type: Literal["clusters"]
    id: str = Field("record_id", description="Column of the record's id.")
    cluster: str = Field("cluster_id", description="Column of its entity.")


class VerdictLabels(Frozen):
    """The verdicts already in the catalog's labels table."""

    type: Literal["verdicts"]


LabelConfig = Annotated[
    PairLabels | InlineLabels | ClusterLabels | VerdictLabels, Field(discriminator="type")
]
