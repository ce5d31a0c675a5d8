"""Sniffing: what files hold, and which of their columns mean what, guessed and told."""
