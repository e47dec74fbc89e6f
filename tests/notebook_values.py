"""Notebooks of every kind, made by hypothesis."""

from __future__ import annotations

from datetime import UTC, timedelta

from hypothesis import strategies as st

from cells.cell import LAID_OUT
from cells.views import VIEWS
from charts.rows import KINDS
from data_sources.query import Query
from data_sources.scope import Range
from notebooks.checks import CONTROLS
from notebooks.error import NotebookError
from notebooks.notebook import MEASURES, OPS, SQL_CHARTS, Ask, Cell, Layer, Notebook, Prose, Row, Sql, Threshold
from notebooks.question import SOURCES
from notebooks.variable import Variable
from notebooks.variables import literal
from tests.test_query import queries

AWKWARD = (
    "```",
    "````\nx\n````",
    "~~~",
    "'''",
    '"',
    "\\",
    "`",
    "+++",
    "<!-- text -->",
    "$",
    "${a}",
    "  ",
    "\t",
    "=",
    "#",
)


def shown(text: str) -> bool:
    return not CONTROLS.search(text)


lines = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20) | st.sampled_from(AWKWARD).filter(
    lambda text: "\n" not in text
)
texts = st.lists(lines | st.sampled_from(AWKWARD), max_size=6).map("\n".join)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
spans = st.integers(1, 366 * 86400).map(lambda seconds: Range(span=timedelta(seconds=seconds)))
moments = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1970 <= moment.year < 9990)
frozen = st.builds(
    lambda start, length: Range(start=start, end=start + length),
    moments,
    st.timedeltas(timedelta(microseconds=1), timedelta(days=366)),
)
ranges = spans | frozen


def params_of(query: Query) -> tuple[tuple[str, str], ...]:
    source, *params = query.to_params()
    return (source, *((name, literal(value)) for name, value in params))


asked = queries.filter(lambda query: query.kind in SOURCES and all(shown(value) for _, value in query.to_params())).map(
    params_of
)
varied = st.builds(
    lambda source, name, values: (("source", source), *((name, value) for value in values)),
    st.sampled_from([source for source in SOURCES if source != "promql"]),
    st.sampled_from(["q", "queue", "name", "worker"]),
    st.lists(lines.map("{}$queue".format), min_size=1, max_size=3),
)
params = asked | varied


@st.composite
def plots(draw: st.DrawFn) -> Ask:
    layers = st.builds(Layer, params, st.sampled_from(KINDS), lines)
    rows = st.builds(Row, st.lists(layers, min_size=1, max_size=3).map(tuple), st.just("") | lines)
    return draw(
        st.builds(
            Ask,
            names,
            lines,
            lines,
            st.lists(rows, min_size=1, max_size=3).map(tuple),
            range=st.none() | ranges,
            collapsed=st.booleans(),
        )
    )


@st.composite
def laid_out(draw: st.DrawFn) -> Ask:
    chart = draw(st.sampled_from(LAID_OUT))
    beside = draw(st.lists(names.filter(lambda name: name != "rows"), max_size=2, unique=True))
    first = Layer(draw(params), chart, draw(st.just("") | lines))
    row = Row((first, *(Layer(draw(params), chart, name) for name in beside)))
    view = draw(st.sampled_from([*VIEWS[chart]]))
    head = draw(names), draw(lines), draw(lines)
    return Ask(*head, (row,), view, draw(st.none() | ranges), draw(st.booleans()))


@st.composite
def prose(draw: st.DrawFn) -> Prose:
    try:
        return Prose(draw(names), draw(texts), draw(st.booleans()))
    except NotebookError:  # a fence that is open, or a line that begins a cell
        return Prose("text", "So it is.")


numbers = st.floats(allow_nan=False, allow_infinity=False)
cells: st.SearchStrategy[Cell] = st.one_of(
    prose(),
    plots(),
    laid_out(),
    st.builds(
        Sql,
        names,
        lines,
        lines,
        texts.filter(lambda text: bool(text.strip())),
        st.sampled_from(SQL_CHARTS),
        st.booleans(),
    ),
    st.builds(
        Threshold,
        names,
        lines,
        names,
        lines.filter(bool),
        st.sampled_from(MEASURES),
        st.sampled_from(OPS),
        numbers,
        lines,
        st.booleans(),
        st.booleans(),
    ),
)
some = st.lists(lines.filter(bool), max_size=3).map(tuple)
labels = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,9}", fullmatch=True)
variables = st.one_of(
    st.builds(Variable, names, st.just("cluster"), title=lines),
    st.builds(Variable, names, st.sampled_from(["queue", "task", "worker"]), some, lines),
    st.builds(Variable, names, st.just("label"), some, lines, labels, labels),
    st.builds(Variable, names, st.just("text"), st.tuples(lines), lines),
)
notebooks = st.builds(
    Notebook,
    lines,
    ranges,
    st.lists(variables, max_size=3, unique_by=lambda variable: variable.name).map(tuple),
    st.lists(cells, max_size=6, unique_by=lambda cell: cell.name).map(tuple),
)
