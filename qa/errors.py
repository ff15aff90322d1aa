"""What can go wrong: each error says what happened and what to do next, and knows its exit code.

QAError            3   the base: catch this for all of them
├── InputError     2   a question, a batch line or an option that cannot be used
├── CorpusError    4   nothing to index at the paths given
├── FileError      5   one file that cannot be read without loss
├── IndexMissing   6   no index at the place named
├── IndexDamaged   7   an index that is half-written, damaged or of another version
├── IndexBusy      8   an index that another process writes, or that may not be written
├── ModelError     9   a model that cannot be found, prepared or run
├── CitationError  10  a citation that names no place in the corpus
└── EndpointError  11  a language model that cannot be reached, or sends what is no answer

Exit codes 0 and 1 are answers: found and not found. Messages are in Chinese.
"""

from __future__ import annotations

from typing import ClassVar


class QAError(Exception):
    """Base of every error that this package raises on purpose.

    Args:
        message: What happened, with the value that caused it.
        advice: What to do next.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}\n{self.advice}" if self.advice else self.message


class InputError(QAError):
    """A question, a batch line or an option that cannot be used."""

    exit_code = 2


class CorpusError(QAError):
    """Nothing to index at the paths given."""

    exit_code = 4


class FileError(QAError):
    """One file that cannot be read without loss."""

    exit_code = 5


class IndexMissing(QAError):
    """No index at the place named."""

    exit_code = 6


class IndexDamaged(QAError):
    """An index that is half-written, damaged or of another version."""

    exit_code = 7


class IndexBusy(QAError):
    """An index that another process writes, or that may not be written."""

    exit_code = 8


class ModelError(QAError):
    """A model that cannot be found, prepared or run."""

    exit_code = 9


class CitationError(QAError):
    """A citation that names no place in the corpus."""

    exit_code = 10


class EndpointError(QAError):
    """A language model that cannot be reached, or sends what is no answer."""

    exit_code = 11
