"""Arrow schemas of every table, and `conform`, which holds a table to its schema."""

from __future__ import annotations

import pyarrow as pa

from pipeline.errors import PipelineError

STRINGS = pa.map_(pa.string(), pa.string())
WHEN = pa.timestamp("us", tz="UTC")

# Of every table below. It is written with each table, and another one is refused: a number higher
# whenever a column changes its name, type or meaning. 4: a record keeps its text where its picture
# cannot be read (`problem`), and `quarantine.raw` is the row whole. 5: records say what a
# picture's file holds beside its pixels, and alignments which of two pictures is the edited one.
# 7: labels say which step they are of, and what run and judge the person was shown.
SCHEMA_VERSION = 7

# What a source yields for every row it could read (`pipeline.ingestion.sources`).
ROWS = pa.schema(
    [
        pa.field("key", pa.string()),  # the source's own id; null or empty is quarantined later
        pa.field("text", pa.string()),  # serialised text columns, not yet normalised
        pa.field("image_uri", pa.string()),  # path or URL of the picture, absolute
        pa.field("image_bytes", pa.binary()),  # the encoded picture, when it sits in the row
        pa.field("joined", pa.bool_()),  # the text is made of several columns, filled or not
        pa.field("fields", STRINGS),  # the text columns one by one, by column name
        pa.field("attributes", STRINGS),  # every other mapped column, by name
        pa.field("timestamp", WHEN),
        pa.field("location", pa.string(), nullable=False),  # file:row, 1-based, header not counted
        pa.field("origin", pa.string()),  # which row of which file, whatever the file is called
    ]
)

QUARANTINE = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("location", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("raw", pa.string()),  # the row as far as it was read: whole up to 1,048,576 signs
    ]
)

# What last night's pictures came to, so that only new and changed ones are decoded.
PICTURES = pa.schema(
    [
        pa.field(
            "key", pa.string(), nullable=False
        ),  # 32 hex digits; see pipeline.ingestion.file_stamps
        pa.field("image_hash", pa.string()),  # of the decoded pixels; null for a refused picture
        pa.field("reason", pa.string()),  # why it was refused
    ]
)

RECORDS = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),  # "source:key"
        pa.field("source", pa.string(), nullable=False),
        pa.field("location", pa.string(), nullable=False),
        pa.field("text", pa.string()),  # normalised, see pipeline.ingestion.texts
        pa.field("image_uri", pa.string()),
        # 32 hex digits, of the text and, where it is joined, its columns' names and values.
        pa.field("text_hash", pa.string()),
        pa.field("image_hash", pa.string()),  # 32 hex digits, of decoded pixels
        pa.field("word_count", pa.int32()),  # words of the normalised text
        pa.field("image_width", pa.int32()),
        pa.field("image_height", pa.int32()),
        pa.field(
            "image_detail", pa.float32()
        ),  # 0 blank … 1 rich; see pipeline.ingestion.images.detail
        # Pixels of the longer side up to which there is detail; null: an older record.
        pa.field("image_effective_side", pa.float32()),
        pa.field("thumbnail", pa.binary()),  # JPEG
        # What the picture's file holds; see pipeline.ingestion.pictures.holdings.
        pa.field("image_frames", pa.int32()),  # frames or pages
        pa.field("image_bits", pa.int16()),  # of one pixel, transparency not counted
        pa.field("image_alpha", pa.bool_()),  # some of it is transparent
        pa.field("image_quality", pa.int16()),  # 100: lossless
        pa.field("image_raw", pa.bool_()),  # a camera's raw picture, read by its preview
        pa.field("image_beyond", pa.string()),  # what is in the file and not in its pixels
        pa.field("fields", STRINGS),
        pa.field("attributes", STRINGS),
        pa.field("timestamp", WHEN),
        pa.field("first_seen", WHEN),
        pa.field("last_seen", WHEN),
        pa.field("deleted", pa.bool_()),
        # Which row, and which picture file, whatever it is called: device, inode, row, or address.
        pa.field("origin", pa.string()),
        pa.field("image_file", pa.string()),
        pa.field("problem", pa.string()),  # what of the row could not be read, beside its text
    ]
)


def vector_schema(dimension: int) -> pa.Schema:
    """Schema of one encoder's vector parts: unit-norm float32 rows keyed by content hash."""
    return pa.schema(
        [
            pa.field("content_hash", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dimension), nullable=False),
            pa.field("chunks", pa.int32(), nullable=False),  # windows pooled; 1 = not chunked
        ]
    )


PAIRS = pa.schema(
    [
        pa.field("left_id", pa.string(), nullable=False),
        pa.field("right_id", pa.string(), nullable=False),
        pa.field("text_cosine", pa.float32()),
        pa.field("image_cosine", pa.float32()),
        pa.field("lexical", pa.float32()),  # exact Jaccard of word shingles, long texts only
        pa.field("token_overlap", pa.float32()),  # idf-weighted share of common tokens, 0 … 1
        pa.field("edit_similarity", pa.float32()),  # normalised indel similarity, 0 … 1
        pa.field("length_ratio", pa.float32()),  # shorter over longer, 0 … 1
        pa.field("code_agreement", pa.float32()),  # numbers and model codes: -1 conflict … 1 equal
        # What differs between two texts is: harmless, doubtful or decisive; and in words. Looked
        # at only where everything else says duplicate.
        pa.field("difference", pa.string()),
        pa.field("differences", pa.string()),
        pa.field("exact_text", pa.bool_(), nullable=False),
        pa.field("exact_image", pa.bool_(), nullable=False),
        # Whether geometry finds that one picture is the other, edited; null: it did not look.
        pa.field("image_verified", pa.bool_()),
        pa.field("image_edit", pa.string()),  # what makes the right picture out of the left one
        # Text and picture contradict each other: one of them alone says distinct.
        pa.field("contradicts", pa.bool_(), nullable=False),
        pa.field("probability", pa.float32(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),  # duplicate / review / distinct
        # A duplicate that nobody need look at before a removal list may name it.
        pa.field("confirmed", pa.bool_(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("proposed_by", pa.string(), nullable=False),  # see `candidates.ProposedBy`
        pa.field("model", pa.string(), nullable=False),
        pa.field("threshold", pa.float32(), nullable=False),
        pa.field("run", pa.string(), nullable=False),
    ]
)

CLUSTERS = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("cluster_id", pa.string(), nullable=False),
        pa.field("size", pa.int32(), nullable=False),
        pa.field("representative", pa.string(), nullable=False),
        pa.field("probability_to_representative", pa.float32(), nullable=False),
        pa.field("cohesion", pa.float32(), nullable=False),  # the least of these in the cluster
        pa.field("status", pa.string(), nullable=False),  # confirmed / review
        pa.field("evidence", pa.string(), nullable=False),  # single, exact, text, image, text+image
        pa.field("keeper_reason", pa.string(), nullable=False),
        # It is the kept record under another name: one file or row. It is never removed.
        pa.field("same_thing", pa.bool_(), nullable=False),
    ]
)

CUT_LINKS = pa.schema(
    [
        pa.field("left_id", pa.string(), nullable=False),
        pa.field("right_id", pa.string(), nullable=False),
        pa.field("probability", pa.float32(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)

# What the next night uses again; derived, and of no use to anyone else. Pairs of near contents by
# their places among the distinct hashes (of texts, or of pictures rich enough to match), sorted.
NEAR_PAIRS = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),  # text / image / lexical
        pa.field("left", pa.int32(), nullable=False),
        pa.field("right", pa.int32(), nullable=False),
        pa.field("score", pa.float32()),  # of lexical: exact Jaccard, also below the floor
    ]
)

WORD_COUNTS = pa.schema(
    [
        pa.field("place", pa.int64(), nullable=False),  # of the hashed word; -1: all texts
        pa.field("texts", pa.int64(), nullable=False),
    ]
)

# What a shipped judge has learned of the corpus without labels, see `matching.CorpusStatistics`.
CORPUS_STATISTICS = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        # Of a hashed trigram of letters, or of a word with accents; else 0.
        pa.field("place", pa.int64(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
    ]
)

# A sample of the corpus whose vectors the level of a neighbourhood is measured against.
BACKGROUNDS = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),  # text / image
        pa.field("vector", pa.list_(pa.float32()), nullable=False),
    ]
)

# What geometry found of pairs of pictures (`geometry.alignment`), each looked at once.
ALIGNMENTS = pa.schema(
    [
        pa.field("left_hash", pa.string(), nullable=False),  # of pixels; left_hash < right_hash
        pa.field("right_hash", pa.string(), nullable=False),
        pa.field("verified", pa.bool_(), nullable=False),
        # Enough to compare in both, and yet the one is not found in the other.
        pa.field("unlike", pa.bool_(), nullable=False),
        # The edited one of both: -1 left, 1 right, 0 not told, 2 as their resolutions tell.
        pa.field("edited", pa.int8(), nullable=False),
        pa.field("edit", pa.string()),  # left to right, in words; null: not aligned
        pa.field("back", pa.string()),  # right to left
        # Left to right, (3, 3) by rows in relative coordinates; null: not aligned.
        pa.field("transform", pa.list_(pa.float32())),
        # Boxes in which they differ, four sides each (left, top, right, bottom), in relative
        # coordinates of left; null: none, or nobody has looked closely.
        pa.field("parts", pa.list_(pa.float32())),
        pa.field("inliers", pa.int32(), nullable=False),
        pa.field("agreement", pa.float32()),
    ]
)

# Verdicts of persons, append-only: the latest on a pair wins. *different* is a cannot-link, *same*
# a must-link; *related* and *unsure* are neither; *withdrawn* takes back what was said before.
LABELS = pa.schema(
    [
        pa.field("left_id", pa.string(), nullable=False),
        pa.field("right_id", pa.string(), nullable=False),
        # same / different / related / unsure / withdrawn; keep: of a record and itself
        pa.field("label", pa.string(), nullable=False),
        pa.field("by", pa.string(), nullable=False),
        pa.field("at", WHEN, nullable=False),
        pa.field("origin", pa.string(), nullable=False),  # import / review / audit / rule
        pa.field("note", pa.string()),
        # What was done at once, and is undone at once; "undo …" and "redo …" name such a step.
        pa.field("step", pa.string()),
        pa.field("run", pa.string()),  # that was shown to the person
        pa.field("model", pa.string()),  # the judge whose opinion was shown; null: blind, or none
    ]
)

# One row per cluster that gained or lost a record, run by run: applied to the clusters of the run
# before (`pipeline.clustering.events.replay`) they give this run's.
EVENTS = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        pa.field("cluster_id", pa.string(), nullable=False),
        # born / grown / shrunk / merged / split / changed / died
        pa.field("event", pa.string(), nullable=False),
        pa.field("size_before", pa.int32(), nullable=False),
        pa.field("size_after", pa.int32(), nullable=False),
        pa.field("from_clusters", pa.list_(pa.string()), nullable=False),
        pa.field("to_clusters", pa.list_(pa.string()), nullable=False),
        pa.field("added", pa.list_(pa.string()), nullable=False),  # records
        pa.field("removed", pa.list_(pa.string()), nullable=False),
    ]
)

RUNS = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        pa.field("started", WHEN, nullable=False),
        pa.field("finished", WHEN, nullable=False),
        pa.field("status", pa.string(), nullable=False),  # published / held / failed / …
        pa.field("config", pa.string(), nullable=False),  # resolved, JSON
        pa.field("versions", pa.string(), nullable=False),  # table -> version, JSON
        pa.field("summary", pa.string(), nullable=False),  # counts, rates, recall, gates, JSON
        pa.field("number", pa.int64()),  # ascending: the order of the runs, whatever the clock says
    ]
)

TABLES: dict[str, pa.Schema] = {
    "records": RECORDS,
    "quarantine": QUARANTINE,
    "pictures": PICTURES,
    "pairs": PAIRS,
    "clusters": CLUSTERS,
    "cut_links": CUT_LINKS,
    "near_pairs": NEAR_PAIRS,
    "word_counts": WORD_COUNTS,
    "corpus_statistics": CORPUS_STATISTICS,
    "backgrounds": BACKGROUNDS,
    "alignments": ALIGNMENTS,
    "events": EVENTS,
    "labels": LABELS,
    "runs": RUNS,
}


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return `table` with exactly the columns, order and types of `schema`.

    Raises:
        PipelineError: a column is missing, or does not cast without loss.
    """
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise PipelineError(f"table lacks the columns {missing}; it has {table.column_names}")
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise PipelineError(f"table does not fit its schema: {error}") from error
