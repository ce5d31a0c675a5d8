"""What the page changes: answers, clusters, rules, models. Every body is JSON of a known form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from pipeline.reviewing.acting import answering, rules
from pipeline.reviewing.acting.cluster_steps import act_on_cluster
from pipeline.reviewing.filters import Filters
from pipeline.reviewing.learning.told import told_model

if TYPE_CHECKING:
    from pipeline.reviewing.desk import Desk

Plain = dict[str, Any]
MOST = 10_000  # records of one step


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    by: str = Field("", max_length=200)


class AnswerBody(_Body):
    """An answer about a pair."""

    left: str = Field(max_length=10_000)
    right: str = Field(max_length=10_000)
    label: str
    note: str | None = Field(None, max_length=2_000)
    seen: str | None = None
    origin: str = "review"
    force: bool = False
    blind: bool = False


class StepBody(_Body):
    """A step on a cluster."""

    id: str
    act: str
    except_: list[str] = Field(default_factory=list, alias="except", max_length=MOST)
    records: list[str] = Field(default_factory=list, max_length=MOST)
    parts: list[list[str]] = Field(default_factory=list, max_length=100)
    record: str = ""


class FilterBody(BaseModel):
    """Filters, as the queues have them."""

    model_config = ConfigDict(extra="forbid")
    source: str = ""
    min: float = Field(0.0, ge=0, le=1)
    max: float = Field(1.0, ge=0, le=1)
    size_min: int = Field(1, ge=1)
    size_max: int = Field(1 << 31, ge=1)
    modality: str = Field("", pattern="^(text|image|both)?$")
    other_folder: bool = False
    other_source: bool = False
    q: str = Field("", max_length=1_000)

    def filters(self) -> Filters:
        """As the queues take them."""
        told = self.model_dump()
        return Filters(low=told.pop("min"), high=told.pop("max"), **told)


class PreviewBody(_Body):
    """A rule to look at before it acts."""

    name: str
    settings: dict[str, float] = Field(default_factory=dict)
    filters: FilterBody = FilterBody()


class KeyBody(_Body):
    """A rule that was looked at."""

    key: str


class RuleBody(_Body):
    """A rule that was applied."""

    id: str


class PromoteBody(_Body):
    """A registered model."""

    model: str
    force: bool = False


def routes(desk: Desk) -> APIRouter:
    """All that changes something."""
    api = APIRouter()

    @api.post("/answer")
    def answer(body: AnswerBody) -> Plain:
        told = body.model_dump()
        told["by"] = body.by or desk.by
        return answering.give_answer(desk, **told)

    @api.post("/undo")
    def undo(body: _Body) -> Plain:
        return answering.undo(desk, by=body.by or desk.by)

    @api.post("/redo")
    def redo(body: _Body) -> Plain:
        return answering.redo(desk, by=body.by or desk.by)

    @api.post("/cluster/act")
    def act(body: StepBody) -> Plain:
        records = body.except_ if body.act == "accept" else body.records
        return act_on_cluster(
            desk, body.id, body.act, by=body.by or desk.by, records=records, parts=body.parts,
            record=body.record,
        )  # fmt: skip

    @api.post("/rules/preview")
    def preview(body: PreviewBody) -> Plain:
        return rules.preview_rule(
            desk, body.name, body.settings, body.filters.filters(), by=body.by or desk.by
        )

    @api.post("/rules/apply")
    def apply(body: KeyBody) -> Plain:
        return rules.apply_rule(desk, body.key, by=body.by or desk.by)

    @api.post("/rules/withdraw")
    def withdraw(body: RuleBody) -> Plain:
        return rules.withdraw_rule(desk, body.id, by=body.by or desk.by)

    @api.post("/model/start")
    def start(_: _Body) -> Plain:
        desk.require_writable()
        desk.maker.start()
        return told_model(desk.maker, desk.learner)

    @api.post("/model/promote")
    def promote(body: PromoteBody) -> Plain:
        desk.require_writable()
        desk.maker.promote(body.model, by=body.by or desk.by, force=body.force)
        return told_model(desk.maker, desk.learner)

    return api
