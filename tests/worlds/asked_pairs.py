"""Pairs of a run that a person may be asked about, and what that person says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.storage.schemas import LABELS, PAIRS

ACCEPT, REVIEW = 0.9, 0.5


def asked_pairs(probability: Any, **columns: Any) -> pa.Table:
    """One pair a row between a:00000 … and b:00000 …, with the columns of the table of pairs."""
    probability = np.asarray(probability, np.float32)
    count = len(probability)
    decision = np.select([probability >= ACCEPT, probability >= REVIEW], ["duplicate", "review"],
                         "distinct")  # fmt: skip
    given = {
        "left_id": [f"a:{n:05d}" for n in range(count)],
        "right_id": [f"b:{n:05d}" for n in range(count)],
        "probability": probability,
        "text_cosine": probability,
        "decision": decision,
        "reason": np.where(probability >= ACCEPT, "texts agree", "not enough to be sure"),
        "threshold": np.full(count, ACCEPT, np.float32),
        **columns,
    }
    usual = {pa.bool_(): False, pa.string(): ""}
    table = {
        field.name: pa.array(given[field.name], field.type)
        if field.name in given
        else pa.nulls(count, field.type)
        if field.nullable
        else pa.array([usual[field.type]] * count, field.type)
        for field in PAIRS
    }
    return pa.table(table, schema=PAIRS)


def keys(table: pa.Table) -> list[tuple[str, str]]:
    return list(zip(table["left_id"].to_pylist(), table["right_id"].to_pylist(), strict=True))


def answered(sheet: pa.Table, truth: dict[tuple[str, str], bool], *, day: int = 1) -> pa.Table:
    """The labels table after a sheet was filled in and imported."""
    rows = [
        {"left_id": a, "right_id": b, "label": "same" if truth[a, b] else "different", "by": "x",
         "at": datetime(2026, 1, day, tzinfo=UTC), "note": None,
         "origin": "audit" if why.startswith("random") else "review"}
        for (a, b), why in zip(keys(sheet), sheet["why"].to_pylist(), strict=True)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, LABELS)
