"""Settings of the gates."""

from __future__ import annotations

from pydantic import Field

from pipeline.config.base import Frozen, Share


class GateSettings(Frozen):
    """What must hold before a run is published; a run that fails is held."""

    min_candidate_recall: Share = Field(0.95, description="Per modality that has near pairs.")
    max_quarantined: Share = Field(0.2, description="Share of the rows read, and of each source's.")
    max_shrinkage: Share = Field(
        0.2, description="Share of the previous run's rows that a complete source may lack."
    )
    max_ids_rewritten: Share = Field(
        0.01,
        description="Share of the previous run's records that came back under an id written "
        "otherwise, such as 12.0 for 12.",
    )
    max_removed: Share = Field(0.5, description="Share of the records in the removal list.")
    max_newly_removed: Share = Field(
        0.05,
        description="Share of the records that are new in the removal list since the previous run.",
    )
    max_newly_removed_of_source: Share = Field(0.1, description="The same within one source.")
    max_removal_growth: float = Field(
        1.0, ge=0, description="Newly removed records per record of the previous run's list."
    )
    max_newly_removed_records: int | None = Field(
        None, ge=0, description="The same as a number; none: no limit."
    )
    max_cluster: Share = Field(0.2, description="Share of the records in one cluster.")
    max_cluster_growth: float = Field(
        2.0, ge=1, description="Size of a cluster, as a multiple of the previous run's."
    )
    small_cluster: int = Field(
        500, ge=1, description="Clusters of up to so many records never hold a run."
    )
    max_in_review: Share = Field(0.5, description="Share of the records in clusters in review.")
    ignore_below: int = Field(
        100, ge=0, description="Shares of up to so many records or rows never hold a run."
    )
    require_calibrated: bool = Field(
        False, description="Hold a run that no calibrated model has judged."
    )
    audit: str | None = Field(
        None, description="Labelled pairs that must be decided right, a file as for `labels`."
    )
    min_audit_right: Share = Field(0.95, description="Share of the audit pairs.")
