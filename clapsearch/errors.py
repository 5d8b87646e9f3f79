"""Every error a user can meet.

::

    ClapsearchError             exit 1: the message is one line: what, which file, measured value, limit, remedy
    |-- UsageError              exit 2: the command was not understood
    |   `-- QueryError          exit 2: the query was not understood
    |-- AudioError              this file cannot be turned into a waveform; a run records it and goes on
    |   `-- UnreadableError     its bytes could not be read just now; the next run tries again
    |-- CheckpointError         weights, configuration or tokenizer are missing, unsafe or unusable
    |-- StoppedError            exit 130: it was asked to end before the work was done
    `-- LibraryError            the library file cannot be used
        |-- LibraryMissingError
        |-- LibraryBusyError    another process is writing
        `-- SchemaError         no library, or one of another schema version
"""


class ClapsearchError(Exception):
    """Base of all errors meant for the user; ``exit_code`` is what the command line returns."""

    exit_code = 1


class UsageError(ClapsearchError):
    """The arguments make no sense together."""

    exit_code = 2


class QueryError(UsageError):
    """The query cannot be read."""


class StoppedError(ClapsearchError):
    """The work was asked to end; what is finished is kept."""

    exit_code = 130

    def __init__(self, when: str) -> None:
        super().__init__(f"stopped early, {when}; the same command goes on from here")


class AudioError(ClapsearchError):
    """A file that does not decode to a usable waveform: a verdict about its bytes."""


class UnreadableError(AudioError):
    """A file whose bytes could not be read (permission, vanished, changing): worth another try."""


class CheckpointError(ClapsearchError):
    """A checkpoint that cannot be found, is incomplete, or does not belong to the library."""


class LibraryError(ClapsearchError):
    """A library that cannot be used."""


class LibraryMissingError(LibraryError):
    """There is no library at the given path yet."""


class LibraryBusyError(LibraryError):
    """Another process is writing to the library."""


class SchemaError(LibraryError):
    """The file is no library, or its schema belongs to another version of clapsearch."""
