"""The judge's training: heads are fitted and chosen by cross-validation."""
