"""Pictures as values. Of one task: its time, its family, its runs, and it beside another; of a schedule: its load. Each
form has its module in cells/browser. Moments are milliseconds since 1970, durations seconds; None is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cells.facts import Fact
from cells.load import Load
from data_sources.answer import Answer

Said = list[object]  # words of a headline, as they are sent: see headlines.headline.sent


@dataclass(frozen=True)
class Part:
    """A part of a task's time; `lasts`: it has not ended. `kind`: of data_sources.history.task_run.Span."""

    kind: str
    label: str
    start: float | None
    end: float | None
    seconds: float | None
    lasts: bool
    note: str = ""


@dataclass(frozen=True)
class Timeline:
    state: str
    parts: tuple[Part, ...]
    note: str = ""
    empty: tuple[str, ...] = ()
    form: str = "timeline"


@dataclass(frozen=True)
class Branch:
    """A task of a family: it waited from `waits` to `runs`, and ran until `ends`."""

    name: str
    href: str
    state: str
    depth: int
    own: bool
    last_line: bool
    waits: float | None
    runs: float | None
    ends: float | None
    lasts: bool
    wait: float | None
    runtime: float | None


@dataclass(frozen=True)
class Family:
    start: float | None = None
    end: float | None = None
    branches: tuple[Branch, ...] = ()
    says: tuple[Said, ...] = ()
    empty: tuple[str, ...] = ()
    form: str = "family"


@dataclass(frozen=True)
class Run:
    href: str
    state: str
    own: bool
    at: float | None
    seconds: float | None


@dataclass(frozen=True)
class Runtimes:
    """`usual`: the median of the others' seconds."""

    runs: tuple[Run, ...]
    usual: float | None = None
    empty: tuple[str, ...] = ()
    form: str = "runtimes"


@dataclass(frozen=True)
class Difference:
    """A fact of both. `differs`: None where it says nothing, as two times do."""

    fact: Fact
    other: Any
    differs: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """`own`: the id of the task that others can be compared with, in a field below; "" for none."""

    rows: tuple[Difference, ...] = ()
    own: str = ""
    empty: tuple[str, ...] = ()
    form: str = "comparison"


Picture = Timeline | Family | Runtimes | Comparison | Load
PictureView = Callable[[pd.DataFrame, Mapping[str, Answer]], Picture]
