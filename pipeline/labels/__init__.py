"""Label files and verdicts become labelled pairs without contradictions."""
