"""The summary of a run, made from what its stages kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import pyarrow.compute as pc

from pipeline.catalog import (
    NightState,
    RegisteredJudge,
    Reuse,
    RunCounts,
    RunSummary,
    StageRow,
    Status,
    Thresholds,
    UsedEncoder,
    UsedModel,
    UsedModels,
)
from pipeline.errors import PipelineError
from pipeline.evaluation import ModelMetrics, ScoreHistogram, histogram, score_drift
from pipeline.matching import GEOMETRY_METHOD
from pipeline.nightly.gates.check import check_gates
from pipeline.nightly.gates.scorecard import label_metrics
from pipeline.nightly.stages.cluster import ClusterResult
from pipeline.nightly.stages.score import ScoreResult
from pipeline.nightly.stages.search import SearchResult
from pipeline.nightly.stages.settle import IngestResult
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.embedded import EmbedResult, judging_encoder
from pipeline.nightly.state.rules import calibrations_of, floors_of, make_judge, models_of
from pipeline.nightly.state.run_records import groups_of
from pipeline.nightly.state.stage import StageResult

PACKAGES = ("torch", "sentence-transformers", "faiss-cpu", "pyarrow", "deltalake", "prefect")


@dataclass(frozen=True)
class Results:
    """What the stages up to the publication have made."""

    ingest: IngestResult
    embed_text: EmbedResult
    embed_images: EmbedResult
    search: SearchResult
    score: ScoreResult
    cluster: ClusterResult

    @classmethod
    def of(cls, context: RunContext) -> Results:
        """Those of a run.

        Raises:
            CatalogError: a stage has not run.
        """
        work = context.work
        return cls(
            work.require(IngestResult),
            work.require(EmbedResult, "text"),
            work.require(EmbedResult, "image"),
            work.require(SearchResult),
            work.require(ScoreResult),
            work.require(ClusterResult),
        )

    @property
    def stages(self) -> dict[str, StageResult]:
        """By their names, in their order."""
        return dict(vars(self))

    @property
    def versions(self) -> dict[str, int]:
        """Table -> version that the run wrote or read."""
        return {name: at for result in self.stages.values() for name, at in result.versions.items()}


def reason_of(error: BaseException) -> str:
    """What went wrong, as a run keeps it: an error of ours speaks for itself."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped by hand (KeyboardInterrupt)"
    said = str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
    return said[:2000]


def heading(context: RunContext, status: Status) -> RunSummary:
    """Which run, from when to now."""
    finished = datetime.now(UTC)
    return RunSummary(
        run=context.run,
        name=context.config.name,
        status=status,
        catalog=context.config.catalog,
        base=context.base,
        started=context.started.isoformat(),
        finished=finished.isoformat(),
        seconds=(finished - context.started).total_seconds(),
    )


def stage_row(name: str, result: StageResult) -> StageRow:
    """What a stage took."""
    return StageRow(name, result.seconds, result.rows, result.bytes)


def summarise_run(context: RunContext, results: Results) -> RunSummary:
    """Everything the report, the terminal and the runs table say of a run."""
    counts, search, score = _counts(results, context), results.search, results.score
    figures = search.figures
    recall = figures.map(lambda found: found.recall)
    gates = check_gates(
        context, counts=counts, recall=recall, cascade=search.cascade, versions=results.versions
    )
    judge = make_judge(context)
    tonight = replace(histogram(np.zeros(0)), counts=score.histogram)
    return replace(
        heading(context, "published" if all(gate.passed for gate in gates) else "held"),
        calibrated=judge.calibrated,
        counts=counts,
        thresholds=Thresholds(judge.accept, judge.review),
        models=replace(
            _encoders(results, context),
            judge=judge.name,
            registered=tuple(_used_model(model, tonight) for model in models_of(context)),
        ),
        recall=recall,
        index=figures.map(lambda found: found.index),
        cascade=search.cascade,
        geometry=score.geometry,
        gates=tuple(gates),
        stages=tuple(stage_row(name, result) for name, result in results.stages.items()),
        histogram=tonight,
        cluster_sizes=results.cluster.cluster_sizes,
        reused=Reuse(
            searched=figures.map(lambda found: found.searched),
            searched_all=search.searched_all,
            judged=score.judged,
            standing=score.standing,
            judged_all=score.judged_all,
        ),
        changes=results.cluster.changes,
        verdicts=results.cluster.verdicts,
        sources=results.cluster.sources,
        expected=results.cluster.expected,
        labels=label_metrics(context, results.versions) if context.config.labels else None,
        quarantine_reasons=results.ingest.quarantine_reasons,
        problems=results.ingest.problems,
        left_out=results.ingest.left_out,
        repaired=(*results.embed_text.repaired, *results.embed_images.repaired),
        state=NightState(
            near=search.state,
            cascade=search.chosen,
            self_calibrations=calibrations_of(context),
            judge=score.state,
            geometry=GEOMETRY_METHOD if score.geometry else None,
        ),
        versions={"gemel": version("gemel"), **{name: version(name) for name in PACKAGES}},
    )


def _used_model(model: RegisteredJudge, tonight: ScoreHistogram) -> UsedModel:
    metrics = model.model.read("metrics.json", ModelMetrics)
    accept, errors = model.rule.calibration.accept, metrics.errors
    return UsedModel(
        model=model.model.reference,
        fingerprint=model.model.fingerprint,
        modality=model.modality,
        precision=accept.precision,
        precision_low=accept.precision_low,
        target=accept.target,
        met=accept.met,
        false_match_rate=errors.overall.false_match_rate.value,
        false_non_match_rate=errors.overall.false_non_match_rate.value,
        # After `gemel calibrate` without test pairs the rates are those at the parent's threshold.
        measured_at=metrics.measured_at,
        worst_slices={name: found.worst_to_best for name, found in errors.slices.items()},
        drift=score_drift(metrics.histogram, tonight),
        report=str(model.model.folder / "governance.html"),
    )


def _counts(results: Results, context: RunContext) -> RunCounts:
    ingest, score, cluster = results.ingest, results.score, results.cluster
    text, images, groups = results.embed_text, results.embed_images, groups_of(context)
    poor = context.catalog.tables.read(
        "records", version=ingest.versions["records"], columns=["image_hash", "image_detail"]
    )
    low_detail = pc.less(pc.drop_null(poor["image_detail"]), context.config.images.min_detail)
    return RunCounts(
        rows=ingest.rows,
        records=ingest.records,
        quarantined=ingest.quarantined,
        with_text=ingest.with_text,
        with_image=ingest.with_image,
        exact_duplicates=score.exact_duplicates,
        texts_embedded=text.embedded,
        images_embedded=images.embedded,
        embedding_failed=text.failed + images.failed,
        texts_chunked=text.chunked,
        short_texts=int((groups.short & (groups.text >= 0))[groups.group_of_record].sum()),
        low_detail_images=pc.sum(low_detail).as_py() or 0,
        crowded=results.search.crowded,
        lexical_pairs=results.search.lexical_pairs,
        rare_word_pairs=results.search.rare_word_pairs,
        common_words=results.search.common_words,
        candidates=results.search.rows,
        duplicates=score.decisions.get("duplicate", 0),
        review=score.decisions.get("review", 0),
        distinct=score.decisions.get("distinct", 0),
        clusters=cluster.clusters,
        duplicate_clusters=cluster.duplicate_clusters,
        removable=cluster.removable,
        removable_in_review=cluster.removable_in_review,
        largest_cluster=cluster.largest_cluster,
        cut_links=cluster.cut_links,
    )


def _encoders(results: Results, context: RunContext) -> UsedModels:
    floors = floors_of(context)
    used: dict[str, UsedEncoder] = {}
    for kind in ("text", "image"):
        if encoder := judging_encoder(context, kind):
            used[kind] = UsedEncoder(encoder.name, encoder.fingerprint, floors[kind])
    student = results.embed_text
    if student.fingerprint and student.fingerprint != used["text"].fingerprint:
        used["student"] = UsedEncoder(str(student.name), student.fingerprint)
    return UsedModels(text=used.get("text"), image=used.get("image"), student=used.get("student"))
