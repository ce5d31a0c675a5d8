"""What a picture's file holds: depth, colour profile, frames, transparency, compression."""
