"""Edited copies of a corpus' own records, and which of its pairs are copies anyway. SHELL."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.random import Generator

from pipeline.arrays import Pairs, Positions, map_in_order
from pipeline.encoders import ImageRef
from pipeline.evaluation import (
    COPY,
    HELD,
    OTHER,
    PICTURE_EDITS,
    TEXT_EDITS,
    UNKNOWN,
    Kinds,
    edit_picture as edited_picture,
    edit_text as edited_text,
)
from pipeline.matching import (
    DECISIVE,
    TextComparison,
    decode_for_geometry,
    describe_differences,
)
from pipeline.nightly.stages.geometry import LOOKED_AT, verify_pictures
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.pictures import PictureReader
from pipeline.nightly.state.run_records import read_column

COPIES = 2  # of each record
MOST_EDITS = 3  # of one copy
SAME_WORDS, SAME_LETTERS = 0.9, 0.95  # token overlap, edit similarity


def copy_texts(
    context: RunContext, hashes: pa.Array, sample: Positions
) -> Iterator[tuple[int, str]]:
    """(place, edited copy) of the sampled texts."""
    texts = read_column(
        context, hashes.take(pa.array(sample)), modality="text", column="text"
    ).to_pylist()
    names = list(TEXT_EDITS)
    for place, text in zip(sample.tolist(), texts, strict=True):
        random = _random(context, hashes[place].as_py())
        for _ in range(COPIES):
            count = int(random.integers(1, MOST_EDITS + 1))
            yield place, edited_text(text, random, names=names, count=count)[0]


def natural_copies_of_texts(context: RunContext, hashes: pa.Array, pairs: Pairs) -> Kinds:
    """(p,) what their words say of pairs of texts: the same ones, others on each side, neither."""
    used, place = np.unique(np.concatenate(pairs), return_inverse=True)
    if not len(used):
        return np.zeros(0, np.int8)
    texts = read_column(context, hashes.take(pa.array(used)), modality="text", column="text")
    comparer, sides = TextComparison(texts, threads=context.threads), np.split(place, 2)
    words = comparer.compare(*sides)
    same = (words.token_overlap >= SAME_WORDS) | (words.edit_similarity >= SAME_LETTERS)
    other = describe_differences(texts, *sides, frequencies=None).verdict == DECISIVE
    return np.select([other, same], [OTHER, COPY], UNKNOWN).astype(np.int8)


def copy_pictures(
    context: RunContext, hashes: pa.Array, sample: Positions
) -> Iterator[tuple[int, ImageRef]]:
    """(place, edited copy) of those sampled pictures that can be read."""
    refs = PictureReader(context, hashes.take(pa.array(sample))).take(np.arange(len(sample)))
    make = partial(_copies, context)
    jobs = [
        (hashes[place].as_py(), ref, refs[at - 1])
        for at, (place, ref) in enumerate(zip(sample.tolist(), refs, strict=True))
    ]
    made = map_in_order(make, jobs, workers=context.threads)
    for place, copies in zip(sample.tolist(), made, strict=True):
        for copy in copies:
            yield place, ImageRef(data=copy)


def _copies(context: RunContext, job: tuple[str, ImageRef | None, ImageRef | None]) -> list[bytes]:
    digest, ref, beside = job
    picture = decode_for_geometry(ref, context.config.images)
    if picture is None:
        return []
    other, random = (
        decode_for_geometry(beside, context.config.images) or picture,
        _random(context, digest),
    )
    out = []
    for _ in range(COPIES):
        count = int(random.integers(1, MOST_EDITS + 1))
        copy = edited_picture(picture, random, other, names=list(PICTURE_EDITS), count=count)
        stored = io.BytesIO()
        copy.picture.save(stored, "JPEG", quality=90)
        out.append(stored.getvalue())
    return out


def _random(context: RunContext, digest: str) -> Generator:
    """The same for the same content, whatever else there is."""
    return np.random.default_rng([context.config.seed, int(digest[:15], 16)])


def natural_copies_of_pictures(context: RunContext, hashes: pa.Array, pairs: Pairs) -> Kinds:
    """(p,) what geometry says of pairs of pictures; see `pipeline.nightly.stages.geometry`.

    Where it looks at all candidates of a run, those that it finds unlike are never accepted.
    """
    found = verify_pictures(context, hashes, pairs)
    context.work.keep_shard(LOOKED_AT, "sampled", found.rows)
    unlike = HELD if context.config.judge.geometry else OTHER
    return np.select([found.verified, found.unlike], [COPY, unlike], UNKNOWN).astype(np.int8)
