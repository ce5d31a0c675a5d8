from .comparison.attribute_features import (
    attributes_of as attributes_of,
    check_attributes as check_attributes,
)
from .comparison.column_levels import (
    ColumnLevels as ColumnLevels,
    learn_column_levels as learn_column_levels,
)
from .comparison.corpus_statistics import CorpusStatistics as CorpusStatistics
from .comparison.document_frequencies import (
    OUTGROWN as OUTGROWN,
    DocumentFrequencies as DocumentFrequencies,
)
from .comparison.source_levels import SourceLevels as SourceLevels
from .comparison.text import TextComparison as TextComparison, words_of as words_of
from .comparison.text_features import (
    BLOCK as BLOCK,
    WHOLE as WHOLE,
    TextFeatures as TextFeatures,
    learn_weights as learn_weights,
)
from .comparison.unmatched_words import unmatched_words as unmatched_words
from .decision_counts import DecisionCounts as DecisionCounts
from .differences.describe import (
    MOST_COLUMNS as MOST_COLUMNS,
    DifferenceReader as DifferenceReader,
    describe_differences as describe_differences,
)
from .differences.kinds import (
    DECISIVE as DECISIVE,
    DOUBTFUL as DOUBTFUL,
    Kind as Kind,
)
from .duplicate_free import judged_across as judged_across, keep_promises as keep_promises
from .evidence import (
    CORRECTING as CORRECTING,
    GEOMETRY as GEOMETRY,
    NEAR_VERBATIM as NEAR_VERBATIM,
    PICTURED as PICTURED,
    Difference as Difference,
    Evidence as Evidence,
    Features as Features,
    ImageEvidence as ImageEvidence,
    Modality as Modality,
    PairEvidence as PairEvidence,
    TextEvidence as TextEvidence,
    head_inputs as head_inputs,
)
from .geometry.close_look import Box as Box, moved_boxes as moved_boxes
from .geometry.describe_edit import overlay_outlines as overlay_outlines
from .geometry.edited_side import BY_SIZE as BY_SIZE
from .geometry.pixels import Matrix as Matrix
from .geometry.verify_pairs import (
    GEOMETRY_METHOD as GEOMETRY_METHOD,
    PictureSet as PictureSet,
    align_pairs as align_pairs,
    decode_for_geometry as decode_for_geometry,
    geometry_findings as geometry_findings,
)
from .judge import (
    Judge as Judge,
    Rule as Rule,
    TextRule as TextRule,
)
from .pairs_table import (
    exact_pairs_batch as exact_pairs_batch,
    pairs_batch as pairs_batch,
)
from .reuse import (
    COMPARED as COMPARED,
    compare_records as compare_records,
    encode_strings as encode_strings,
    renumber_reasons as renumber_reasons,
    reuse_decisions as reuse_decisions,
)
from .rules.default_rules import (
    DefaultRule as DefaultRule,
    LogisticImageRule as LogisticImageRule,
    LogisticTextRule as LogisticTextRule,
    cosine_default as cosine_default,
    default_of as default_of,
    image_default as image_default,
    registered_default as registered_default,
    text_default as text_default,
)
from .rules.heads import (
    Blend as Blend,
    Boosted as Boosted,
    Corrected as Corrected,
    Head as Head,
    Linear as Linear,
    LinearModel as LinearModel,
    Scaler as Scaler,
    Similarity as Similarity,
)
from .rules.learned import (
    Fusion as Fusion,
    JudgeModel as JudgeModel,
    LearnedRule as LearnedRule,
    fields_of as fields_of,
    learning_for as learning_for,
)
from .rules.transferred import (
    SURE as SURE,
    USUAL as USUAL,
    TransferredRule as TransferredRule,
    inside_of as inside_of,
    read_judge as read_judge,
    shift_bounds as shift_bounds,
    shift_of as shift_of,
)
from .scoring import (
    BATCH as BATCH,
    Contents as Contents,
    LearnedInputs as LearnedInputs,
    evidence_of as evidence_of,
    score_pairs as score_pairs,
    with_differences as with_differences,
)
