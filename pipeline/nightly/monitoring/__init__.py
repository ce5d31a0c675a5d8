"""Monitoring: the run's log, Prometheus metrics and notifications."""
