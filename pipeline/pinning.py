"""Which registered models judge a run: looked up once, before any work, and pinned."""

from __future__ import annotations

from pipeline.catalog import Catalog
from pipeline.catalog.models import Model
from pipeline.catalog.place import Place
from pipeline.config import RunConfig
from pipeline.errors import CatalogError, ConfigError, ModelError
from pipeline.registered import champion_purpose, open_registered, registry_of

PURPOSE = "deduplication"


def pinned(config: RunConfig) -> tuple[RunConfig, tuple[str, ...]]:
    """Find the models that a run asks for.

    Returns:
        The configuration with those models' encoders in the place of its own, and the models'
        references; without models both as they were.

    Raises:
        ConfigError: the model named does not exist or is damaged; `model: none` runs without.
    """
    try:
        found = [open_registered(model) for model in _wanted(config)]
    except (ModelError, CatalogError) as error:
        raise ConfigError(f"model: {error}; state another, or `model: none`") from error
    encoders = {f"{model.modality}_encoder": model.encoder for model in found}
    return config.model_copy(update=encoders), tuple(model.model.reference for model in found)


def _wanted(config: RunConfig) -> list[Model]:
    catalog = Place.of(config.catalog, config.catalog_options)
    if config.model == "none" or (config.model == "champion" and not catalog.exists()):
        return []
    registry = registry_of(Catalog.of(config, create=False))
    match config.model:
        case "champion":
            purposes = [champion_purpose(PURPOSE, modality) for modality in ("text", "image")]
            champions = [registry.champion(purpose) for purpose in purposes]
            return [model for model in champions if model is not None]
        case reference:
            return [registry.find(reference)]
