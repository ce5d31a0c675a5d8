"""Questions: the pairs whose label would help the model most, and why each of them is asked."""
