"""Language: what words, numbers and dates say in any of twelve languages, by lists and by rules."""
