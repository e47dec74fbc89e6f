"""What every value of a notebook is held to; each raises NotebookError."""

from __future__ import annotations

import re

from notebooks.error import NotebookError

MAX_TITLE = 200
MAX_LINE = 1_000
MAX_VALUE = 4_096  # of a parameter

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)  # a table in SQL, and the name of a file
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # neither seen nor written into a file


def check_head(name: str, title: str, line: str) -> None:
    check_name(name)
    check_line("title", title, MAX_TITLE)
    check_line("line", line, MAX_LINE)


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise NotebookError(f"“{name[:40]}” is no name: a small letter, then at most 39 small letters, digits and _")


def check_line(what: str, text: str, most: int) -> None:
    check_text(what, text, most)
    if "\n" in text:
        raise NotebookError(f"{what} is more than one line")


def check_text(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise NotebookError(f"{what} is longer than {most:,} characters")
    if found := CONTROLS.search(text):
        raise NotebookError(f"{what} holds a character that cannot be shown, U+{ord(found[0]):04X}; take it out")


def one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise NotebookError(f"{what} must be one of {', '.join(filter(None, allowed))}")


def check_unique(what: str, names: list[str]) -> None:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise NotebookError(f"two {what}s are named {twice}; each needs a name of its own")
