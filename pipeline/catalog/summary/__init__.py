"""The summary of a run: one typed object that everything which tells of a run reads."""
