"""Rules of a run: the judge and thresholds that its stages read of one another."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache

from pipeline.catalog import Catalog, RegisteredJudge, SelfCalibration, open_registered
from pipeline.config import RunConfig
from pipeline.encoders import fingerprint_of
from pipeline.errors import ConfigError
from pipeline.evaluation import NeighbourhoodLevel, SyntheticRule, normalise_with
from pipeline.matching import (
    CorpusStatistics,
    DefaultRule,
    ImageEvidence,
    Judge,
    LogisticImageRule,
    LogisticTextRule,
    Rule,
    TextRule,
    TransferredRule,
    cosine_default,
    default_of,
    image_default,
    registered_default,
    text_default,
)
from pipeline.nightly.state.context import RunContext, new_context
from pipeline.nightly.state.embedded import judging_encoder


@dataclass(frozen=True)
class SelfCalibrations:
    """What edited copies said, by modality, and the version of the table `backgrounds`."""

    kinds: dict[str, SelfCalibration] = field(default_factory=dict)
    version: int | None = None


@dataclass(frozen=True)
class RunRules:
    """The search floor and the rule of each modality."""

    text: DefaultRule[TextRule]
    image: DefaultRule[Rule[ImageEvidence]]


def rules_of(context: RunContext) -> RunRules:
    """The rules of a run: the pinned models', those found on edited copies, or the defaults."""
    judge, config = context.config.judge, context.config
    text: DefaultRule[TextRule] | None = None
    image: DefaultRule[Rule[ImageEvidence]] | None = None
    for kind, rule in synthetic_of(context).items():
        if kind == "text":
            text = registered_default(LogisticTextRule, rule, judge)
        else:
            image = registered_default(LogisticImageRule, rule, judge)
    for model in models_of(context):
        learned = DefaultRule(model.rule.model.floor, model.rule)
        if model.modality == "text":
            text = learned
        else:
            image = learned
    return RunRules(
        text=text or _text_default(config),
        image=image or image_default(config.image_encoder, judge),
    )


def _text_default(config: RunConfig) -> DefaultRule[TextRule]:
    """What judges texts without labels: their words, or the cosine that a student foretells."""
    default = text_default if config.student is None else cosine_default
    return default(config.text_encoder, config.judge)


def check_rules(config: RunConfig, models: tuple[str, ...]) -> None:
    """Look whether either modality will have a rule; the catalog need not exist.

    Raises:
        ConfigError: an encoder has none, and edited copies are not to give it one; or a model
            looks at geometry, and geometry is off.
    """
    context = new_context(config, models=models)
    ruled = {model.modality for model in models_of(context)}
    looking = [model for model in models_of(context) if model.rule.model.geometry is not None]
    if looking and not config.judge.geometry:
        raise ConfigError(
            f"judge.geometry: false, but {looking[0].model.reference} learned from pictures laid "
            "upon each other; set it to true, or fine-tune with judge.geometry: false"
        )
    ruled |= {kind for kind in ("text", "image") if self_calibrated_rule(context, kind)}
    if "text" not in ruled:
        _text_default(config)
    if "image" not in ruled:
        image_default(config.image_encoder, config.judge)


def self_calibrated_rule(context: RunContext, kind: str) -> bool:
    """Whether the thresholds of 'text' or 'image' are to be learned from edited copies."""
    config = context.config
    settings, encoder = config.judge.self_calibration, getattr(config, f"{kind}_encoder")
    stated = getattr(config.judge, kind) is not None
    learned = any(model.modality == kind for model in models_of(context))
    proposed = kind == "text" and config.student is not None
    if stated or learned or proposed:
        return False
    wanted = settings.images if kind == "image" else settings.texts
    return wanted or default_of(encoder) is None


def synthetic_of(context: RunContext) -> dict[str, SyntheticRule]:
    """The rules that edited copies taught, by modality, once the run has found them."""
    return {kind: found.rule for kind, found in calibrations_of(context).items() if found.rule}


def calibrations_of(context: RunContext) -> dict[str, SelfCalibration]:
    """What edited copies said, by modality, once the run has asked them."""
    kept = context.work.kept(SelfCalibrations)
    return kept.kinds if kept else {}


def background_of(context: RunContext) -> dict[str, NeighbourhoodLevel]:
    """What levels are measured against, by modality, where a rule without labels wants them."""
    return {
        kind: normalise_with(rule, context.work.load(f"background_{kind}")["vectors"])
        for kind, rule in synthetic_of(context).items()
        if rule.level is not None
    }


def floors_of(context: RunContext) -> dict[str, float]:
    """The search floor of each modality: the stated one, or that of its rule."""
    settings, rules = context.config.candidates, rules_of(context)
    text, image = settings.text_floor, settings.image_floor
    return {
        "text": rules.text.floor if text is None else text,
        "image": rules.image.floor if image is None else image,
    }


def models_of(context: RunContext) -> tuple[RegisteredJudge, ...]:
    """The registered models that the run is pinned to, loaded once per process."""
    if not context.models:
        return ()  # the catalog may not exist yet, and a check makes none
    return _models(Catalog.of(context.config, create=False), context.models)


@lru_cache(maxsize=1)
def _models(catalog: Catalog, references: tuple[str, ...]) -> tuple[RegisteredJudge, ...]:
    registry = catalog.models
    return tuple(open_registered(registry.find(reference)) for reference in references)


def make_judge(context: RunContext) -> Judge:
    """The judge of the run, named after the models or the encoders that it belongs to."""
    rules = rules_of(context)
    encoders = [judging_encoder(context, modality) for modality in ("text", "image")]
    prints = [encoder.fingerprint for encoder in encoders if encoder]
    if context.models:
        names = [
            f"{model.model.reference} {model.model.fingerprint}" for model in models_of(context)
        ]
    else:
        names = ["default-judge-2 (uncalibrated)"]
        if isinstance(rules.text.rule, TransferredRule):
            names.append(f"words-{rules.text.rule.judge.fingerprint}")
    names += [
        f"copies-{kind}-{fingerprint_of(rule=found.rule and asdict(found.rule))}"
        for kind, found in calibrations_of(context).items()
    ]
    joint = next((model.rule for model in models_of(context) if model.rule.joint), None)
    tolerant = any(model.rule.model.tolerant for model in models_of(context))
    return Judge(rules.text.rule, rules.image.rule, "+".join([*names, *prints]), joint, tolerant)


def adapted_judge(judge: Judge, statistics: CorpusStatistics | None) -> Judge:
    """The judge with what it knows of the corpus; None: it needs to know nothing."""
    if statistics is None or not isinstance(judge.text, TransferredRule):
        return judge
    text = judge.text if statistics.shift is None else judge.text.adapted(statistics.shift)
    return replace(judge, text=text, tolerant=statistics.tolerant)
