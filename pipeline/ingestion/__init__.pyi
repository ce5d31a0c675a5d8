from .decoding import Decoder as Decoder, image_reader as image_reader
from .delivery import SourceChunk as SourceChunk, read_sources as read_sources
from .effective_resolution import ENLARGED as ENLARGED
from .images import FORMATS as FORMATS, ImageError as ImageError, decode as decode
from .picture_cache import (
    DETAILS as DETAILS,
    DETAILS_SCHEMA as DETAILS_SCHEMA,
    ENTRIES as ENTRIES,
    CachedDecoder as CachedDecoder,
    PictureCache as PictureCache,
    PictureDecoder as PictureDecoder,
    keep_pictures as keep_pictures,
)
from .record_changes import (
    RecordDiff as RecordDiff,
    diff_records as diff_records,
    stamp_seen as stamp_seen,
)
from .records import (
    build_records as build_records,
    drop_duplicate_ids as drop_duplicate_ids,
    exact_groups as exact_groups,
)
from .sniffing.delivered import delivered_files as delivered_files
from .sniffing.guess import (
    Guess as Guess,
    Stated as Stated,
    guess_sources as guess_sources,
)
from .sources import SourceBatch as SourceBatch, open_source as open_source
from .sources.jsonl import json_text as json_text
from .sources.tabular import check_columns as check_columns, make_rows as make_rows
from .texts import (
    content_hash as content_hash,
    record_texts as record_texts,
    search_text as search_text,
)
from .times import parse_times as parse_times
from .tokens import (
    DIGIT as DIGIT,
    PORTION as PORTION,
    Letters as Letters,
    Spelling as Spelling,
    Tokens as Tokens,
    classify_letters as classify_letters,
    codes_of as codes_of,
    fold_text as fold_text,
    kinds_of as kinds_of,
    token_spans as token_spans,
    token_strings as token_strings,
)
