"""Calibration: scores become probabilities, and thresholds with bounds."""
