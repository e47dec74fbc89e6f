"""What is wrong with a notebook."""

from __future__ import annotations


class NotebookError(ValueError):
    """A notebook, its file or its link cannot be used; `message` says why and what would do.

    `line`: where in the file, counted from 1; None where there is no file.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.message = message
        self.line = line
