"""Looking into queues of a real RabbitMQ: what is seen, what is left there, and where no look is taken."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from control import carrying_out
from control.desk import Desk
from data_sources.brokers import rabbitmq_xray
from data_sources.brokers.looks import KEPT, MOST_LOOKS, Look, Looks
from data_sources.brokers.publish import Publisher
from data_sources.brokers.rabbitmq_xray import check, hazard, look
from data_sources.brokers.xray import MIX_COLUMNS, Sample, message_frame
from data_sources.brokers.xray_answer import look_answer, of_what
from data_sources.config import Broker, Cluster, HttpEndpoint
from data_sources.errors import NotConfirmed, QueryRejected
from data_sources.query import Depths
from data_sources.queue_query import Xray
from data_sources.scope import Scope
from data_sources.workers.look_inside import LookInside
from data_sources.workers.send_task import SendTask
from demo.servers import RabbitMQ, wait_until
from tests.brokers import new_vhost
from tests.messages import send
from tests.steered import ANN
from tests.watching import watching
from tests.wiretap import wiretap
from workspace.audit import entries
from workspace.store import SqliteHome, Workspace


@pytest.fixture
def url(rabbitmq: RabbitMQ) -> str:
    return new_vhost(rabbitmq)


@pytest.fixture
def cluster(rabbitmq: RabbitMQ, url: str) -> Cluster:
    return at(rabbitmq, url)


def at(rabbitmq: RabbitMQ, url: str) -> Cluster:
    assert rabbitmq.management_url
    return Cluster(broker=Broker.from_url(url), rabbitmq_management=HttpEndpoint.from_url(rabbitmq.management_url))


@pytest.fixture
def channel(url: str) -> Iterator[Any]:
    with Connection(url) as connection, connection.channel() as channel:
        yield channel


def declare(channel: Any, queue: str, **arguments: object) -> None:
    told = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    channel.queue_declare(queue, durable=True, auto_delete=False, arguments=told)


def fill(url: str, queue: str, *names: str, args: str = "[]", **options: Any) -> None:
    """In this order, and there when this returns."""
    with closing(Publisher(Cluster(broker=Broker.from_url(url)))) as publisher:
        for name in names:
            publisher.publish(SendTask(name, args, "{}", queue, **options), 20)


def ready(channel: Any, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).message_count)


def all_of(channel: Any, queue: str) -> list[tuple[str, bool]]:
    """Task and redelivered of every message, in the order in which they are taken."""
    taken = iter(lambda: channel.basic_get(queue, no_ack=True), None)
    return [(one.headers["task"], one.delivery_info["redelivered"]) for one in taken]


def test_what_is_seen_goes_back_in_its_order_and_marked(cluster: Cluster, url: str, channel: Any) -> None:
    declare(channel, "mail")
    fill(url, "mail", "a", "b", "c", "d")
    sample = look(cluster, LookInside("mail", 3), 20)
    frame = message_frame(sample.messages)
    assert frame[["end", "place", "task"]].to_numpy().tolist() == [["next", 0, "a"], ["next", 1, "b"], ["next", 2, "c"]]
    assert sample.ready == 4
    assert [note.text for note in sample.notes] == ["A sample of 3 of 4 messages, from the end that workers take from"]
    wait_until(lambda: ready(channel, "mail") == 4, "the messages to be back")
    assert all_of(channel, "mail") == [("a", True), ("b", True), ("c", True), ("d", False)]


def test_what_headers_and_properties_tell_is_told(cluster: Cluster, url: str, channel: Any) -> None:
    before = datetime.now(UTC)
    declare(channel, "mail", max_priority=9)
    fill(url, "mail", "shop.mail", args=f'["{"x" * 3000}"]', priority=2)
    fill(url, "mail", "shop.report", countdown=7200, priority=7)
    frame = message_frame(look(cluster, LookInside("mail"), 20).messages)
    assert frame["task"].tolist() == ["shop.report", "shop.mail"], "by priority, as workers take them"
    assert frame["priority"].tolist() == [7, 2]
    assert frame["eta"].iat[0] >= before + timedelta(hours=2)
    assert frame["eta"].isna().tolist() == [False, True]
    assert frame["retries"].tolist() == [0, 0]
    assert 3000 < frame["body_bytes"].iat[1] < 3200
    assert frame["message_bytes"].isna().all()
    assert frame["origin"].str.contains("@").all()
    assert frame["content_type"].tolist() == ["application/json"] * 2


class Bomb:
    def __reduce__(self) -> Any:
        return pytest.fail, ("a body was unpickled",)


def test_bodies_are_measured_and_never_decoded(cluster: Cluster, channel: Any) -> None:
    declare(channel, "mail")
    body = pickle.dumps(Bomb())
    for headers in ({"task": "bomb"}, {"task": b"\xff", "eta": datetime.now(UTC), "retries": -1}):
        message = channel.prepare_message(
            body, content_type="application/x-python-serialize", content_encoding="binary", headers=headers
        )
        channel.basic_publish(message, exchange="", routing_key="mail")
    wait_until(lambda: ready(channel, "mail") == 2, "the messages")
    frame = message_frame(look(cluster, LookInside("mail"), 20).messages)
    assert frame["body_bytes"].tolist() == [len(body)] * 2
    assert frame["task"].iat[0] == "bomb"
    assert frame[["task", "eta", "retries"]].iloc[1].isna().all()


def test_no_more_bytes_are_taken_than_there_is_room_for(
    cluster: Cluster, url: str, channel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq_xray, "MOST_BYTES", 25_000)
    declare(channel, "mail")
    fill(url, "mail", *"abcdefgh", args=f'["{"x" * 10_000}"]')
    assert len(look(cluster, LookInside("mail"), 20).messages) == 3
    wait_until(lambda: ready(channel, "mail") == 8, "the messages to be back")


def test_a_look_whose_end_is_not_heard_of_leaves_all_messages_there(rabbitmq: RabbitMQ, url: str, channel: Any) -> None:
    declare(channel, "mail")
    fill(url, "mail", *"abc")
    with wiretap(url, deaf_after=b"mail") as (way, _), pytest.raises(NotConfirmed):
        look(at(rabbitmq, way), LookInside("mail"), 10)
    wait_until(lambda: ready(channel, "mail") == 3, "the messages to be back")
    assert [task for task, _ in all_of(channel, "mail")] == ["a", "b", "c"]


DANGERS: list[tuple[dict[str, object], str]] = [
    ({"queue_type": "quorum"}, "puts what comes back at its end"),
    ({"max_length": 100}, "its length is limited"),
    ({"max_length_bytes": 1_000_000}, "its length is limited"),
    ({"queue_type": "stream"}, "of a stream nothing is taken out"),
]


@pytest.mark.parametrize(("arguments", "why"), DANGERS)
def test_a_queue_to_which_it_could_do_harm_is_not_looked_into(
    cluster: Cluster, url: str, channel: Any, arguments: Mapping[str, object], why: str
) -> None:
    declare(channel, "mail", **arguments)
    with wiretap(url) as (way, seen), pytest.raises(QueryRejected, match=why):
        look(
            Cluster(broker=Broker.from_url(way), rabbitmq_management=cluster.rabbitmq_management),
            LookInside("mail"),
            20,
        )
    assert seen == []


def test_a_limit_that_a_policy_gives_is_as_good_as_the_queues_own() -> None:
    assert hazard({"type": "classic", "arguments": {}, "effective_policy_definition": {"message-ttl": 9}}) == ""
    assert "length is limited" in hazard({"type": "classic", "effective_policy_definition": {"max-length": 10}})


def test_without_the_management_api_no_look_is_taken(url: str) -> None:
    send(url, "mail")
    with wiretap(url) as (way, seen), pytest.raises(QueryRejected, match="it alone tells whether a look could do harm"):
        look(Cluster(broker=Broker.from_url(way)), LookInside("mail"), 5)
    assert seen == []


def test_a_queue_that_is_not_there_is_told_as_that(cluster: Cluster) -> None:
    with pytest.raises(QueryRejected, match="knows no queue “nowhere”"):
        check(cluster, "nowhere", 20)


def test_what_was_seen_stands_for_all_until_it_is_old(cluster: Cluster, url: str, channel: Any) -> None:
    declare(channel, "mail")
    fill(url, "mail", "a", "a", "b")
    looks, query, now = Looks(), Xray("mail", "task"), datetime.now(UTC)
    blank = look_answer(Xray("mail"), cluster, looks, control=True)
    assert blank.frame.empty
    assert "An operator may look" in blank.notes[1].text
    looks.keep("mail", Look(look(cluster, LookInside("mail"), 20), now, timedelta(seconds=0.01)))
    answer = of_what(query, look_answer(Xray("mail"), cluster, looks, control=True))
    assert answer.frame[["task", "messages", "next"]].to_numpy().tolist() == [["a", 2, 2], ["b", 1, 1]]
    assert (answer.measured_at, answer.totals["ready"]) == (now, 3)
    looks.keep("mail", Look(Sample((), 0, ()), now - KEPT, timedelta(0)))
    assert look_answer(Xray("mail"), cluster, looks, control=True).notes[0].kind == "absent"


def test_an_operators_look_is_planned_done_written_down_and_seen_by_all(
    rabbitmq: RabbitMQ, url: str, channel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying_out, "GIVE_SECONDS", 60.0)
    declare(channel, "mail")
    fill(url, "mail", "a", "b", "b")
    env = {
        "CELERY_BROKER_URL": url,
        "RABBITMQ_MANAGEMENT_URL": str(rabbitmq.management_url),
        "CELERY_NOTEBOOK_LOCAL_OPERATOR": "1",
    }
    with watching(env) as watched, closing(Workspace(SqliteHome(tmp_path / "workspace.db"))) as kept:
        desk = Desk(watched, kept)

        def known() -> int:
            """How many wait in it, as the statistics of the broker say, which come later."""
            frame = watched.ask(Depths(), Scope()).frame
            return int(frame.loc[frame["queue"] == "mail", "ready"].fillna(-1).sum())

        wait_until(lambda: known() == 3, "the messages to be known")
        plan = desk.plan(ANN, LookInside("mail"), "default")
        assert [note.kind for note in watched.ask(Xray("mail"), Scope()).notes] == ["absent", "absent"]
        outcome = desk.act(ANN, plan.nonce)
        seen = watched.ask(Xray("mail", "task"), Scope())
        told = [(entry.action, entry.target, entry.outcome) for entry in entries(kept)]
    assert [(reply.worker, reply.outcome) for reply in outcome.replies] == [("mail", "done")]
    assert (outcome.failure, outcome.undo) == (None, None)
    assert seen.frame[["task", "messages"]].to_numpy().tolist() == [["b", 2], ["a", 1]]
    assert told == [("look_inside", "mail", "done"), ("look_inside", "mail", "asked")]
    wait_until(lambda: ready(channel, "mail") == 3, "the messages to be back")
    assert all_of(channel, "mail") == [("a", True), ("b", True), ("b", True)]


def test_only_the_last_looks_are_kept() -> None:
    looks, look = Looks(), Look(Sample((), 0, ()), datetime.now(UTC), timedelta(0))
    for place in range(MOST_LOOKS + 1):
        looks.keep(f"q{place}", look)
    assert looks.last("q0") is None
    assert looks.last(f"q{MOST_LOOKS}") is look


def test_who_may_look_is_said_where_nobody_may(rabbitmq: RabbitMQ) -> None:
    cluster = Cluster(broker=Broker.from_url(rabbitmq.url))
    answer = of_what(Xray("mail", "task"), look_answer(Xray("mail"), cluster, Looks(), control=False))
    assert list(answer.frame.columns) == list(MIX_COLUMNS)
    told = [note.text for note in answer.notes]
    assert "redelivered" in told[0]
    assert "none is configured here" in told[1]
    assert "RABBITMQ_MANAGEMENT_URL" in told[2]
