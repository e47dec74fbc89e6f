"""A notebook as a value: prose, questions, SQL over their answers, and thresholds, in order, with variables.

What exists is usable: each value checks itself as it is made and raises NotebookError, so that an editor, a file and a
link are held to the same rules. A name that is not there (a threshold of a cell that was deleted) is no fault of the
value; running it says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from cells.cell import LAID_OUT
from cells.views import VIEWS
from charts import rows
from data_sources.errors import BadParameter
from data_sources.scope import Range
from notebooks.checks import (
    MAX_LINE,
    MAX_TITLE,
    MAX_VALUE,
    NAME,
    check_head,
    check_line,
    check_name,
    check_text,
    check_unique,
    one_of,
)
from notebooks.error import NotebookError
from notebooks.question import SOURCES, question
from notebooks.text.blocks import Text, blocks
from notebooks.variable import Variable

VERSION = 1  # of the file's format

CHARTS = (*rows.KINDS, *LAID_OUT)
SQL_CHARTS = (*rows.KINDS, "table")
KINDS = (*SOURCES, "plot", *LAID_OUT, "sql", "threshold")  # of cells, as a file and a link name them
MEASURES = ("last", "max", "min", "mean", "sum", "count", "p95")
OPS = ("<", "<=", ">", ">=", "==", "!=")

RESERVED = ("chart", "label", "advice", "over", "beside")  # what a file says of a question beside its parameters

MAX_CELLS = 100
MAX_ROWS = 12
MAX_LAYERS = 12  # of a row
MAX_PARAMS = 1_000  # of a layer
MAX_QUESTIONS = 200  # of all cells together: what is asked at once, of sources that others ask too
MAX_VARIABLES = 20
MAX_TEXT = 20_000  # of prose and SQL


Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Prose:
    """Markdown, without blank lines around it. Its name is an editor's handle and not in a file, so not compared."""

    name: str = field(compare=False)
    text: str
    collapsed: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "text", re.sub(r"\A([ \t]*\n)+", "", self.text.rstrip()))
        check_text("the text", self.text, MAX_TEXT)
        for block in blocks(self.text.split("\n"), KINDS)[:2]:
            if not isinstance(block, Text) or block.marked:
                raise NotebookError("a cell begins within the text; import it as a notebook", block.line)


@dataclass(frozen=True)
class Layer:
    """One question, as a query's `to_params` writes it, and how its answer is drawn.

    In the values of `params` a `$variable` may stand; the source, which comes first, is written out. `label` names a
    series without labels; of what stands beside the first layer of a table it is the name its view knows it by.
    """

    params: Pairs
    chart: str
    label: str = ""

    def __post_init__(self) -> None:
        if not self.params or self.params[0][0] != "source" or self.source not in SOURCES:
            raise NotebookError(f"a question begins with its source, one of {', '.join(SOURCES)}")
        if len(self.params) > MAX_PARAMS:
            raise NotebookError(f"a question has more than {MAX_PARAMS} parameters")
        for name, value in self.params:
            if not NAME.fullmatch(name) or name in RESERVED:
                raise NotebookError(f"“{name[:40]}” means nothing to the source {self.source}")
            check_text(name, value, MAX_VALUE)
        if [name for name, _ in groupby(self.params, itemgetter(0))] != [*dict(self.params)]:
            raise NotebookError("the values of one parameter stand one after another")
        one_of("chart", self.chart, CHARTS)
        check_line("label", self.label, MAX_TITLE)
        if not any("$" in value for _, value in self.params):
            self._check_question()

    def _check_question(self) -> None:
        try:
            question([*self.params])
        except BadParameter as error:
            raise NotebookError(f"{error.name} {error.message}") from None

    @property
    def source(self) -> str:
        return self.params[0][1]


@dataclass(frozen=True)
class Row:
    """One row of a plot: its layers, drawn in order, and the advice that goes with it."""

    layers: tuple[Layer, ...]
    advice: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise NotebookError(f"a row has 1 to {MAX_LAYERS} questions")
        check_line("advice", self.advice, MAX_LINE)

    @property
    def label(self) -> str:
        return self.layers[0].label


@dataclass(frozen=True)
class Ask:
    """Questions and how their answers are shown: rows on one time axis, or one row that a view lays out.

    `view` names it, as cells.views.VIEWS does ("queues.queues"); "" is a table of whatever there is. `range`: its own
    stretch of time, where that is not the notebook's.
    """

    name: str
    title: str
    line: str
    rows: tuple[Row, ...]
    view: str = ""
    range: Range | None = None
    collapsed: bool = False

    def __post_init__(self) -> None:
        check_head(self.name, self.title, self.line)
        if not 1 <= len(self.rows) <= MAX_ROWS:
            raise NotebookError(f"a plot has 1 to {MAX_ROWS} rows")
        charts = {layer.chart for row in self.rows for layer in row.layers}
        if self.chart in LAID_OUT:
            self._check_laid_out(charts)
        elif charts & {*LAID_OUT} or self.view:
            raise NotebookError("a plot has no view, and no table, facts or picture among its rows")

    def _check_laid_out(self, charts: set[str]) -> None:
        if len(self.rows) > 1 or len(charts) > 1 or self.rows[0].advice:
            raise NotebookError(f"a {self.chart} has one row without advice, and all its questions are of one chart")
        one_of("view", self.view, (*VIEWS[self.chart],))
        beside = [layer.label for layer in self.beside]
        if len({*beside, "rows"}) <= len(beside) or not all(map(NAME.fullmatch, beside)):
            raise NotebookError("what stands beside a table has a name of its own: small letters, digits and _")

    @property
    def chart(self) -> str:
        """How its first question is drawn, which decides what kind of cell it is."""
        return self.rows[0].layers[0].chart

    @property
    def beside(self) -> tuple[Layer, ...]:
        """What a view reads besides the rows that it lays out."""
        return self.rows[0].layers[1:] if self.chart in LAID_OUT else ()


@dataclass(frozen=True)
class Sql:
    """A SELECT over the answers of other cells, each a table of its name."""

    name: str
    title: str
    line: str
    text: str
    chart: str = "table"
    collapsed: bool = False

    def __post_init__(self) -> None:
        check_head(self.name, self.title, self.line)
        check_text("the SQL", self.text, MAX_TEXT)
        if not self.text.strip():
            raise NotebookError("the SQL is empty; write a SELECT over other cells, each a table of its name")
        one_of("chart", self.chart, SQL_CHARTS)


@dataclass(frozen=True)
class Threshold:
    """What must hold: the measure of a column of the cell `of`, against a limit in the column's own unit.

    `sparse`: where Prometheus has no series, nothing is and not nothing is known, as with a filter such as `x > 0`.
    """

    name: str
    title: str
    of: str
    column: str
    measure: str
    op: str
    limit: float
    line: str = ""
    collapsed: bool = False
    sparse: bool = False

    def __post_init__(self) -> None:
        check_head(self.name, self.title, self.line)
        check_name(self.of)
        check_line("column", self.column, MAX_TITLE)
        if not self.column:
            raise NotebookError("column is empty; name a column of the cell, such as value")
        one_of("measure", self.measure, MEASURES)
        one_of("op", self.op, OPS)
        if not float("-inf") < self.limit < float("inf"):
            raise NotebookError("limit must be a number")


Cell = Prose | Ask | Sql | Threshold


@dataclass(frozen=True)
class Notebook:
    title: str
    range: Range = Range.live("1h")
    variables: tuple[Variable, ...] = ()
    cells: tuple[Cell, ...] = ()

    def __post_init__(self) -> None:
        check_line("title", self.title, MAX_TITLE)
        if len(self.cells) > MAX_CELLS:
            raise NotebookError(f"there are more than {MAX_CELLS} cells")
        if sum(len(row.layers) for cell in self.cells if isinstance(cell, Ask) for row in cell.rows) > MAX_QUESTIONS:
            raise NotebookError(f"its cells ask more than {MAX_QUESTIONS} questions; make two notebooks of it")
        if len(self.variables) > MAX_VARIABLES:
            raise NotebookError(f"there are more than {MAX_VARIABLES} variables")
        check_unique("cell", [cell.name for cell in self.cells])
        check_unique("variable", [variable.name for variable in self.variables])

    def cell(self, name: str) -> Cell | None:
        return next((cell for cell in self.cells if cell.name == name), None)

    def free_name(self, stem: str) -> str:
        """`stem`, or with the least number behind it a name that no cell has."""
        return free_name(stem, {cell.name for cell in self.cells})


def free_name(stem: str, taken: set[str]) -> str:
    if stem not in taken:
        return stem
    return next(name for count in range(2, len(taken) + 3) if (name := f"{stem[:36]}_{count}") not in taken)
