"""Every setting, frozen and checked, with the file it was read from."""
