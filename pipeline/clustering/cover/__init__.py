"""Groups: scored pairs and constraints become clusters, each with its representative."""
