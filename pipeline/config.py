"""Frozen pydantic settings, and `load_config`, whose errors name field, value and fix."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from pipeline.encoder_config import (
    CopyDetection,
    ImageEncoderConfig,
    MiniLmEncoder,
    TextEncodersConfig,
    anchored_encoder,
)
from pipeline.output_config import ExportSettings, MetricsSettings, Notify, ReportSettings
from pipeline.settings import (
    CatalogSettings,
    Cosine,
    Frozen,
    Share,
    absolute,
    anchored,
    read_settings,
)
from pipeline.source_config import SourceBase, SourceConfig

# --- content -----------------------------------------------------------------------------------


class TextSettings(Frozen):
    """How texts are judged fit for matching."""

    min_tokens: int = Field(
        4, ge=1, description="Texts of fewer words never match on an embedding alone."
    )


class ImageSettings(Frozen):
    """How pictures are decoded. Values enter the pixel hash: changing them re-embeds."""

    max_pixels: int = Field(
        100_000_000, ge=1, description="Larger pictures are quarantined (decompression bombs)."
    )
    background: tuple[int, int, int] = Field(
        (255, 255, 255), description="RGB under transparent pixels."
    )
    thumbnail: int = Field(160, ge=16, le=1024, description="Longest side in the report, pixels.")
    min_detail: Share = Field(
        0.05, description="Pictures below this detail never match on an embedding alone."
    )
    workers: int = Field(2, ge=0, description="Decoder processes; 0 decodes in this process.")


# --- index and candidates ----------------------------------------------------------------------


class ExactIndex(Frozen):
    """Brute force in blocks: the oracle, and right for small collections."""

    type: Literal["exact"]


class FaissIndex(Frozen):
    """FAISS, by the rule: flat up to `exact_below` contents, inverted lists above."""

    type: Literal["faiss"] = "faiss"
    factory: str = Field("auto", description="FAISS factory string, or auto for the rule.")
    exact_below: int = Field(100_000, ge=0, description="Up to this many contents search exactly.")
    target_recall: Share = Field(
        0.995, description="Probes are tuned on a sample until this share of near pairs is found."
    )


IndexConfig = Annotated[ExactIndex | FaissIndex, Field(discriminator="type")]


class LexicalSettings(Frozen):
    """MinHash over word shingles for long texts, whose embedding blurs near-verbatim copies."""

    enabled: bool = True
    min_tokens: int = Field(40, ge=5, description="Shorter texts are left to the embedding.")
    shingle: int = Field(3, ge=1, le=10, description="Words per shingle.")
    floor: Share = Field(0.5, description="Exact Jaccard at or above which a pair is kept.")


class CandidateSettings(Frozen):
    """Down to where candidate pairs are searched, and how crowds are collapsed."""

    text_floor: Cosine | None = Field(None, description="Search floor; default: the encoder's own.")
    image_floor: Cosine | None = Field(
        None, description="Search floor; default: the encoder's own."
    )
    lexical: LexicalSettings = LexicalSettings()
    crowd: int = Field(
        1000, ge=2, description="Near copies listed of one content; in a crowd the floor rises."
    )
    crowd_cosine: Share = Field(
        0.98, description="Crowds that are denser than this cosine are collapsed to leaders."
    )
    recall_sample: int = Field(500, ge=1, description="Records searched by brute force each run.")
    orientations: bool = Field(
        False,
        description="True: pictures are also asked for mirrored and turned by quarters, in eight "
        "passes of the image encoder instead of one, for one that was not trained for that. What "
        "is found is laid upon each other, so judge.geometry must be on.",
    )


# --- judging, clustering, gates ----------------------------------------------------------------


class CosineRule(Frozen):
    """Thresholds on the cosine for an encoder that ships without a default judge."""

    accept: Cosine
    review: Cosine

    @model_validator(mode="after")
    def _ordered(self) -> CosineRule:
        if self.review > self.accept:
            raise ValueError("review must not exceed accept")
        return self


class SyntheticSettings(Frozen):
    """Thresholds found without labels, on edited copies of the user's own records."""

    images: bool = Field(
        True, description="False: without labels the image encoder's stated default decides."
    )
    texts: bool = Field(
        False, description="True: also for a text encoder that ships a default judge."
    )
    precision: Share = Field(0.99, description="Expected of the pairs that the score accepts.")
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="Of the lower bound that is told beside it."
    )
    sample: int = Field(500, ge=100, description="Records that copies are made of, two of each.")


class JudgeSettings(Frozen):
    """Where decisions fall. Defaults belong to the shipped encoders only."""

    accept: Share = Field(0.9, description="Probability at or above which a pair is a duplicate.")
    review: Share = Field(0.5, description="Probability at or above which a person should look.")
    text: CosineRule | None = Field(None, description="Needed for a text encoder of your own.")
    image: CosineRule | None = Field(None, description="Needed for an image encoder of your own.")
    synthetic: SyntheticSettings = SyntheticSettings()
    geometry: bool = Field(
        True, description="Whether pairs of pictures are laid upon each other (OpenCV)."
    )

    @model_validator(mode="after")
    def _ordered(self) -> JudgeSettings:
        if self.review > self.accept:
            raise ValueError("review must not exceed accept")
        return self


Keeper = Literal[
    "longest_text", "highest_resolution", "newest", "oldest", "source_priority", "most_central"
]


class ClusterSettings(Frozen):
    """How the record that stays is suggested. The first rule that separates two records decides."""

    keeper: tuple[Keeper, ...] = ("longest_text", "highest_resolution", "most_central")
    source_priority: tuple[str, ...] = Field((), description="Source names, the preferred first.")


class GateSettings(Frozen):
    """What must hold before a run is published; a run that fails is held."""

    min_candidate_recall: Share = Field(0.95, description="Per modality that has near pairs.")
    max_quarantined: Share = Field(0.2, description="Share of the rows read, and of each source's.")
    max_shrinkage: Share = Field(
        0.2, description="Share of last night's rows that a complete source may lack tonight."
    )
    max_removed: Share = Field(0.5, description="Share of the records in the removal list.")
    max_newly_removed: Share = Field(
        0.05, description="Share of the records in tonight's removal list and not in last night's."
    )
    max_newly_removed_of_source: Share = Field(0.1, description="The same within one source.")
    max_removal_growth: float = Field(
        1.0, ge=0, description="Newly removed records per record of last night's removal list."
    )
    max_newly_removed_records: int | None = Field(
        None, ge=0, description="The same as a number; none: no limit."
    )
    max_cluster: Share = Field(0.2, description="Share of the records in one cluster.")
    max_cluster_growth: float = Field(
        2.0, ge=1, description="Size of a cluster, as a multiple of last night's."
    )
    small_cluster: int = Field(
        500, ge=1, description="Clusters of up to so many records never hold a run."
    )
    max_in_review: Share = Field(0.5, description="Share of the records in clusters in review.")
    few: int = Field(
        100, ge=0, description="Shares of up to so many records or rows never hold a run."
    )
    require_calibrated: bool = Field(
        False, description="Hold a run that no calibrated model has judged."
    )
    audit: str | None = Field(
        None, description="Labelled pairs that must be decided right, a file as for `labels`."
    )
    min_audit_right: Share = Field(0.95, description="Share of the audit pairs.")


class RetentionSettings(Frozen):
    """What is kept of earlier runs. A run is kept by either limit; held ones always are."""

    runs: int = Field(30, ge=1, description="Published runs kept, the newest.")
    days: float = Field(30, ge=0, description="Runs that ended within so many days are kept.")


class RunConfig(CatalogSettings):
    """One nightly run, complete: nothing is inherited and nothing is implied by a path."""

    name: str = Field("nightly", pattern=r"^[A-Za-z0-9_.-]+$")
    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    labels: str | None = Field(
        None, description="Parquet, CSV or JSONL with left_id, right_id, label (1 or 0) to score."
    )
    labels_complete: bool = Field(
        False, description="True: every pair not labelled 1 is a non-duplicate."
    )
    text: TextSettings = TextSettings()
    images: ImageSettings = ImageSettings()
    model: str = Field(
        "champion",
        description="champion: the registry's, where there is one; none; or a model, name/v0003.",
    )
    text_encoder: TextEncodersConfig = MiniLmEncoder()
    image_encoder: ImageEncoderConfig = CopyDetection()
    index: IndexConfig = FaissIndex()
    candidates: CandidateSettings = CandidateSettings()
    judge: JudgeSettings = JudgeSettings()
    clustering: ClusterSettings = ClusterSettings()
    gates: GateSettings = GateSettings()
    retention: RetentionSettings = RetentionSettings()
    exports: tuple[ExportSettings, ...] = ()
    report: ReportSettings = ReportSettings()
    notify: tuple[Notify, ...] = Field((), description="Who is told how a run ended.")
    metrics: MetricsSettings = MetricsSettings()
    shard_rows: int = Field(50_000, ge=1, description="Rows per shard: the unit of work.")
    threads: int | None = Field(None, ge=1, description="CPU threads; default: all cores.")
    seed: int = 0

    @model_validator(mode="after")
    def _turned_are_verified(self) -> RunConfig:
        if self.candidates.orientations and not self.judge.geometry:
            raise ValueError(
                "candidates.orientations finds pairs that only geometry can accept, and "
                "judge.geometry is false; set it to true"
            )
        return self

    @field_validator("sources")
    @classmethod
    def _unique_names(cls, sources: tuple[SourceBase, ...]) -> tuple[SourceBase, ...]:
        names = [source.name for source in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"source names must differ; used twice: {', '.join(twice)}")
        return sources


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
            "catalog": absolute(folder, config.catalog),
            "labels": absolute(folder, config.labels),
            "gates": anchored(folder, config.gates, "audit"),
            "sources": tuple(
                anchored(folder, source, "path", "image_root") for source in config.sources
            ),
            "text_encoder": anchored_encoder(folder, config.text_encoder),
            "image_encoder": anchored(folder, config.image_encoder, "path"),
            "exports": tuple(anchored(folder, export, "path") for export in config.exports),
            "metrics": anchored(folder, config.metrics, "path"),
        }
    )
