"""A variable of a notebook, as a value."""

from __future__ import annotations

import re
from dataclasses import dataclass

from notebooks.checks import MAX_TITLE, check_line, check_name, one_of
from notebooks.error import NotebookError

VARIABLE_KINDS = ("cluster", "queue", "task", "worker", "label", "text")
MAX_VALUES = 50
MAX_VALUE = 500

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,199}", re.ASCII)
METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,199}", re.ASCII)


@dataclass(frozen=True)
class Variable:
    """What all cells can name as `$name`.

    `default` holds the values chosen without a choice: () is all there are. One of kind text has one, which may be
    empty; one of kind cluster has none, as its value is the page's cluster. `label` and `metric`, of kind label alone,
    say whose values there are to choose from.
    """

    name: str
    kind: str
    default: tuple[str, ...] = ()
    title: str = ""
    label: str = ""
    metric: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        one_of("kind", self.kind, VARIABLE_KINDS)
        check_line("title", self.title, MAX_TITLE)
        if len(self.default) > MAX_VALUES:
            raise NotebookError(f"default takes at most {MAX_VALUES} values")
        for value in self.default:
            check_line("default", value, MAX_VALUE)
        if self.kind == "text" and len(self.default) != 1:
            raise NotebookError("default of a text is one text, which may be empty")
        if self.kind == "cluster" and self.default:
            raise NotebookError("a cluster has no default: it is the page's")
        if self.kind != "text" and "" in self.default:
            raise NotebookError("default holds an empty name; leave it out for all there are")
        if self.kind == "label" and not (LABEL.fullmatch(self.label) and METRIC.fullmatch(self.metric)):
            raise NotebookError("a variable of kind label needs a label and the metric that has it")
        if self.kind != "label" and (self.label or self.metric):
            raise NotebookError("label and metric are for variables of kind label")
