"""Vectors and shingles become candidate pairs, with measured recall."""
