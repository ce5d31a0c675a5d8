"""The governance report: what a model is, how it fails, and who may use it for what."""
