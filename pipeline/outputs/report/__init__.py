"""The HTML report of a run, and the data that it shows."""
