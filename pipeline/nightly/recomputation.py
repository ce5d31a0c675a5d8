"""Recomputation notice: what a changed setting makes a run compute again, told beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.catalog import Catalog, Run
from pipeline.config import duplicate_free_names
from pipeline.nightly.checks import PreparedRun
from pipeline.storage import Place

# Setting → what is computed again when it is another; the rest of a night stays incremental.
AGAIN = {
    "text_encoder": "every text is embedded, searched and judged again",
    "student": "every text is searched and judged again",
    "image_encoder": "every picture is embedded, searched and judged again",
    "images": "every picture is decoded, searched and judged again",
    "text": "every pair is judged and every cluster formed again",
    "index": "all is searched again",
    "candidates": "all is searched again",
    "judge": "every pair is judged again",
    "seed": "all is searched again",
    "clustering": "every cluster is formed again",
}
MODELS = "every pair is judged again"


def recompute_notice(
    before: Mapping[str, Any] | None,
    tonight: Mapping[str, Any],
    *,
    models_before: Sequence[str],
    models: Sequence[str],
    full: bool,
) -> list[str]:
    """Lines that say what is computed again, and because of what; the last says what is not.

    Args:
        before, tonight: resolved configurations, JSON-able; None: there is no night before.
        models_before, models: references of the registered models that judged, and that judge.
    """
    if before is None:
        return ["the first night: everything is computed"]
    if full:
        return ["--full: everything is searched, judged and clustered again"]
    lines = [
        f"{setting} has changed: {what}"
        for setting, what in AGAIN.items()
        if before.get(setting) != tonight.get(setting)
    ]
    if duplicate_free_names(before) != duplicate_free_names(tonight):
        lines.append(f"sources[].duplicate_free has changed: {AGAIN['text']}")
    if set(models_before) != set(models):
        names = " and ".join(models) or "the stated defaults"
        lines.append(f"judged by {names} now: {MODELS}; an encoder of its own embeds all again")
    return [*lines, "else only what is new or changed" if lines else "only what is new or changed"]


def notice_of(prepared: PreparedRun, base: Run | None, *, full: bool) -> list[str]:
    """Lines that say what a night computes again beside what is new, and because of what."""
    judged_by = [model.model for model in base.summary.models.registered] if base else []
    return recompute_notice(
        base.config if base else None,
        prepared.config.model_dump(mode="json"),
        models_before=judged_by,
        models=prepared.models,
        full=full,
    )


def plan(prepared: PreparedRun, *, full: bool = False) -> list[str]:
    """What a run would compute, told without beginning one."""
    config = prepared.config
    catalog = (
        Catalog.of(config, create=False)
        if Place.of(config.catalog, config.catalog_options).exists()
        else None
    )
    base = catalog.published() if catalog else None
    return notice_of(prepared, base, full=full)
