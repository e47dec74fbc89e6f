"""Where the series and labels of a PromQL expression go: each of its parts, asked by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from data_sources.errors import QueryRejected, SourceError
from data_sources.note import Note
from data_sources.prometheus.client import PrometheusClient, PromResult
from data_sources.prometheus.refusal import SOURCE
from data_sources.prometheus.tree import NotParsed, Part, take_apart

MOST_PARTS = 24
MOST_SERIES = 50  # of a part, whose labels are looked at
MOST_MATCHERS = 8  # of a selector that finds nothing, each tried by itself
LEAST_SECONDS = 0.2  # in which it is worth asking once more
OUT_OF_TIME = "not asked: no time was left"

# `depth`: within how many parts it stands. `type`: vector, range or scalar. `series` at that moment; of a scalar not
# known. `labels` they have, without the metric's name; `lost`: those that what they are made of has. `seconds` of the
# server, and `samples` it read. `says` what is to be known of it.
EXPLAINED_COLUMNS = {
    "depth": "int64",
    "part": "str",
    "type": "str",
    "series": "Int64",
    "labels": "object",
    "lost": "object",
    "seconds": "float64",
    "samples": "Int64",
    "says": "str",
}


@dataclass(frozen=True)
class Found:
    """What asking for a part told. None: not known."""

    series: int | None = None
    labels: tuple[str, ...] | None = None
    seconds: float | None = None
    samples: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class Asking:
    """The moment that is asked about, and until when there is time, by the monotonic clock."""

    client: PrometheusClient
    at: datetime
    ends: float

    @property
    def seconds_left(self) -> float:
        return self.ends - time.monotonic()

    def count(self, text: str) -> tuple[int, PromResult]:
        """How many series `text` has. Raises SourceError."""
        result = self.client.query(f"count({text})", self.at, deadline_seconds=max(self.seconds_left, LEAST_SECONDS))
        return int(result.frame["value"].sum()), result

    def labels(self, text: str) -> tuple[str, ...]:
        """Those of the first series of `text`, without the metric's name. Raises SourceError."""
        some = f"topk({MOST_SERIES}, {text})"
        frame = self.client.query(some, self.at, deadline_seconds=max(self.seconds_left, LEAST_SECONDS)).frame
        return tuple(label for label in frame.columns if label not in ("time", "__name__", "value"))


def explained(client: PrometheusClient, text: str, at: datetime, seconds: float) -> tuple[pd.DataFrame, list[Note]]:
    """A row a part, see EXPLAINED_COLUMNS. Raises QueryRejected with the server's own words and place."""
    asking = Asking(client, at, time.monotonic() + seconds)
    client.formatted(text, deadline_seconds=seconds)  # which says what is wrong with it, if anything is
    try:
        parts = take_apart(text, MOST_PARTS + 1)
    except NotParsed as exc:
        hint = "The query itself may well be answered."
        raise QueryRejected(SOURCE, f"cannot be taken apart: {exc}", hint, parameter="q") from exc
    notes = [Note(f"Only the first {MOST_PARTS} parts were asked for", "cut")] if len(parts) > MOST_PARTS else []
    parts = parts[:MOST_PARTS]
    found = [find(part, asking) for part in parts]
    rows = [row(place, parts, found, asking) for place in range(len(parts))]
    columns = zip(*rows, strict=True) if rows else [[] for _ in EXPLAINED_COLUMNS]
    typed = zip(EXPLAINED_COLUMNS.items(), columns, strict=True)
    frame = pd.DataFrame({name: pd.Series(list(values), dtype=kind) for (name, kind), values in typed})
    return frame, notes


def find(part: Part, asking: Asking) -> Found:
    if not part.counted:
        return Found()
    if asking.seconds_left < LEAST_SECONDS:
        return Found(problem=OUT_OF_TIME)
    try:
        series, result = asking.count(part.counted)
        labels = asking.labels(part.counted) if series else ()
    except SourceError as error:
        return Found(problem=error.what)
    spent = result.cost.get("microseconds")
    seconds = result.took.total_seconds() if spent is None else spent / 1e6
    return Found(series, labels, seconds, result.cost.get("samples"))


def row(place: int, parts: Sequence[Part], found: Sequence[Found], asking: Asking) -> tuple[object, ...]:
    part, own = parts[place], found[place]
    below = [found[one] for one in made_of(place, parts)]
    had = sorted({label for one in below for label in one.labels or ()})
    lost = [label for label in had if label not in own.labels] if own.labels is not None and own.series else []
    says = own.problem or (why_nothing(part, below, asking) if own.series == 0 else "")
    labels = None if own.labels is None else list(own.labels)
    return part.depth, part.text, part.type, own.series, labels, lost, own.seconds, own.samples, says


def made_of(place: int, parts: Sequence[Part]) -> Iterator[int]:
    """The places of the parts right below."""
    for one in range(place + 1, len(parts)):
        if parts[one].depth <= parts[place].depth:
            return
        if parts[one].depth == parts[place].depth + 1:
            yield one


def why_nothing(part: Part, below: Sequence[Found], asking: Asking) -> str:
    """Why a part has no series; "" where that is told further below."""
    if part.metric:
        return why_not_selected(part, asking)
    if any(one.series == 0 for one in below) or not below:
        return ""
    if part.joins and all(one.labels is not None for one in below):
        return why_not_joined(*(one.labels or () for one in below))
    return "nothing of what comes in passes"


def why_not_joined(left: tuple[str, ...], right: tuple[str, ...]) -> str:
    alone = [
        f"the {side} alone has {', '.join(own)}"
        for side, own in (
            ("left", [label for label in left if label not in right]),
            ("right", [label for label in right if label not in left]),
        )
        if own
    ]
    return "; ".join(["no series of both sides match", *alone])


def why_not_selected(part: Part, asking: Asking) -> str:
    """Which matcher lets nothing through, by trying each."""
    try:
        all_of_it, _ = asking.count(part.metric)
        if not all_of_it:
            return "there is no such metric at this moment"
        for matcher in part.matchers[:MOST_MATCHERS]:
            if asking.seconds_left < LEAST_SECONDS:
                return ""
            if not asking.count(f"{part.metric}{{{matcher}}}")[0]:
                return f"no series has {matcher}; {all_of_it:,} have another"
    except SourceError:
        return ""
    return "each matcher finds some, no series fits them all" if len(part.matchers) > 1 else "no sample in this stretch"
