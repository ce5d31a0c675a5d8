from .candidate_pairs import (
    CandidatePairs as CandidatePairs,
    ProposedBy as ProposedBy,
    propose as propose,
)
from .cascade import (
    ALWAYS as ALWAYS,
    ASKED as ASKED,
    PROBE as PROBE,
    CascadeThresholds as CascadeThresholds,
    SampledPairs as SampledPairs,
    Strata as Strata,
    choose_thresholds as choose_thresholds,
    doubt_of as doubt_of,
    sample_neighbours as sample_neighbours,
)
from .content_groups import (
    ContentGroups as ContentGroups,
    make_groups as make_groups,
    restrict as restrict,
)
from .dense_groups import DenseGroups as DenseGroups
from .indexes import Index as Index, build_index as build_index
from .indexes.checkpoint import Arrays as Arrays, Keep as Keep
from .minhash import (
    PERMUTATIONS as PERMUTATIONS,
    band_candidates as band_candidates,
    jaccards as jaccards,
    signatures as signatures,
)
from .near_pairs import (
    NearPairs as NearPairs,
    Recall as Recall,
    find_near_pairs as find_near_pairs,
)
from .rare_words import RareWordPairs as RareWordPairs, rare_word_pairs as rare_word_pairs
from .reuse import Near as Near, ReusedPairs as ReusedPairs, reuse_near_pairs as reuse_near_pairs
