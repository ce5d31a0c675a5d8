"""The command line: parse, call flows and rooms, print."""
