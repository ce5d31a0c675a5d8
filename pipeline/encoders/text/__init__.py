"""Text encoders, one file a member."""
