"""Whether a threshold holds: what is known decides, and what is not known never holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from data_sources.answer import Answer
from data_sources.failure import Failure
from data_sources.note import Note
from data_sources.query import Depths, History, PromQL, Signal
from data_sources.range_frame import empty_frame
from data_sources.scope import Window
from notebooks.editing.payload import threshold_payload
from notebooks.notebook import OPS, Threshold
from notebooks.threshold import Verdict, judged

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WINDOW = Window(START, START + 10 * MINUTE, MINUTE)
NAN, INF = float("nan"), float("inf")
BROKEN = Failure("unreachable", "Prometheus", "does not answer", "", START, None)


def series(values: Mapping[str, Sequence[float | None]]) -> Answer:
    """A series a queue, a value a minute; None is a hole."""
    points = [
        (WINDOW.start + minute * MINUTE, queue, value)
        for queue, line in values.items()
        for minute, value in enumerate(line)
        if value is not None
    ]
    frame = pd.DataFrame(points, columns=["time", "queue", "value"])
    frame = frame.astype({"time": "datetime64[ms, UTC]", "queue": "category", "value": "float64"})
    return Answer(frame, PromQL("depth"), {"value": "B"}, WINDOW, measured_at=WINDOW.end)


def table(*values: float | None) -> Answer:
    frame = pd.DataFrame({"queue": [f"q{place}" for place in range(len(values))], "ready": pd.array(values, "Float64")})
    return Answer(frame, Depths(), measured_at=WINDOW.end)


def verdict(answer: Answer, measure: str, op: str, limit: float, column: str = "value") -> Verdict:
    return judged(Threshold("t", "", "depth", column, measure, op, limit), answer)


def state(answer: Answer, measure: str, op: str, limit: float, column: str = "value") -> str:
    return verdict(answer, measure, op, limit, column).state


def filtered(measure: str, op: str, limit: float) -> Threshold:
    return Threshold("t", "", "depth", "value", measure, op, limit, sparse=True)


RISING = [float(minute) for minute in range(11)]


@pytest.mark.parametrize(
    ("measure", "value"),
    [("last", 10), ("max", 10), ("min", 0), ("mean", 5), ("sum", 55), ("count", 11), ("p95", 9.5)],
)
def test_each_measure_of_a_series(measure: str, value: float) -> None:
    found = verdict(series({"mail": RISING}), measure, "==", value)

    assert (found.state, found.value, found.unit) == ("holds", value, "B")


@pytest.mark.parametrize(
    ("op", "limit", "state", "worst"),
    [
        ("<", 9, "fails", "mail"),
        ("<", 11, "holds", "mail"),
        (">=", 6, "fails", "img"),
        ("==", 9, "fails", "img"),
        ("!=", 9, "holds", "mail"),
        ("!=", 5, "fails", "img"),
    ],
)
def test_the_worst_series_counts_and_is_named(op: str, limit: float, state: str, worst: str) -> None:
    found = verdict(series({"mail": RISING, "img": [5.0] * 11}), "max", op, limit)

    assert (found.state, found.series) == (state, worst)


def test_it_says_what_was_measured_and_what_must_be() -> None:
    found = verdict(series({"mail": RISING}), "max", "<", 3000)

    assert found.why == "max of depth.value is 10 B (mail); it must be < 3,000 B"


@pytest.mark.parametrize("measure", ["last", "max", "min", "mean", "sum", "p95"])
@pytest.mark.parametrize(
    ("infinite", "name", "holding"), [(INF, "+Inf", (">", ">=", "!=")), (-INF, "-Inf", ("<", "<=", "!="))]
)
def test_what_is_infinite_is_compared_and_named(
    measure: str, infinite: float, name: str, holding: tuple[str, ...]
) -> None:
    beside = [{"min": INF, "max": -INF, "p95": infinite}.get(measure, 1.0), infinite]
    for answer, column in ((series({"mail": beside * 5 + [infinite]}), "value"), (table(*beside), "ready")):
        for op in OPS:
            found = verdict(answer, measure, op, 5, column)
            assert (found.state, found.value) == ("holds" if op in holding else "fails", infinite)
            assert found.why.startswith(f"{measure} of depth.{column} is {name}")
            sent = threshold_payload(Threshold("t", "", "depth", column, measure, op, 5), found, pending=False)
            assert json.loads(json.dumps(sent, allow_nan=False))["value"] == name


def test_infinities_of_both_signs_have_no_sum() -> None:
    for measure in ("sum", "mean"):
        assert state(series({"mail": [INF, -INF] * 5 + [INF]}), measure, ">", 5) == "unknown"
    assert state(series({"mail": [INF] * 11}), "p95", ">", 5) == "holds"
    assert state(table(-INF, INF), "p95", ">", 5, "ready") == "unknown"
    assert state(table(INF, -INF), "count", "==", 2, "ready") == "holds"


def test_of_series_the_infinite_one_is_the_worst() -> None:
    found = verdict(series({"mail": RISING, "img": [INF] * 11}), "mean", "<", 100)

    assert (found.state, found.series, found.value) == ("fails", "img", INF)


def test_what_is_not_known_never_holds() -> None:
    good = series({"mail": RISING})
    unknown = {
        "pending": replace(good, measured_at=None),
        "failed": replace(good, measured_at=None, failure=BROKEN),
        "stale": replace(good, failure=BROKEN),
        "empty": replace(good, frame=empty_frame(("queue",))),
        "no number": series({"mail": [NAN] * 11}),
        "no column": replace(good, frame=good.frame.rename(columns={"value": "v"})),
    }
    for answer in unknown.values():
        for measure in ("last", "max", "min", "mean", "sum", "count", "p95"):
            for op in ("<", ">", "!="):
                found = verdict(answer, measure, op, 5)
                assert found.state == "unknown"
                assert found.value is None
                assert found.why.startswith("It cannot be told: ")


def test_why_it_cannot_be_told() -> None:
    good = series({"mail": RISING})
    absent = replace(good, frame=empty_frame(()), notes=(Note("start an exporter", "absent"),))

    assert verdict(replace(good, failure=BROKEN), "max", "<", 5).why == (
        "It cannot be told: nothing newer is known than of 2026-03-01 10:10:00 UTC: Prometheus: does not answer"
    )
    assert verdict(absent, "max", "<", 5).why == "It cannot be told: start an exporter"
    assert verdict(good, "max", "<", 5, "v").why == (
        "It cannot be told: there is no column v; there is time, queue, value"
    )
    assert verdict(good, "max", "<", 5, "queue").why == (
        "It cannot be told: queue holds no numbers; they can be counted"
    )


def test_prometheus_no_number_is_no_value_of_a_series() -> None:
    assert verdict(series({"mail": [1.0, NAN, 3.0] * 3 + [NAN, 2.0]}), "mean", "==", 2).state == "holds"


def test_the_last_value_is_of_series_that_are_still_there() -> None:
    gone = series({"mail": [*RISING[:5], *[None] * 6], "img": [1.0] * 11})

    assert verdict(gone, "last", "<=", 1).state == "holds"
    assert verdict(gone, "max", "<=", 1).state == "fails"
    assert state(series({"mail": [*RISING[:5], *[None] * 6]}), "last", "<=", 100) == "unknown"


def test_time_of_which_nothing_is_known_can_fail_and_not_hold() -> None:
    good = series({"mail": RISING})
    short = replace(good, notes=(Note("restart", "gap", WINDOW.start, WINDOW.start + MINUTE / 4),))
    before = Note("nothing was recorded", "gap", None, WINDOW.start + 4 * MINUTE)
    twice = replace(good, notes=(before, Note("the same", "gap", WINDOW.start + MINUTE, WINDOW.start + 3 * MINUTE)))

    assert state(short, "max", "<", 100) == "holds"
    assert verdict(twice, "max", "<", 100).why == "It cannot be told: of 40% of the time nothing is known"
    assert state(twice, "max", "<", 5) == "fails"
    assert state(twice, "last", "<", 100) == "holds"


def test_time_of_which_prometheus_has_no_series_is_not_known() -> None:
    once = series({"mail": [None] * 10 + [1.0]})
    by_turns = series({"mail": [1.0, None] * 5 + [1.0], "img": [None, 1.0] * 5 + [None]})

    assert verdict(once, "max", "<", 5).why == "It cannot be told: of 90% of the time nothing is known"
    assert state(once, "max", "<", 1) == "fails"
    assert state(once, "last", "<", 5) == "holds"
    assert verdict(by_turns, "max", "<", 5).why == "max of depth.value is 1 B (mail); it must be < 5 B"
    assert state(replace(once, query=Signal("memory", "container", ("mail",))), "max", "<", 5) == "unknown"
    assert state(replace(once, query=History("depth", "queue")), "max", "<", 5) == "holds"


def test_a_filter_leaves_out_what_it_does_not_find() -> None:
    once = series({"mail": [None] * 10 + [7.0]})
    none = replace(once, frame=empty_frame(("queue",)))
    absent = replace(none, notes=(Note("start an exporter", "absent"),))
    found = judged(filtered("max", "<", 9), once)

    assert (found.state, found.value) == ("holds", 7)
    assert found.why == "max of depth.value is 7 B (mail); it must be < 9 B"
    assert judged(filtered("count", "==", 0), none).state == "holds"
    assert judged(filtered("max", "<", 9), none).state == "unknown"
    assert judged(filtered("count", "==", 0), absent).state == "unknown"


def test_a_filter_does_not_forgive_what_was_not_recorded() -> None:
    deaf = (Note("nothing was recorded", "gap"),)
    recorded = replace(series({"mail": RISING}), query=History("depth", "queue"), notes=deaf)
    none = replace(recorded, frame=empty_frame(("queue",)))
    why = "It cannot be told: of 100% of the time nothing is known"

    assert judged(filtered("max", "<", 100), recorded).why == why
    assert judged(filtered("max", "<", 5), recorded).state == "fails"
    for op in ("==", ">"):
        assert judged(filtered("count", op, 0), none).why == why


@pytest.mark.parametrize(
    ("measure", "op", "limit", "known"),
    [
        ("max", "<", 9, "unknown"),  # the one that is not known may be 10
        ("max", "<", 5, "fails"),
        ("max", ">", 5, "holds"),
        ("max", ">", 9, "unknown"),
        ("max", "==", 5, "fails"),
        ("max", "!=", 5, "holds"),
        ("max", "!=", 9, "unknown"),
        ("min", ">", 1, "unknown"),
        ("min", "<", 5, "holds"),
        ("min", ">", 5, "fails"),
        ("mean", "<", 100, "unknown"),
        ("sum", "<", 100, "unknown"),
        ("p95", "<", 100, "unknown"),
        ("last", "<", 100, "unknown"),
        ("count", "==", 2, "holds"),
    ],
)
def test_a_value_of_a_table_that_is_not_known_may_be_any(measure: str, op: str, limit: float, known: str) -> None:
    assert state(table(3, 7, None), measure, op, limit, "ready") == known


@pytest.mark.parametrize(
    ("measure", "op", "limit", "known"),
    [
        ("count", "<", 10, "unknown"),
        ("count", "<=", 1, "fails"),
        ("count", ">=", 2, "holds"),
        ("max", "<", 9, "unknown"),
        ("min", "<", 5, "holds"),
        ("mean", "<", 9, "unknown"),
    ],
)
def test_rows_that_were_not_read_may_hold_anything(measure: str, op: str, limit: float, known: str) -> None:
    page = replace(table(3, 7), notes=(Note("Only the first 2 rows are here", "cut"),))

    assert state(page, measure, op, limit, "ready") == known


def test_no_rows_of_a_table_are_counted_as_none() -> None:
    assert state(table(), "count", "==", 0, "ready") == "holds"
    assert state(table(), "max", "<", 5, "ready") == "unknown"
    assert state(table(3, 7), "count", "==", 2, "queue") == "holds"
