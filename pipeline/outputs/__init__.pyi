from . import run_facts as run_facts, terminal as terminal
from .documents.markdown import escape_markdown as escape_markdown
from .exporters import check_exports as check_exports, open_exporter as open_exporter
from .exporters.contents import (
    export_clusters as export_clusters,
    export_pairs as export_pairs,
    export_quarantine as export_quarantine,
    export_removals as export_removals,
    export_survivors as export_survivors,
    is_removed as is_removed,
)
from .exporters.groups import (
    DIFFER as DIFFER,
    LOOK as LOOK,
    export_groups as export_groups,
    group_rows as group_rows,
)
from .governance.facts import (
    ErrorFacts as ErrorFacts,
    ErrorPair as ErrorPair,
    GovernanceFacts as GovernanceFacts,
    ModelDescription as ModelDescription,
    PairFacts as PairFacts,
    ScoreFacts as ScoreFacts,
    TrainingFacts as TrainingFacts,
)
from .governance.html import render_governance as render_governance
from .governance.report import (
    GovernanceReport as GovernanceReport,
    governance_markdown as governance_markdown,
    governance_report as governance_report,
    model_card as model_card,
)
from .model_results import (
    Agreement as Agreement,
    DistillationFacts as DistillationFacts,
    EncoderTrainingFacts as EncoderTrainingFacts,
    Epoch as Epoch,
    EvaluationSummary as EvaluationSummary,
    FinetunePlan as FinetunePlan,
    FinetuneSummary as FinetuneSummary,
    HeadScore as HeadScore,
    HeldBackFigures as HeldBackFigures,
    JudgeFacts as JudgeFacts,
    LeftOutPairs as LeftOutPairs,
    ModelComparison as ModelComparison,
    NormalisationChoice as NormalisationChoice,
    PictureEvidence as PictureEvidence,
    RecalibrationSummary as RecalibrationSummary,
    SearchFloor as SearchFloor,
    Thresholds as Thresholds,
    TrainingRecord as TrainingRecord,
    ViewEpoch as ViewEpoch,
    ViewTrainingSummary as ViewTrainingSummary,
)
from .report.build import build_report as build_report
from .report.diff import differences as differences
from .report.html import render_report as render_report
from .report.marks import Mark as Mark, mark_sides as mark_sides
from .report.members import is_jpeg as is_jpeg
from .report.morning import morning_markdown as morning_markdown
from .report.overlays import (
    alignments_of as alignments_of,
    edit_between as edit_between,
    lay_over as lay_over,
)
from .run_facts import in_short as in_short
from .terminal import prune_lines as prune_lines, run_lines as run_lines, run_row as run_row
from .terminal_models import (
    evaluation_lines as evaluation_lines,
    finetune_lines as finetune_lines,
    left_out_lines as left_out_lines,
    model_lines as model_lines,
    plan_lines as plan_lines,
    precision_line as precision_line,
    view_lines as view_lines,
)
from .visible import make_visible as make_visible
