"""A judge learned from labels: features → head → fusion with the cosines → calibrated probability.

`JudgeModel` is what a registered model's `judge/` folder holds; `LearnedRule` is it at work, with
the calibration and thresholds that belong to its version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Flags, Floats
from pipeline.evaluation import Calibration, NeighbourhoodLevel
from pipeline.matching.comparison.attribute_features import attribute_features
from pipeline.matching.comparison.text import WordEvidence
from pipeline.matching.comparison.text_features import TextFeatures, WordWeights, feature_names
from pipeline.matching.differences.kinds import DECISIVE, DOUBTFUL
from pipeline.matching.evidence import (
    Difference,
    Evidence,
    Modality,
    PairEvidence,
    TextEvidence,
    head_inputs,
)
from pipeline.matching.rules.heads import Corrected, Head, load_head, save_head
from pipeline.matching.rules.judge_files import Arrays, reading_files, write_arrays
from pipeline.matching.scoring import LearnedInputs

# Differences that a judge learned from many labels confirms: all but a decisive one between two
# texts that are else the same word for word.
TAUGHT = frozenset(
    (verdict, near)
    for verdict in (DOUBTFUL, DECISIVE)
    for near in (False, True)
    if not (verdict == DECISIVE and near)
)
# Log-odds by the shipped judge from which a correction may make a duplicate of a pair, so that what
# differs in it is looked at first.
POSSIBLE = -2.0


@dataclass(frozen=True)
class Fusion:
    """Log-odds = bias + head · score + Σ weight · cosine; weights are not negative.

    The way a fine-tuned encoder joins the judge: its cosines of training pairs are too good to
    learn from, so the two meet on the validation pairs, with few weights.
    """

    bias: float
    head: float
    columns: tuple[str, ...]
    weights: tuple[float, ...]

    def __call__(self, score: Floats, columns: dict[str, Floats]) -> Floats:
        """(p,) scores and the columns of (p,) cosines, NaN counts as 0 → (p,) log-odds."""
        total = self.bias + self.head * score
        for name, weight in zip(self.columns, self.weights, strict=True):
            total = total + weight * np.nan_to_num(columns[name])
        return np.asarray(np.round(total, 6))


@dataclass(frozen=True)
class JudgeModel:
    """What the judge has learned.

    Attributes:
        modality: whose probability it gives.
        blocks: word weights by block; empty for pictures.
        extras: columns beside the blocks that the head sees, in order, of `Evidence.columns`.
        head, fusion: see their modules; without fusion the head's score is the score.
        background: for the normalised cosines; None: not used.
        floor: cosine down to which candidates are searched.
        attributes: names of the attributes that the head sees after the blocks.
        pictures: fingerprint of the image encoder whose cosines a judge of texts sees among its
            extras (`PICTURED`); it then decides alone where texts and pictures meet. None: it
            sees no pictures.
        geometry: `side_by_side.METHOD` by which pairs of pictures were laid upon each other for
            the column `GEOMETRY`; None: it does not see that.
        sources: source -> log-odds that a pair inside it has by that alone.
        columns: column -> log-odds that a difference in it adds, and that there is none.
        tolerant: see `pipeline.matching.judge.Judge`.
        confirm: probability at or above which nobody need look at a pair; None: where it accepts.
        shown: see `pipeline.matching.judge.TextRule`.
    """

    modality: Modality
    blocks: dict[str, WordWeights]
    extras: tuple[str, ...]
    head: Head
    fusion: Fusion | None
    background: NeighbourhoodLevel | None
    floor: float
    attributes: tuple[str, ...] = ()
    pictures: str | None = None
    geometry: int | None = None
    sources: Mapping[str, float] = field(default_factory=dict)
    columns: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    tolerant: bool = False
    confirm: float | None = None
    shown: frozenset[Difference] = TAUGHT

    @property
    def corrects(self) -> bool:
        """Whether it is the shipped judge of texts, corrected."""
        return isinstance(self.head, Corrected)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the head's columns."""
        return (*feature_names(tuple(self.blocks), self.attributes), *self.extras)

    def features(
        self,
        texts: Sequence[str],
        fields: dict[str, Sequence[str]],
        *,
        threads: int,
        attributes: Mapping[str, pa.Array] | None = None,
    ) -> TextFeatures | None:
        """Make the texts and attributes of some records ready to compare; None without either.

        Args:
            attributes: see `attributes.attributes_of`; those that the judge knows at least.
        """
        if not self.blocks and not self.attributes:
            return None
        known = attribute_features(self.attributes, attributes or {})
        return TextFeatures(texts, fields, weights=self.blocks, threads=threads, attributes=known)

    def sees(self, pairs: PairEvidence) -> Evidence:
        """What of the evidence of some pairs it judges by."""
        if self.modality == "image":
            return pairs.image
        return pairs.text if self.pictures is None else pairs

    def score(self, evidence: Evidence) -> Floats:
        """(p,) log-odds before calibration; +inf for copies, which need no judging."""
        return np.where(evidence.copies, np.inf, self.learned_score(evidence))

    def learned_score(self, evidence: Evidence) -> Floats:
        """(p,) log-odds by the head and the fusion, of copies as of all others."""
        score = self.head.score(head_inputs(evidence, self.extras))
        return score if self.fusion is None else self.fusion(score, evidence.columns())

    def weighs(self, texts: TextEvidence) -> Flags:
        """Pairs (p,) whose differences it looks at before it scores them."""
        head = self.head
        if not isinstance(head, Corrected):
            return np.zeros(len(texts.exact), bool)
        odds = head.shipped(head_inputs(texts, self.extras))
        return np.asarray(texts.present & ~texts.exact & (odds >= POSSIBLE))

    def save(self, folder: Path) -> None:
        """Write judge.json, weights.safetensors and the head below `folder`."""
        save_head(self.head, folder)
        arrays: dict[str, npt.NDArray[Any]] = {}
        for number, weights in enumerate(self.blocks.values()):
            arrays |= {
                f"block.{number}.words": weights.words,
                f"block.{number}.grams": weights.grams,
            }
        if self.background is not None:
            arrays["background"] = self.background.vectors
        write_arrays(arrays, folder / "weights.safetensors")
        facts = {
            "modality": self.modality,
            "blocks": [
                {
                    "name": name,
                    "texts": weights.texts,
                    "gram_texts": weights.gram_texts,
                    "accents": weights.accents,
                }
                for name, weights in self.blocks.items()
            ],
            "extras": self.extras,
            "fusion": self.fusion and vars(self.fusion),
            "background": self.background
            and {"neighbours": self.background.neighbours, "nearer": self.background.nearer},
            "floor": self.floor,
            "attributes": self.attributes,
            "pictures": self.pictures,
            "geometry": self.geometry,
            "sources": dict(self.sources),
            "columns": dict(self.columns),
            "tolerant": self.tolerant,
            "confirm": self.confirm,
            "shown": sorted(self.shown),
        }
        (folder / "judge.json").write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: Path) -> JudgeModel:
        """Read what `save` wrote.

        Raises:
            ModelError: a file is missing or damaged.
        """
        with reading_files(folder, facts="judge.json", arrays="weights.safetensors") as (
            facts,
            arrays,
        ):
            judge = cls._of(facts, arrays, load_head(folder))
        return judge

    @classmethod
    def _of(cls, facts: dict[str, Any], arrays: Arrays, head: Head) -> JudgeModel:
        fusion, background = facts["fusion"], facts["background"]
        return cls(
            modality=facts["modality"],
            blocks={
                block["name"]: WordWeights(
                    block["texts"],
                    arrays[f"block.{n}.words"],
                    arrays[f"block.{n}.grams"],
                    block["gram_texts"],
                    block["accents"],
                )
                for n, block in enumerate(facts["blocks"])
            },
            extras=tuple(facts["extras"]),
            head=head,
            fusion=fusion
            and Fusion(
                fusion["bias"], fusion["head"], tuple(fusion["columns"]), tuple(fusion["weights"])
            ),
            background=background and NeighbourhoodLevel(arrays["background"], **background),
            floor=facts["floor"],
            attributes=tuple(facts.get("attributes", ())),
            pictures=facts.get("pictures"),
            geometry=facts.get("geometry"),
            sources=facts["sources"],
            columns={name: (differ, agree) for name, (differ, agree) in facts["columns"].items()},
            tolerant=facts["tolerant"],
            confirm=facts["confirm"],
            shown=frozenset((verdict, near) for verdict, near in facts["shown"]),
        )


def fields_of(column: pa.ChunkedArray) -> dict[str, list[str]]:
    """Every text field by name over all records (schemas.STRINGS), '' where a record lacks it."""
    rows = column.to_pylist()
    names = sorted({name for row in rows if row for name, _ in row})
    out = {name: [""] * len(rows) for name in names}
    for place, row in enumerate(rows):
        for name, value in row or ():
            out[name][place] = " ".join(str(value or "").split())
    return out


def learning_for(
    judge: JudgeModel,
    texts: Sequence[str],
    fields: dict[str, list[str]],
    level: npt.NDArray[np.float32] | None,
    *,
    threads: int,
    attributes: Mapping[str, pa.Array] | None = None,
) -> dict[str, LearnedInputs]:
    """What a learned judge needs of the contents, as keywords of `Contents`."""
    features = judge.features(texts, dict(fields), threads=threads, attributes=attributes)
    return {f"{judge.modality}_judge": LearnedInputs(features, level)}


@dataclass(frozen=True)
class LearnedRule:
    """A judge model at work, upon what the model `sees`; see `pipeline.matching.judge.Rule`."""

    model: JudgeModel
    calibration: Calibration
    reference: str
    calibrated: bool = field(default=True, init=False)

    @property
    def accept(self) -> float:
        """The accept threshold of this version."""
        return self.calibration.accept.value

    @property
    def review(self) -> float:
        """The review threshold of this version, at most the accept threshold."""
        return min(self.calibration.review.value, self.accept)

    @property
    def confirm(self) -> float:
        """What it accepts, it confirms where labels have chosen the threshold."""
        return self.accept if self.model.confirm is None else self.model.confirm

    @property
    def holds(self) -> bool:
        """See `pipeline.matching.judge.TextRule`: few labels have not said it."""
        return self.model.corrects

    @property
    def shown(self) -> frozenset[Difference]:
        """See `pipeline.matching.judge.TextRule`."""
        return self.model.shown

    def weighs(self, evidence: PairEvidence) -> Flags:
        """See `pipeline.matching.judge.TextRule`: all that the shipped judge thinks possible."""
        return self.model.weighs(evidence.text)

    @property
    def reads_words(self) -> bool:
        """Whether it may judge very short texts: what labels taught it, it may."""
        return True

    @property
    def joint(self) -> bool:
        """Whether it weighs the pictures beside the texts too."""
        return self.model.pictures is not None

    def needed_cosine(self, words: WordEvidence) -> Floats:
        """See `pipeline.matching.judge.TextRule`: learned words bound nothing."""
        return np.full(len(words.token_overlap), -1.0)

    def probability(self, evidence: Evidence) -> Floats:
        """See `pipeline.matching.judge.Rule`; copies have 1."""
        known = evidence.present
        probability = np.full(len(known), np.nan)
        if known.any():
            seen = evidence if known.all() else evidence.take(known)
            probability[known] = self.calibration.calibrator(self.model.score(seen))
        return probability
