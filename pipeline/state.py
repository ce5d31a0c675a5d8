"""What a stage reads of the stages before it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Catalog
from pipeline.context import RunContext
from pipeline.defaults import image_default, text_default
from pipeline.records import exact_groups
from pipeline.scoring import Judge
from pipeline.units import Units, make_units


def make_judge(context: RunContext) -> Judge:
    """The default judge for the configured encoders, named after them."""
    config = context.config
    facts = [context.work.facts(f"embed_{name}") for name in ("text", "images")]
    prints = [fact["fingerprint"] for fact in facts if fact.get("fingerprint")]
    return Judge(
        text=text_default(config.text_encoder, config.judge).rule,
        image=image_default(config.image_encoder, config.judge).rule,
        name="+".join(["default-judge-1 (uncalibrated)", *prints]),
    )


def units_of(context: RunContext) -> Units:
    """The units of the run's records, computed once per process."""
    config = context.config
    return _units(config.catalog, context.run, config.text.min_tokens, config.images.min_detail)


@lru_cache(maxsize=1)
def _units(catalog: str, run: str, min_tokens: int, min_detail: float) -> Units:
    kept = Catalog(catalog)
    version = kept.work(run).facts("ingest")["versions"]["records"]
    columns = ["record_id", "text_hash", "image_hash", "text_tokens", "image_detail"]
    records = kept.tables.read("records", version=version, columns=columns)
    return make_units(records, exact_groups(records), min_tokens=min_tokens, min_detail=min_detail)


def record_ids(context: RunContext) -> pa.Array:
    """The record ids by row."""
    version = context.work.facts("ingest")["versions"]["records"]
    records = context.catalog.tables.read("records", version=version, columns=["record_id"])
    return records["record_id"].combine_chunks()


def modalities(context: RunContext) -> dict[str, npt.NDArray[np.bool_]]:
    """For 'text' and 'image', which records (n,) have it."""
    version = context.work.facts("ingest")["versions"]["records"]
    hashes = context.catalog.tables.read(
        "records", version=version, columns=["text_hash", "image_hash"]
    )
    return {
        name: pc.is_valid(hashes[f"{name}_hash"]).to_numpy().astype(bool)
        for name in ("text", "image")
    }
