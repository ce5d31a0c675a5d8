"""The run: stages in order, gates, publication, resuming and monitoring."""
