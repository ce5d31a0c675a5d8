"""What the page shows of records, pairs, clusters and pictures, as plain values for JSON."""
