"""Siamese training: one shared-weight encoder learns from labelled pairs."""
