"""What a run leaves behind: lines on the terminal and files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import orjson
import pandas as pd

from cells.page_view import View
from data_sources.scope import Scope
from exports.about import about
from exports.csv_text import csv_chunks
from exports.plain_values import plain
from notebooks.checks import CONTROLS
from notebooks.html_file import html
from notebooks.notebook import Notebook
from notebooks.pieces import chosen_words, pieces
from notebooks.run import Result, scope_of
from notebooks.variables import Values

SHOWN = 400  # characters of a line


def say(text: str, stream: TextIO) -> None:
    """One line, without what would steer a terminal: texts come from outside."""
    words = CONTROLS.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split("\n")))
    print(words if len(words) <= SHOWN else f"{words[:SHOWN]}…", file=stream, flush=True)


def write_html(path: Path, notebook: Notebook, results: Sequence[Result], values: Values, scope: Scope) -> None:
    made = pieces(results, values, View(scope, None, ()))
    line = chosen_words(notebook.variables, values)
    write_file(path, html(notebook.title, made, datetime.now(UTC), line=line))


def write_csv(folder: Path, results: Sequence[Result], scope: Scope) -> None:
    """`depth.csv` and what is to be known of it, `depth.meta.json`; a cell's second answer is `depth.2.csv`.

    Of a cell that failed no file stays, an older one neither: it would be taken for this run's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        for number, answer in enumerate((answer for row in result.answers for answer in row), 1):
            stem = result.cell.name if number == 1 else f"{result.cell.name}.{number}"
            rows, known = folder / f"{stem}.csv", folder / f"{stem}.meta.json"
            if answer.failure or answer.pending:
                rows.unlink(missing_ok=True)
                known.unlink(missing_ok=True)
                continue
            write_file(rows, *csv_chunks(answer.frame, nan_is_data=answer.window is not None))
            told = about(answer, scope_of(result.cell, scope))
            write_file(known, orjson.dumps(plain(told), option=orjson.OPT_INDENT_2))
        if result.verdict:
            write_file(folder / f"{result.cell.name}.csv", *csv_chunks(pd.DataFrame([asdict(result.verdict)])))


def write_file(path: Path, *chunks: bytes) -> None:
    """In one go: whoever reads it meanwhile has the old one. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.writelines(chunks)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
