"""The Tasks page without a browser: its tables, its sentence, and what there is to choose from."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

from cells.filters import filters_payload
from cells.payload import pages
from cells.table import Table
from cells.views import tasks as views
from data_sources.answer import Answer
from data_sources.blank import blank_frame
from data_sources.failure import Failure
from data_sources.history.facets import facet_frame
from data_sources.history.failures import FAILURE_COLUMNS
from data_sources.history.names import NAME_COLUMNS
from data_sources.history.rows import TASK_COLUMNS, task_frame
from data_sources.note import Note
from data_sources.query import Query
from data_sources.schema import STATES
from data_sources.sealed.arrow_frame import from_bytes, to_bytes
from data_sources.task_query import Cursor, Facets, Failures, TaskFilter, TaskNames, Tasks
from headlines.headline import Headline
from headlines.tasks import tasks as headline

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
HOSTILE = "<img src=x>&name=other"


def answer(query: Query, frame: pd.DataFrame, **more: Any) -> Answer:
    return Answer(frame, query, measured_at=NOW, **more)


def frame(columns: dict[str, str], *rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {name: pd.Series([row.get(name) for row in rows], dtype=kind) for name, kind in columns.items()}
    )


def of_name(name: str | None, **known: Any) -> dict[str, Any]:
    return {"name": name, "count": 0, "ended": 0, "failures": 0, "retries": 0, **known}


def failed(*by_name: dict[str, Any], **known: Any) -> dict[str, Any]:
    own = {"names": [one["name"] for one in by_name], "by_name": [*by_name]}
    return {"failure": "0123456789ab", "exception": "KeyError('…')", "until": NOW, **own, **known}


def own(name: str, *counts: int | None, hours: float = 1) -> dict[str, Any]:
    """What is told of a name that failed so: in the last hour, 3 hours, day and week, and how long ago first."""
    spans = zip(("last_1h", "last_3h", "last_24h", "last_7d"), counts, strict=True)
    return {"name": name, **dict(spans), "first": (NOW - timedelta(hours=hours)).isoformat(), "last": NOW.isoformat()}


def shown(table: Table) -> list[dict[str, Any]]:
    """The values, by column."""
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def leads_to(value: Any) -> tuple[Any, str, dict[str, list[str]]]:
    """A value, the page it leads to, and its parameters."""
    parts = urlsplit(value["href"])
    return value["value"], parts.path, parse_qs(parts.query)


def test_each_number_of_a_name_leads_to_its_tasks_within_the_filter() -> None:
    filter = TaskFilter(workers=("one@shop",))
    known = of_name(HOSTILE, count=7, ended=6, failures=2, failure_ratio=1 / 3, runtime_p95=1.5)
    names = frame(NAME_COLUMNS, known, of_name(None, count=1))
    rows = shown(views.names(names, {"rows": answer(TaskNames(filter), names)}))

    own = {"name": [HOSTILE], "worker": ["one@shop"]}
    assert leads_to(rows[0]["name"]) == (HOSTILE, "/tasks", own)
    assert leads_to(rows[0]["count"]) == (7, "/tasks", own)
    assert leads_to(rows[0]["failures"]) == (2, "/tasks", {**own, "state": ["FAILURE"]})
    assert leads_to(rows[0]["runtime_p95"]) == (1.5, "/tasks", {**own, "sort": ["-runtime"]})
    assert (rows[0]["rate"], rows[0]["wait_p50"]) == (None, None)
    assert (rows[1]["name"], rows[1]["count"], rows[1]["failures"]) == (None, 1, 0)


def test_each_number_of_a_failure_leads_to_the_tasks_it_counts() -> None:
    first = pd.Timestamp(NOW - timedelta(days=2))
    group = failed(last_1h=0, last_3h=4, last_24h=9, first=first, last=pd.Timestamp(NOW))
    failures = frame(FAILURE_COLUMNS, group)
    row = shown(views.failures(failures, {"rows": answer(Failures(TaskFilter(queues=("mail",))), failures)}))[0]

    value, page, params = leads_to(row["last_3h"])
    assert (value, page) == (4, "/tasks")
    assert params == {
        "queue": ["mail"],
        "failure": ["0123456789ab"],
        "from": ["2026-01-05T07:00:00+00:00"],
        "to": ["2026-01-05T10:00:00+00:00"],
    }
    assert (row["last_1h"], row["last_7d"]) == (0, None)
    assert row["first"] == first.timestamp() * 1000


def test_a_task_of_the_list_leads_to_its_page_and_what_is_not_known_is_empty() -> None:
    known = dict.fromkeys([*TASK_COLUMNS, "last_us", "wait_us", "runtime_us", "sent_us", "received_us"])
    row = known | {f"{name}_us": None for name in ("started", "finished", "eta")}
    row |= {"id": "a1b2c3d4-e5", "state": STATES.index("STARTED"), "last_us": 5_000_000, "args": "x" * 500}
    listed = task_frame([row])
    task = shown(views.tasks(listed, {"rows": answer(Tasks(), listed)}))[0]

    assert leads_to(task["name"]) == ("not known", "/task", {"id": ["a1b2c3d4-e5"]})
    assert (task["last"], task["started"], task["wait"]) == (5000, None, None)
    assert (task["worker"], task["queue"], task["retries"], task["exception"]) == (None, None, None, None)
    assert task["args"] == "x" * views.CUT + "…"


def test_an_empty_list_teaches_by_whether_anything_was_looked_for() -> None:
    nothing = blank_frame(Tasks())
    assert "$ celery -A yourapp worker -E" in views.tasks(nothing, {"rows": answer(Tasks(), nothing)}).empty
    looked_for = answer(Tasks(TaskFilter(search="x")), nothing)
    assert "No task matches" in views.tasks(nothing, {"rows": looked_for}).empty[0]


def test_a_list_says_how_it_is_sorted_and_where_it_goes_on() -> None:
    query = Tasks(sort="-runtime", after=Cursor("-runtime", 5, 1))
    following = replace(query, after=Cursor("-runtime", 3, 2))
    blank = blank_frame(query)

    assert pages(answer(query, blank, next=following)) == {"sort": "-runtime", "first": False, "after": "-runtime.3.2"}
    assert pages(answer(Tasks(), blank)) == {"sort": "-last", "first": True, "after": None}
    assert pages(answer(Facets(), blank_frame(Facets()))) is None


def test_a_facet_offers_also_what_is_not_chosen() -> None:
    chosen = TaskFilter(states=("FAILURE",), search="x")
    facets = facet_frame({"state": Counter({"SUCCESS": 5, "FAILURE": 2, None: 1})})
    cut = Note("Counted among the newest 9", "cut")
    answers = {
        facet: answer(Facets(chosen.without(facet)), facets, notes=(cut,))
        for facet in ("state", "name", "queue", "worker")
    }
    sent = filters_payload(chosen, answers)

    state = sent["facets"][0]
    assert (state["name"], state["chosen"]) == ("state", ["FAILURE"])
    assert state["values"] == [("SUCCESS", 5), ("FAILURE", 2)]
    assert sent["facets"][1]["values"] == []
    assert (sent["chosen"], sent["notes"]) == ([("state", "FAILURE")], [cut.text])


def test_of_many_values_of_a_facet_the_most_frequent_are_offered_and_the_others_counted() -> None:
    facets = facet_frame({"name": Counter({f"shop.t{k}": 1000 - k for k in range(130)} | {None: 5})})
    answers = {facet: answer(Facets(), facets) for facet in ("state", "name", "queue", "worker")}
    offered = {facet["name"]: facet for facet in filters_payload(TaskFilter(), answers)["facets"]}

    assert (len(offered["name"]["values"]), offered["name"]["left_out"]) == (100, 30)
    assert offered["name"]["values"][-1] == ("shop.t99", 901)
    assert offered["queue"]["left_out"] == 0


def told(names: pd.DataFrame, failures: pd.DataFrame | None = None) -> Headline:
    blank = frame(FAILURE_COLUMNS) if failures is None else failures
    return headline({"names": answer(TaskNames(), names), "failures": answer(Failures(), blank)})


def said(words: tuple[Any, ...]) -> str:
    """The text, with seconds and moments as they are."""
    return "".join(word if isinstance(word, str) else word.text or str(word.moment or word.seconds) for word in words)


CALM = of_name("shop.pay", count=1000, ended=1000, failures=2, failure_ratio=0.002, rate=0.25, runtime_total=100.0)


def test_the_sentence_is_calm_where_little_fails_and_says_what_costs_most() -> None:
    quiet = of_name("shop.send", count=200, ended=200, failure_ratio=0.0, rate=0.05, runtime_total=300.0)
    one = told(frame(NAME_COLUMNS, CALM, quiet))

    assert said(one.sentence) == "1,080 tasks an hour, 0.2% fail"
    assert said(one.context) == "shop.send takes 75% of the time spent, 400.0 in all."
    assert one.tone == "good"


def test_the_sentence_names_what_fails_and_with_what() -> None:
    bad = of_name("shop.send", count=50, ended=50, failures=6, failure_ratio=0.12, rate=0.1)
    other = failed(own("shop.other", 9, 9, 9, 9), exception="ValueError()")
    group = failed(own("shop.send", 6, 6, 6, 6))
    one = told(frame(NAME_COLUMNS, CALM, bad), frame(FAILURE_COLUMNS, other, group))

    assert said(one.sentence) == "shop.send fails 12% of the time: KeyError"
    assert said(one.context).startswith("In the last 7 days first seen 3600.0 ago. ")
    assert [word.href for word in one.sentence if not isinstance(word, str)][1] == "/tasks?name=shop.send&state=FAILURE"
    assert one.tone == "bad"


@pytest.mark.parametrize(
    ("failures", "sentence"),
    [
        (6, "TimeoutError, 7200.0"),
        (30, "KeyError, 172800.0"),  # more than were in the last hours: of the whole week
    ],
)
def test_the_sentence_names_what_the_worst_fails_with_most_and_not_what_others_do(failures: int, sentence: str) -> None:
    bad = of_name("shop.send", count=50, ended=50, failures=failures, failure_ratio=0.12, rate=0.1)
    everybodys = failed(own("shop.pay", 900, 900, 900, 900), own("shop.send", 1, 1, 1, 25, hours=48), last_1h=901)
    its = failed(own("shop.send", 0, 5, 5, 5, hours=2), exception="TimeoutError(#)", last_1h=0)
    one = told(frame(NAME_COLUMNS, bad), frame(FAILURE_COLUMNS, everybodys, its))

    exception, first = sentence.split(", ")
    assert said(one.sentence) == f"shop.send fails 12% of the time: {exception}"
    assert said(one.context) == f"In the last 7 days first seen {first} ago. "


def test_the_sentence_of_a_snapshot_is_that_of_the_page() -> None:
    bad = frame(NAME_COLUMNS, of_name("shop.send", count=50, ended=50, failures=6, failure_ratio=0.12, rate=0.1))
    failures = frame(FAILURE_COLUMNS, failed(own("shop.send", 6, 6, 6, 6)))
    assert told(bad, from_bytes(to_bytes(failures))) == told(bad, failures)
    of_an_older_file = failures.assign(by_name=None)
    assert said(told(bad, of_an_older_file).sentence) == "shop.send fails 12% of the time"


def test_no_exception_is_named_while_failures_are_too_many_to_count() -> None:
    bad = of_name("shop.send", count=50, ended=50, failures=6, failure_ratio=0.12, rate=0.1)
    one = told(frame(NAME_COLUMNS, bad), frame(FAILURE_COLUMNS, failed(own("shop.send", None, None, None, None))))
    assert said(one.sentence) == "shop.send fails 12% of the time"


@pytest.mark.parametrize(("failures", "share"), [(1, "less than 0.1%"), (99_990, "more than 99%"), (0, "none")])
def test_a_share_is_none_or_all_only_when_it_is(failures: int, share: str) -> None:
    most = of_name(
        "shop.send", count=100_000, ended=100_000, failures=failures, failure_ratio=failures / 100_000, rate=1
    )
    assert share in said(told(frame(NAME_COLUMNS, most)).sentence)


def test_one_failure_of_a_few_is_chance() -> None:
    few = of_name("shop.send", count=4, ended=4, failures=1, failure_ratio=0.25, rate=0.1)
    assert said(told(frame(NAME_COLUMNS, CALM, few)).sentence) == "1,260 tasks an hour, 0.3% fail"


def test_the_sentence_names_what_waits() -> None:
    late = of_name("shop.send", count=9, ended=9, failure_ratio=0.0, rate=0.1, wait_p95=184.0)
    one = told(frame(NAME_COLUMNS, CALM, late))
    assert said(one.sentence) == "shop.send waits up to 184.0 before it starts"


def test_of_tasks_chosen_by_how_they_ended_no_share_is_told() -> None:
    chosen = of_name("shop.send", count=50, ended=50, failures=50, rate=0.1)
    assert said(told(frame(NAME_COLUMNS, chosen)).sentence) == "360 tasks an hour of those that were looked for"


def test_an_empty_time_and_a_history_that_is_not_there_are_told_apart() -> None:
    assert said(told(frame(NAME_COLUMNS)).sentence) == "No task did anything in this time"
    lost = answer(TaskNames(), frame(NAME_COLUMNS), notes=(Note("No task events recorded: it is down", "gap"),))
    deaf = headline({"names": lost, "failures": answer(Failures(), frame(FAILURE_COLUMNS))})
    assert said(deaf.context) == "As far as is recorded: no task events recorded: it is down."
    gone = Failure("unreachable", "History", "it is not there", "Start the recorder", NOW, None)
    blank = Answer(frame(NAME_COLUMNS), TaskNames(), failure=gone)
    one = headline({"names": blank, "failures": answer(Failures(), frame(FAILURE_COLUMNS))})
    assert said(one.sentence) == "What ran is not known: it is not there"
    assert one.tone == "bad"


@pytest.mark.parametrize(("ended", "rate"), [(0, None), (3, None), (3, 0.0001)])
def test_a_rate_that_is_not_known_or_less_than_one_an_hour_is_not_told(ended: int, rate: float | None) -> None:
    one = told(frame(NAME_COLUMNS, of_name("shop.send", count=3, ended=ended, rate=rate)))
    assert said(one.sentence) == "3 tasks"
