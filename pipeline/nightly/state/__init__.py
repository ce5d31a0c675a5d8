"""State: what a run under way knows, and what the previous run left."""
