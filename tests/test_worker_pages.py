"""What the Workers pages say: headlines, tables, differences, and the facts of one worker as real ones tell them."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from celery import Celery

from cells.facts import Facts
from cells.table import Table
from cells.views import worker as views
from cells.views.workers import HIDE_AFTER, all_workers, differences, memory_of
from data_sources import fetches
from data_sources.answer import Answer
from data_sources.ask import Desk
from data_sources.failure import Failure
from data_sources.now_frames import depth_frame, worker_frame
from data_sources.query import Depths, Inspect, Signal, Workers
from data_sources.range_frame import tidy_frame
from data_sources.scope import Window
from data_sources.workers.differences import HAS, LACKS, NOT_SET, Difference
from data_sources.workers.differences import differences as found
from data_sources.workers.inspect_frames import inspect_frame
from data_sources.workers.snapshot import Reply
from data_sources.workers.worker_rows import COLUMNS
from demo.servers import RabbitMQ, Redis, celery_worker, wait_until
from headlines.headline import Headline, Words
from headlines.workers import worker as of_one
from headlines.workers import workers as of_all
from tests.test_worker_facts import snapshot
from tests.test_worker_verdicts import own_vhost
from tests.watching import LIVE, ROOT, unwatched

NOW = datetime(2026, 3, 1, 14, 5, tzinfo=UTC)
SINCE = NOW - timedelta(minutes=3)
WINDOW = Window(NOW - timedelta(minutes=10), NOW, timedelta(seconds=10))


def row(name: str, verdict: str = "working", **said: Any) -> dict[str, Any]:
    known = {"active": 1, "concurrency": 2, "queues": ["mail"], "last_seen": NOW, "neglected": [], "pid": 1}
    return dict.fromkeys(COLUMNS) | known | {"worker": name, "verdict": verdict} | said


def wedged(name: str, **said: Any) -> dict[str, Any]:
    return row(name, "wedged", active=0, neglected=["mail"], since=SINCE, **said)


def gone(name: str, ago: timedelta = timedelta(minutes=3), **said: Any) -> dict[str, Any]:
    at = NOW - ago
    return row(name, "gone", active=None, last_seen=at, silent_since=at, since=at, **said)


MISSING = row("report@*", "unknown", last_seen=None, silent_since=SINCE, active=None, pid=None, expected=True)


def answers(*rows: dict[str, Any]) -> dict[str, Answer]:
    answered = sum(one["silent_since"] is None for one in rows)
    workers = Answer(worker_frame(rows), Workers(), measured_at=NOW, totals={"answered": answered})
    return {"workers": workers, "queues": Answer(depth_frame(), Depths(), measured_at=NOW, totals={"ready": 0})}


def text(words: Words) -> str:
    return "".join(one if isinstance(one, str) else one.text or f"{one.moment:%H:%M}" for one in words)


def told(headline: Headline) -> tuple[str, str, str]:
    return text(headline.sentence), text(headline.context), headline.tone


# --- the sentences ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row("a"), row("b")], ("All 2 workers work", "2 of 4 slots are busy. ", "good")),
        (
            [row("a"), row("b", "idle", active=0)],
            ("All 2 workers are well, 1 of them at work", "1 of 4 slots are busy. ", "good"),
        ),
        ([row("a", "idle", active=0)], ("The only worker has nothing to do", "0 of 2 slots are busy. ", "good")),
        ([row("a", "unknown", active=None)], ("The only worker has not said what it does", "", "good")),
        (
            [row("a"), wedged("b"), row("c"), row("d")],
            (
                "1 of 4 workers is wedged: b answers but takes nothing from mail since 14:02",
                "3 of 8 slots are busy. ",
                "bad",
            ),
        ),
        (
            [row("a"), wedged("b", silent_since=SINCE), wedged("c"), MISSING],
            (
                "2 of 3 workers are wedged: b and c",
                "b beats but takes nothing from mail since 14:02. report@* is missing. 1 of 6 slots are busy. ",
                "bad",
            ),
        ),
        (
            [row("a", expected=True), MISSING],
            ("1 of 2 expected workers is missing: report@*", "1 of 2 slots are busy. ", "bad"),
        ),
        (
            [row("a", expected=True), gone("b", expected=True)],
            ("1 of 2 expected workers is missing: b", "Since 14:02. 1 of 2 slots are busy. ", "bad"),
        ),
        ([row("a"), gone("b")], ("b is gone", "Since 14:02. 1 of 2 slots are busy. ", "plain")),
        ([row("a"), gone("b", timedelta(hours=2))], ("The only worker works", "1 of 2 slots are busy. ", "good")),
        (
            [row("a"), row("b", "silent", active=None, silent_since=SINCE, since=SINCE)],
            ("b neither beats nor answers", "Since 14:02. 1 of 2 slots of those that answer are busy. ", "bad"),
        ),
        (
            [
                row("a", "idle", active=0, concurrency=1),
                row("b", "busy_not_answering", active=None, silent_since=SINCE),
            ],
            ("All 2 workers are well, 1 of them at work", "0 of 1 slot of those that answer is busy. ", "good"),
        ),
        (
            [row("a", clock_offset=5.0)],
            ("The only worker works", "1 of 2 slots are busy. The clock of a is wrong.", "good"),
        ),
    ],
)
def test_the_sentence_of_all_workers(rows: list[dict[str, Any]], expected: tuple[str, str, str]) -> None:
    assert told(of_all(answers(*rows))) == expected


def test_a_broker_that_is_away_is_told_before_its_workers() -> None:
    given = answers(wedged("a"))
    refused = Failure("unreachable", "Broker", "redis at db:6379 refuses connections", "Is it running?", NOW, None)
    given["workers"] = given["workers"].failed(refused)
    assert "redis at db:6379 refuses connections" in told(of_all(given))[0]
    nothing = {name: replace(answer, measured_at=None) for name, answer in given.items()}
    nothing["workers"] = replace(nothing["workers"], failure=None)
    assert told(of_all(nothing))[0] == "Asking the workers"


@pytest.mark.parametrize(
    ("rows", "sentence", "tone"),
    [
        ([row("a")], "a works", "good"),
        ([wedged("a")], "a answers but takes nothing from mail since 14:02", "bad"),
        ([gone("a")], "a is gone since 14:02", "plain"),
        ([row("a"), row("a", pid=2)], "2 processes have the name a: 2 working", "bad"),
        ([row("a"), row("a", "unknown"), row("a")], "3 processes have the name a: 2 working; 1 unknown", "bad"),
        ([gone("a", pid=2), row("a")], "a works", "good"),
        ([], "No worker of this name was seen in the last 24 h", "plain"),
    ],
)
def test_the_sentence_of_one_worker(rows: list[dict[str, Any]], sentence: str, tone: str) -> None:
    headline = of_one({"workers": answers(*rows)["workers"]})
    assert (text(headline.sentence), headline.tone) == (sentence, tone)


# --- the tables ---------------------------------------------------------------------------------------------------


def shown(table: Table) -> list[dict[str, Any]]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, one, strict=True)) for one in json.loads(json.dumps(table.rows))]


def test_who_is_ill_stands_first_and_who_is_gone_for_long_apart() -> None:
    given = answers(row("a"), gone("b", HIDE_AFTER + timedelta(minutes=1)), gone("c"), wedged("d"), MISSING)["workers"]
    table = all_workers(given.frame, {"rows": given})
    assert [(plain(one["worker"]), one["verdict"]["name"]) for one in shown(table)] == [
        ("c", "gone"),
        ("d", "wedged"),
        ("report@*", "missing"),
        ("a", "working"),
    ]
    assert [plain(one[0]) for one in table.apart] == ["b"]


def over_time(label: str, **values: float) -> Answer:
    """A line for each, level until now."""
    grid = int(WINDOW.start.timestamp() * 1000) + 1000 * int(WINDOW.step.total_seconds()) * np.arange(WINDOW.points)
    points = [(grid, np.full(len(grid), value)) for value in values.values()]
    frame = tidy_frame([{label: name} for name in values], points, [label])
    return Answer(frame, Signal("memory", label), window=WINDOW, measured_at=NOW)


def plain(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) else value


def test_an_expected_worker_that_is_gone_for_long_stays_in_sight() -> None:
    given = answers(gone("b", HIDE_AFTER * 2, expected=True))["workers"]
    assert len(all_workers(given.frame, {"rows": given}).rows) == 1


@pytest.mark.parametrize(
    ("worker", "containers", "memory"),
    [
        ("mail@shop-mail-1", {"shop-mail-1": 5.0, "shop-mail-10": 7.0}, 5.0),
        ("mail@shop", {"shop-redis-1": 5.0}, None),
        ("mail@web-12", {"web-1": 5.0}, None),
        ("mail@mail-7d9f-x2", {"prod/mail-7d9f-x2/worker": 5.0, "prod/mail-7d9f-x3/worker": 7.0}, 5.0),
        ("mail@mail-7d9f-x2", {"prod/mail-7d9f-x2/worker": 5.0, "prod/mail-7d9f-x2/proxy": 7.0}, None),
        ("mail@elsewhere", {"shop-mail": 5.0}, None),
        ("mail", {"shop-mail": 5.0, "": 1.0}, None),
    ],
)
def test_memory_is_of_the_one_container_that_is_called_as_the_host(
    worker: str, containers: dict[str, float], memory: float | None
) -> None:
    assert memory_of(worker, containers) == memory


# --- what differs -------------------------------------------------------------------------------------------------

CONF = inspect_frame(
    "conf",
    snapshot(
        ("a@h", "conf", {"task_acks_late": True, "include": ["x", "y"], "new": 1}),
        ("b@h", "conf", {"task_acks_late": True, "include": ["y", "x"]}),
        ("c@h", "conf", {"task_acks_late": False, "include": ["x", "y"]}),
    ),
)
REGISTERED = inspect_frame(
    "registered",
    snapshot(("a@h", "registered", ["shop.new", "shop.old [rate_limit=1/m]"]), ("b@h", "registered", ["shop.old"])),
)


def test_memory_is_found_by_the_host_name_that_docker_gives_a_container_itself() -> None:
    given = answers(row("celery@3f9a3f9a3f9a"), row("celery@mailer"))["workers"]
    beside = {"memory": over_time("container", mailer=5.0), "hostnames": over_time("hostname", **{"3f9a3f9a3f9a": 7.0})}
    assert [one["memory"] for one in shown(all_workers(given.frame, {"rows": given, **beside}))] == [7.0, 5.0]


def test_what_is_recorded_by_name_is_not_shown_as_that_of_one_of_two_that_have_it() -> None:
    given = answers(row("a@h"), row("a@h"), row("b@h"))["workers"]
    throughput = over_time("worker", **{"a@h": 3.0, "b@h": 2.0})
    beside = {"throughput": throughput, "memory": over_time("container", h=7.0)}
    told = shown(all_workers(given.frame, {"rows": given, **beside}))
    assert [(one["throughput"] and one["throughput"][-1], one["memory"]) for one in told] == [
        (None, None),
        (None, None),
        (2.0, 7.0),
    ]
    assert len({one["verdict"]["key"] for one in told}) == 3


def test_what_differs_is_told_with_who_has_what_and_what_agrees_is_not() -> None:
    assert found(CONF, REGISTERED) == [
        Difference("setting", "new", ((NOT_SET, ("b@h", "c@h")), ("1", ("a@h",)))),
        Difference("setting", "task_acks_late", (("true", ("a@h", "b@h")), ("false", ("c@h",)))),
        Difference("task", "shop.new", ((HAS, ("a@h",)), (LACKS, ("b@h",)))),
    ]


def test_workers_that_agree_are_said_to() -> None:
    same = CONF[CONF["worker"] != "c@h"][lambda frame: frame["setting"] == "task_acks_late"]
    nothing = Answer(REGISTERED.iloc[:0], Inspect("registered"), measured_at=NOW)
    assert differences(same, {"registered": nothing}).empty == (
        "All 2 workers agree: the same settings, the same tasks.",
    )
    alone = differences(same.iloc[:1], {"registered": nothing})
    assert alone.empty == ("1 worker has told its configuration: there is nothing to compare.",)


# --- one worker, as real ones tell ------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Of a worker with one slot that runs a task, has prefetched one, holds one for later and leaves out another."""
    folder = tmp_path_factory.mktemp("one-worker")
    with ExitStack() as stack:
        if request.param == "redis":
            url = stack.enter_context(Redis(folder / "redis")).url
        else:
            rabbitmq: RabbitMQ = request.getfixturevalue("rabbitmq")
            url = own_vhost(rabbitmq)
        arguments = ["-P", "threads", "-c", "1", "-Q", "mail,bulk"]
        worker = celery_worker("tests.celery_app", "one@test", folder, arguments, {"CELERY_BROKER_URL": url}, ROOT)
        stack.enter_context(worker)
        stack.callback(worker.signal, signal.SIGKILL)
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(fetches, "INSPECT_SECONDS", 9.0)
        desk = unwatched({"CELERY_BROKER_URL": url})
        stack.callback(desk.stop)
        with Celery(broker=url, set_as_current=False) as app:
            for name in ("runs", "waits"):
                app.send_task("shop.sleep", [3600], {"api_key": "hunter2"}, task_id=name, queue="mail")
            app.send_task("shop.sleep", [1], task_id="later", queue="bulk", countdown=3600)
            worker.wait_until(lambda: "one@test ready" in worker.log.read_text())
            wait_until(lambda: len(asked(desk, "reserved").frame) == 1, "the worker")
            app.control.revoke("never", reply=True, timeout=60, limit=1)
        yield desk


def asked(desk: Desk, method: str) -> Answer:
    """Asked anew."""
    query = Inspect(method, ("one@test",))
    fresh = replace(LIVE, max_age=timedelta(milliseconds=1))
    return desk.ask(query, fresh, 60)


def tell(desk: Desk, method: str, view: Any, **beside: Answer) -> Any:
    answer = asked(desk, method)
    return view(answer.frame, {"rows": answer, **beside})


def test_what_it_runs_has_taken_and_holds_is_listed_with_links(desk: Desk) -> None:
    (active,) = shown(tell(desk, "active", views.active))
    (reserved,) = shown(tell(desk, "reserved", views.reserved))
    (scheduled,) = shown(tell(desk, "scheduled", views.scheduled))
    (revoked,) = shown(tell(desk, "revoked", views.revoked))
    assert active["id"] == {"value": "runs", "href": "/task?id=runs"}
    assert 0 < datetime.now(UTC).timestamp() - active["since"] / 1000 < 3600
    assert "hunter2" not in json.dumps([active, reserved])
    assert reserved["id"]["value"] == "waits"
    assert scheduled["id"]["value"] == "later"
    assert 1800 < scheduled["due"] / 1000 - datetime.now(UTC).timestamp() < 3601
    assert revoked["id"]["value"] == "never"


def test_what_it_can_run_is_listed_with_its_limits_and_how_often_it_did(desk: Desk) -> None:
    stats = asked(desk, "stats")
    rows = {one["name"]["value"]: one for one in shown(tell(desk, "registered", views.limits, stats=stats))}
    assert (rows["shop.sleep"]["rate"], rows["shop.sleep"]["accepted"]) == ("100/s", 1)
    assert (rows["shop.refresh_token"]["rate"], rows["shop.refresh_token"]["accepted"]) == (None, 0)


def test_where_it_takes_from_what_it_is_made_of_and_what_it_is_told(desk: Desk) -> None:
    queues = shown(tell(desk, "active_queues", views.queues))
    assert [one["queue"]["value"] for one in queues] == ["mail", "bulk"]
    facts: Facts = tell(desk, "stats", views.stats)
    known = {fact.label: fact.value for section in facts.sections for fact in section.facts}
    assert (known["kind"], known["slots"]) == ("threads", 1)
    assert known["prefetch"] >= 4
    settings = {one["setting"]: one["value"] for one in shown(tell(desk, "conf", views.conf))}
    assert settings["control_exchange"] == "celery"
    assert "guest:guest" not in json.dumps(settings)


def test_each_process_of_a_name_has_its_facts_and_what_they_say_alike_is_said_once() -> None:
    one, other = ({"pid": 1, "total": {"shop.mail": n}, "pool": {"max-concurrency": n}} for n in (2, 5))
    said = snapshot(
        *(("a@h", "stats", one), ("a@h", "stats", other)),
        *(("a@h", "registered", ["shop.mail"]), ("a@h", "registered", ["shop.mail"])),
        *(("a@h", "active_queues", [{"name": "mail"}]), ("a@h", "active_queues", [{"name": "bulk"}])),
    )
    answer = {
        method: Answer(inspect_frame(method, said), Inspect(method, ("a@h",)), measured_at=NOW, totals={"answered": 1})
        for method in ("stats", "registered", "active_queues")
    }
    facts = views.stats(answer["stats"].frame, {})
    assert [section.title for section in facts.sections if "Pool" in section.title] == [
        "Process 1, 1 of 2: Pool",
        "Process 1, 2 of 2: Pool",
    ]
    slots = [fact.value for section in facts.sections for fact in section.facts if fact.label == "slots"]
    assert slots == [2, 5]
    (task,) = shown(views.limits(answer["registered"].frame, {"rows": answer["registered"], "stats": answer["stats"]}))
    assert (task["name"]["value"], task["accepted"]) == ("shop.mail", None)  # of each it is another number
    queues = shown(views.queues(answer["active_queues"].frame, {"rows": answer["active_queues"]}))
    assert [one["queue"]["value"] for one in queues] == ["mail", "bulk"]


def test_the_verdict_of_each_process_of_a_name_is_told() -> None:
    given = answers(row("a@h", pid=7), row("a@h", "idle", pid=8))["workers"]
    facts = views.verdict(given.frame, {})
    assert [section.title for section in facts.sections] == ["Process 7", "State", "Process 8", "State"]


def test_a_worker_that_does_not_answer_is_not_said_to_hold_nothing() -> None:
    answer = Answer(inspect_frame("active"), Inspect("active", ("a",)), measured_at=NOW, totals={"answered": 0})
    assert views.active(answer.frame, {"rows": answer}).empty == (views.SILENT,)
    assert views.active(answer.frame, {"rows": replace(answer, totals={"answered": 1})}).empty == (
        "It runs nothing now.",
    )
    assert views.stats(inspect_frame("stats"), {}).empty == views.NOT_HEARD.empty


def test_hostile_answers_make_no_wrong_fact() -> None:
    stats = {
        "pool": {"processes": "x", "timeouts": 7, "max-tasks-per-child": {}},
        "broker": ["x"],
        "rusage": {"utime": "1"},
    }
    frame = inspect_frame("stats", snapshot(Reply("a", "stats", stats)))
    facts = views.stats(frame, {})
    known = {fact.label: fact.value for section in facts.sections for fact in section.facts}
    assert (known["processes"], known["soft time limit"], known["processor time, own"], known["broker"]) == (None,) * 4
