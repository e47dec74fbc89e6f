"""Sending a task: exactly what was asked for, to exactly one queue that exists, and known to have arrived."""

from __future__ import annotations

import json
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from celery import Celery
from kombu import Connection, Exchange, Message, Queue
from kombu.utils.json import dumps, loads

from data_sources.brokers.publish import Publisher
from data_sources.config import Broker, Cluster
from data_sources.errors import NotConfirmed, QueryRejected, SourceUnreachable
from data_sources.workers.send_task import SendTask
from demo.servers import RabbitMQ, Redis
from tests.brokers import broker_of_ones_own, get
from tests.fault_proxy import FaultProxy
from tests.impostor import hang
from tests.messages import send
from tests.wiretap import wiretap

MANY = json.dumps([{"text": "ünï 🐇 'q' \"d\" \\ \n", "n": [1, [2, {"deep": [None, True, -0.0, 1e300]}]]}] * 5_000)
ARGUMENTS = [
    ("[]", "{}"),
    ("[2, 3]", '{"to": "a@b.c"}'),
    ('["Grüße 🐇", "\\ud83d\\ude00", "new\\nline", "back\\\\slash", "it\'s", ""]', '{"ключ": {"": [[[[[[[]]]]]]]}}'),
    (f"[{2**200}, -0.0, 1e-7, 1.7976931348623157e308, 0.1]", "{}"),
    ("[ 1,\n2 ]", "{ }"),
    (MANY, "{}"),
]


def cluster(url: str, **settings: Any) -> Cluster:
    return Cluster(broker=Broker.from_url(url, **settings))


def publish(cluster: Cluster, order: SendTask, deadline_seconds: float) -> str:
    with closing(Publisher(cluster)) as publisher:
        return publisher.publish(order, deadline_seconds)


def order(queue: str = "mail", args: str = "[]", kwargs: str = "{}", **more: Any) -> SendTask:
    return SendTask("shop.add", args, kwargs, queue, **more)


@pytest.fixture(params=["redis", "rabbitmq"])
def url(request: pytest.FixtureRequest) -> str:
    """With a queue `mail` that is empty."""
    url = broker_of_ones_own(request)
    send(url, "mail")
    taken(url)
    return url


def taken(url: str, queue: str = "mail", **options: Any) -> Message:
    """The one message that waits, as a worker takes it."""
    with Connection(url, transport_options=options) as connection, connection.channel() as channel:
        bound = Queue(queue, Exchange(queue), routing_key=queue, max_priority=9)(channel)
        message = bound.get(no_ack=True)
        assert message is not None
        assert bound.get(no_ack=True) is None
        return message


@pytest.mark.parametrize(("args", "kwargs"), ARGUMENTS)
def test_arguments_arrive_as_they_were_written(url: str, args: str, kwargs: str) -> None:
    task_id = publish(cluster(url), order(args=args, kwargs=kwargs), 30)
    message = taken(url)
    text = message.body if isinstance(message.body, str) else bytes(message.body).decode()
    assert text.startswith(f"[{args}, {kwargs}, "), "byte for byte"
    given, named, _ = loads(message.body)
    assert (dumps(given), dumps(named)) == (json.dumps(json.loads(args)), json.dumps(json.loads(kwargs)))
    assert message.headers["id"] == message.properties["correlation_id"] == task_id


def test_a_message_is_what_celery_itself_would_send(url: str) -> None:
    task_id = publish(cluster(url), order(args="[1, 2]", kwargs='{"a": "b"}', priority=3), 30)
    ours = taken(url)
    with Celery(broker=url, set_as_current=False) as app:
        app.conf.task_queues = [Queue("mail", Exchange("mail"), routing_key="mail", max_priority=9)]
        app.send_task("shop.add", (1, 2), {"a": "b"}, task_id=task_id, queue="mail", priority=3)
    celerys = taken(url)
    assert (ours.content_type, ours.content_encoding) == (celerys.content_type, celerys.content_encoding)
    assert loads(ours.body) == loads(celerys.body)
    assert ours.headers | {"origin": ""} == celerys.headers | {"origin": ""}
    assert ours.headers["origin"].startswith("celery-notebook@")
    for name in ("correlation_id", "delivery_mode", "priority"):
        assert ours.properties[name] == celerys.properties[name]
    assert ours.delivery_info["routing_key"] == celerys.delivery_info["routing_key"] == "mail"


def test_when_it_runs_and_when_it_is_too_late_are_times(url: str) -> None:
    before = time.time()
    publish(cluster(url), order(countdown=60, expires=3600.5), 30)
    message = taken(url)
    eta, expires = (datetime.fromisoformat(message.headers[name]) for name in ("eta", "expires"))
    assert eta.tzinfo is not None
    assert before + 60 <= eta.astimezone(UTC).timestamp() <= time.time() + 60
    assert before + 3600.5 <= expires.astimezone(UTC).timestamp() <= time.time() + 3600.5
    assert message.properties["expiration"] == "3600500"


def test_a_priority_leads_to_the_list_of_its_step(redis_server: Redis) -> None:
    send(redis_server.url, "mail")
    for priority in (None, 0, 4, 9):
        publish(cluster(redis_server.url), order(priority=priority), 30)
    with redis.Redis(port=redis_server.port) as client:
        lists = {key: client.llen(key) for key in client.scan_iter(_type="list")}
    assert lists == {b"mail": 3, b"mail\x06\x163": 1, b"mail\x06\x169": 1}


def test_a_queue_that_does_not_exist_is_refused_and_not_made(url: str, request: pytest.FixtureRequest) -> None:
    before = all_that_is(url, request)
    with pytest.raises(QueryRejected, match="there is no queue “nowhere”"):
        publish(cluster(url), order("nowhere"), 30)
    with pytest.raises(QueryRejected, match="there is no queue “mai”"):
        publish(cluster(url), order("mai"), 30)
    assert all_that_is(url, request) == before
    publish(cluster(url), order(), 30)
    taken(url)
    assert all_that_is(url, request) == before, "and one that does is left as it was declared"


def all_that_is(url: str, request: pytest.FixtureRequest) -> Any:
    """Queues, exchanges and bindings, but not how much waits."""
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as client:
            return {key: client.smembers(key) for key in client.scan_iter(_type="set")}, client.dbsize()
    server: RabbitMQ = request.getfixturevalue("rabbitmq")
    told = get(server, f"/api/definitions/{url.rpartition('/')[2]}")
    return {what: sorted(map(str, told[what])) for what in ("queues", "exchanges", "bindings")}


@pytest.mark.parametrize("queue", ["*", "mai*", "m[a]il", "mail\\", "#", "mail\x06\x163"])
def test_the_name_of_a_queue_is_no_pattern(url: str, queue: str) -> None:
    with pytest.raises((QueryRejected, ValueError)):
        publish(cluster(url), order(queue), 30)


def test_many_tasks_take_one_connection_and_look_a_queue_up_once(url: str) -> None:
    with wiretap(url) as (way, seen), closing(Publisher(cluster(way))) as publisher:
        ids = [publisher.publish(order(args="[0]"), 20)]
        connected = seen.count(b"connected")
        ids += [publisher.publish(order(args=f"[{n}]"), 20) for n in range(1, 20)]
    assert len(set(ids)) == 20
    assert seen.count(b"connected") == connected
    assert b"".join(seen).count(b"SSCAN") <= 1
    with Connection(url) as connection, connection.channel() as channel:
        bound = Queue("mail", Exchange("mail"), routing_key="mail", max_priority=9)(channel)
        bodies = [loads(message.body)[0] for message in iter(lambda: bound.get(no_ack=True), None)]
    assert bodies == [[n] for n in range(20)], "in their order"


def test_after_a_failure_the_next_task_takes_a_new_connection(url: str) -> None:
    with closing(Publisher(cluster(url))) as publisher:
        publisher.publish(order(args="[1]"), 30)
        with pytest.raises(QueryRejected, match="there is no queue “nowhere”"):
            publisher.publish(order("nowhere"), 30)
        publisher.publish(order(args="[2]"), 30)
    with Connection(url) as connection, connection.channel() as channel:
        assert (
            Queue("mail", Exchange("mail"), routing_key="mail", max_priority=9)(channel).queue_declare(passive=True)[1]
            == 2
        )


def test_the_usual_exchange_of_a_queue_is_looked_at_before_all_keys(redis_server: Redis) -> None:
    send(redis_server.url, "mail")
    with redis.Redis(port=redis_server.port) as client:
        client.config_resetstat()
        publish(cluster(redis_server.url), order(), 30)
        assert "cmdstat_scan" not in client.info("commandstats")


def test_a_list_that_is_another_programs_is_no_queue(redis_server: Redis) -> None:
    with redis.Redis(port=redis_server.port) as client:
        client.lpush("jobs", "theirs")
        client.set("_kombu.binding.note", "no set")
        with pytest.raises(QueryRejected, match="there is no queue “jobs”"):
            publish(cluster(redis_server.url), order("jobs"), 30)
        assert client.lrange("jobs", 0, -1) == [b"theirs"]


def test_a_queue_bound_to_an_exchange_of_another_name_is_found(redis_server: Redis) -> None:
    options = {"global_keyprefix": "shop:", "sep": "|"}
    with Connection(redis_server.url, transport_options=options) as connection:
        Queue("mail*", Exchange("[letters]", "topic"), routing_key="letters.#")(connection.channel()).declare()
    publish(cluster(redis_server.url, transport_options=options), order("mail*"), 30)
    with redis.Redis(port=redis_server.port) as client:
        assert client.llen("shop:mail*") == 1


@pytest.mark.parametrize("queue", ["celeryev", "w@host.celery.pidbox", "celery_delayed_3"])
def test_celerys_own_queues_take_no_tasks(url: str, queue: str) -> None:
    with pytest.raises(QueryRejected, match="Celery keeps it for itself"):
        publish(cluster(url), order(queue), 30)


@pytest.mark.parametrize("settings", [{"task_serializer": "pickle"}, {"accept_content": ("pickle", "yaml")}])
def test_a_cluster_that_takes_no_json_is_sent_nothing(url: str, settings: dict[str, Any]) -> None:
    with wiretap(url) as (way, seen), pytest.raises(QueryRejected, match="writes JSON alone"):
        publish(cluster(way, **settings), order(), 30)
    assert seen == []


def test_a_confirmation_that_is_lost_leaves_it_open_whether_it_was_sent(url: str) -> None:
    word = b"LPUSH" if url.startswith("redis") else b"shop.add"
    with wiretap(url, deaf_after=word) as (way, _), pytest.raises(NotConfirmed) as error:
        publish(cluster(way), order(args="[7]"), 10)
    assert "may have been done" in error.value.hint
    assert loads(taken(url).body)[0] == [7]


def test_a_cluster_whose_workers_try_again_is_sent_no_task_twice(redis_server: Redis) -> None:
    send(redis_server.url, "mail")
    taken(redis_server.url)
    with wiretap(redis_server.url, deaf_after=b"LPUSH") as (way, seen), pytest.raises(NotConfirmed):
        publish(cluster(way, transport_options={"retry_on_timeout": True}), order(args="[7]"), 10)
    assert b"".join(seen).count(b"LPUSH") == 1
    assert loads(taken(redis_server.url).body)[0] == [7]


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_cannot_be_reached_was_sent_nothing(scheme: str) -> None:
    with FaultProxy(None) as nobody:
        for behaviour in (None, hang):
            nobody.behave(behaviour)
            with pytest.raises(SourceUnreachable) as error:
                publish(cluster(f"{scheme}://127.0.0.1:{nobody.port}/"), order(), 1)
            assert not isinstance(error.value, NotConfirmed)
            assert error.value.hint.startswith("Nothing was sent.")


def test_a_queue_that_is_full_is_no_success(rabbitmq: RabbitMQ) -> None:
    url = f"amqp://guest:guest@127.0.0.1:{rabbitmq.port}//"
    with Connection(url) as connection, connection.channel() as channel:
        limits = {"x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare("full", auto_delete=False, arguments=limits)
        publish(cluster(url), order("full"), 30)
        with pytest.raises(QueryRejected, match="“full” takes no messages"):
            publish(cluster(url), order("full"), 30)
        channel.queue_delete("full")


def test_other_transports_are_refused() -> None:
    with pytest.raises(QueryRejected, match="whether a queue exists cannot be told on the transport memory"):
        publish(cluster("memory://"), order(), 30)
