"""The shipped judge of texts at work on a catalog, as a model that answers may correct. SHELL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from pipeline.catalog import Catalog, ModelVersion, Run, champion_purpose, open_registered
from pipeline.config import TextEncoderConfig, duplicate_free_names
from pipeline.errors import CatalogError
from pipeline.matching import (
    BLOCK,
    CORRECTING,
    USUAL,
    WHOLE,
    CorpusStatistics,
    Corrected,
    DocumentFrequencies,
    JudgeModel,
    TransferredRule,
    default_of,
    read_judge,
)
from pipeline.training.judge.correct import uncorrected


@dataclass(frozen=True)
class ShippedJudge:
    """What judged the texts of a catalog before anybody answered.

    Attributes:
        model: the judge, corrected or not yet. encoder: settings of the encoder it searches with.
        accept, review: its thresholds. run: the run whose pairs were asked about.
        once: whether a source of the run holds a thing once.
    """

    model: JudgeModel
    encoder: Any
    accept: float
    review: float
    run: Run
    once: bool


def _judging(catalog: Catalog, run: Run) -> ModelVersion | None:
    """The registered model that judged the texts of a run; None: none did."""
    used = [model.model for model in run.summary.models.registered if model.modality == "text"]
    return catalog.models.find(used[0]) if used else None


def shipped_judge(catalog: Catalog, purpose: str) -> ShippedJudge | None:
    """The shipped judge as the last published run had it; None: another judge is at work.

    Of one that answers have corrected, promoted or named by the run, the corpus is kept as it was.
    """
    try:
        run = catalog.run()
    except CatalogError:
        return None
    model = catalog.models.champion(champion_purpose(purpose, "text")) or _judging(catalog, run)
    opened = model and open_registered(model)
    config = run.config
    once = bool(duplicate_free_names(config))
    if opened and opened.rule.model.corrects:
        rule = opened.rule
        return ShippedJudge(rule.model, opened.encoder, rule.accept, rule.review, run, once)
    if opened or not {"corpus_statistics", "word_counts"} <= run.versions.keys():
        return None
    encoder: Any = TypeAdapter(TextEncoderConfig).validate_python(config["text_encoder"])
    default, stated = default_of(encoder), config["judge"]
    if default is None:
        return None
    rule_ = TransferredRule(stated["pretrained"])
    accept = rule_.accept if stated["accept"] is None else stated["accept"]
    review = min(accept, rule_.review if stated["review"] is None else stated["review"])
    statistics = CorpusStatistics.from_table(catalog.read("corpus_statistics", run=run))
    frequencies = DocumentFrequencies.from_table(catalog.read("word_counts", run=run))
    floor = config["candidates"]["text_floor"]
    judge = JudgeModel(
        modality="text",
        blocks={WHOLE: statistics.weights(frequencies)},
        extras=CORRECTING,
        head=Corrected(
            read_judge(stated["pretrained"]).head,
            USUAL if statistics.shift is None else statistics.shift,
            len(BLOCK),
            uncorrected(),
        ),
        fusion=None,
        background=None,
        floor=default.floor if floor is None else floor,
        sources=dict(statistics.inside),
        columns=dict(statistics.columns),
        tolerant=statistics.tolerant,
        confirm=rule_.confirm,
        shown=frozenset(),
    )
    return ShippedJudge(judge, encoder, accept, review, run, once)
