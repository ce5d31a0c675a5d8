"""The columns that a learned judge's head sees of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Floats
from pipeline.matching.evidence import Evidence

Modality = Literal["text", "image"]

# What a judge of texts sees of the pictures beside them.
PICTURED = ("image: cosine", "image: exact", "image: sides")
# What a judge of pictures is told of a pair laid upon each other.
GEOMETRY = "image: geometry"


def extra_columns(evidence: Evidence) -> dict[str, Floats]:
    """What a head may see of p pairs beside words and vectors, by name; NaN where unknown."""
    known = ~np.isnan(evidence.image_cosine)
    sides, nothing = evidence.image_sides, np.full(len(known), np.nan)
    looked = evidence.image_geometry
    return {
        "text: cosine": evidence.text_cosine,
        "text: cosine above background": evidence.text_cosine - evidence.text_background,
        "image: cosine": evidence.image_cosine,
        "image: cosine above background": evidence.image_cosine - evidence.image_background,
        "image: exact": np.where(known, evidence.exact_image.astype(np.float64), np.nan),
        "image: sides": nothing if sides is None else sides,
        GEOMETRY: nothing if looked is None else looked,
    }


def assemble(
    evidence: Evidence, extras: Sequence[str], *, modality: Modality
) -> npt.NDArray[np.float32]:
    """The head's matrix: features of words and attributes, then the extras."""
    columns = extra_columns(evidence)
    features = evidence.features if modality == "text" else evidence.image_features
    parts = [] if features is None else [features]
    parts += [columns[name][:, None].astype(np.float32) for name in extras]
    return np.concatenate(parts, axis=1)
