"""Accepted links and verdicts become clusters, with keepers, lineage and events."""
