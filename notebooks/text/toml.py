"""TOML as a notebook's file has it: read within bounds, written so that it can be read."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from notebooks.error import NotebookError

MAX_LINE = 10_000  # characters; a parser takes ever longer for a key of ever more parts


def read_toml(lines: Sequence[str], first: int) -> dict[str, Any]:
    """The table that `lines` hold, of which `first` is the number of the first. Raises NotebookError."""
    for place, line in enumerate(lines):
        if len(line) > MAX_LINE:
            raise NotebookError(f"the line is longer than {MAX_LINE:,} characters", first + place)
    try:
        return tomllib.loads("\n".join(lines))
    except RecursionError as exc:
        raise NotebookError("the TOML is nested too deeply", first) from exc
    except ValueError as exc:  # TOMLDecodeError, or a number or a date that there cannot be
        found = re.search(r" \((?:at line (\d+), column \d+|at end of document)\)$", str(exc))
        said = str(exc)[: found.start()] if found else str(exc)
        place = int(found[1]) - 1 if found and found[1] else 0
        raise NotebookError(f"not TOML: {said[:200]}", first + place) from exc


def line_of(key: str, lines: Sequence[str], first: int) -> int:
    """The number of the line that first names `key`; else of the one before them all."""
    names = re.compile(rf"""[\s\[]*(?:\w+\.)*["']?{re.escape(key)}["']?\s*[=\].]""")
    return next((first + place for place, line in enumerate(lines) if names.match(line)), first - 1)


def pair(key: str, value: str | Sequence[str]) -> str:
    return f"{key} = {toml(value)}"


def toml(value: str | Sequence[str]) -> str:
    """A text in the quotes that leave it as it is, where there are such; a list with a line for each of several."""
    if not isinstance(value, str):
        if len(value) < 2:
            return f"[{''.join(map(toml, value))}]"
        return "[\n" + "".join(f"  {toml(one)},\n" for one in value) + "]"
    if "\n" in value and "'''" not in value and not value.endswith("'"):
        return f"'''\n{value}'''"
    if '"' in value or "\\" in value:
        return f"'{value}'" if not {"'", "\n"} & {*value} else quoted(value)
    return quoted(value)


def quoted(text: str) -> str:
    """A JSON string, which is one of TOML's too."""
    return json.dumps(text, ensure_ascii=False)
