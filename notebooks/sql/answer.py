"""SQL over the answers of other cells, each a table of its cell's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

import pandas as pd

from data_sources.answer import Answer
from data_sources.derived_query import Derived
from data_sources.errors import QueryRejected
from data_sources.failure import Failure
from data_sources.flights import Flights
from data_sources.note import Note
from data_sources.range_frame import empty_frame
from data_sources.scope import Range, Scope, Window
from notebooks.notebook import Sql
from notebooks.sql.engine import SOURCE, Engine
from notebooks.sql.range import range_answer
from notebooks.sql.tables import frame_of, stream_of

SECONDS = 10.0  # of the processor
MOST_ROWS = 100_000
MOST_BYTES = 64 * 2**20  # of rows that come back
MOST_READ_BYTES = 256 * 2**20  # of all tables together

ENGINE = Engine()
FLIGHTS = Flights("work out SQL", parallel=2)

Parameters = Mapping[str, str | list[str] | None]  # a text, or names; None is all there are


@dataclass(frozen=True)
class Table:
    """What a cell answered, and the time it was asked of."""

    name: str
    answer: Answer
    range: Range


@lru_cache(maxsize=256)
def tables_read(text: str) -> tuple[str, ...]:
    """The tables that a text reads, by DuckDB's own parser. Raises QueryRejected for what is no SELECT."""
    reply, _ = ENGINE.ask({"text": text, "read": True, "seconds": SECONDS})
    return tuple(reply["tables"])


def sql_answer(
    cell: Sql, tables: Sequence[Table], parameters: Parameters, scope: Scope, window: Window, wait_seconds: float
) -> Answer:
    """What `cell` selects from `tables`, worked out in the background, once for all who ask.

    It is worked out anew when one of `tables` was; meanwhile the last good answer stands. Times are UTC. With a chart
    other than a table it is a range result (see Answer) of `time`, `value` and every other text, within the longest
    window of its tables, or `window`. What is true of a table that failed or has notes is true of it too.
    """
    asked = tuple((table.name, table.answer.query, table.range) for table in tables)
    over = max((table.answer.window for table in tables if table.answer.window), key=length, default=window)
    plotted = cell.chart != "table"
    blank = Answer(
        empty_frame() if plotted else pd.DataFrame(),
        Derived(cell.text, asked),
        window=over if plotted else None,
        origin=f"DuckDB, from {', '.join(table.name for table in tables)}" if tables else "DuckDB",
    )
    if broken := next((table for table in tables if table.answer.measured_at is None), None):
        failure = broken.answer.failure
        return blank.failed(of_table(failure, broken.name)) if failure else blank

    def fetch(_waited_seconds: float) -> Answer:
        answer = selected(blank, cell.text, tables, parameters)
        return range_answer(answer, over) if plotted else answer

    columns = tuple(tuple(table.answer.frame.columns) for table in tables)  # what was refused for the want of one
    place = (scope.cluster, scope.snapshot, over.step if tables else over)
    question = (place, blank.query, plotted, frozen(parameters), columns)
    # Each only grows, so their sum does whenever one of them is new.
    moment = sum(measured(table.answer).timestamp() for table in tables)
    answer = FLIGHTS.ask(question, moment, fetch, blank, wait_seconds)
    return with_what_is_true_of(tables, answer)


def selected(blank: Answer, text: str, tables: Sequence[Table], parameters: Parameters) -> Answer:
    """Raises QueryRejected and SourceUnreachable."""
    began = datetime.now(UTC)
    streams = [stream_of(table.answer.frame) for table in tables]
    if sum(map(len, streams)) > MOST_READ_BYTES:
        most = f"The tables hold more than {MOST_READ_BYTES // 2**20} MiB"
        raise QueryRejected(SOURCE, most, "Take a shorter range, or ask for fewer series")
    reply, rows = ENGINE.ask(
        {
            "text": text,
            "tables": [table.name for table in tables],
            "values": parameters,
            "rows": MOST_ROWS,
            "bytes": MOST_BYTES,
            "seconds": SECONDS,
        },
        streams,
    )
    frame = frame_of(rows)
    cut = (Note(f"Only the first {len(frame):,} rows are here; there are more", "cut"),) if reply["cut"] else ()
    measured_at = min((measured(table.answer) for table in tables), default=began)
    return replace(blank, frame=frame, measured_at=measured_at, took=datetime.now(UTC) - began, notes=cut)


def with_what_is_true_of(tables: Sequence[Table], answer: Answer) -> Answer:
    """`answer` with the notes of its tables, and the failure of one of them beside it."""
    notes = [note for table in tables for note in table.answer.notes]
    answer = replace(answer, notes=tuple(dict.fromkeys((*answer.notes, *notes))))
    failed = next(((table.answer.failure, table.name) for table in tables if table.answer.failure), None)
    if failed and failed[0] and not answer.failure and answer.measured_at:
        return answer.failed(of_table(*failed))
    return answer


def of_table(failure: Failure, name: str) -> Failure:
    return replace(failure, what=f"{failure.what} (asked by {name})", parameter="")


def measured(answer: Answer) -> datetime:
    assert answer.measured_at
    return answer.measured_at


def length(window: Window) -> float:
    return (window.end - window.start).total_seconds()


def frozen(parameters: Parameters) -> tuple[tuple[str, str | tuple[str, ...] | None], ...]:
    return tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in parameters.items())
