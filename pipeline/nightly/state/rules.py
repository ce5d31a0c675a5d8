"""Rules of a run: the judge and thresholds that its stages read of one another."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import lru_cache

from pipeline.catalog import Catalog, RegisteredJudge, SelfCalibration, open_registered
from pipeline.config import CascadeText, RunConfig, judged_by
from pipeline.encoders import fingerprint_of
from pipeline.errors import ConfigError
from pipeline.evaluation import NeighbourhoodLevel, SyntheticRule, normalise_with
from pipeline.matching import (
    DefaultRule,
    Judge,
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


def rules_of(context: RunContext) -> dict[str, DefaultRule]:
    """The search floor and the rule of each modality: the pinned model's, or the stated default."""
    config = context.config
    learned = {model.modality: model for model in models_of(context)}
    rules: dict[str, DefaultRule] = {
        name: DefaultRule(model.rule.model.floor, model.rule) for name, model in learned.items()
    }
    for name, rule in synthetic_of(context).items():
        rules.setdefault(name, registered_default(rule, config.judge))
    if "text" not in rules:
        rules["text"] = text_default(judged_by(config.text_encoder), config.judge)
    if "image" not in rules:
        rules["image"] = image_default(config.image_encoder, config.judge)
    return rules


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
        text_default(judged_by(config.text_encoder), config.judge)
    if "image" not in ruled:
        image_default(config.image_encoder, config.judge)


def self_calibrated_rule(context: RunContext, kind: str) -> bool:
    """Whether the thresholds of 'text' or 'image' are to be learned from edited copies."""
    config = context.config
    settings, encoder = config.judge.synthetic, getattr(config, f"{kind}_encoder")
    stated = getattr(config.judge, kind) is not None
    learned = any(model.modality == kind for model in models_of(context))
    if stated or learned or isinstance(encoder, CascadeText):
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
    stated = {"text": settings.text_floor, "image": settings.image_floor}
    return {name: rules[name].floor if floor is None else floor for name, floor in stated.items()}


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
        names = ["default-judge-1 (uncalibrated)"]
    names += [
        f"copies-{kind}-{fingerprint_of(rule=found.rule and asdict(found.rule))}"
        for kind, found in calibrations_of(context).items()
    ]
    return Judge(
        text=rules["text"].rule, image=rules["image"].rule, name="+".join([*names, *prints])
    )
