"""Rows of the pairs table: scored pairs and the stars of exact groups, as they are kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Flags, Floats, Positions
from pipeline.candidates import ProposedBy
from pipeline.matching.evidence import UNSEEN
from pipeline.matching.judge import DUPLICATE, Judge
from pipeline.matching.reasons import first_that_applies
from pipeline.matching.scoring import WORDS, Contents, ScoredPairs
from pipeline.storage import PAIRS

VERDICTS = pa.array(["harmless", "doubtful", "decisive"])


def pairs_batch(
    scored: ScoredPairs, *, ids: pa.Array, contents: Contents, judge: Judge, run: str
) -> pa.RecordBatch:
    """The scored pairs as rows of the pairs table; `ids` are the record ids by row."""
    text, image = scored.evidence.text, scored.evidence.image
    judgement, groups = scored.judgement, contents.groups
    confirmed = judgement.confirmed
    if contents.bare is not None:
        little = contents.bare[scored.left] & contents.bare[scored.right]
        confirmed = confirmed & ~(little & np.isnan(image.cosine))
    unseen = (text.difference == UNSEEN) | ~judgement.likely
    columns = {
        "left_id": ids.take(pa.array(groups.rows[scored.left])),
        "right_id": ids.take(pa.array(groups.rows[scored.right])),
        "text_cosine": _nullable(text.cosine),
        "image_cosine": _nullable(image.cosine),
        "lexical": _nullable(text.lexical),
        **{name: _nullable(getattr(text, name)) for name in WORDS},
        "difference": VERDICTS.take(pa.array(text.difference, mask=unseen)),
        "differences": pa.array(text.spans, pa.string(), mask=unseen),
        "exact_text": pa.array(text.exact),
        "exact_image": pa.array(image.exact),
        **_with_geometry(scored, contents),
        "contradicts": pa.array(judgement.contradicts),
        "probability": pa.array(judgement.probability.astype(np.float32)),
        "decision": judgement.decision,
        "confirmed": pa.array(confirmed),
        "reason": judgement.reason,
        "proposed_by": ProposedBy.to_words(scored.proposed_by),
        **_sign(judge, run, judgement.threshold),
    }
    return pa.record_batch(columns, schema=PAIRS)


def _with_geometry(scored: ScoredPairs, contents: Contents) -> dict[str, pa.Array]:
    """The columns of what geometry found."""
    count, found = len(scored.left), scored.evidence.image.geometry
    if contents.looks is None:
        return {"image_verified": pa.nulls(count, pa.bool_()),
                "image_edit": pa.nulls(count, pa.string())}  # fmt: skip
    image = contents.groups.image
    return {
        "image_verified": pa.array(found == 1, mask=np.isnan(found) | (found > 1)),
        "image_edit": contents.looks.edits(image[scored.left], image[scored.right]),
    }


def exact_pairs_batch(
    leader: Positions,
    *,
    ids: pa.Array,
    has: dict[str, npt.NDArray[np.bool_]],
    bare: Flags,
    one_thing: Flags,
    judge: Judge,
    run: str,
) -> pa.RecordBatch:
    """The star of every exact group: (leader, member) rows with probability 1.

    Args:
        leader: (n,) row of each record's leader.
        has: 'text' and 'image': (n,) whether the record has the modality.
        bare: (n,) records that say too little to be known by it: such a pair is not confirmed.
        one_thing: (n,) records that are the same file or row as their leader.
    """
    member = np.flatnonzero(leader != np.arange(len(leader)))
    count = len(member)
    text, image = has["text"][member], has["image"][member]
    little = bare[member] & ~image
    cases = [
        (one_thing[member], "one file, two records"),
        (text & image, "identical text and picture"),
        (little, "identical text, but one column of several"),
        (text, "identical text"),
    ]
    one, blank = np.ones(count), pa.nulls(count, pa.float32())
    of_text, of_image = (_nullable(np.where(has_it, one, np.nan)) for has_it in (text, image))
    columns = {
        "left_id": ids.take(pa.array(leader[member])),
        "right_id": ids.take(pa.array(member)),
        "text_cosine": of_text,
        "image_cosine": of_image,
        "lexical": blank,
        **dict.fromkeys(WORDS, of_text),
        "code_agreement": blank,
        "difference": pa.nulls(count, pa.string()),
        "differences": pa.nulls(count, pa.string()),
        "exact_text": pa.array(text),
        "exact_image": pa.array(image),
        "image_verified": pa.nulls(count, pa.bool_()),
        "image_edit": pa.nulls(count, pa.string()),
        "contradicts": pa.array(np.zeros(count, bool)),
        "probability": pa.array(one.astype(np.float32)),
        "decision": pa.repeat(DUPLICATE, count),
        "confirmed": pa.array(~little),
        "reason": first_that_applies(cases, "identical picture"),
        "proposed_by": ProposedBy.to_words(np.full(count, ProposedBy.EXACT, np.uint8)),
        **_sign(judge, run, np.full(count, judge.accept)),
    }
    return pa.record_batch(columns, schema=PAIRS)


def _sign(judge: Judge, run: str, threshold: Floats) -> dict[str, pa.Array]:
    """The columns that say who decided."""
    return {
        "model": pa.repeat(judge.name, len(threshold)),
        "threshold": pa.array(threshold.astype(np.float32)),
        "run": pa.repeat(run, len(threshold)),
    }


def _nullable(values: Floats) -> pa.Array:
    return pa.array(values.astype(np.float32), mask=np.isnan(values))
