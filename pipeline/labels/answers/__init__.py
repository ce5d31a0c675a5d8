"""Answers of persons: what was done step by step, taken back, agreed upon and contradicted."""
