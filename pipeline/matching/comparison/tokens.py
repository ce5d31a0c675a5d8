"""Words of texts in bulk, which `pipeline.ingestion` makes, under the name that they had here."""

from pipeline.ingestion import codes_of as codes_of, token_strings as token_strings
