"""A student before its teacher, and the teacher alone: first runs of the same texts, default judge.

The student is distilled already. Quality is the share of the pairs that the teacher alone calls
duplicates and that the cascade calls so too, exact copies left out.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from material import first_run, material
from processes import called
from results import Measured, Way

STUDENTS = {"gemel": {"type": "static"}, "gemel, teacher alone": None}


def ways(data: Path, out: Path, rows: int) -> list[Way]:
    """The teacher comes first: the cascade is compared with what it found."""
    given = material(data, out, rows)
    teacher, cascade = (_settings(given, name) for name in reversed(STUDENTS))
    first = Way("gemel, teacher alone", partial(_teacher, teacher))
    return [first, Way("gemel", partial(_cascade, cascade, teacher["catalog"], out))]


def _settings(given: dict[str, Any], name: str) -> dict[str, Any]:
    student, kept = STUDENTS[name], given["settings"]
    return {
        "catalog": f"{kept['catalog']}-{'student' if student else 'teacher'}",
        "sources": kept["sources"],
        "student": student,
    }


def _teacher(settings: dict[str, Any]) -> Measured:
    done = first_run(settings)
    return Measured(done["seconds"], done["peak_gb"], "the reference", done)


def _cascade(settings: dict[str, Any], teacher: str, out: Path) -> Measured:
    done = first_run(settings, out / "students")
    found = called(kept_duplicates, teacher=teacher, cascade=settings["catalog"])
    chosen = done["cascade"]
    said = (
        f"recall {found['recall']:.4f} of the teacher's {found['duplicates']:,} duplicate pairs; "
        f"{chosen['share_asked']:.0%} of the texts met it, "
        f"floor {chosen['floor']:.2f}, margin {chosen['margin']:.2f}"
    )
    return Measured(done["seconds"], done["peak_gb"], said, {**found, **done})


def kept_duplicates(teacher: str, cascade: str) -> dict[str, Any]:
    """How many of the teacher's duplicate pairs are the cascade's too."""
    known, found = _duplicates(teacher), _duplicates(cascade)
    return {"duplicates": len(known), "recall": len(known & found) / max(len(known), 1)}


def _duplicates(catalog: str) -> set[tuple[str, str]]:
    import pyarrow.compute as pc

    from pipeline.catalog import Catalog
    from pipeline.matching.judge import DUPLICATE

    kept = Catalog(catalog, create=False)
    columns = ["left_id", "right_id", "decision", "proposed_by"]
    pairs = kept.read("pairs", run=kept.runs()[0], columns=columns)
    same = pc.and_(
        pc.equal(pairs["decision"], DUPLICATE), pc.not_equal(pairs["proposed_by"], "exact")
    )
    pairs = pairs.filter(same)
    return set(zip(pairs["left_id"].to_pylist(), pairs["right_id"].to_pylist(), strict=True))
