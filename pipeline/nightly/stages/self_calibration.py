"""A run's own thresholds, where no label sets them: learned once from edited copies. SHELL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import (
    FLOAT32,
    Floats,
    Matrix,
    Positions,
    Vectors,
    cosines,
    in_memory,
    progress,
)
from pipeline.candidates import ContentGroups
from pipeline.catalog import SelfCalibration
from pipeline.errors import ConfigError
from pipeline.evaluation import (
    LEVELS,
    NEARER,
    SKIPPED,
    UNKNOWN,
    Kinds,
    NeighbourhoodLevel,
    SyntheticRule,
    SyntheticSample,
    UnreachableError,
    floor_of_rule,
    learn_synthetic_rule,
    normalise_with,
)
from pipeline.matching import OUTGROWN, default_of
from pipeline.nightly.stages.embed import open_cached
from pipeline.nightly.stages.synthetic_copies import (
    copy_pictures,
    copy_texts,
    natural_copies_of_pictures,
    natural_copies_of_texts,
)
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.embedded import embedded_by
from pipeline.nightly.state.previous_run import key_of
from pipeline.nightly.state.rules import SelfCalibrations, self_calibrated_rule
from pipeline.storage import BACKGROUNDS

Kind = str  # 'text' or 'image'

METHOD = 1  # another way of finding thresholds finds them anew
FEWEST = 100  # records, below which nothing is learned from them
BACKGROUND = 2048  # records of the sample that neighbourhoods are measured against
NEIGHBOURS = 32  # nearest others of a sampled record that are looked at
LOOKED_AT = 1.5  # pairs per sampled record that are looked at twice
CHUNK = 65_536


def find_thresholds(context: RunContext, groups: ContentGroups) -> int | None:
    """Find the thresholds of the modalities that no label and no statement sets, and note them.

    Those of the night before stand until the encoder or the settings are others, or the corpus has
    doubled or halved, so that a pair does not come and go with other records.

    Returns:
        The version of the table `backgrounds`; None where nothing is normalised.

    Raises:
        ConfigError: an encoder without a default, and too little to learn from.
    """
    if kept := context.work.kept(SelfCalibrations):
        return kept.version
    found: dict[str, SelfCalibration] = {}
    rows: list[pa.Table] = []
    for kind, hashes in (("text", groups.text_hashes), ("image", groups.image_hashes)):
        if not len(hashes) or not self_calibrated_rule(context, kind):
            continue
        found[kind], background = _reusable(context, kind, len(hashes)) or _learn(
            context, kind, hashes
        )
        if background is not None:
            rows.append(background)
            context.work.save(f"background_{kind}", vectors=_vectors(background))
    version = None
    if rows:
        version = context.catalog.tables.replace("backgrounds", pa.concat_tables(rows))
    context.work.keep(SelfCalibrations(found, version))
    return version


def _key(context: RunContext, kind: Kind) -> str:
    settings = context.config.judge.self_calibration.model_dump(exclude={"images", "texts"})
    return key_of(
        encoder=embedded_by(context, kind).fingerprint, settings=settings, seed=context.config.seed,
        method=METHOD, kind=kind,
    )  # fmt: skip


def _reusable(
    context: RunContext, kind: Kind, count: int
) -> tuple[SelfCalibration, pa.Table | None] | None:
    """What the night before decided with, where it still fits."""
    run = context.base_run
    if run is None:
        return None
    noted = run.summary.state.self_calibrations.get(kind)
    if not noted or noted.key != _key(context, kind):
        return None
    if not 1 / OUTGROWN <= count / noted.of <= OUTGROWN:
        return None
    if not noted.rule or not noted.rule.level:
        return noted, None
    table = context.catalog.read("backgrounds", run=run)
    return noted, table.filter(pa.compute.equal(table["kind"], kind))


def _learn(
    context: RunContext, kind: Kind, hashes: pa.Array
) -> tuple[SelfCalibration, pa.Table | None]:
    """Learn from tonight's records."""
    noted = SelfCalibration(_key(context, kind), len(hashes), context.run)
    try:
        rule, background = _measure(context, kind, hashes)
    except (UnreachableError, TooFewError) as error:
        encoder = getattr(context.config, f"{kind}_encoder")
        if default_of(encoder) is None:
            raise ConfigError(
                f"judge.{kind}: the {kind} encoder {encoder.type!r} ships no default threshold, "
                f"and edited copies of this corpus gave none: {error}; set judge.{kind}.accept and "
                f"judge.{kind}.review (cosines), measured on pairs of your own"
            ) from error
        return replace(noted, why=str(error)), None
    table = None
    if background is not None:
        columns = [
            pa.repeat(kind, len(background.vectors)),
            pa.array(list(background.vectors.astype(np.float32)), pa.list_(pa.float32())),
        ]
        table = pa.table(columns, schema=BACKGROUNDS)
    return replace(noted, rule=rule), table


class TooFewError(Exception):
    """There is too little to learn from; the message says what."""


@dataclass(frozen=True)
class _Copies:
    """Edited copies: the place of each record and the vector of its copy."""

    record: Positions
    vectors: Vectors


def _measure(
    context: RunContext, kind: Kind, hashes: pa.Array
) -> tuple[SyntheticRule, NeighbourhoodLevel | None]:
    vectors = in_memory(context.work.matrix(kind))
    settings = context.config.judge.self_calibration
    # In the order of a hash the first are as good as any.
    drawn = _first_vectors(vectors, max(settings.sample, BACKGROUND))
    sample = drawn[: settings.sample]
    if len(sample) < FEWEST:
        raise TooFewError(f"{len(sample)} distinct {kind}s, it takes {FEWEST}")
    progress.say(f"finding the threshold of {kind}s on edited copies of {len(sample)} of them")
    copies = _copies(context, kind, hashes, sample)
    read = len(np.unique(copies.record))
    if read < FEWEST:
        raise TooFewError(f"{read} {kind}s could be read and edited, it takes {FEWEST}")
    own = cosines(vectors, np.arange(len(copies.record)), copies.record, queries=copies.vectors)
    near, cosine = _nearest(vectors, sample)
    background = vectors[drawn[:BACKGROUND]].astype(np.float16)
    of_copies, of_natural = _levels(background, copies, vectors, sample, near)
    sampled = SyntheticSample(
        copies=own.astype(np.float64),
        of_copies=of_copies,
        natural=cosine,
        of_natural=of_natural,
        kind=_kinds(context, kind, hashes, sample, near, cosine),
    )
    shipped = default_of(getattr(context.config, f"{kind}_encoder"))
    rule = learn_synthetic_rule(
        sampled,
        settings,
        floor=floor_of_rule(sampled.copies, cosine),
        least=-1.0 if shipped is None else shipped.accepted_from,
    )
    return rule, normalise_with(rule, background) if rule.level else None


def _first_vectors(vectors: Matrix, wanted: int) -> Positions:
    """Places of the first rows that have a vector."""
    found = np.zeros(0, np.int64)
    for start in range(0, len(vectors), BACKGROUND):
        block = vectors[start : start + BACKGROUND]
        found = np.concatenate([found, start + np.flatnonzero(block.any(axis=1))])
        if len(found) >= wanted:
            break
    return found[:wanted]


def _copies(context: RunContext, kind: Kind, hashes: pa.Array, sample: Positions) -> _Copies:
    make: Callable[..., Iterator[tuple[int, Any]]]
    make = copy_texts if kind == "text" else copy_pictures
    record: list[int] = []

    def items() -> Iterator[Any]:
        for place, item in make(context, hashes, sample):
            record.append(place)
            yield item

    encoder = open_cached(context, getattr(context.config, f"{kind}_encoder"))
    parts = list(encoder.encode(items()))
    order = np.concatenate([np.zeros(0, np.int64), *(part.positions for part in parts)])
    made = np.zeros((len(record), encoder.dimension), np.float32)
    for part in parts:
        made[part.positions] = part.vectors
    order.sort()
    return _Copies(np.array(record, np.int64)[order], made[order])


def _nearest(vectors: Matrix, sample: Positions) -> tuple[Positions, Floats]:
    """(r, k) the nearest others of each sampled record, and their exact cosines, descending."""
    count = min(NEIGHBOURS, len(vectors) - 1)
    queries = FLOAT32.of(vectors[sample])
    places = np.zeros((len(sample), 0), np.int64)
    scores = np.zeros((len(sample), 0), np.float32)
    for start in range(0, len(vectors), CHUNK):
        block = (queries @ FLOAT32.of(vectors[start : start + CHUNK]).T).numpy()
        inside = np.flatnonzero((sample >= start) & (sample < start + CHUNK))
        block[inside, sample[inside] - start] = -2.0  # itself
        reach = min(count, block.shape[1])
        at = np.argpartition(-block, reach - 1, axis=1)[:, :reach]
        places = np.concatenate([places, at + start], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(block, at, 1)], axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        places = np.take_along_axis(places, best, 1)
        scores = np.take_along_axis(scores, best, 1)
    exact = cosines(vectors, np.repeat(sample, count), places.ravel()).reshape(places.shape)
    order = np.lexsort((places, -exact), axis=1)
    return (
        np.take_along_axis(places, order, 1),
        np.take_along_axis(exact, order, 1).astype(np.float64),
    )


def _kinds(
    context: RunContext,
    kind: Kind,
    hashes: pa.Array,
    sample: Positions,
    near: Positions,
    cosine: Floats,
) -> Kinds:
    """(r, k) what a second look makes of the nearest pairs, of LOOKED_AT a record on average."""
    look = natural_copies_of_texts if kind == "text" else natural_copies_of_pictures
    out = np.full(near.shape, UNKNOWN, np.int8)
    first = cosine.copy()
    first[:, SKIPPED:] = -2.0  # what a record's first ones are not, the next ones are not either
    most = int(LOOKED_AT * len(sample))
    chosen = np.argsort(-first.ravel(), kind="stable")[:most]
    row, rank = np.divmod(chosen[first.ravel()[chosen] > -2.0], near.shape[1])
    one, other = sample[row], near[row, rank]
    pair, again = np.unique(
        np.stack([np.minimum(one, other), np.maximum(one, other)]), axis=1, return_inverse=True
    )
    out[row, rank] = look(context, hashes, (pair[0], pair[1]))[again.ravel()]
    return out


def _levels(
    background: npt.NDArray[np.float16],
    copies: _Copies,
    vectors: Matrix,
    sample: Positions,
    near: Positions,
) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """For each of LEVELS the mean level of both sides, of the copies and of the natural pairs."""
    used, place = np.unique(np.concatenate([sample, near.ravel()]), return_inverse=True)
    of_copies, of_natural = [], []
    for skipped, neighbours in LEVELS:
        measure = NeighbourhoodLevel(background, neighbours, NEARER, skipped)
        level = measure.level(vectors[used]).astype(np.float64)
        own = measure.level(copies.vectors).astype(np.float64)
        of_copies.append((own + level[np.searchsorted(used, copies.record)]) / 2)
        one, other = level[place[: len(sample)]], level[place[len(sample) :]]
        of_natural.append((one[:, None] + other.reshape(near.shape)) / 2)
    return tuple(of_copies), tuple(of_natural)


def _vectors(table: pa.Table) -> npt.NDArray[np.float16]:
    column = table["vector"].combine_chunks()
    flat = np.asarray(column.flatten(), np.float32)
    return flat.reshape(len(column), -1).astype(np.float16)
