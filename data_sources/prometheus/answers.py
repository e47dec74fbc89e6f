"""What Prometheus is asked, as answers: values over time, and all there is to know about asking for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pandas as pd

from data_sources.answer import Answer
from data_sources.errors import QueryRejected, SourceError
from data_sources.note import Note
from data_sources.prometheus import promql
from data_sources.prometheus.client import Metadata, PrometheusClient
from data_sources.prometheus.explained import EXPLAINED_COLUMNS, explained
from data_sources.prometheus.named_queries.answer import LIBRARY_COLUMNS, library, library_frame
from data_sources.prometheus.refusal import SOURCE
from data_sources.prometheus.tree import NotParsed, prettified
from data_sources.prometheus.whose import Whose
from data_sources.promql_query import (
    Explained,
    Formatted,
    LabelNames,
    LabelValues,
    Library,
    Metrics,
    OfPrometheus,
)
from data_sources.query import PromQL
from data_sources.scope import Window

MOST_METRICS = 20_000
MOST_VALUES = 2_000
# What exporters leave out where they say what a metric is, and write where they give its samples.
SUFFIXES = ("_total", "_bucket", "_sum", "_count", "_created", "_info")

METRIC_COLUMNS = {"name": "str", "type": "str", "help": "str", "unit": "str"}
COLUMNS = {
    Metrics: METRIC_COLUMNS,
    LabelNames: {"label": "str"},
    LabelValues: {"value": "str"},
    Formatted: {"text": "str"},
    Explained: EXPLAINED_COLUMNS,
    Library: LIBRARY_COLUMNS,
}


def values_answer(
    client: PrometheusClient, query: PromQL, window: Window, seconds: float, named: promql.NamedQuery | None
) -> Answer:
    """`named`: the measurement that `query` was written for, whose labels and unit are known. Raises SourceError."""
    labels, unit = (named.labels, named.unit) if named else ((), unit_of(query.text, client.whose))
    if query.instant:
        result = client.query(query.text, window.end, deadline_seconds=seconds)
    else:
        result = client.query_range(query.text, window, deadline_seconds=seconds, labels=labels)
    notes = [Note(text, "warning") for text in result.warnings] + [Note(text) for text in result.infos]
    if named and result.frame.empty:
        notes.append(Note(promql.missing(named.name, whose=client.whose), "absent"))
    return Answer(
        frame=result.frame,
        query=query,
        units={"value": unit} if named or unit else {},
        window=None if query.instant else window,
        origin=client.origin(),
        measured_at=datetime.now(UTC),
        took=result.took,
        notes=tuple(notes),
        totals=dict(result.cost),
    )


def unit_of(text: str, whose: Whose) -> str:
    """Of a query of the library; of others it is not known."""
    return next((one.unit for one in library(whose) if one.text == text), "")


def about_answer(client: PrometheusClient, query: OfPrometheus, window: Window, seconds: float) -> Answer:
    """Columns as in COLUMNS. Raises SourceError."""
    began = datetime.now(UTC)
    frame, notes = about(client, query, window, seconds)
    now = datetime.now(UTC)
    return Answer(frame, query, origin=client.origin(), measured_at=now, took=now - began, notes=tuple(notes))


def about(
    client: PrometheusClient, query: OfPrometheus, window: Window, seconds: float
) -> tuple[pd.DataFrame, list[Note]]:
    start, end = window.start, window.end
    match query:
        case Metrics():
            return metrics_frame(client, window, seconds)
        case LabelNames(match=match):
            selectors = [match] if match else []
            found = client.label_names(selectors, since=start, until=end, deadline_seconds=seconds)
            return one_column("label", found, MOST_VALUES)
        case LabelValues(label=label, match=match):
            selectors = [match] if match else []
            found = client.label_values(label, selectors, since=start, until=end, deadline_seconds=seconds)
            return one_column("value", found, MOST_VALUES)
        case Explained(text=text):
            return explained(client, text, end, seconds)
        case Formatted(text=text):
            return one_column("text", [formatted(client, text, seconds)], 1)
        case Library():
            mixed = [Note(promql.MIXED, "warning")] if client.whose.mixed else []
            return library_frame(client, start, end, seconds), mixed
    raise TypeError(f"nothing is known about {type(query).__name__}")


def metrics_frame(client: PrometheusClient, window: Window, seconds: float) -> tuple[pd.DataFrame, list[Note]]:
    """Every metric with samples in the window; what its exporter says of it, where anything does."""
    names = client.label_values("__name__", since=window.start, until=window.end, deadline_seconds=seconds / 2)
    told: dict[str, Metadata] = {}
    notes = cut(len(names), MOST_METRICS)
    try:
        told = client.metadata(deadline_seconds=seconds / 2)
    except SourceError as error:  # some engines keep none
        notes.append(Note(f"What each metric means is not known: {error.what}", "warning"))
    rows = [(name, one.type, one.help, one.unit) for name in names[:MOST_METRICS] for one in [meaning(name, told)]]
    return pd.DataFrame(rows, columns=list(METRIC_COLUMNS)).astype(METRIC_COLUMNS), notes


def meaning(name: str, told: dict[str, Metadata]) -> Metadata:
    alike = (name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix))
    return next((told[one] for one in (name, *alike) if one in told), Metadata("unknown", "", ""))


def formatted(client: PrometheusClient, text: str, seconds: float) -> str:
    """By the server, which knows its own language best; by promql-parser where it does not offer that."""
    told = client.formatted(text, deadline_seconds=seconds)
    if told is not None:
        return told
    try:
        return prettified(text)
    except NotParsed as exc:
        raise QueryRejected(SOURCE, str(exc), parameter="q") from exc


def one_column(name: str, texts: Iterable[str], most: int) -> tuple[pd.DataFrame, list[Note]]:
    found = list(texts)
    return pd.DataFrame({name: pd.Series(found[:most], dtype="str")}), cut(len(found), most)


def cut(count: int, most: int) -> list[Note]:
    return [Note(f"The first {most:,} of {count:,}", "cut")] if count > most else []
