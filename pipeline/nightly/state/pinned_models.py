"""Pinned models: the registered ones that judge a run, looked up once, before any work."""

from __future__ import annotations

from typing import cast

from pipeline.catalog import (
    Catalog,
    ModelVersion,
    RegisteredJudge,
    champion_purpose,
    open_registered,
)
from pipeline.config import RunConfig, TextEncoderConfig, check_student
from pipeline.encoders import open_encoder
from pipeline.errors import CatalogError, ConfigError, ModelError
from pipeline.storage import Place


def pin_models(config: RunConfig) -> tuple[RunConfig, tuple[str, ...]]:
    """Find the models that a run asks for.

    Returns:
        The configuration with those models' encoders in the place of its own, and the models'
        references; without models both as they were.

    Raises:
        ConfigError: the model named does not exist or is damaged, or looks at what the run does not
            have; `model: none` runs without.
    """
    try:
        found = [open_registered(model) for model in _wanted_models(config)]
    except (ModelError, CatalogError) as error:
        raise ConfigError(f"model: {error}; state another, or `model: none`") from error
    for model in found:
        _check_attributes(config, model)
        _check_student(config, model)
    encoders = {f"{model.modality}_encoder": model.encoder for model in found}
    config = config.model_copy(update=encoders)
    for model in found:
        _check_pictures(config, model)
    return config, tuple(model.model.reference for model in found)


def _check_student(config: RunConfig, model: RegisteredJudge) -> None:
    """Look whether the run's student can come before a model's encoder."""
    if config.student is None or model.modality != "text":
        return
    try:
        check_student(config.student, cast(TextEncoderConfig, model.encoder))
    except ValueError as error:
        raise ConfigError(
            f"student: {model.model.reference} has the encoder {model.encoder.type}: {error}, or "
            "state `model: none`"
        ) from error


def _check_attributes(config: RunConfig, model: RegisteredJudge) -> None:
    """Look whether some source keeps each attribute that a model compares."""
    kept = {name for source in config.sources for name in source.kept_attributes}
    absent = [name for name in model.rule.model.attributes if not {name, "*"} & kept]
    if absent:
        raise ConfigError(
            f"model: {model.model.reference} compares {', '.join(map(repr, absent))}, which no "
            f"source keeps (kept: {', '.join(sorted(kept)) or 'none'}); name it under "
            "columns.attributes (`timestamp`: columns.timestamp), or state `model: none`"
        )


def _check_pictures(config: RunConfig, model: RegisteredJudge) -> None:
    """Look whether the run sees pictures as a judge of texts that weighs them has learned to."""
    wanted, settings = model.image_encoder, config.image_encoder
    if wanted in (None, settings) or not any(source.has_images for source in config.sources):
        return
    encoder = open_encoder(settings, images=config.images, threads=config.threads)
    if encoder.fingerprint != model.rule.model.pictures:
        raise ConfigError(
            f"model: {model.model.reference} has learned from pictures as the encoder "
            f"{wanted.type} with the fingerprint {model.rule.model.pictures} sees them, and this "
            f"run's image_encoder is {encoder.name} with {encoder.fingerprint}; state the same "
            "image_encoder, fine-tune with judge.image_encoder as in the run, or `model: none`"
        )


def _wanted_models(config: RunConfig) -> list[ModelVersion]:
    catalog = Place.of(config.catalog, config.catalog_options)
    if config.model == "none" or (config.model == "champion" and not catalog.exists()):
        return []
    registry = Catalog.of(config, create=False).models
    match config.model:
        case "champion":
            purposes = [
                champion_purpose(config.purpose, modality) for modality in ("text", "image")
            ]
            champions = [registry.champion(purpose) for purpose in purposes]
            return [model for model in champions if model is not None]
        case reference:
            return [registry.find(reference)]
