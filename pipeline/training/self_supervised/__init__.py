"""Self-supervised training: the encoder learns from edited views, without labels."""
