"""The errors a user can meet; the command line turns each into one sentence and an exit code.

FaceclusterError        1   could not
├── UsageError          2   the request makes no sense (unknown group, bad name, wrong option)
├── UnreadableImage     1   a picture that cannot be read; data (`Analysis.error`) in a scan
├── MissingRoot         1   a folder to scan is not there, or looks like an unplugged disk
├── LibraryError        1   the database is absent, damaged, locked or newer than this program
├── ModelError          1   weights absent, damaged, or of another architecture
└── TrainingError       1   training data or a checkpoint that cannot be used
"""

__all__ = [
    "FaceclusterError",
    "LibraryError",
    "MissingRoot",
    "ModelError",
    "TrainingError",
    "UnreadableImage",
    "UsageError",
]


class FaceclusterError(Exception):
    """What happened and what to do, in one sentence meant for the user."""

    exit_code = 1


class UsageError(FaceclusterError):
    """The request cannot be meant as it was made: an unknown group, an empty name."""

    exit_code = 2


class UnreadableImage(FaceclusterError):
    """A file that cannot be read as a picture."""


class MissingRoot(FaceclusterError):
    """A folder that is not there, or that has lost everything known below it."""


class LibraryError(FaceclusterError):
    """A database that cannot be opened or written."""


class ModelError(FaceclusterError):
    """Weights that are absent, damaged or made for another network."""


class TrainingError(FaceclusterError):
    """Training data, settings or a checkpoint that cannot be used."""
