"""Reasons: one plain phrase for each decision, the first that applies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipeline.arrays import Flags, Floats
from pipeline.matching.differences.kinds import Kind
from pipeline.matching.evidence import PairEvidence

# What decides, strongest first, as a reason has it; the pair's own spans stand beside it.
DIFFERENCES = {
    Kind.NEGATION: "one says not",
    Kind.OPPOSITE: "they say opposite things",
    Kind.NUMBER: "a number differs",
    Kind.UNIT: "a unit differs",
    Kind.DATE: "a date differs",
    Kind.CODE: "a code differs",
    Kind.SIGN: "a sign or symbol differs",
    Kind.CLASS: "a colour, size or other value of one kind differs",
    Kind.NAME: "a name differs",
    Kind.HEAD: "a word makes another thing of one",
    Kind.MOVED: "the same words stand in another order or column",
    Kind.MISSING: "one lacks a column",
    Kind.WORD: "a word differs",
}


def reasons_of(
    evidence: PairEvidence,
    text: Floats,
    image: Floats,
    accepted: Flags,
    *,
    disagree: Flags,
    alone: Flags,
    variant: Flags,
    beyond: Flags,
    weighed: Flags,
) -> pa.Array:
    """One plain phrase per pair, the first that applies."""
    has_text, has_image = ~np.isnan(text), ~np.isnan(image)
    words, pictures = evidence.text, evidence.image
    cases = [
        (words.exact & pictures.exact, "identical text and picture"),
        (weighed & accepted, "text and picture, weighed together, agree"),
        (weighed, "text and picture, weighed together, not enough to be sure"),
        (disagree & (text < image), "pictures agree but texts differ"),
        (disagree, "texts agree but pictures differ"),
        (words.exact & has_image & accepted, "identical text, near-identical picture"),
        (pictures.exact & has_text & accepted, "identical picture, near-identical text"),
        (words.exact, "identical text"),
        (pictures.exact, "identical picture"),
        (beyond, "pictures look alike, but their files hold other frames, layers or levels"),
        (alone, "very short text: an embedding alone does not decide"),
        *(
            (variant & ((words.kinds & kind) > 0), f"alike, but {phrase}")
            for kind, phrase in DIFFERENCES.items()
        ),
        (accepted & has_text & has_image, "texts and pictures agree"),
        (accepted & has_image & (pictures.geometry == 1), "one picture is the other, edited"),
        (accepted & has_image, "pictures agree"),
        (accepted & (np.nan_to_num(words.lexical) >= 0.8), "long texts share most passages"),
        (accepted, "texts agree"),
        (has_text & (words.code_agreement < 0), "numbers or model codes differ"),
        (has_text & (words.token_overlap < 0.5), "alike in meaning, few words in common"),
        (has_text, "texts alike, not enough to be sure"),
        (has_image & (pictures.geometry < 0), "pictures alike, but a part of one differs"),
        (
            has_image & (pictures.geometry > 1),
            "pictures alike, but they show too little for geometry to tell",
        ),
        (
            has_image & (pictures.geometry == 0),
            "pictures alike, but geometry does not find one in the other",
        ),
    ]
    return first_that_applies(cases, "pictures alike, not enough")


def first_that_applies(cases: Sequence[tuple[Flags, str]], other: str) -> pa.Array:
    """(p,) strings: that of the first case which holds, else `other`."""
    masks, phrases = zip(*cases, strict=True)
    place = np.select(masks, list(np.arange(len(cases), dtype=np.int8)), np.int8(len(cases)))
    return pa.array([*phrases, other]).take(pa.array(place))
