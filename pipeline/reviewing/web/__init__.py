"""The page's server: on loopback, with a token, for this machine's browser alone."""
