"""Training data: labelled pairs, splits without leaks, hard negatives."""
