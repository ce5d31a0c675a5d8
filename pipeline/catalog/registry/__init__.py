"""The registry: versions of models, which is the champion, and where they are kept."""
