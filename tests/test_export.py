"""The export routes, served by a real server: the answer's rows as a file, or an error that says whose fault it is."""

from __future__ import annotations

import http.client
import json
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import uvicorn
from starlette.applications import Starlette

import data_sources.ask
from data_sources.answer import Answer
from data_sources.failure import Failure
from data_sources.note import Note
from data_sources.query import KINDS, METHODS, Depths, Inspect, PromQL, Query, Signal
from data_sources.scope import Range, Scope, Window
from data_sources.task_query import Cursor, TaskFilter, Tasks
from data_sources.version import VERSION
from data_sources.workers.inspect_frames import inspect_frame
from demo.servers import accepts, free_port, wait_until
from identity import HEADER, NOBODY, Person, to_header
from routes import export, export_file, health
from tests.deadline import within
from tests.steered import ANN, VIEWER

NOW = datetime(2026, 3, 1, 10, 0, 30, tzinfo=UTC)
WINDOW = Window(
    datetime(2026, 3, 1, 10, tzinfo=UTC), datetime(2026, 3, 1, 10, 0, 15, tzinfo=UTC), timedelta(seconds=15)
)
RANGE = pd.DataFrame(
    {
        "time": pd.to_datetime(["2026-03-01T10:00:00Z", "2026-03-01T10:00:15Z", "2026-03-01T10:00:00Z"]).as_unit("ms"),
        "name": pd.Categorical(["tasks.mail", "tasks.mail", "=cmd"]),
        "value": [1.5, math.nan, math.inf],
    }
)
QUEUES = pd.DataFrame(
    {
        "queue": pd.Series(["mail", "slow"], dtype="str"),
        "ready": pd.array([19, None], dtype="Int64"),
        "oldest": [math.nan, 2.5],
    }
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = Starlette(routes=[*export.routes, *health.routes])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=free_port(), log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: accepts(server.config.port), "the server")
    yield server.config.port
    server.should_exit = True
    thread.join()


@dataclass
class Desk:
    """Stands for `data_sources.ask`: gives the answer it is told to, and remembers the question."""

    answer: Callable[[Query], Answer] = lambda query: Answer(RANGE, query, measured_at=NOW)
    query: Query | None = None
    scope: Scope | None = None

    def ask(self, query: Query, scope: Scope, wait_seconds: float = 0.0) -> Answer:
        self.query, self.scope = query, scope
        return self.answer(query)

    def clusters(self) -> tuple[str, ...]:
        return "shop", "mail"


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk()
    monkeypatch.setattr(data_sources.ask, "ask", desk.ask)
    monkeypatch.setattr(data_sources.ask, "clusters", desk.clusters)
    return desk


@dataclass
class Got:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def get(port: int, path: str, method: str = "GET", person: Person = NOBODY) -> Got:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, headers={HEADER: to_header(person)})
        response = connection.getresponse()
        return Got(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def answers(frame: pd.DataFrame, **more: Any) -> Callable[[Query], Answer]:
    return lambda query: Answer(
        frame, query, **{"measured_at": NOW, "origin": "Prometheus 2.42.0 at prom:9090", **more}
    )


def test_a_range_result_comes_as_csv_with_nan_told_from_nothing(port: int, desk: Desk) -> None:
    got = get(port, "/export.csv?source=promql&q=up&range=1h")

    assert got.status == 200
    assert got.headers["content-type"] == "text/csv; charset=utf-8"
    assert got.headers["content-disposition"] == 'attachment; filename="shop-promql-20260301T100030Z.csv"'
    assert got.headers["cache-control"] == "no-store"
    assert got.body.decode() == (
        "time,name,value\n"
        "2026-03-01T10:00:00+00:00,tasks.mail,1.5\n"
        "2026-03-01T10:00:15+00:00,tasks.mail,NaN\n"
        "2026-03-01T10:00:00+00:00,'=cmd,+Inf\n"
    )


def test_a_wide_range_result_has_a_selector_a_column_and_empty_holes(port: int, desk: Desk) -> None:
    got = get(port, "/export.csv?source=promql&q=up&shape=wide")

    assert got.body.decode() == (
        'time,"{name=""tasks.mail""}","{name=""=cmd""}"\n'
        "2026-03-01T10:00:00+00:00,1.5,+Inf\n"
        "2026-03-01T10:00:15+00:00,NaN,\n"
    )


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_wide_range_result_that_is_far_larger_than_its_points_is_refused(port: int, desk: Desk, kind: str) -> None:
    points = 11_000
    frame = pd.DataFrame(
        {
            "time": pd.date_range("2026-03-01", periods=points, freq="15s", tz="UTC", unit="ms"),
            "v": pd.Categorical([str(n) for n in range(points)]),
            "value": 1.0,
        }
    )
    desk.answer = answers(frame)

    got = get(port, f"/export.{kind}?source=promql&q=up&shape=wide")

    assert (got.status, got.json["error"]["parameter"]) == (400, "shape")
    assert got.json["error"]["message"] == (
        "wide has at most 16,384 series and 10,000,000 cells, not 11,000 series of 11,000 times; take tidy"
    )
    assert get(port, f"/export.{kind}?source=promql&q=up").status == 200


def test_the_unknown_of_a_table_is_an_empty_field(port: int, desk: Desk) -> None:
    desk.answer = answers(QUEUES)

    assert get(port, "/export.csv?source=queues").body.decode() == "queue,ready,oldest\nmail,19,\nslow,,2.5\n"


def test_json_has_rows_beside_what_is_known_of_the_whole(port: int, desk: Desk) -> None:
    desk.answer = answers(
        RANGE,
        window=WINDOW,
        units={"value": "1/s"},
        took=timedelta(milliseconds=20),
        notes=(Note("only the last day is kept", "cut"),),
        totals={"unacked": None},
    )

    got = get(port, "/export.json?source=promql&q=up&step=15s&tab=x")

    assert got.headers["content-type"] == "application/json"
    assert got.json == {
        "meta": {
            "query": "source=promql&q=up",
            "next": None,
            "cluster": "shop",
            "range": "1h",
            "from": "2026-03-01T10:00:00+00:00",
            "to": "2026-03-01T10:00:15+00:00",
            "step": 15,
            "shape": "tidy",
            "rows": 3,
            "origin": "Prometheus 2.42.0 at prom:9090",
            "measured_at": "2026-03-01T10:00:30+00:00",
            "took": 0.02,
            "units": {"value": "1/s"},
            "totals": {"unacked": None},
            "notes": [{"kind": "cut", "text": "only the last day is kept"}],
            "version": VERSION,
            "ignored": ["tab"],
        },
        "rows": [
            {"time": "2026-03-01T10:00:00+00:00", "name": "tasks.mail", "value": 1.5},
            {"time": "2026-03-01T10:00:15+00:00", "name": "tasks.mail", "value": "NaN"},
            {"time": "2026-03-01T10:00:00+00:00", "name": "=cmd", "value": "+Inf"},
        ],
    }


def test_a_csv_leads_to_what_is_to_be_known_of_it(port: int, desk: Desk) -> None:
    desk.answer = answers(RANGE, window=WINDOW, units={"value": "1/s"}, notes=(Note("a gap", "gap"),))

    file = get(port, "/export.csv?source=promql&q=up&range=1h&shape=wide")
    [link, rel] = file.headers["link"].split("; ")
    about = get(port, link.strip("<>"))

    assert rel == 'rel="describedby"'
    assert (about.status, about.headers["content-type"]) == (200, "application/json")
    assert file.headers["content-disposition"] == f'attachment; filename="{about.json["file"]}"'
    told = {name: about.json[name] for name in ("query", "range", "from", "to", "step", "shape", "origin", "version")}
    assert told == {
        "query": "source=promql&q=up",
        "range": None,
        "from": "2026-03-01T10:00:00+00:00",
        "to": "2026-03-01T10:00:15+00:00",
        "step": 15,
        "shape": "wide",
        "origin": "Prometheus 2.42.0 at prom:9090",
        "version": VERSION,
    }
    assert about.json["notes"] == [{"kind": "gap", "text": "a gap"}]


def test_a_csv_without_rows_says_why(port: int, desk: Desk) -> None:
    """Nothing runs, and nobody answered, are the same file: what differs is in its header, in HEAD's too."""
    path = "/export.csv?source=inspect&q=active"
    assert "x-notes" not in get(port, path).headers
    silent = (Note("mail@a did not answer", "warning"), Note("No worker answered", "warning"))
    desk.answer = answers(inspect_frame("active"), notes=silent)

    for method in ("GET", "HEAD"):
        got = get(port, path, method)
        assert got.status == 200
        assert got.headers["x-notes"] == "warning: mail@a did not answer; warning: No worker answered"


def test_a_note_of_any_text_is_told_in_a_header_and_makes_no_other(port: int, desk: Desk) -> None:
    hostile = "w@ä\r\nSet-Cookie: x=1; 100 % \ud83d"
    desk.answer = answers(QUEUES, notes=(Note(hostile), *[Note("n" * 400, "gap")] * 4))

    headers = get(port, "/export.csv?source=queues").headers

    assert headers["x-notes"] == (
        f"info: w@%C3%A4%0D%0ASet-Cookie: x=1%3B 100 %25 ?; gap: {'n' * 400}; gap: {'n' * 400}; and 2 more"
    )
    assert "set-cookie" not in headers
    assert "x-notes" not in get(port, "/export.json?source=queues").headers


def test_the_unknown_in_json_is_null(port: int, desk: Desk) -> None:
    desk.answer = answers(QUEUES)

    assert get(port, "/export.json?source=queues").json["rows"] == [
        {"queue": "mail", "ready": 19, "oldest": None},
        {"queue": "slow", "ready": None, "oldest": 2.5},
    ]


def test_the_question_is_the_urls(port: int, desk: Desk) -> None:
    get(port, "/export.csv?source=promql&q=sum%28up%29&from=1767225600&to=2026-01-01T01:00:00Z&step=1m&cluster=mail")

    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert desk.query == PromQL("sum(up)")
    assert desk.scope == Scope("mail", Range(start=start, end=start + timedelta(hours=1)), timedelta(minutes=1))


@pytest.mark.parametrize(
    ("url", "query"),
    [
        ("source=queues&queue=mail&queue=slow", Depths(("mail", "slow"))),
        ("source=inspect&q=query_task&id=a&id=b&worker=w@h", Inspect("query_task", ("w@h",), ("a", "b"))),
        ("source=signal&q=depth&by=queue", Signal("depth", "queue")),
    ],
)
def test_each_kind_reads_its_own_filters(port: int, desk: Desk, url: str, query: Query) -> None:
    assert get(port, f"/export.csv?{url}").status == 200
    assert desk.query == query


@pytest.mark.parametrize(
    ("url", "parameter"),
    [
        ("", "source"),
        ("source=nothing", "source"),
        ("source=promql", "q"),
        ("source=promql&q=%20", "q"),
        ("source=promql&q=" + "1%2B" * 4000, "q"),
        ("source=promql&q=a&q=b", "q"),
        ("source=inspect&q=shutdown", "q"),
        ("source=inspect&q=hello", "q"),
        ("source=inspect&q=active&id=1", "id"),
        ("source=signal&q=depth&by=worker", "by"),
        ("source=workers&worker=", "worker"),
        ("source=promql&q=up&range=1y", "range"),
        ("source=promql&q=up&range=1h&range=2h", "range"),
        ("source=promql&q=up&from=tomorrow", "from"),
        ("source=promql&q=up&from=2026-02-01&to=2026-01-01", "from"),
        ("source=promql&q=up&to=2026-01-01", "from"),
        ("source=promql&q=up&range=30d&step=1s", "step"),
        ("source=promql&q=up&step=0", "step"),
        ("source=promql&q=up&cluster=elsewhere", "cluster"),
        ("source=promql&q=up&shape=round", "shape"),
        ("source=promql&q=up&instant=1&shape=wide", "shape"),
        ("source=queues&shape=wide", "shape"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_bad_input_is_refused_by_its_parameters_name_before_anything_is_asked(
    port: int, desk: Desk, kind: str, url: str, parameter: str
) -> None:
    got = get(port, f"/export.{kind}?{url}")

    assert got.status == 400
    assert got.headers["content-type"] == "application/json"
    assert got.json["error"]["parameter"] == parameter
    assert got.json["error"]["message"]
    assert desk.query is None


def test_a_question_that_the_source_refuses_is_the_askers_fault(port: int, desk: Desk) -> None:
    what, hint = "parse error: unclosed left parenthesis", "Change the query."
    failure = Failure("rejected", "Prometheus", what, hint, NOW, None, parameter="q")
    desk.answer = lambda query: Answer(RANGE.iloc[:0], query, failure=failure)

    got = get(port, "/export.csv?source=promql&q=sum%28")

    assert (got.status, got.json) == (
        400,
        {"error": {"parameter": "q", "message": "parse error: unclosed left parenthesis. Change the query."}},
    )


def failing(query: Query) -> Answer:
    failure = Failure("unreachable", "Prometheus", "refused the connection", "Is it running?", NOW, None)
    return Answer(RANGE, query, measured_at=NOW, failure=failure)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_source_that_is_down_is_an_error_that_names_it_even_beside_an_older_answer(
    port: int, desk: Desk, kind: str
) -> None:
    desk.answer = failing

    got = get(port, f"/export.{kind}?source=promql&q=up")

    assert got.status == 502
    assert got.json == {
        "error": {
            "source": "Prometheus",
            "kind": "unreachable",
            "what": "refused the connection",
            "hint": "Is it running?",
        }
    }


def test_no_answer_in_time_is_an_error(port: int, desk: Desk) -> None:
    desk.answer = lambda query: Answer(RANGE.iloc[:0], query, origin="Prometheus")

    got = get(port, "/export.csv?source=promql&q=up")

    assert (got.status, got.json["error"]["source"]) == (502, "Prometheus")


def test_parameters_nobody_read_are_named_and_change_nothing(port: int, desk: Desk) -> None:
    got = get(port, "/export.csv?source=queues&rnage=6h&from=never&a%0d%0aSet-Cookie:x=1")

    assert got.status == 200
    assert got.headers["x-ignored-parameters"] == "rnage, from, a??Set-Cookie?x"


def test_head_tells_what_get_would(port: int, desk: Desk) -> None:
    assert get(port, "/export.csv?source=promql", "HEAD").status == 400
    got = get(port, "/export.csv?source=promql&q=up", "HEAD")

    assert (got.status, got.body) == (200, b"")
    assert got.headers["content-type"] == "text/csv; charset=utf-8"


def test_post_is_not_allowed(port: int, desk: Desk) -> None:
    assert get(port, "/export.csv?source=queues", "POST").status == 405


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_file_that_cannot_be_finished_is_cut_off_and_never_ends_as_if_it_were_whole(
    port: int, desk: Desk, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*arguments: object, **options: object) -> Iterator[bytes]:
        yield b"time,value\n"
        raise MemoryError

    monkeypatch.setattr(export_file, f"{kind}_chunks", breaks)

    with pytest.raises(http.client.IncompleteRead):
        get(port, f"/export.{kind}?source=promql&q=up")


def test_many_slow_exports_leave_the_server_free_for_others(
    port: int, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "WAIT_SECONDS", 5.0)
    release = threading.Event()

    def slow(query: Query) -> Answer:
        if isinstance(query, PromQL):
            release.wait(120)
        return Answer(QUEUES.assign(source=QUEUES["queue"], state="ok"), query, measured_at=NOW)

    desk.answer = slow
    statuses: list[int] = []
    askers = [
        threading.Thread(target=lambda: statuses.append(get(port, "/export.csv?source=promql&q=up").status))
        for _ in range(30)
    ]
    for asker in askers:
        asker.start()
    wait_until(lambda: len(statuses) >= 22, "a refusal of those that do not get their turn")

    with within(1):
        assert get(port, "/healthz").status == 200

    release.set()
    for asker in askers:
        asker.join()
    assert sorted(statuses) == [200] * 8 + [502] * 22


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_query_can_be_exported(port: int, desk: Desk, kind: str) -> None:
    q = {"inspect": METHODS[0], "signal": "depth", "history": "depth", "label_values": "name"}.get(kind, "up")
    of_one_task = dict.fromkeys(("task", "family", "runs", "compared", "held"), "&id=4f1c")
    more = {"signal": "&by=queue", "history": "&by=queue", "xray": "&queue=mail", **of_one_task}.get(kind, "")

    assert get(port, f"/export.csv?source={kind}&q={q}{more}", person=ANN).status == 200


@pytest.mark.parametrize("person", [NOBODY, VIEWER])
def test_the_audit_is_for_operators(port: int, desk: Desk, person: Person) -> None:
    got = get(port, "/export.csv?source=audit", person=person)

    assert (got.status, desk.query) == (403, None)


def test_a_page_of_tasks_says_where_the_next_one_is_and_the_last_one_does_not(port: int, desk: Desk) -> None:
    tasks = pd.DataFrame({"id": ["4f1c"], "args": ["=1+1"]})
    more = Tasks(TaskFilter(states=("FAILURE",)), limit=1, after=Cursor("-last", 17, 4))
    desk.answer = lambda query: Answer(tasks, query, measured_at=NOW, next=more)
    path = "/export.csv?source=tasks&state=FAILURE&limit=1&from=2026-03-01T10:00:00Z&to=2026-03-01T11:00:00Z"

    first = get(port, path)
    links = {rel: link.strip(" <>") for link, rel in (one.split("; ") for one in first.headers["link"].split(","))}
    desk.answer = lambda query: Answer(tasks, query, measured_at=NOW)
    second = get(port, links['rel="next"'])

    assert first.body.decode() == "id,args\n4f1c,'=1+1\n"
    assert desk.query == more
    assert desk.scope == Scope(
        "shop", Range(start=datetime(2026, 3, 1, 10, tzinfo=UTC), end=datetime(2026, 3, 1, 11, tzinfo=UTC))
    )
    assert 'rel="next"' not in second.headers["link"]
    assert get(port, path.replace("csv", "json")).json["meta"]["next"] is None


@pytest.mark.parametrize(
    ("bad", "parameter"),
    [
        ("limit=10001", "limit"),
        ("sort=size", "sort"),
        ("state=DONE", "state"),
        ("after=x", "after"),
        ("range=x", "range"),
    ],
)
def test_tasks_that_cannot_be_asked_for_are_refused_by_parameter(
    port: int, desk: Desk, bad: str, parameter: str
) -> None:
    got = get(port, f"/export.csv?source=tasks&{bad}")

    assert (got.status, got.json["error"]["parameter"]) == (400, parameter)
    assert desk.query is None
