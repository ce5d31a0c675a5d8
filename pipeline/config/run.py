"""Settings of one run, and `load_config`, whose errors name field, value and fix."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from pipeline.config.base import (
    CatalogSettings,
    Frozen,
    Purpose,
    anchor_paths,
    read_settings,
    resolve_path,
)
from pipeline.config.candidates import CandidateSettings, FaissIndex, IndexConfig
from pipeline.config.encoders import (
    CopyDetection,
    ImageEncoderConfig,
    MiniLmEncoder,
    StudentConfig,
    TextEncoderConfig,
    anchor_encoder,
    check_student,
    student_encoder,
)
from pipeline.config.gates import GateSettings
from pipeline.config.matching import JudgeSettings
from pipeline.config.outputs import ExportSettings, MetricsSettings, Notify, ReportSettings
from pipeline.config.sources import ImageSettings, SourceBase, SourceConfig, TextSettings

Keeper = Literal[
    "longest_text", "highest_resolution", "newest", "oldest", "source_priority", "most_central"
]


class ClusterSettings(Frozen):
    """How the record that stays is suggested. The first rule that separates two records decides."""

    keeper: tuple[Keeper, ...] = Field(
        ("longest_text", "highest_resolution", "most_central"), description="Rules, in order."
    )
    source_priority: tuple[str, ...] = Field((), description="Source names, the preferred first.")


class RetentionSettings(Frozen):
    """What is kept of earlier runs. A run is kept by either limit; held ones always are."""

    runs: int = Field(30, ge=1, description="Published runs kept, the newest.")
    days: float = Field(30, ge=0, description="Runs that ended within so many days are kept.")


class RunConfig(CatalogSettings):
    """One nightly run, complete: nothing is inherited and nothing is implied by a path."""

    name: str = Field("nightly", pattern=r"^[A-Za-z0-9_.-]+$", description="Shown in summaries.")
    sources: tuple[SourceConfig, ...] = Field(min_length=1, description="One or more.")
    labels: str | None = Field(
        None,
        description="File of pairs to score the run with: left_id, right_id, label (1 or 0).",
    )
    labels_complete: bool = Field(
        False, description="True: every pair that is not labelled 1 is different."
    )
    text: TextSettings = TextSettings()
    images: ImageSettings = ImageSettings()
    model: str = Field(
        "champion",
        description="champion: the registry's, if there is one; none: the defaults; or name/v0003.",
    )
    purpose: Purpose = Field(
        "deduplication", description="Which champion is taken: that of models with this purpose."
    )
    text_encoder: TextEncoderConfig = Field(
        MiniLmEncoder(), description="What makes vectors of texts."
    )
    student: StudentConfig | None = Field(
        None, description="Who proposes pairs of texts; none: the text encoder itself."
    )
    image_encoder: ImageEncoderConfig = Field(
        CopyDetection(), description="What makes vectors of pictures."
    )
    index: IndexConfig = Field(FaissIndex(), description="How vectors are searched.")
    candidates: CandidateSettings = CandidateSettings()
    judge: JudgeSettings = JudgeSettings()
    clustering: ClusterSettings = ClusterSettings()
    gates: GateSettings = GateSettings()
    retention: RetentionSettings = RetentionSettings()
    exports: tuple[ExportSettings, ...] = ()
    report: ReportSettings = ReportSettings()
    notify: tuple[Notify, ...] = Field((), description="Who is told how a run ended.")
    metrics: MetricsSettings = MetricsSettings()
    shard_rows: int = Field(50_000, ge=1, description="Rows per shard; with pictures 1,024.")
    threads: int | None = Field(None, ge=1, description="CPU threads; none: all cores.")
    seed: int = Field(0, description="Of everything drawn at random.")

    @field_validator("sources")
    @classmethod
    def _unique_names(cls, sources: tuple[SourceBase, ...]) -> tuple[SourceBase, ...]:
        names = [source.name for source in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"source names must differ; used twice: {', '.join(twice)}")
        return sources

    @field_validator("sources")
    @classmethod
    def _something_to_join(cls, sources: tuple[SourceBase, ...]) -> tuple[SourceBase, ...]:
        if len(sources) == 1 and sources[0].duplicate_free:
            raise ValueError(
                f"{sources[0].name} is duplicate_free and the only source: no two records could "
                "be joined; leave duplicate_free out, or add the source to match it with"
            )
        return sources

    @field_validator("clustering")
    @classmethod
    def _keeper_can_tell(cls, clustering: ClusterSettings, info: ValidationInfo) -> ClusterSettings:
        if "sources" not in info.data:  # that is the error
            return clustering
        rules, named, sources = clustering.keeper, clustering.source_priority, info.data["sources"]
        names = [source.name for source in sources]
        if unknown := [name for name in named if name not in names]:
            near = get_close_matches(unknown[0], names, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(
                f"source_priority names {unknown[0]!r}, which is no source; the sources "
                f"are {', '.join(names)}{hint}"
            )
        if "source_priority" in rules and not named:
            raise ValueError(
                "keeper says source_priority, and source_priority is empty: "
                f"name the preferred sources first, such as [{', '.join(names)}]"
            )
        timed = any(
            getattr(getattr(source, "columns", None), "timestamp", None) for source in sources
        )
        if late := [rule for rule in ("newest", "oldest") if rule in rules and not timed]:
            raise ValueError(
                f"keeper says {late[0]} and no source has a time: name its column in "
                f"sources[].columns.timestamp, or leave {late[0]} out"
            )
        return clustering

    @field_validator("student")
    @classmethod
    def _teachable(
        cls, student: StudentConfig | None, info: ValidationInfo
    ) -> StudentConfig | None:
        if student is not None and "text_encoder" in info.data:  # else that is the error
            check_student(student, info.data["text_encoder"])
        return student

    @property
    def duplicate_free(self) -> tuple[str, ...]:
        """Names of the sources that are set duplicate-free, ascending."""
        return tuple(sorted(source.name for source in self.sources if source.duplicate_free))

    @property
    def proposing_encoder(self) -> TextEncoderConfig:
        """The encoder whose vectors propose pairs of texts."""
        if self.student is None:
            return self.text_encoder
        return student_encoder(self.student, self.text_encoder)


# --- loading -----------------------------------------------------------------------------------


def load_config(path: str | Path, **overrides: Any) -> RunConfig:
    """Read a run configuration; relative paths in it start from the file's own folder.

    Raises:
        ConfigError: see `read_settings`.
    """
    config = read_settings(path, RunConfig, **overrides)
    folder = Path(path).resolve().parent
    return config.model_copy(
        update={
            "catalog": resolve_path(folder, config.catalog),
            "labels": resolve_path(folder, config.labels),
            "gates": anchor_paths(folder, config.gates, "audit"),
            "sources": tuple(
                anchor_paths(folder, source, "path", "image_root") for source in config.sources
            ),
            "text_encoder": anchor_encoder(folder, config.text_encoder),
            "student": config.student and anchor_paths(folder, config.student, "path"),
            "image_encoder": anchor_paths(folder, config.image_encoder, "path"),
            "exports": tuple(anchor_paths(folder, export, "path") for export in config.exports),
            "metrics": anchor_paths(folder, config.metrics, "path"),
        }
    )
