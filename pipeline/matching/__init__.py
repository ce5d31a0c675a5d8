"""Candidate pairs become evidence, a probability and a decision."""
