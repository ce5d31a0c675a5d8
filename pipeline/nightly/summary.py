"""The summary of a run: what the report, the terminal and the runs table say of it."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipeline.catalog import RegisteredJudge
from pipeline.errors import PipelineError
from pipeline.evaluation import histogram, score_drift
from pipeline.nightly.gates.check import check_gates
from pipeline.nightly.gates.gates import gate_rows
from pipeline.nightly.gates.scorecard import label_metrics
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.rules import encoder_facts, floors_of, make_judge, models_of
from pipeline.nightly.state.run_records import groups_of

STAGES = ("ingest", "embed_text", "embed_images", "search", "score", "cluster")
PACKAGES = ("torch", "sentence-transformers", "faiss-cpu", "pyarrow", "deltalake", "prefect")


def reason_of(error: BaseException) -> str:
    """What went wrong, as a run keeps it: an error of ours speaks for itself."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped by hand (KeyboardInterrupt)"
    said = str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
    return said[:2000]


def _heading(context: RunContext) -> dict[str, Any]:
    """Which run, from when to now."""
    finished = datetime.now(UTC)
    return {
        "run": context.run,
        "name": context.config.name,
        "catalog": context.config.catalog,
        "base": context.base,
        "started": context.started.isoformat(),
        "finished": finished.isoformat(),
        "seconds": (finished - context.started).total_seconds(),
    }


def _stage_rows(facts: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"stage": name, **{key: fact.get(key, 0) for key in ("seconds", "rows", "bytes")}}
        for name, fact in facts.items()
    ]


def _versions(context: RunContext) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in STAGES:
        found |= context.work.facts(name).get("versions", {})
    return found


def summarise_run(context: RunContext) -> dict[str, Any]:
    """Everything the report, the terminal and the runs table say of a run."""
    facts = {name: context.work.facts(name) for name in STAGES}
    counts = _counts(facts, context)
    recall = {
        modality: (facts["search"][modality] or {}).get("recall") for modality in ("text", "image")
    }
    versions = _versions(context)
    gates = check_gates(context, counts=counts, recall=recall, facts=facts, versions=versions)
    judge = make_judge(context)
    return {
        **_heading(context),
        "status": "published" if all(gate.passed for gate in gates) else "held",
        "calibrated": judge.calibrated,
        "model": {
            **_models(facts, context),
            "judge": judge.name,
            "registered": [_governance_facts(model, facts) for model in models_of(context)],
        },
        "thresholds": {"accept": judge.accept, "review": judge.review},
        "counts": counts,
        "candidate_recall": recall,
        "index": {
            modality: (facts["search"][modality] or {}).get("index")
            for modality in ("text", "image")
        },
        "cascade": facts["search"]["cascade"],
        "geometry": facts["score"]["geometry"],
        "stages": _stage_rows(facts),
        "gates": gate_rows(gates),
        "histogram": {
            "edges": histogram(np.zeros(0))["edges"],
            "counts": facts["score"]["histogram"],
        },
        "cluster_sizes": facts["cluster"]["cluster_sizes"],
        "reused": _reuse_facts(facts),
        "state": {**facts["search"]["state"], **facts["score"]["state"]},
        "changes": facts["cluster"]["changes"],
        "verdicts": facts["cluster"]["verdicts"],
        "quarantine_reasons": facts["ingest"]["quarantine_reasons"],
        "repaired": [
            said
            for name in ("embed_text", "embed_images")
            for said in facts[name].get("repaired", ())
        ],
        "versions": {"gemel": version("gemel"), **{name: version(name) for name in PACKAGES}},
        **({"labels": label_metrics(context, versions)} if context.config.labels else {}),
    }


def _reuse_facts(facts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """How much of last night's work was used again, and why not where it was not."""
    candidates, score = facts["search"], facts["score"]
    return {
        "searched": {
            modality: (candidates[modality] or {}).get("searched", 0)
            for modality in ("text", "image")
        },
        "searched_all": candidates["searched_all"],
        **{name: score[name] for name in ("judged", "standing", "judged_all")},
    }


def _governance_facts(model: RegisteredJudge, facts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A registered model's governance in short: its bound, its failures, tonight's drift."""
    metrics, accept = model.model.read("metrics.json"), model.rule.calibration.accept
    tonight = {"edges": histogram(np.zeros(0))["edges"], "counts": facts["score"]["histogram"]}
    overall, slices = metrics["errors"]["overall"], metrics["errors"]["slices"]
    return {
        "model": model.model.reference,
        "fingerprint": model.model.fingerprint,
        "modality": model.modality,
        "precision": accept.precision,
        "precision_low": accept.precision_low,
        "target": accept.target,
        "met": accept.met,
        "false_match_rate": overall["false_match_rate"]["value"],
        "false_non_match_rate": overall["false_non_match_rate"]["value"],
        # After `gemel calibrate` without test pairs the rates are those at the parent's threshold.
        "measured_at": metrics.get("measured_at"),
        "worst_slices": {name: found["worst_to_best"] for name, found in slices.items()},
        "drift": score_drift(metrics["histogram"], tonight),
        "report": str(model.model.folder / "governance.html"),
    }


def _counts(facts: dict[str, dict[str, Any]], context: RunContext) -> dict[str, int]:
    ingest, score, cluster = facts["ingest"], facts["score"], facts["cluster"]
    text, images = facts["embed_text"], facts["embed_images"]
    decisions = score["decisions"]
    units = groups_of(context)
    poor = context.catalog.tables.read(
        "records", version=ingest["versions"]["records"], columns=["image_hash", "image_detail"]
    )
    low_detail = pc.less(pc.drop_null(poor["image_detail"]), context.config.images.min_detail)
    return {
        "rows": ingest["rows"],
        **{name: ingest[name] for name in ("records", "quarantined", "with_text", "with_image")},
        "exact_duplicates": score["exact_duplicates"],
        "texts_embedded": text["embedded"],
        "images_embedded": images["embedded"],
        "embedding_failed": text["failed"] + images["failed"],
        "texts_chunked": text["chunked"],
        "short_texts": int(units.short[units.of_record][units.text[units.of_record] >= 0].sum()),
        "low_detail_images": pc.sum(low_detail).as_py() or 0,
        "crowded": facts["search"]["crowded"],
        "lexical_pairs": facts["search"]["lexical_pairs"],
        "candidates": facts["search"]["rows"],
        **{
            plural: decisions.get(name, 0)
            for plural, name in (
                ("duplicates", "duplicate"),
                ("review", "review"),
                ("distinct", "distinct"),
            )
        },
        **{
            name: cluster[name]
            for name in (
                "clusters",
                "duplicate_clusters",
                "removable",
                "removable_in_review",
                "largest_cluster",
                "cut_links",
            )
        },
    }


def _models(facts: dict[str, dict[str, Any]], context: RunContext) -> dict[str, Any]:
    floors = floors_of(context)
    models: dict[str, Any] = {}
    for modality, name in (("text", "embed_text"), ("image", "embed_images")):
        judging = encoder_facts(context, modality)
        models[modality] = judging.get("fingerprint") and {
            "name": judging["name"],
            "fingerprint": judging["fingerprint"],
            "floor": floors[modality],
        }
        if facts[name].get("fingerprint") not in (None, judging.get("fingerprint")):
            models["student"] = {key: facts[name][key] for key in ("name", "fingerprint")}
    return models
