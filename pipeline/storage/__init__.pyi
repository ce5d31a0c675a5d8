from .atomic import (
    replace_file as replace_file,
    sync_folder as sync_folder,
    sync_tree as sync_tree,
    write_json as write_json,
    writing as writing,
    writing_folder as writing_folder,
    writing_obstacle as writing_obstacle,
    writing_stream as writing_stream,
)
from .checksums import (
    DamageError as DamageError,
    WrittenPart as WrittenPart,
    check_footer as check_footer,
    check_whole as check_whole,
    file_digest as file_digest,
    write_parts as write_parts,
)
from .csv_cells import escape as escape, unescape as unescape
from .disk_errors import explain_disk_errors as explain_disk_errors
from .hints import hint as hint, is_missing_bucket as is_missing_bucket
from .lock import Lock as Lock, check_held as check_held, hold as hold, name_run as name_run
from .object_lock import STALE_SECONDS as STALE_SECONDS
from .place import Place as Place
from .schemas import (
    ALIGNMENTS as ALIGNMENTS,
    BACKGROUNDS as BACKGROUNDS,
    CLUSTERS as CLUSTERS,
    CORPUS_STATISTICS as CORPUS_STATISTICS,
    CUT_LINKS as CUT_LINKS,
    EVENTS as EVENTS,
    LABELS as LABELS,
    NEAR_PAIRS as NEAR_PAIRS,
    PAIRS as PAIRS,
    PICTURES as PICTURES,
    QUARANTINE as QUARANTINE,
    RECORDS as RECORDS,
    ROWS as ROWS,
    RUNS as RUNS,
    SCHEMA_VERSION as SCHEMA_VERSION,
    STRINGS as STRINGS,
    TABLES as TABLES,
    WHEN as WHEN,
    WORD_COUNTS as WORD_COUNTS,
    conform as conform,
    vector_schema as vector_schema,
)
from .typed_json import (
    from_json as from_json,
    from_plain as from_plain,
    to_json as to_json,
    to_plain as to_plain,
)
