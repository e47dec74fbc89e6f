"""What the Queues pages say of queues: the sentence that matters, the rows, what is left behind."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.table import Table, linked
from cells.views.queue import consumers, facts, inside, mix
from cells.views.queues import all_queues, left_behind
from data_sources.answer import Answer
from data_sources.brokers import leftovers
from data_sources.brokers.leftovers import COLUMNS, WHAT
from data_sources.brokers.queue_depths import DepthReading, depth_rows
from data_sources.brokers.redis_xray import sampled
from data_sources.brokers.xray import message_frame
from data_sources.brokers.xray import mix as mixed
from data_sources.config import Broker, Cluster
from data_sources.failure import Failure
from data_sources.note import Note
from data_sources.now import frame_of_depths, workers_answer
from data_sources.now_frames import depth_frame, worker_frame
from data_sources.poller import Reading
from data_sources.query import Depths, Workers
from data_sources.queue_query import Xray
from data_sources.watch import Watch
from data_sources.workers.worker_rows import COLUMNS as WORKER_COLUMNS
from data_sources.workers.worker_rows import WorkersReading
from headlines.headline import Headline, Part, Words
from headlines.queues import queue, queues

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
REDIS, RABBITMQ = Broker.from_url("redis://localhost"), Broker.from_url("amqp://localhost/shop")


def worker(name: str, **said: Any) -> dict[str, Any]:
    known = {"worker": name, "verdict": "working", "queues": ["mail"], "last_seen": NOW}
    return {**dict.fromkeys(WORKER_COLUMNS), **known, **said}


def told(rows: list[dict[str, Any]], *asked: str) -> dict[str, Answer]:
    """The answers that a headline is told of queues with these columns, beside one worker of `mail`."""
    columns: dict[str, Any] = {
        name: [row.get(name) for row in rows] for name in {name for row in rows for name in row} - {"queue"}
    }
    frame = depth_frame(depth_rows([row["queue"] for row in rows], **columns))
    return {
        "queues": Answer(frame, Depths(asked), measured_at=NOW),
        "workers": Answer(worker_frame([worker("celery@a")]), Workers(), measured_at=NOW, totals={"answered": 1}),
    }


def text(words: Words) -> str:
    def one(part: str | Part) -> str:
        return part if isinstance(part, str) else part.text or (f"{part.seconds:g} s" if part.seconds else "a moment")

    return "".join(map(one, words))


def said(headline: Headline) -> str:
    return f"{text(headline.sentence)} | {text(headline.context)}"


FINE = {"queue": "mail", "ready": 3, "consumers": 1, "growth": 0.0, "grows": False, "twice": 0}
ALONE = {"queue": "old & <b>", "ready": 5, "consumers": 0, "oldest_at_least": 90.0}
GROWS = {"queue": "images", "ready": 900, "consumers": 1, "growth": 2.0, "grows": True, "in_rate": 5.0, "out_rate": 3.0}
LATER = {"queue": "bulk", "ready": 0, "consumers": 1, "twice": 1234}
SLOW = {"queue": "reports", "ready": 600, "consumers": 1, "growth": -1.0, "grows": False, "falls": True}


@pytest.mark.parametrize(
    ("rows", "sentence", "tone"),
    [
        (
            [FINE, ALONE, GROWS, LATER],
            "old & <b> is consumed by nobody | 5 messages wait there, the first for at least 90 s.",
            "bad",
        ),
        ([{**ALONE, "oldest_at_least": 0.2}], "old & <b> is consumed by nobody | 5 messages wait there.", "bad"),
        (
            [ALONE, {**ALONE, "queue": "other", "ready": 7, "oldest": 40.0}],
            "other and 1 other queue are consumed by nobody | 12 messages wait there, the first for 40 s.",
            "bad",
        ),
        (
            [FINE, GROWS, LATER, SLOW],
            "images only grows, by 120 a minute: the only worker does not consume it | "
            "900 messages wait there; 300 come a minute and 180 go. ",
            "bad",
        ),
        (
            [GROWS, {**GROWS, "queue": "mail", "growth": 3.0, "in_rate": None}],
            "mail only grows, by 180 a minute | 900 messages wait there; 1 other queue grows too.",
            "bad",
        ),
        ([FINE, LATER, SLOW], "These 1,234 tasks will run twice, of bulk | ", "bad"),
        ([FINE, SLOW], "reports will be empty in about 600 s | 600 messages wait there; no queue only grows.", "plain"),
        (
            [{"queue": "new", "ready": 0}, SLOW],
            "reports will be empty in about 600 s | 600 messages wait there.",
            "plain",
        ),
        ([FINE, {**SLOW, "falls": False}], "2 queues, 603 messages wait | Each queue", "good"),
        ([FINE], "1 queue, 3 messages wait | Each queue that holds messages is consumed.", "good"),
        ([{**FINE, "ready": 0}], "1 queue, nothing waits | ", "good"),
        ([{**FINE, "consumers": None}], "1 queue, 3 messages wait | ", "good"),
        ([FINE, {"queue": "what"}], "2 queues; of 1 it is not known what waits | ", "plain"),
        ([{"queue": "what"}], "1 queue; what waits is not known | ", "plain"),
        ([{"queue": "celeryev.1", "ready": 5, "consumers": 0}], "No queue is found here | ", "plain"),
    ],
)
def test_the_sentence_tells_what_matters_most(rows: list[dict[str, Any]], sentence: str, tone: str) -> None:
    headline = queues(told(rows))
    assert (said(headline).startswith(sentence), headline.tone) == (True, tone), said(headline)


def test_that_each_queue_is_consumed_is_said_where_it_is_known() -> None:
    assert not queues(told([{**FINE, "consumers": None}])).context
    assert not queues(told([FINE, {**FINE, "queue": "other", "consumers": None}])).context


def test_where_other_queues_may_be_those_that_are_known_are_meant() -> None:
    given = told([{**FINE, "ready": 0}, {**FINE, "queue": "other", "ready": 0}])
    given["queues"] = replace(given["queues"], totals={"ready": None})
    assert said(queues(given)) == "2 known queues, nothing waits | "


def test_names_lead_to_their_queue() -> None:
    links = [part.href for part in queues(told([ALONE])).sentence if isinstance(part, Part)]
    assert links == ["/queue?name=old+%26+%3Cb%3E"]
    assert queues(told([ALONE])).help[-1] == "$ celery -A yourapp worker -Q 'old & <b>'"
    assert queues(told([{**ALONE, "queue": "red\x1b[31m"}])).help == ()


def test_a_broker_that_is_down_comes_first_and_a_queue_that_is_not_there_is_no_alarm() -> None:
    failed = {
        name: answer.failed(Failure("unreachable", "Broker", "refuses connections", "Is it running?", NOW, None))
        for name, answer in told([ALONE]).items()
    }
    assert "refuses connections" in said(queues(failed))
    nothing = queue(told([], "gone"))
    assert (said(nothing), nothing.tone) == ("There is no queue gone | ", "plain")
    assert said(queue(told([LATER], "bulk"))).startswith("These 1,234 tasks will run twice")


def test_the_sentence_of_one_queue_names_it() -> None:
    assert said(queue(told([{**FINE, "ready": 0}], "mail"))).startswith("Nothing waits in mail")
    assert said(queue(told([{**FINE, "ready": 3}], "mail"))).startswith("3 messages wait in mail")


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
numbers = st.none() | st.floats(-1e9, 1e9)
counts = st.none() | st.integers(0, 2**53)
rows = st.fixed_dictionaries(
    {"queue": texts},
    optional={
        **dict.fromkeys(("ready", "unacked", "consumers", "twice", "scheduled", "overdue"), counts),
        **dict.fromkeys(("growth", "in_rate", "out_rate", "oldest", "oldest_at_least", "oldest_unacked"), numbers),
        **dict.fromkeys(("grows", "falls"), st.none() | st.booleans()),
        "next_eta": st.none() | st.just(NOW),
        "priorities": st.none() | st.just('{"0": 4, "9": 0}'),
    },
)


@settings(max_examples=50)
@given(st.lists(rows, max_size=4, unique_by=lambda row: row["queue"]))
def test_whatever_is_read_there_is_a_headline_and_a_table(found: list[dict[str, Any]]) -> None:
    answers = told(found)
    frame = answers["queues"].frame
    json.dumps([queues(answers).to_dict(), queue(answers).to_dict()], allow_nan=False)
    json.dumps(all_queues(frame, {}).to_dict(), allow_nan=False)
    json.dumps(facts(frame, {}).to_dict(), allow_nan=False)
    for broker in (REDIS, RABBITMQ):
        for command in leftovers.leftovers(frame, broker)["command"].dropna():
            shlex.split(command.split("     #")[0])


def by_queue(table: Table) -> dict[str, dict[str, Any]]:
    names = [column.name for column in table.columns]
    return {row[0]["value"]: dict(zip(names, row, strict=True)) for row in table.rows}


def test_rows_say_what_is_to_be_looked_at_and_stand_first() -> None:
    frame = told([FINE, GROWS, LATER, SLOW, {**ALONE, "priorities": '{"0": 2, "3": 0, "9": 3}'}])["queues"].frame
    table = by_queue(all_queues(frame, {}))
    assert list(table) == ["bulk", "images", "old & <b>", "mail", "reports"]
    flags = {name: row["flags"] and [text for text, _, _ in row["flags"]] for name, row in table.items()}
    assert flags == {
        "bulk": ["1,234 will run twice"],
        "images": ["only grows"],
        "old & <b>": ["nobody consumes it"],
        "mail": None,
        "reports": None,
    }
    drains = {name: row["drain"] for name, row in table.items()}
    assert drains == {"bulk": "empty", "images": "never", "old & <b>": None, "mail": "steady", "reports": 600}
    assert (table["images"]["in"], table["images"]["out"], table["mail"]["in"]) == (300, 180, None)
    assert table["old & <b>"]["oldest"] == [90.0]
    assert table["old & <b>"]["priorities"] == [["0", 2], ["9", 3]]
    assert table["mail"]["queue"] == linked("mail", "/queue", name="mail")
    assert "dead_letter" not in table["mail"]
    assert "dead_letter" in by_queue(all_queues(told([{**FINE, "dead_letter": "dead"}])["queues"].frame, {}))["mail"]


def test_the_facts_of_a_queue_are_those_of_its_row_and_of_none_it_is_told_why() -> None:
    shown = facts(told([{**LATER, "type": "classic", "memory": 10}])["queues"].frame, {})
    known = {fact.label: fact.value for section in shown.sections for fact in section.facts}
    assert {name: known[name] for name in ("ready", "will run twice", "empty in", "memory")} == {
        "ready": 0,
        "will run twice": 1234,
        "empty in": "empty",
        "memory": 10,
    }
    assert "no queue of this name" in facts(depth_frame(), {}).empty[0]


def test_what_is_inside_leads_on_and_why_nothing_is_seen_is_said() -> None:
    messages = message_frame([sampled("newest", 0, 2, b'{"headers": {"task": "shop.mail", "id": "abc"}}')])
    beside = {"rows": Answer(messages, Xray("bulk"), measured_at=NOW)}
    assert mix(mixed(messages, NOW), beside).rows[0][0] == linked("shop.mail", "/tasks", name="shop.mail", queue="bulk")
    assert inside(messages, beside).rows[0][:3] == ["last 3", "shop.mail", linked("abc", "/task", id="abc")]
    why = {"rows": Answer(message_frame(), Xray("bulk"), notes=(Note("RabbitMQ does not show them", "absent"),))}
    assert inside(message_frame(), why).empty == ("RabbitMQ does not show them.",)
    assert consumers(worker_frame(), {}).empty[0].startswith("No worker")


@pytest.mark.parametrize(
    ("silent", "consumers"),
    [
        ([], 0),
        ([worker("celery@b", queues=["bulk"], silent_since=NOW, verdict="silent")], None),
        ([worker("celery@b", queues=["bulk"], silent_since=NOW, verdict="busy_not_answering")], 1),
        ([worker("celery@b", queues=["bulk"], silent_since=NOW, verdict="gone")], 0),
        ([worker("celery@b", queues=["bulk"], silent_since=NOW, verdict="wedged")], 1),  # its heart beats
    ],
)
def test_a_queue_that_only_a_silent_worker_consumes_is_not_said_to_be_consumed_by_nobody(
    silent: list[dict[str, Any]], consumers: int | None
) -> None:
    reading = DepthReading(depth_rows(["bulk", "mail"], ready=[4, 4]), {}, (), "", timedelta(0), NOW)
    frame = frame_of_depths(reading, WorkersReading([worker("celery@a"), *silent], 1, ())).set_index("queue")
    assert frame["consumers"].astype(object).where(frame["consumers"].notna(), None).to_dict() == {
        "bulk": consumers,
        "mail": 1,
    }
    assert ("nobody" in frame["flags"]["bulk"]) is (consumers == 0)


def test_who_may_consume_a_queue_is_listed_with_those_who_do() -> None:
    twins = worker("celery@b", queues=None, may_consume=["bulk", "mail"])
    rows = [worker("celery@a"), twins, worker("celery@c", queues=None), worker("celery@d", queues=["bulk"])]
    never = worker("celery@e", queues=None, last_seen=None, verdict="unknown")
    watch = SimpleNamespace(cluster=Cluster(), workers=lambda wait: Reading(WorkersReading([*rows, never], 4, ()), NOW))
    answer = workers_answer(Workers(queues=("mail",)), cast(Watch, watch), 0)
    assert list(answer.frame["worker"]) == ["celery@a", "celery@b", "celery@c"]


LEFT = [
    {"queue": "a1.reply.celery.pidbox", "ready": 4, "oldest_at_least": 300.0},
    {"queue": "a2.reply.celery.pidbox", "ready": 4, "oldest": 2.0},  # on their way
    {"queue": "a3.reply.celery.pidbox", "ready": 0, "consumers": 0},
    {"queue": "celery@gone.celery.pidbox", "ready": 1, "consumers": 0},
    {"queue": "celeryev.1", "ready": 7000, "consumers": 0},
    {"queue": "celeryev.2", "ready": 0, "consumers": 1, "type": "classic"},
    {"queue": "celeryev.3", "ready": 0, "consumers": 1, "type": "classic", "message_ttl": 5.0, "expires": 60.0},
    {"queue": "it's old", "ready": 3, "consumers": 0, "oldest": 7200.0},
    {"queue": "new", "ready": 3, "consumers": 0, "oldest": 72.0},
    {"queue": "mail", "ready": 0, "consumers": 1, "overdue": 2, "oldest_unacked": 5000.0},
    {"queue": "red\x1b[31m", "ready": 3, "consumers": 0},
]


def test_what_nobody_fetches_is_listed_with_a_command_that_can_be_typed() -> None:
    frame = leftovers.leftovers(told(LEFT)["queues"].frame, RABBITMQ)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == COLUMNS
    listed = list(zip(frame["what"], frame["name"], frame["count"], strict=True))
    assert listed == [
        ("overdue", "mail", 2),
        ("nobody", "it's old", 3),
        ("nobody", "red\x1b[31m", 3),
        ("reply queue", "a3.reply.celery.pidbox", 0),
        ("worker mailbox", "celery@gone.celery.pidbox", 1),
        ("event queue", "celeryev.1", 7000),
        ("event queue without limits", "celeryev.2", 0),
    ]
    commands = dict(zip(frame["name"], frame["command"], strict=True))
    assert shlex.split(commands["it's old"])[-1] == "it's old"
    assert commands["celeryev.1"] == "rabbitmqctl -p shop delete_queue celeryev.1"
    assert str(commands["red\x1b[31m"]) == "nan"
    assert set(frame["what"]) <= set(WHAT)
    assert len(left_behind(frame, {}).rows) == len(frame)


def test_on_redis_replies_are_left_behind_when_they_stay() -> None:
    unconsumed = [{**row, "consumers": None} for row in LEFT[:3]]
    frame = leftovers.leftovers(told(unconsumed)["queues"].frame, REDIS)
    assert frame[["name", "age", "command"]].to_numpy().tolist() == [
        ["a1.reply.celery.pidbox", 300.0, 'redis-cli -u "$CELERY_BROKER_URL" UNLINK a1.reply.celery.pidbox']
    ]
