"""What a person does: answers, whole clusters, rules; written at once, taken back step by step."""
