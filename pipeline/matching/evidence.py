"""Evidence of candidate pairs: what is known of both sides' texts and pictures, in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Floats
from pipeline.matching.comparison.text import WordEvidence
from pipeline.matching.differences.kinds import DECISIVE, DOUBTFUL, HARMLESS, Kind

Modality = Literal["text", "image"]
Features = npt.NDArray[np.float32]

# What a judge of texts sees of the pictures beside them.
PICTURED = ("image: cosine", "image: exact", "image: sides")
# What says of a difference that it is one: kinds of which a judge that learned from labels is told.
TOLD = (Kind.MISSING, Kind.NUMBER, Kind.UNIT, Kind.DATE, Kind.CODE, Kind.CLASS, Kind.NAME,
        Kind.HEAD)  # fmt: skip
# What a judge that corrects the shipped one sees beside its features: what sources and columns add
# first.
CORRECTING = ("text: sources", "text: cosine", "text: token overlap", "text: edit similarity",
              "text: codes", "difference: verbatim", "difference: harmless",
              "difference: doubtful", "difference: decisive, near",
              *(f"difference: {kind.name.lower()}" for kind in TOLD))  # fmt: skip
# Share of two texts that is word for word the same, from which one doubtful or decisive difference
# counts by itself. Below it two texts say the same or not in other words, and a rule that reads
# words weighs that; under one that looks at cosines alone every such difference counts.
# Of hand-written pairs that differ in one decisive word, 98 % reach 0.77 as texts, 0.65 as records;
# nine in ten of Abt-Buy's true pairs stay below 0.42.
NEAR_VERBATIM = 0.5
# A verdict, and whether the texts are that near.
Difference = tuple[int, bool]
# A pair whose differences nobody has looked at.
UNSEEN = -1
# What a judge of pictures is told of a pair laid upon each other.
GEOMETRY = "image: geometry"


class _Pairs:
    """Arrays over p pairs, cut together."""

    def take(self, rows: Flags) -> Self:
        """The evidence of some of the pairs."""
        known: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        return replace(self, **{name: values[rows] for name, values in known.items()})  # type: ignore[type-var]


@dataclass(frozen=True)
class TextEvidence(WordEvidence, _Pairs):
    """What is known of the texts of p pairs; float64 and NaN where a side has no text.

    Attributes:
        cosine, lexical: (p,) ranges as in `pipeline.storage.schemas.PAIRS`.
        exact: (p,) equal content hashes.
        short: (p,) either side's text is too short for its embedding to decide.
        difference: (p,) int8 `differences.kinds`' HARMLESS, DOUBTFUL or DECISIVE; UNSEEN where
            nobody has looked. verbatim: (p,) share of both texts that is word for word the same,
            0 … 1; NaN likewise. kinds: (p,) int32 bits of `differences.kinds.Kind` and BARE.
        spans: (p,) strings, what differs, in words; null likewise.
        background: (p,) mean cosine of both sides to their neighbours in the judge's background
            sample; NaN without one.
        features: (p, f) of words and attributes, for a learned judge; f = 0 without one.
        differing: (p,) int64, a bit for each column in which the two differ; telling: (p,) log-odds
            that these columns add in this corpus. Both 0 where nobody has looked.
        sources: (p,) log-odds that the sources of both sides add, for a shipped judge; else 0.
    """

    cosine: Floats
    lexical: Floats
    exact: Flags
    short: Flags
    difference: npt.NDArray[np.int8]
    verbatim: Floats
    kinds: npt.NDArray[np.int32]
    spans: npt.NDArray[np.object_]
    background: Floats
    features: Features
    differing: npt.NDArray[np.int64]
    telling: Floats
    sources: Floats

    @property
    def present(self) -> Flags:
        """(p,) both sides have a text."""
        return ~np.isnan(self.cosine)

    @property
    def copies(self) -> Flags:
        """(p,) all that is compared by content is equal."""
        return self.exact

    def columns(self) -> dict[str, Floats]:
        """What a head may see beside the features, by name: (p,), NaN where unknown."""
        return {
            "text: cosine": self.cosine,
            "text: cosine above background": self.cosine - self.background,
            "text: sources": self.sources + self.telling,
            "text: token overlap": np.asarray(self.token_overlap, np.float64),
            "text: edit similarity": np.asarray(self.edit_similarity, np.float64),
            "text: codes": np.asarray(self.code_agreement, np.float64),
            **self._differences(),
        }

    def _differences(self) -> dict[str, Floats]:
        """What differs, as columns: NaN of pairs that nobody has looked at."""
        near = (self.difference >= DOUBTFUL) & (self.verbatim >= NEAR_VERBATIM)
        told = {
            "verbatim": self.verbatim,
            "harmless": self.difference == HARMLESS,
            "doubtful": self.difference == DOUBTFUL,
            "decisive, near": near & (self.difference == DECISIVE),
            **{kind.name.lower(): (self.kinds & kind) > 0 for kind in TOLD},
        }
        unseen = self.difference == UNSEEN
        return {f"difference: {name}": np.where(unseen, np.nan, v) for name, v in told.items()}


@dataclass(frozen=True)
class ImageEvidence(_Pairs):
    """What is known of the pictures of p pairs; NaN where a side has none.

    Attributes:
        cosine: (p,) -1 … 1.
        exact: (p,) equal content hashes.
        sides: (p,) sides with a picture fit for matching, 0, 1 or 2.
        geometry: (p,) 1 where one picture is the other, edited, 0 where geometry does not find the
            one in the other although it sees enough of both, -1 where it does and a part of them
            differs, 2 where it looked and cannot tell, NaN where nobody has looked.
        background, features: as those of `TextEvidence`.
        beyond: (p,) both files hold what their pixels do not show, and not the same.
    """

    cosine: Floats
    exact: Flags
    sides: Floats
    geometry: Floats
    background: Floats
    features: Features
    beyond: Flags

    @property
    def present(self) -> Flags:
        """(p,) both sides have a picture."""
        return ~np.isnan(self.cosine)

    @property
    def copies(self) -> Flags:
        """(p,) all that is compared by content is equal."""
        return self.exact

    def columns(self) -> dict[str, Floats]:
        """What a head may see beside the features, by name: (p,), NaN where unknown."""
        return {
            "image: cosine": self.cosine,
            "image: cosine above background": self.cosine - self.background,
            "image: exact": np.where(self.present, self.exact.astype(np.float64), np.nan),
            "image: sides": self.sides,
            GEOMETRY: np.where(self.geometry > 1, np.nan, np.maximum(self.geometry, 0)),
        }


@dataclass(frozen=True)
class PairEvidence:
    """What is known of p pairs; to a joint judge, that of texts with the pictures beside them."""

    text: TextEvidence
    image: ImageEvidence

    @property
    def present(self) -> Flags:
        """(p,) both sides have a text."""
        return self.text.present

    @property
    def copies(self) -> Flags:
        """(p,) equal texts, and equal pictures or none."""
        alike = self.image.exact | (self.image.sides == 0)
        return np.asarray(self.text.exact & alike, bool)

    @property
    def features(self) -> Features:
        """(p, f) those of the texts."""
        return self.text.features

    def columns(self) -> dict[str, Floats]:
        """What a head may see beside the features, by name: (p,), NaN where unknown."""
        return {**self.text.columns(), **self.image.columns()}

    def take(self, rows: Flags) -> PairEvidence:
        """The evidence of some of the pairs."""
        return PairEvidence(self.text.take(rows), self.image.take(rows))


Evidence = TextEvidence | ImageEvidence | PairEvidence


def head_inputs(evidence: Evidence, extras: Sequence[str]) -> Features:
    """(p, c) what a learned judge's head sees: the features, then the columns named by `extras`."""
    columns = evidence.columns()
    parts = [columns[name][:, None].astype(np.float32) for name in extras]
    return np.concatenate([evidence.features, *parts], axis=1)
