"""What a run looks like to a person: the HTML report and the terminal summary."""
