"""Documents: sections of blocks, and what they are in Markdown."""
