"""Sheets of workbooks: the source, and the libraries that read the cells."""
