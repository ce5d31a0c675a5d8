"""Settings of what a run leaves: exports, report, figures, and who is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from pipeline.config.base import Frozen, Share

# Which exports each option means something for; elsewhere it is refused, never ignored.
EXPORT_OPTIONS: dict[str, tuple[str, ...]] = {
    "min_probability": ("clusters", "pairs", "survivors", "removals"),
    "min_size": ("clusters",),
    "include_review": ("survivors", "removals"),
    "merge_attributes": ("survivors",),
}

What = Literal["clusters", "groups", "pairs", "survivors", "removals", "quarantine", "events"]
Format = Literal["parquet", "csv", "jsonl", "xlsx"]
FORMATS: tuple[Format, ...] = get_args(Format)
PACKED = ("gz", "zst", "bz2", "xz", "zip")


class ExportSettings(Frozen):
    """One file written after every published run."""

    what: What = Field("clusters", description="What is written.")
    format: Format = Field("csv", description="Of the file; none: by its ending, else CSV.")
    path: str = Field(description="File to write.")
    min_probability: Share | None = Field(
        None, description="Leave out what is less sure; a removal left out survives."
    )
    min_size: int = Field(1, ge=1, description="Clusters: least size; 2: no singletons.")
    include_review: bool = Field(
        False, description="Survivors, removals: members of clusters in review go too."
    )
    merge_attributes: bool = Field(
        False, description="Survivors: fill empty fields from the copies that go."
    )
    spreadsheet_safe: bool = Field(
        False,
        description="CSV: a quote before what a spreadsheet would run as a formula, ids aside, and "
        "a byte order mark.",
    )

    @model_validator(mode="after")
    def _fits(self) -> ExportSettings:
        if self.spreadsheet_safe and self.format != "csv":
            raise ValueError("spreadsheet_safe applies to csv only; leave it out")
        ending = PurePosixPath(self.path).suffix.removeprefix(".").lower()
        if ending in PACKED:
            raise ValueError(f"path ends in .{ending} and nothing is packed; leave that ending out")
        if ending in FORMATS and ending != self.format:
            raise ValueError(
                f"path ends in .{ending} and format is {self.format}: set format: {ending}, or "
                "give the path another ending"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _by_ending(cls, given: Any) -> Any:
        """Without a format, that of the path's ending."""
        if isinstance(given, Mapping) and given.get("format") is None:
            ending = PurePosixPath(str(given.get("path", ""))).suffix.removeprefix(".").lower()
            if ending and ending not in FORMATS:
                raise ValueError(
                    f"path ends in .{ending}, and what is written is {', '.join(FORMATS[:-1])} or "
                    f"{FORMATS[-1]}: give it such an ending, or name the format"
                )
            rest = {name: value for name, value in given.items() if name != "format"}
            return {**rest, **({"format": ending} if ending in FORMATS else {})}
        return given

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

    clusters: int = Field(
        200, ge=1, description="Clusters shown in full, largest, weakest and a sample."
    )
    listed: int = Field(20_000, ge=0, description="Clusters in the list of all, the largest.")
    members: int = Field(12, ge=2, description="Members shown per cluster.")
    pairs: int = Field(100, ge=1, description="Borderline pairs shown.")
    quarantine: int = Field(200, ge=1, description="Quarantined rows shown.")
    max_bytes: int = Field(20_000_000, ge=1_000_000, description="Thumbnails stop at this size.")
    url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="Web address of the catalog's folder runs, for the link in Prefect.",
    )


Outcome = Literal["published", "unwritten", "held", "failed"]


class NotifyBase(Frozen):
    """When somebody is told. Secrets are named as environment variables and never kept."""

    when: tuple[Outcome, ...] = Field(
        ("held", "failed", "unwritten"),
        min_length=1,
        description="Endings that are told; unwritten: the report or an export is missing.",
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
    to: tuple[str, ...] = Field(min_length=1, description="Addresses.")
    sender: str = Field(description="Address in From.")
    host: str = Field(description="The mail server.")
    port: int = Field(587, ge=1, le=65535, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="Of the link.")
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
