"""Synthetic copies: edits of pictures and texts, and thresholds learned from them."""
