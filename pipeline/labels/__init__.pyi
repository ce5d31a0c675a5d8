from .answers.agreement import (
    find_disagreements as find_disagreements,
    measure_agreement as measure_agreement,
)
from .answers.contradictions import (
    AnswerGraph as AnswerGraph,
    Contradiction as Contradiction,
    overruled_pairs as overruled_pairs,
)
from .answers.log import (
    RULE as RULE,
    Answer as Answer,
    AnswerLog as AnswerLog,
    table_of as table_of,
)
from .conflicts import HELD_OUT as HELD_OUT
from .files import read_labels as read_labels, require_known as require_known
from .labelled_pairs import (
    SPLITS as SPLITS,
    LabelFacts as LabelFacts,
    LabelledPairs as LabelledPairs,
    Leak as Leak,
    LeakExample as LeakExample,
    Leaks as Leaks,
    MinedFacts as MinedFacts,
    ReadFacts as ReadFacts,
    SplitFacts as SplitFacts,
    SplitSize as SplitSize,
)
from .precision import is_enough as is_enough
from .questions.suggest import suggest_pairs as suggest_pairs
from .read import (
    pair_slice as pair_slice,
    read_label_rows as read_label_rows,
    read_labelled as read_labelled,
)
from .run_precision import RunPrecision as RunPrecision, estimate_run as estimate_run
from .run_recall import RunRecall as RunRecall, estimate_recall as estimate_recall
from .sheet import blank_rows as blank_rows, read_filled as read_filled
from .verdicts import (
    DIFFERENT as DIFFERENT,
    KEEP as KEEP,
    LABELS as LABELS,
    RELATED as RELATED,
    SAME as SAME,
    WITHDRAWN as WITHDRAWN,
    Verdicts as Verdicts,
    changed_pairs as changed_pairs,
    kept_records as kept_records,
    latest_verdicts as latest_verdicts,
    no_verdicts as no_verdicts,
    settle_verdicts as settle_verdicts,
)
