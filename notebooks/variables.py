"""The values of a notebook's variables: what there is to choose from, what a link chose, and where they go.

In a parameter `$queue`, or `${queue}`, stands for the variable; `$$` is a dollar. In PromQL a value goes into a quoted
string alone, escaped; as a regular expression (`=~"$queue"`) several become an alternation and all of them `.*`.
Outside of quotes only a number or a duration is put in. No value ever becomes a part of the query's own language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from data_sources.answer import Answer
from data_sources.errors import BadParameter
from data_sources.fields import Fields, Params
from data_sources.prometheus.selectors import any_of, quote
from data_sources.query import Depths, PromQL, Query, Workers
from data_sources.task_query import TaskNames
from notebooks.checks import CONTROLS
from notebooks.notebook import Ask, Cell, Layer
from notebooks.question import question
from notebooks.variable import MAX_VALUE, MAX_VALUES, Variable

Values = Mapping[str, tuple[str, ...]]  # () is all there are

# the parameters whose text is PromQL
IN_PROMQL = {("promql", "q"), ("explain", "q"), ("format", "q"), ("labels", "match"), ("label_values", "match")}
PREFIX = "var-"  # of a variable's values in a URL
ANY = re.compile(r"\$(?:(\$)|([a-z][a-z0-9_]{0,39})|\{([a-z][a-z0-9_]{0,39})\})", re.ASCII)
BARE = re.compile(r"\d+(\.\d+)?|(\d+(ms|[smhdwy]))+", re.ASCII)
# What PromQL's text is made of as far as quotes go: an operator, a string of each kind, a comment, all else.
TOKENS = re.compile(
    r"""(?P<match>=~|!~)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<other>'(?:[^'\\]|\\.)*'|`[^`]*`)|(?P<comment>\#[^\n]*)"""
    r"""|(?P<space>\s+)|(?P<rest>[^"'`\#=!\s]+|.)""",
    re.DOTALL,
)


def chosen(variables: Sequence[Variable], fields: Fields, cluster: str) -> Values:
    """The values that a URL gives (`var-queue=mail&var-queue=images`; `var-queue=` is all), and the defaults.

    Raises BadParameter, for a variable that there is none of too.
    """
    known = {PREFIX + variable.name: variable for variable in variables}
    for name in fields:
        if name.startswith(PREFIX) and (name not in known or known[name].kind == "cluster"):
            raise BadParameter(name[:60], f"is no variable of this notebook; {choice_of(variables)}")
    return {
        variable.name: (cluster,)
        if variable.kind == "cluster"
        else values_of(variable, fields.get(PREFIX + variable.name))
        for variable in variables
    }


def choice_of(variables: Sequence[Variable]) -> str:
    names = [variable.name for variable in variables if variable.kind != "cluster"]
    return f"it has {', '.join(names)}" if names else "it has none"


def values_of(variable: Variable, given: Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        return variable.default
    name, values = PREFIX + variable.name, tuple(given)
    if any(len(value) > MAX_VALUE or "\n" in value or CONTROLS.search(value) for value in values):
        raise BadParameter(name, f"takes values of at most {MAX_VALUE} characters that can be shown")
    if variable.kind == "text":
        if len(values) > 1:
            raise BadParameter(name, "is given more than once")
        return values
    if len(values) > MAX_VALUES:
        raise BadParameter(name, f"takes at most {MAX_VALUES} values")
    return tuple(dict.fromkeys(filter(None, values)))


def to_params(variables: Sequence[Variable], values: Values) -> Params:
    """What of `values` differs from the defaults, as URL parameters that `chosen` reads back."""
    return [
        (PREFIX + variable.name, value)
        for variable in variables
        if variable.kind != "cluster" and values[variable.name] != variable.default
        for value in values[variable.name] or ("",)
    ]


def choices(variable: Variable) -> Query | None:
    """Whose answer has the values there are to choose from; None where there are none, or the page has them."""
    match variable.kind:
        case "queue":
            return Depths()
        case "worker":
            return Workers()
        case "task":
            return TaskNames()
        case "label":
            return PromQL(f"group by ({variable.label}) ({variable.metric})", instant=True)
    return None


def choices_of(variable: Variable, answer: Answer) -> tuple[str, ...]:
    """The values in the answer to `choices`, sorted."""
    columns = {"queue": "queue", "worker": "worker", "task": "name"}
    column = columns.get(variable.kind, exported(variable.label))
    frame = answer.frame
    if "internal" in frame:
        frame = frame[~frame["internal"].fillna(False).astype(bool)]
    if column not in frame:
        return ()
    return tuple(sorted({str(value) for value in frame[column].dropna().unique()} - {""}))


def exported(label: str) -> str:
    """What a frame calls a label."""
    return f"exported_{label}" if label in ("time", "value") else label


def literal(text: str) -> str:
    """A parameter that means `text` as it stands."""
    return text.replace("$", "$$")


def named(cell: Cell) -> set[str]:
    """The variables that a cell's questions name."""
    if not isinstance(cell, Ask):
        return set()
    texts = (value for row in cell.rows for layer in row.layers for _, value in layer.params)
    return {name for text in texts for match in ANY.finditer(text) if (name := match[2] or match[3])}


def query(layer: Layer, values: Values) -> Query:
    """The query that a layer asks with these values. Raises BadParameter naming what cannot be asked."""
    return question([*filled(layer, values)])


def filled(layer: Layer, values: Values) -> Iterator[tuple[str, str]]:
    for name, text in layer.params:
        whole = ANY.fullmatch(text)
        if (layer.source, name) in IN_PROMQL:
            yield name, promql(name, text, values)
        elif whole and not whole[1]:
            yield from ((name, value) for value in look_up(name, whole, values) if value)
        else:
            yield name, ANY.sub(partial(single, name, values), text)


def look_up(name: str, match: re.Match[str], values: Values) -> tuple[str, ...]:
    variable = match[2] or match[3]
    if variable not in values:
        raise BadParameter(name, f"names ${variable}, which is no variable of this notebook; write $$ for a dollar")
    return values[variable]


def single(name: str, values: Values, match: re.Match[str]) -> str:
    """The one value of a variable that stands amid a text."""
    if match[1]:
        return "$"
    found = look_up(name, match, values)
    if len(found) != 1:
        raise BadParameter(name, f"needs one value of {match[0]}, not {len(found) or 'all'}; choose one")
    return found[0]


def promql(name: str, text: str, values: Values) -> str:
    """Raises BadParameter."""
    written: list[str] = []
    matches = False  # whether the string that comes next is a regular expression
    for token in TOKENS.finditer(text):
        fill = partial(FILLS.get(token.lastgroup or "", bare), name, values, matches)
        written.append(ANY.sub(partial(put, fill), token[0]))
        matches = token.lastgroup == "match" or (matches and token.lastgroup in ("space", "comment"))
    return "".join(written)


def put(fill: Callable[[re.Match[str]], str], match: re.Match[str]) -> str:
    return "$" if match[1] else fill(match)


def in_string(name: str, values: Values, matches: bool, match: re.Match[str]) -> str:
    """What stands for a variable within double quotes."""
    if match.string[match.start() - 1] == "\\":
        raise BadParameter(name, f"has a \\ before {match[0]}, which would change what the value means")
    if not matches:
        return quote(single(name, values, match))[1:-1]
    found = look_up(name, match, values)
    return any_of(found)[1:-1] if len(found) == 1 else f"(?:{any_of(found)[1:-1]})" if found else ".*"


def bare(name: str, values: Values, matches: bool, match: re.Match[str]) -> str:
    """What stands for a variable outside of quotes."""
    value = single(name, values, match)
    if not BARE.fullmatch(value):
        said = f'takes a number or a duration for {match[0]}; names stand in quotes: "{match[0]}"'
        raise BadParameter(name, said)
    return value


def quoted_otherwise(name: str, values: Values, matches: bool, match: re.Match[str]) -> str:
    raise BadParameter(name, f"has {match[0]} in quotes of another kind; write double quotes around it")


def as_it_is(name: str, values: Values, matches: bool, match: re.Match[str]) -> str:
    return match[0]


FILLS: Mapping[str, Callable[[str, Values, bool, re.Match[str]], str]] = {
    "string": in_string,
    "other": quoted_otherwise,
    "comment": as_it_is,
}
