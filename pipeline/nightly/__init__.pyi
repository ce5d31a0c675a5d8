from .checks import check_writable as check_writable, prepare as prepare
from .deliver import MORNING as MORNING, write_export as write_export, write_report as write_report
from .labelling import (
    add_labels as add_labels,
    estimate_labels as estimate_labels,
    suggest_labels as suggest_labels,
)
from .monitoring.notify import notify as notify, unset_variables as unset_variables
from .monitoring.run_log import FORMAT_VARIABLE as FORMAT_VARIABLE
from .operate import (
    discard_run as discard_run,
    prune_runs as prune_runs,
    release_run as release_run,
    rollback_run as rollback_run,
)
from .recomputation import plan as plan
from .runner import STAGES as STAGES, run as run
from .state.context import RunContext as RunContext
from .state.stage import Stage as Stage, StageResult as StageResult
