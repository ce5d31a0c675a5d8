"""Evidence of candidate pairs: what is known of both sides, in arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Floats


@dataclass(frozen=True)
class Evidence:
    """What is known of p pairs; arrays of length p, NaN where a modality is absent on a side.

    Attributes:
        text_cosine, image_cosine, lexical, token_overlap, edit_similarity, length_ratio,
        code_agreement: float, ranges as in `pipeline.storage.schemas.PAIRS`.
        exact_text, exact_image: equal content hashes.
        short_text: either side's text is too short for its embedding to decide.
        word_conflicts: words that each side has and the other cannot account for; NaN: not counted.
        words: words of the shorter text, 0 without text.
        features, image_features: (p, f) float32 of words and attributes, for a learned judge of
            texts and one of pictures; None: not asked for.
        text_background, image_background: (p,) mean cosine of both sides to their neighbours in
            the learned judge's background sample; NaN without one.
        image_geometry: (p,) 1 where one picture is the other, edited, 0 where geometry does not
            find the one in the other although it sees enough of both, NaN where it cannot tell;
            None: not looked at.
        image_sides: (p,) sides with a picture fit for matching, 0, 1 or 2; None: not looked at.
    """

    text_cosine: Floats
    image_cosine: Floats
    lexical: Floats
    token_overlap: Floats
    edit_similarity: Floats
    length_ratio: Floats
    code_agreement: Floats
    exact_text: Flags
    exact_image: Flags
    short_text: Flags
    word_conflicts: Floats
    words: npt.NDArray[np.int64]
    text_background: Floats
    image_background: Floats
    features: npt.NDArray[np.float32] | None = None
    image_features: npt.NDArray[np.float32] | None = None
    image_sides: Floats | None = None
    image_geometry: Floats | None = None

    def take(self, rows: Flags) -> Evidence:
        """The evidence of some of the pairs."""
        known: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{n: v[rows] for n, v in known.items() if v is not None})
