"""Where in a text Prometheus found an error."""

from __future__ import annotations

import re

PLACE = re.compile(r"\b(\d{1,5}):(\d{1,5}): parse error: (.*)", re.DOTALL)


def place_of_error(what: str, text: str) -> tuple[int, str] | None:
    """The place in `text`, counted in characters from 0, and what is wrong there; None where the error names none.

    Prometheus writes `line:column`, both from 1, the column in bytes (promql/parser/parse.go, ParseErr).
    """
    found = PLACE.search(what)
    if found is None:
        return None
    lines = text.encode(errors="replace").split(b"\n")
    line = min(int(found[1]), len(lines)) - 1
    before = b"\n".join([*lines[:line], lines[line][: int(found[2]) - 1]])
    return len(before.decode(errors="ignore")), found[3]
