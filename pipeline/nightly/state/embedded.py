"""Who embedded a run's contents, as every stage after it asks."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.stage import StageResult


@dataclass(frozen=True, kw_only=True)
class EmbedResult(StageResult):
    """The vectors of one modality, or those that a teacher was asked for.

    Attributes:
        name, fingerprint: of the encoder; None where there was nothing to embed.
        embedded, chunked, failed: contents embedded by this run, in parts, and not at all.
        repaired: damaged parts of the catalog whose vectors were made again.
    """

    name: str | None = None
    fingerprint: str | None = None
    embedded: int = 0
    chunked: int = 0
    failed: int = 0
    repaired: tuple[str, ...] = ()


@dataclass(frozen=True)
class Teacher:
    """The encoder whose cosines are judged behind a student's."""

    name: str
    fingerprint: str


def embedded_by(context: RunContext, modality: str) -> EmbedResult:
    """How the contents of 'text' or 'image' were embedded."""
    return context.work.require(EmbedResult, modality)


def judging_encoder(context: RunContext, modality: str) -> Teacher | None:
    """The encoder whose cosines are judged; None where it met nothing."""
    if modality == "text" and (teacher := context.work.kept(Teacher)):
        return teacher
    embedded = context.work.kept(EmbedResult, modality)
    if embedded is None or embedded.name is None or embedded.fingerprint is None:
        return None
    return Teacher(embedded.name, embedded.fingerprint)
