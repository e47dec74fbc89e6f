"""A notebook's answers: those that SQL makes of others, and all of them, without a browser."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pandas as pd

from data_sources import ask
from data_sources.answer import Answer
from data_sources.derived_query import Derived
from data_sources.errors import BadParameter
from data_sources.failure import Failure
from data_sources.query import Sources
from data_sources.scope import Range, Scope
from notebooks import needs
from notebooks.error import NotebookError
from notebooks.notebook import Ask, Cell, Notebook, Sql, Threshold
from notebooks.sql.answer import Parameters, Table, sql_answer
from notebooks.taken import asked
from notebooks.threshold import Verdict, judged
from notebooks.variable import Variable
from notebooks.variables import Values

DEADLINE_SECONDS = 60.0

Answers = tuple[tuple[Answer, ...], ...]  # of each row those of its layers


@dataclass(frozen=True)
class Result:
    """A cell and what came of it; of SQL there is one answer, of a threshold a verdict, of prose nothing."""

    cell: Cell
    answers: Answers = ()
    verdict: Verdict | None = None


def held(scope: Scope, wait_seconds: float) -> Scope:
    """`scope` from now on: its range stands still, so that all cells are of one stretch."""
    ask.ask(Sources(), scope, wait_seconds)  # what there is decides who is asked, and how finely
    window = ask.desk().window(scope)
    return replace(scope, range=Range(start=window.start, end=window.end), step=window.step)


class Run:
    """One run of a notebook: each question is asked once, and all that reads it reads the same rows.

    `ends`: by when all of it is to be done, on the monotonic clock; no cell waits for longer than its own deadline.
    """

    def __init__(
        self, notebook: Notebook, values: Values, scope: Scope, deadline_seconds: float, ends: float = math.inf
    ) -> None:
        self._notebook, self._values, self._scope = notebook, values, scope
        self._deadline_seconds, self._ends = deadline_seconds, ends
        self._known: dict[str, Answers] = {}

    def results(self) -> Iterator[Result]:
        """In the notebook's order, each as soon as it is there."""
        self._begin(cell for cell in self._notebook.cells if isinstance(cell, Ask))
        for cell in self._notebook.cells:
            yield self.result(cell)

    def result(self, cell: Cell) -> Result:
        match cell:
            case Ask():
                return Result(cell, self._answers(cell))
            case Sql():
                return Result(cell, ((self.answer(cell.name),),))
            case Threshold():
                return Result(cell, verdict=judged(cell, self.answer(cell.name)))
        return Result(cell)

    def answer(self, name: str) -> Answer:
        """As `derived`, with all that it is made of asked."""
        try:
            questions = needs.questions(self._notebook, name)
        except NotebookError as error:
            return refusal(name, error.message)
        self._begin(cell for cell in questions if cell.name not in self._known)
        first = {cell.name: self._answers(cell)[0][0] for cell in questions}
        return derived(self._notebook, name, first, self._values, self._scope, self._seconds_left())

    def scope(self, name: str) -> Scope:
        """Within what the cell `name` is answered; of a threshold the one that it judges."""
        cell = self._notebook.cell(name)
        return scope_of(self._notebook.cell(cell.of) if isinstance(cell, Threshold) else cell, self._scope)

    def _begin(self, cells: Iterable[Ask]) -> None:
        """All are under way before any waiting."""
        for cell in cells:
            answers_to(cell, self._values, self._scope, 0.0)

    def _answers(self, cell: Ask) -> Answers:
        if cell.name not in self._known:
            self._known[cell.name] = answers_to(cell, self._values, self._scope, self._seconds_left())
        return self._known[cell.name]

    def _seconds_left(self) -> float:
        return max(0.0, min(self._deadline_seconds, self._ends - time.monotonic()))


def answers_to(cell: Ask, values: Values, scope: Scope, wait_seconds: float) -> Answers:
    """Waits that long for all of them together."""
    ends = time.monotonic() + wait_seconds
    try:
        rows = [[layer.query for layer in row.layers] for row in asked(cell, values).rows]
    except BadParameter as error:
        refused = refusal(cell.name, f"{error.name} {error.message}")
        return tuple((refused,) * len(row.layers) for row in cell.rows)
    scope = scope_of(cell, scope)
    begun = tuple(tuple(ask.ask(query, scope) for query in row) for row in rows)
    if not wait_seconds:
        return begun
    return tuple(tuple(ask.ask(query, scope, max(0.0, ends - time.monotonic())) for query in row) for row in rows)


def derived(
    notebook: Notebook,
    name: str,
    answers: Mapping[str, Answer],
    values: Values,
    scope: Scope,
    wait_seconds: float = 0.3,
) -> Answer:
    """What stands in the cell `name`: of a question its first answer, of SQL what it makes of `answers`, of a threshold
    what it judges. `answers` are the first ones of the cells `needs.questions(notebook, name)`, by their names.

    Never raises; pending while one of them is, or the SQL itself.
    """
    ends = time.monotonic() + wait_seconds
    made = dict(answers)
    try:
        for cell in needs.made_of(notebook, name):
            if isinstance(cell, Sql):
                made[cell.name] = worked_out(notebook, cell, made, values, scope, max(0.0, ends - time.monotonic()))
            elif isinstance(cell, Threshold):
                return made[cell.of]
        return made[name]
    except (NotebookError, BadParameter) as error:
        return refusal(name, error.message)
    except KeyError:
        return refusal(name, f"{name} is text, and has no answer")


def worked_out(
    notebook: Notebook, cell: Sql, made: Mapping[str, Answer], values: Values, scope: Scope, wait_seconds: float
) -> Answer:
    """Raises NotebookError and BadParameter."""
    tables = [Table(name, made[name], range_of(notebook, name, scope)) for name in needs.reads(cell)]
    window = ask.desk().window(scope)
    return sql_answer(cell, tables, parameters(notebook.variables, values), scope, window, wait_seconds)


def range_of(notebook: Notebook, name: str, scope: Scope) -> Range:
    return scope_of(notebook.cell(name), scope).range


def scope_of(cell: Cell | None, scope: Scope) -> Scope:
    """`scope`, or with the cell's own range where it has one."""
    return replace(scope, range=cell.range, step=None) if isinstance(cell, Ask) and cell.range else scope


def parameters(variables: Sequence[Variable], values: Values) -> Parameters:
    """As SQL reads them: `$queue` is a list of names, or NULL for all there are; a text is a text."""
    return {
        variable.name: next(iter(values[variable.name]), "")
        if variable.kind in ("text", "cluster")
        else list(values[variable.name]) or None
        for variable in variables
    }


def refusal(name: str, message: str) -> Answer:
    """The answer of a cell that cannot be asked."""
    failure = Failure("rejected", "Notebook", message, "", datetime.now(UTC), None)
    return Answer(pd.DataFrame(), Derived(name), failure=failure)
