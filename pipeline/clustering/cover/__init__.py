"""Star covers: accepted links become clusters in which each member is near its centre."""
