"""The notebooks that ship as examples: files like any other, in the folder beside."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from notebooks.error import NotebookError
from notebooks.notebook import Notebook
from notebooks.text import file

FOLDER = Path(__file__).parent / "examples"


@cache
def examples() -> dict[str, Notebook]:
    """By the names of their files, without `.md`."""
    return {path.stem: file.read(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.md"))}


def example(name: str) -> Notebook:
    """Raises NotebookError."""
    if name not in examples():
        raise NotebookError(f"there is no example “{name[:40]}”; there are {', '.join(examples())}")
    return examples()[name]
