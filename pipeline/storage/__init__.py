"""Paths on disk or in an object store, atomic writes, locks and checksums."""
