"""Events of RabbitMQ: an own queue beside Celery's, every message, and a loss that is told."""

from __future__ import annotations

import json
import pickle
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from kombu import Connection, Exchange, Producer

from data_sources.config import Broker
from data_sources.errors import SourceError, SourceUnreachable
from data_sources.events import amqp_events
from data_sources.events.celery_events import decode
from data_sources.events.event_stream import EventStream, Message
from data_sources.events.event_streams import open_events
from demo.servers import PATIENCE_SECONDS, RabbitMQ, wait_until
from tests.fault_proxy import FaultProxy, forward
from tests.impostor import Behaviour, close, hang, impostor, say
from tests.listening import assert_closing_ends_a_read, hear_until, listening
from tests.listening import say as publish


@pytest.fixture
def exchange() -> str:
    """An event exchange of one's own, so that tests hear none of each other."""
    return f"events-{uuid.uuid4()}"


@pytest.fixture
def stream(rabbitmq: RabbitMQ, exchange: str) -> Iterator[EventStream]:
    with listening(rabbitmq.url, event_exchange=exchange) as stream:
        yield stream


def read_all(stream: EventStream, count: int) -> list[Message]:
    messages: list[Message] = []
    ends = time.monotonic() + PATIENCE_SECONDS
    while len(messages) < count:
        assert time.monotonic() < ends, messages[:3]
        messages += stream.read(0.5)
    return messages


def publish_raw(url: str, exchange: str, bodies: list[bytes], **properties: str) -> None:
    properties = {"content_type": "application/json", "content_encoding": "utf-8"} | properties
    with Connection(url) as connection, connection.channel() as channel:
        producer = Producer(channel, Exchange(exchange, "topic"), "task.multi")
        for body in bodies:
            producer.publish(body, **properties)


def test_celerys_own_dispatcher_is_heard_and_declares_the_same_exchange(
    rabbitmq: RabbitMQ, stream: EventStream, exchange: str
) -> None:
    publish(rabbitmq.url, "worker-online", "task-started", exchange=exchange)
    heard = hear_until(stream, lambda heard: bool(heard.workers and heard.tasks))
    assert [beat.kind for beat in heard.workers] == ["online"]
    assert heard.poisoned == 0


def test_a_burst_is_heard_whole_and_in_order(rabbitmq: RabbitMQ, stream: EventStream, exchange: str) -> None:
    bodies = [b"%d" % number for number in range(5_000)]
    publisher = threading.Thread(target=publish_raw, args=(rabbitmq.url, exchange, bodies))
    publisher.start()
    messages = read_all(stream, 5_000)
    publisher.join()
    assert [message.body for message in messages] == bodies


def test_poison_stops_nothing(rabbitmq: RabbitMQ, stream: EventStream, exchange: str) -> None:
    good = json.dumps({"type": "task-started", "uuid": "id", "hostname": "w"}).encode()
    publish_raw(rabbitmq.url, exchange, [b"", b"null", b"[1]", b"\xff\x00", b"{}", b"[" * 10_000])
    publish_raw(rabbitmq.url, exchange, [pickle.dumps(1)], content_type="application/x-python-serialize")
    publish_raw(rabbitmq.url, exchange, [good], content_encoding="latin-1")
    heard = decode(read_all(stream, 8), time.time_ns() // 1000)
    assert (heard.poisoned, len(heard.tasks)) == (7, 1)


def test_our_queue_is_ours_alone_and_goes_with_us(rabbitmq: RabbitMQ, exchange: str) -> None:
    with listening(rabbitmq.url, event_exchange=exchange):
        rows = rabbitmq.ctl("list_queues", "name", "exclusive", "auto_delete", "durable").splitlines()
        ours = [row.split()[1:] for row in rows if row.startswith(exchange)]
        assert ours == [["true", "true", "false"]]
    wait_until(lambda: exchange not in rabbitmq.ctl("list_queues", "name"), "the end of our queue")


def test_a_connection_that_is_cut_is_told_and_made_anew(rabbitmq: RabbitMQ, exchange: str) -> None:
    with FaultProxy(forward(rabbitmq.port)) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}//"
        with listening(url, event_exchange=exchange) as stream:
            proxy.behave(forward(rabbitmq.port))
            with pytest.raises(SourceUnreachable, match="closed the connection"):
                stream.read(60)
            stream.connect(30)
            publish(rabbitmq.url, "worker-online", exchange=exchange)
            assert hear_until(stream, lambda heard: bool(heard.workers)).poisoned == 0


def test_a_queue_that_somebody_deletes_is_a_loss(rabbitmq: RabbitMQ, stream: EventStream, exchange: str) -> None:
    rows = rabbitmq.ctl("list_queues", "name").splitlines()
    rabbitmq.ctl("delete_queue", next(row for row in rows if row.startswith(exchange)))
    with pytest.raises(SourceUnreachable):
        stream.read(60)


def test_a_broker_that_vanished_is_noticed_by_its_silence(
    rabbitmq: RabbitMQ, exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp_events, "SILENCE_SECONDS", 0.2)
    with FaultProxy(forward(rabbitmq.port)) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}//"
        with listening(url, event_exchange=exchange) as stream:
            quiet_until = time.monotonic() + 1
            while time.monotonic() < quiet_until:
                assert stream.read(0.1) == []  # silent, and there: it answers
            try:
                rabbitmq.suspend()
                with pytest.raises(SourceUnreachable, match="did not answer in time"):
                    stream.read(0.5)
            finally:
                rabbitmq.signal(18)  # SIGCONT


def test_closing_ends_a_read_in_another_thread(rabbitmq: RabbitMQ) -> None:
    assert_closing_ends_a_read(rabbitmq.url)


@pytest.mark.parametrize("behaviour", [hang, close, say(b"HTTP/1.1 400 Bad Request\r\n\r\n")])
def test_a_server_that_is_no_broker_is_an_error_in_time(behaviour: Behaviour) -> None:
    with (
        impostor(behaviour) as port,
        closing(open_events(Broker.from_url(f"amqp://guest:correct-horse@127.0.0.1:{port}//"))) as stream,
        pytest.raises(SourceError) as raised,
    ):
        stream.connect(1)
    assert "correct-horse" not in f"{raised.value} {raised.value.hint}"
