"""Numbers about scores: metrics, intervals, calibration and thresholds."""
