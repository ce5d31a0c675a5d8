"""Geometry: whether one picture lies in another, and what was done to it."""
