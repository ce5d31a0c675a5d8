"""Joins, chunks, pair keys, graphs and blocked cosines, with no domain in them."""
