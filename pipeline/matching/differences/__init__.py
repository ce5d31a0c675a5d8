"""Differences: what two nearly equal texts do not share, and whether that makes them two things."""
