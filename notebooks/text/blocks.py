"""The blocks a notebook's file is made of, as lines: prose, and fences that are cells.

A cell is a fence of backticks at the beginning of a line whose info string is a kind and pairs such as name="depth".
All other fences are code within the prose, and so is what looks like a cell inside them. A line `<!-- text -->` begins
a further piece of prose, `<!-- text collapsed -->` one that is closed; neither is seen where Markdown is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from notebooks.error import NotebookError

FENCE = re.compile(r"(`{3,})([^`]*)|(~{3,}).*")
CELL = re.compile(r"(`{3,})[ \t]*([a-z_]+)[ \t]+([a-z]+[ \t]*=.*)")
TEXT = re.compile(r"<!-- text( collapsed)? -->[ \t]*")


@dataclass
class Text:
    """A piece of prose from the line `line` on, counted from 1."""

    line: int
    lines: list[str] = field(default_factory=list)
    marked: bool = False
    collapsed: bool = False


@dataclass
class Fence:
    """A cell: its kind, what follows that in its first line, which is the line `line`, and the lines of its body."""

    line: int
    kind: str
    info: str
    lines: list[str]


def blocks(lines: Sequence[str], kinds: Collection[str], first: int = 1) -> list[Text | Fence]:
    """What `lines` are made of; `kinds` are those of cells, `first` is the number of the first line.

    Raises NotebookError for a fence that is not closed.
    """
    found: list[Text | Fence] = []
    place = 0
    while place < len(lines):
        line, number = lines[place], first + place
        cell, end = cell_begun(line, kinds), place
        if fence := cell or FENCE.fullmatch(line):
            end = closing(lines, place, fence[1] or fence[3], number)
        if cell:
            found.append(Fence(number, cell[2], cell[3], [*lines[place + 1 : end]]))
        elif marker := TEXT.fullmatch(line):
            found.append(Text(number, marked=True, collapsed=bool(marker[1])))
        elif found and isinstance(found[-1], Text):
            found[-1].lines += lines[place : end + 1]
        else:
            found.append(Text(number, [*lines[place : end + 1]]))
        place = end + 1
    return [block for block in found if isinstance(block, Fence) or block.marked or "".join(block.lines).strip()]


def cell_begun(line: str, kinds: Collection[str]) -> re.Match[str] | None:
    """The cell that a line begins: of a known kind, or of one that is not but has a name, so that it can be refused."""
    match = CELL.fullmatch(line)
    return match if match and (match[2] in kinds or match[3].startswith("name")) else None


def closing(lines: Sequence[str], place: int, fence: str, number: int) -> int:
    """Where the fence that begins at `place` ends."""
    end = re.compile(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*")
    for after in range(place + 1, len(lines)):
        if end.fullmatch(lines[after]):
            return after
    raise NotebookError(f"what begins here is not closed; end it with a line {fence}", number)
