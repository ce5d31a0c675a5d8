"""Settings of the sources: which columns mean what, and where the rows are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_serializer, field_validator, model_validator

from pipeline.config.base import Frozen, Share, mask_secrets


class Columns(Frozen):
    """Which columns of a tabular source mean what. A record needs text, an image, or both."""

    id: str | None = Field(
        None,
        description="Column with the row's own id, unique within the source; none: rows are "
        "numbered, and one put in between is taken for changes of all after it.",
    )
    text: str | tuple[str, ...] | None = Field(
        None, description="Text column, or several, serialised as 'name: value' in this order."
    )
    text_names: bool = Field(
        True, description="False: several text columns without their names, 'value; value'."
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
    duplicate_free: bool = Field(
        False,
        description="True: no two of its records are the same thing, so that none are joined, not "
        "through a third one either; between two such sources the best matches are chosen.",
    )

    @field_serializer("storage_options")
    def _without_secrets(self, options: dict[str, Any]) -> dict[str, Any]:
        """What is stored and shown of a configuration holds no credentials."""
        return mask_secrets(options)

    @property
    def has_text(self) -> bool:
        """Whether its records can have a text."""
        columns = getattr(self, "columns", None)
        return columns is not None and bool(columns.text_columns)

    @property
    def has_fields(self) -> bool:
        """Whether a text is made of several columns."""
        columns = getattr(self, "columns", None)
        return columns is not None and len(columns.text_columns) > 1

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


class TextFileSource(SourceBase):
    """What sources of text files have: the encoding of their bytes."""

    encoding: str | None = Field(
        None,
        description="Of the bytes, such as 'cp1252' or 'utf-16'; none: told by each file's start.",
    )

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                "".encode(name)
            except LookupError as error:
                raise ValueError(
                    f"{name!r} is no encoding; such as 'utf-8', 'cp1252' or 'shift_jis'"
                ) from error
        return name


class CsvSource(TextFileSource):
    """Comma-separated file(s) with a header row; .gz and .zst are decompressed."""

    type: Literal["csv"]
    columns: Columns
    delimiter: str = Field(",", min_length=1, max_length=1, description="One character.")
    header: bool = Field(
        True,
        description="False: the first row is data; the columns are called column_1, column_2, …",
    )
    image_root: str | None = Field(
        None, description="Where picture paths start; none: the file's folder."
    )


class JsonlSource(TextFileSource):
    """One JSON object per line, or one array of objects (.json); .gz and .zst are decompressed.

    A column `a.b` is the value of `b` in the object `a`; `a.0` the first of a list.
    """

    type: Literal["jsonl"]
    columns: Columns
    image_root: str | None = Field(
        None, description="Where picture paths start; none: the file's folder."
    )


class ParquetSource(SourceBase):
    """Parquet file, folder or glob, streamed by row group."""

    type: Literal["parquet"]
    columns: Columns
    image_root: str | None = Field(
        None, description="Where picture paths start; none: the file's folder."
    )


class SheetSource(SourceBase):
    """A sheet of a workbook (.xlsx, .xlsm, .xls, .ods) whose first row that is not blank names the
    columns; needs python-calamine, or openpyxl for .xlsx.
    """

    type: Literal["sheet"]
    columns: Columns
    sheet: str | None = Field(None, description="Its name; none: the first one.")
    image_root: str | None = Field(
        None, description="Where picture paths start; none: the file's folder."
    )


class ImageFolderSource(SourceBase):
    """Every picture below a folder; the key is the path relative to it."""

    type: Literal["image_folder"]
    recursive: bool = Field(True, description="Also the folders below.")


TableSource = CsvSource | JsonlSource | ParquetSource | SheetSource


def duplicate_free_names(config: Mapping[str, Any]) -> list[str]:
    """Names of the duplicate-free sources of a configuration as it is stored, ascending."""
    given = config.get("sources", ())
    return sorted(source["name"] for source in given if source.get("duplicate_free"))


SourceConfig = Annotated[
    CsvSource | JsonlSource | ParquetSource | SheetSource | ImageFolderSource,
    Field(discriminator="type"),
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
