from .calibration.bounds import lower_bound as lower_bound
from .calibration.calibration import Calibration as Calibration, calibrate as calibrate
from .calibration.calibrator import (
    Calibrator as Calibrator,
    CalibratorChoice as CalibratorChoice,
)
from .calibration.score_normalisation import NeighbourhoodLevel as NeighbourhoodLevel
from .calibration.thresholds import Threshold as Threshold, balanced_value as balanced_value
from .cluster_metrics import measure_clusters as measure_clusters
from .drift import (
    Drift as Drift,
    ScoreHistogram as ScoreHistogram,
    histogram as histogram,
    score_drift as score_drift,
)
from .error_rates import (
    ErrorRate as ErrorRate,
    ErrorRates as ErrorRates,
    GroupRates as GroupRates,
    Rate as Rate,
    SliceRates as SliceRates,
    WorstToBest as WorstToBest,
    measure_error_rates as measure_error_rates,
)
from .expected_quality import (
    ExpectedQuality as ExpectedQuality,
    expected_quality as expected_quality,
)
from .intervals import (
    Estimate as Estimate,
    share_interval as share_interval,
    wilson_interval as wilson_interval,
)
from .pair_metrics import (
    BalancedMetrics as BalancedMetrics,
    Difference as Difference,
    GoldPairs as GoldPairs,
    MeasuredAt as MeasuredAt,
    ModelMetrics as ModelMetrics,
    PairEvaluation as PairEvaluation,
    PairMetrics as PairMetrics,
    RunQuality as RunQuality,
    compare_models as compare_models,
    evaluate_pairs as evaluate_pairs,
    measure_pairs as measure_pairs,
)
from .ranking import CurvePoint as CurvePoint, Ranking as Ranking
from .reliability import (
    CalibrationError as CalibrationError,
    ReliabilityBin as ReliabilityBin,
    calibration_error as calibration_error,
)
from .synthetic.picture_edits import PICTURE_EDITS as PICTURE_EDITS, edit_picture as edit_picture
from .synthetic.text_edits import TEXT_EDITS as TEXT_EDITS, edit_text as edit_text
from .synthetic.thresholds import (
    COPY as COPY,
    HELD as HELD,
    LEVELS as LEVELS,
    NEARER as NEARER,
    OTHER as OTHER,
    SKIPPED as SKIPPED,
    UNKNOWN as UNKNOWN,
    Kinds as Kinds,
    SyntheticRule as SyntheticRule,
    SyntheticSample as SyntheticSample,
    UnreachableError as UnreachableError,
    floor_of_rule as floor_of_rule,
    learn_synthetic_rule as learn_synthetic_rule,
    normalise_with as normalise_with,
)
