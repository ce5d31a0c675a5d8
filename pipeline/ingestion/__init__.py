"""Rows of any source become normalised records, or quarantine rows with a reason."""
