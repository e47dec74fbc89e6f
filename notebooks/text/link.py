"""A small notebook, or one cell, whole in a URL: its file, deflated, in base64url, behind a letter that says so.

A link made by an older version must open for ever: what a letter says is never changed, a new way gets a new letter.
"""

from __future__ import annotations

import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

from notebooks.error import NotebookError
from notebooks.notebook import Cell, Notebook
from notebooks.text import file
from workspace.notebooks import MOST_BYTES

DEFLATED = "a"
LONGEST = 6_000  # characters; some proxies take 8,000 for the whole address


def write(notebook: Notebook) -> str:
    """Raises NotebookError for one that is too long for a link."""
    return packed(file.write(notebook))


def read(text: str) -> Notebook:
    """Raises NotebookError."""
    return file.read(unpacked(text))


def write_cell(cell: Cell) -> str:
    """Raises NotebookError for one that is too long for a link."""
    return packed(file.write_cells([cell]))


def read_cell(text: str) -> Cell:
    """Raises NotebookError."""
    cells = file.read_cells(unpacked(text).split("\n"), 1)
    if len(cells) != 1:
        raise NotebookError("the link holds no cell, or several")
    return cells[0]


def packed(text: str) -> str:
    deflated = zlib.compress(text.encode(), 9, -zlib.MAX_WBITS)
    link = DEFLATED + urlsafe_b64encode(deflated).decode().rstrip("=")
    if len(link) > LONGEST:
        raise NotebookError(f"this is too long for a link, {len(link):,} characters of {LONGEST:,}; save it first")
    return link


def unpacked(link: str) -> str:
    """No more than a file may hold is inflated, whatever the link says."""
    if not link.startswith(DEFLATED):
        raise NotebookError("a newer Celery Notebook made this link, or it is none; open it there")
    if len(link) > LONGEST or not re.fullmatch(r"[\w-]+", link, re.ASCII):
        raise NotebookError("the link is damaged; copy it again, whole")
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        deflated = urlsafe_b64decode(link[1:] + "=" * (-len(link[1:]) % 4))
        text = inflating.decompress(deflated, MOST_BYTES).decode()
    except (ValueError, zlib.error) as exc:
        raise NotebookError("the link is damaged; copy it again, whole") from exc
    if not inflating.eof or inflating.unused_data:
        raise NotebookError("the link breaks off, or holds too much; copy it again, whole")
    return text
