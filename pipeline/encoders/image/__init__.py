"""Image encoders, one file a member."""
