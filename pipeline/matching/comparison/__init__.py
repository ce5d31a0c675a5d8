"""Comparison: what two texts and two sets of attributes have in common."""
