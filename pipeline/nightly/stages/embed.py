"""A run's contents embedded: what the catalog has no vector for, by whom a stage asks. SHELL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Positions, iter_chunks, progress
from pipeline.catalog import VectorStore
from pipeline.config import ImageSettings
from pipeline.encoders import (
    Encoder,
    ImageRef,
    gather_vectors,
    missing_hashes,
    open_encoder,
    to_table,
)
from pipeline.errors import DamagedVectorsError
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.embedded import EmbedResult, Teacher
from pipeline.nightly.state.pictures import from_paths, from_rows, spool
from pipeline.nightly.state.run_records import Modality, groups_of, read_column
from pipeline.nightly.state.stage import stage

# Contents embedded between two writes: what a killed run loses at most.
SHARD = 8192


def embed_modality(context: RunContext, modality: Modality, hashes: pa.Array) -> EmbedResult:
    """Embed the contents that the catalog has no vector for, and lay all vectors out as a matrix.

    Stored vectors that turn out to be damaged are made again; `repaired` says which.

    Args:
        hashes: distinct content hashes, sorted; row i of the matrix is the vector of hash i, zeros
            when the content could not be embedded (such a row is near nothing).
    """
    if not len(hashes):  # no encoder is loaded for nothing
        context.work.matrix(modality, (0, 1))
        return EmbedResult()
    config = context.config
    chosen = config.proposing_encoder if modality == "text" else config.image_encoder
    encoder = open_cached(context, chosen)
    return _make(context, hashes, _Vectors(modality, encoder, modality, modality))


def meet_teacher(context: RunContext) -> Encoder:
    """The text encoder behind a student, noted as the encoder whose cosines are judged."""
    teacher = open_cached(context, context.config.text_encoder)
    context.work.keep(Teacher(teacher.name, teacher.fingerprint))
    return teacher


def embed_asked(
    context: RunContext, hashes: pa.Array, asked: Positions, *, purpose: str
) -> EmbedResult:
    """Embed some of the texts with the student's teacher, and judge by these vectors from now on.

    Args:
        hashes: of all texts. asked: (k,) ascending places in them; row i of the matrix `asked` is
            the vector of the i-th, zeros where it could not be embedded.
        purpose: counts of one purpose are those of a run that was never stopped.
    """
    context.work.save("asked", places=asked)
    return _make(
        context,
        hashes.take(pa.array(asked)),
        _Vectors("text", meet_teacher(context), "asked", purpose),
    )


@dataclass(frozen=True)
class _Vectors:
    """Which vectors are made: of what, by whom, laid out as which matrix, counted under what."""

    modality: Modality
    encoder: Encoder
    matrix: str
    purpose: str


def _make(context: RunContext, hashes: pa.Array, made: _Vectors) -> EmbedResult:
    if not len(hashes):
        context.work.matrix(made.matrix, (0, made.encoder.dimension))
        return EmbedResult()
    repaired: list[str] = []
    while True:  # each turn but the last moves a damaged part aside, so the turns come to an end
        try:
            return _embed(context, hashes, made, repaired)
        except DamagedVectorsError:
            continue


def _embed(
    context: RunContext, hashes: pa.Array, made: _Vectors, repaired: list[str]
) -> EmbedResult:
    """Embed what is lacking, and lay the vectors of all the hashes out as a matrix."""
    modality, encoder = made.modality, made.encoder
    stage = "embed_text" if modality == "text" else "embed_images"
    store = context.catalog.vectors(encoder.fingerprint, moved_aside=repaired)
    wanted, before, chunked = _wanted_rows(context, made.purpose, hashes, store)
    embedded, failed, size = before, 0, 0
    for part, items in _items(context, modality, wanted):
        tables = []
        for encoded in encoder.encode(items):
            tables.append(to_table(part, encoded))
            embedded += len(encoded.positions)
            chunked += int((encoded.chunks > 1).sum())
            failed += len(encoded.failed)
            progress.report(stage, embedded, before + len(wanted))
        table = pa.concat_tables(tables)
        if len(table):
            size += store.append(table.sort_by("content_hash"))
    matrix = context.work.matrix(made.matrix, (len(hashes), encoder.dimension))
    gather_vectors(store.parts(), hashes=hashes, out=matrix)
    context.work.settle(made.matrix)
    return EmbedResult(
        rows=len(hashes),
        bytes=size,
        name=encoder.name,
        fingerprint=encoder.fingerprint,
        embedded=embedded,
        chunked=chunked,
        failed=failed,
        repaired=tuple(repaired),
    )


def _wanted_rows(
    context: RunContext, purpose: str, hashes: pa.Array, store: VectorStore
) -> tuple[pa.Array, int, int]:
    """The hashes without a vector; those embedded before this run stopped, and in chunks.

    What a run lacks when it begins is kept in its scratch: the counts it ends with are those of a
    run that was never stopped.
    """
    name = f"wanted_{purpose}"
    lacking = hashes.take(pa.array(missing_hashes(hashes, store.hashes())))
    kept = context.work.load(name)["hashes"] if context.work.has(name) else None
    if kept is None:
        context.work.save(name, hashes=np.asarray(lacking).astype("S"))
        return lacking, 0, 0
    done = pa.array(kept.astype(str)).filter(
        pc.invert(pc.is_in(pa.array(kept.astype(str)), value_set=lacking))
    )
    embedded, chunked = 0, 0
    for part in store.parts() if len(done) else ():
        rows = part.filter(pc.is_in(part["content_hash"], value_set=done))
        embedded += len(rows)
        chunked += pc.sum(pc.greater(rows["chunks"], 1)).as_py() or 0
    return lacking, embedded, chunked


def open_cached(context: RunContext, encoder: Any) -> Encoder:
    """An encoder of the run, loaded once for what one stage asks of it in turn."""
    students = context.catalog.local / "students"
    return _load(encoder, context.config.images, context.threads, students)


@lru_cache(maxsize=1)
def _load(encoder: Any, images: ImageSettings, threads: int, students: Path) -> Encoder:
    return open_encoder(encoder, images=images, threads=threads, students=students)


def _items(
    context: RunContext, modality: Modality, wanted: pa.Array
) -> Iterator[tuple[pa.Array, Iterator[Any]]]:
    """Parts of the wanted hashes, each with what the encoder is given, read as it is consumed."""
    if not len(wanted):
        return
    order, items = (_texts if modality == "text" else _pictures)(context, wanted)
    for start in range(0, len(order), SHARD):
        part = order.slice(start, SHARD)
        yield part, islice(items, len(part))


def _texts(context: RunContext, wanted: pa.Array) -> tuple[pa.Array, Iterator[str]]:
    column = read_column(context, wanted, modality="text", column="text")
    return wanted, (text for part in iter_chunks(column) for text in part.to_pylist())


def _pictures(context: RunContext, wanted: pa.Array) -> tuple[pa.Array, Iterator[ImageRef]]:
    """The wanted hashes, those whose picture came inside a row first, and their pictures."""
    parts = list(spool(context, wanted))
    inside = pa.array([digest for _, digests in parts for digest in digests], pa.string())
    others = wanted.filter(pc.invert(pc.is_in(wanted, value_set=inside)))
    pictures = chain((ref for _, ref in from_rows(parts)), from_paths(context, others))
    return pa.concat_arrays([inside, others]), pictures


@stage("embed_text", EmbedResult, key="text")
def embed_text(context: RunContext) -> EmbedResult:
    """Embed the distinct texts that have no vector yet."""
    return embed_modality(context, "text", groups_of(context).text_hashes)


@stage("embed_images", EmbedResult, key="image")
def embed_images(context: RunContext) -> EmbedResult:
    """Embed the distinct pictures that have no vector yet."""
    return embed_modality(context, "image", groups_of(context).image_hashes)
