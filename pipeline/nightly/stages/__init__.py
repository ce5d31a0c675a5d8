"""The stages of a run: read, call a pure room, write."""
