"""Errors a user can act on. Each message names the value, the expectation and the next step."""


class PipelineError(Exception):
    """Base of every error this package raises on purpose; the command line exits with 2."""


class ConfigError(PipelineError):
    """The configuration cannot work: wrong type, missing column, unusable combination."""


class SourceError(PipelineError):
    """A source cannot be read at all (single bad rows go to quarantine instead)."""


class EncoderError(PipelineError):
    """An encoder cannot be loaded or its files are not the ones expected."""


class TrainingError(PipelineError):
    """The labelled data cannot train an encoder, or training went wrong."""


class CatalogError(PipelineError):
    """The catalog is damaged, locked by another run, or does not hold what was asked for."""


class DamagedTableError(CatalogError):
    """A file of a table is missing, cut short or altered; what is intact is in the message."""


class DamagedVectorsError(CatalogError):
    """A part of the vectors could not be read and was moved aside: its contents lack vectors."""


class HeldLockError(CatalogError):
    """A lock is another process's."""


class LostLockError(CatalogError):
    """Another run took the catalog over while this one was not heard of: it must not publish."""


class ModelError(PipelineError):
    """A model of the registry is absent, incomplete or altered, or the registry is damaged."""


class CheckError(PipelineError):
    """A check or gate of a run did not hold; the command line exits with 1."""
