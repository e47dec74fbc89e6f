"""The errors a source may raise. Everything foreign is translated into one of these at the source's border.

    SourceError                 a source gave no usable answer
    |-- SourceUnreachable       nothing, or nothing intelligible, came back in time: worth trying again soon
    |   `-- NotConfirmed        nor is it known whether what was sent was done: look before it is tried again
    `-- QueryRejected           the answer is no: the same question will be refused again

    BadParameter                a value from a URL, a form or a call cannot be used; it names the parameter
    ConfigError                 a setting cannot be used; it names the setting

No message may hold a credential: hosts and ports only, never a URL with its user part.
"""

from __future__ import annotations

from typing import Self


class SourceError(Exception):
    """`source` failed to answer: `what` happened, and `hint` says what to do about it."""

    def __init__(self, source: str, what: str, hint: str = "") -> None:
        super().__init__(f"{source}: {what}")
        self.source = source
        self.what = what
        self.hint = hint

    @classmethod
    def unexpected(cls, source: str, error: Exception) -> Self:
        """A fault of our own while asking `source`. Its text stays in the log: it may quote anything."""
        return cls(source, f"unexpected {type(error).__name__}", "The log has the details")


class SourceUnreachable(SourceError):
    """No answer, or none that could be read, within the deadline."""


class NotConfirmed(SourceUnreachable):
    """What changes something was sent, and no answer came: it may have been done, or be done yet."""


class QueryRejected(SourceError):
    """The source understood the question and refused it, or we refused to send it.

    `parameter` names the part of the question that is to blame: "q" for a PromQL that cannot be parsed. Empty where
    the question is not to blame: wrong credentials.
    """

    def __init__(self, source: str, what: str, hint: str = "", parameter: str = "") -> None:
        super().__init__(source, what, hint)
        self.parameter = parameter


class BadParameter(ValueError):
    """The parameter `name` has a value that cannot be used; `message` says why and what would do."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


class ConfigError(ValueError):
    """The setting `name` cannot be used; `message` says what would do, and quotes no value: it may be a secret."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message
