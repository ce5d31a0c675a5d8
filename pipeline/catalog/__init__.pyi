from . import run_decisions as run_decisions
from .catalog import Catalog as Catalog
from .events import events_of as events_of, retired_ids as retired_ids
from .health import Finding as Finding, check_catalog as check_catalog
from .registry.champions import GateCheck as GateCheck
from .registry.judge import (
    CALIBRATION as CALIBRATION,
    IMAGE_ENCODER as IMAGE_ENCODER,
    JUDGE as JUDGE,
    SPLIT as SPLIT,
    RegisteredJudge as RegisteredJudge,
    champion_purpose as champion_purpose,
    judge_fingerprint as judge_fingerprint,
    open_registered as open_registered,
)
from .registry.listing import ModelRow as ModelRow, model_rows as model_rows
from .registry.version import ModelFacts as ModelFacts, ModelVersion as ModelVersion
from .retention import prune as prune
from .run_decisions import Decision as Decision, free_name as free_name
from .runs import Run as Run
from .scratch import Scratch as Scratch
from .summary.figures import (
    CascadeChoice as CascadeChoice,
    CascadeCounts as CascadeCounts,
    Changes as Changes,
    ClusterSizes as ClusterSizes,
    Gate as Gate,
    GeometryCounts as GeometryCounts,
    HistoryEntry as HistoryEntry,
    JudgeState as JudgeState,
    NightState as NightState,
    PerModality as PerModality,
    Pruned as Pruned,
    RecordChanges as RecordChanges,
    Reuse as Reuse,
    RunCounts as RunCounts,
    SearchState as SearchState,
    SelfCalibration as SelfCalibration,
    SourceMatches as SourceMatches,
    StageRow as StageRow,
    Thresholds as Thresholds,
    UsedEncoder as UsedEncoder,
    UsedModel as UsedModel,
    UsedModels as UsedModels,
    VerdictCounts as VerdictCounts,
)
from .summary.run_summary import RunSummary as RunSummary, Status as Status
from .vectors import VectorStore as VectorStore
