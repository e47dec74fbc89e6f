"""RabbitMQ: the management API's numbers, what AMQP alone can tell, and which of the two is asked."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import re
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from celery import Celery
from celery.app.task import Context
from kombu import Connection, Exchange, Producer, Queue

from data_sources import settings
from data_sources.brokers import rabbitmq_broker, rabbitmq_management
from data_sources.brokers.leftovers import leftovers
from data_sources.brokers.open import QueueReader, open_broker
from data_sources.brokers.queue_depths import DepthReading
from data_sources.brokers.rabbitmq_management import RabbitmqManagement
from data_sources.config import Broker, Cluster, HttpEndpoint
from data_sources.errors import QueryRejected, SourceError, SourceUnreachable
from data_sources.now import management_row
from data_sources.now_frames import depth_frame
from data_sources.poller import Reading
from data_sources.query import Depths, Sources
from demo.servers import RabbitMQ, free_port, wait_until
from tests.deadline import within
from tests.impostor import Behaviour, drip, hang, impostor, say_json
from tests.messages import holding, send
from tests.watching import LIVE, watching

PASSWORD = "correct-horse"


def put(server: RabbitMQ, path: str, body: object = None) -> None:
    """Administration by the management API: rabbitmqctl takes seconds to start."""
    connection = http.client.HTTPConnection("127.0.0.1", server.management_port, timeout=60)
    login = "Basic " + base64.b64encode(b"guest:guest").decode()
    connection.request("PUT", path, json.dumps(body or {}), {"Authorization": login})
    assert connection.getresponse().status in (201, 204)
    connection.close()


@pytest.fixture
def vhost(rabbitmq: RabbitMQ) -> str:
    """The URL of a vhost of one's own."""
    name = uuid.uuid4().hex
    put(rabbitmq, f"/api/vhosts/{name}")
    return f"amqp://guest:guest@127.0.0.1:{rabbitmq.port}/{name}"


def open_reader(url: str, management_url: str | None = None) -> QueueReader:
    endpoint = HttpEndpoint.from_url(management_url) if management_url else None
    return open_broker(Cluster(broker=Broker.from_url(url), rabbitmq_management=endpoint))


@pytest.fixture
def reader(rabbitmq: RabbitMQ, vhost: str) -> Iterator[QueueReader]:
    with closing(open_reader(vhost, rabbitmq.management_url)) as broker:
        yield broker


def declare(url: str, *names: str, **options: Any) -> None:
    with Connection(url) as connection:
        for name in names:
            Queue(name, **options)(connection).declare()


def row(reading: DepthReading, queue: str) -> dict[str, float | None]:
    columns = ("ready", "unacked", "consumers", "oldest")
    return {column: reading.per_queue(column)[queue] for column in columns}


def text(reading: DepthReading) -> str:
    return "\n".join(note.text for note in reading.notes)


# ---- The management API


def test_nineteen_of_four_priorities_and_four_held_show_as_19_ready_and_4_unacked(
    vhost: str, reader: QueueReader
) -> None:
    mail = Queue("mail", Exchange("mail"), routing_key="mail", max_priority=9)
    send(vhost, "mail", [0] * 4)
    with holding(vhost, mail, 4):
        send(vhost, "mail", [0, 3, 6, 9] * 4 + [0, 3, 9])
        expected = {"ready": 19, "unacked": 4, "consumers": 1, "oldest": None}
        wait_until(lambda: row(reader.depths([], deadline_seconds=30), "mail") == expected, "the statistics")
        reading = reader.depths([], deadline_seconds=30)
    assert reading.totals == {"ready": 19, "unacked": 4}
    assert json.loads(reading.rows[0]["priorities"]) == {"0": 5, "3": 5, "6": 4, "9": 5}
    assert reading.origin.startswith("RabbitMQ 3.")
    assert reading.origin.endswith(vhost.split("@")[1])
    assert not reading.notes


def test_what_a_queue_is_and_what_flows_through_it_are_told(vhost: str, reader: QueueReader) -> None:
    options = {"x-dead-letter-exchange": "dead", "x-message-ttl": 60_000, "x-expires": 3_600_000}
    declare(vhost, "mail", queue_arguments=options)
    with Connection(vhost) as connection, closing(connection.SimpleQueue("mail", queue_args=options)) as queue:

        def flows() -> bool:
            """Two messages come, one is taken."""
            queue.put({})
            queue.put({})
            queue.get().ack()
            return bool(told()["in_rate"] and told()["out_rate"] and told()["message_bytes"])

        def told() -> Any:
            return reader.depths([], deadline_seconds=30).rows[0]

        wait_until(flows, "the statistics")
        mail = told()
    assert {name: mail[name] for name in ("type", "dead_letter", "message_ttl", "expires", "priorities")} == {
        "type": "classic",
        "dead_letter": "dead",
        "message_ttl": 60,
        "expires": 3600,
        "priorities": None,
    }
    assert mail["memory"] > 1000


def test_a_queue_without_statistics_yet_is_unknown_and_not_empty(vhost: str, reader: QueueReader) -> None:
    unknown = {"ready": None, "unacked": None, "consumers": None, "oldest": None}
    names = map("new-{}".format, itertools.count())

    def is_told() -> bool:
        """Statistics come every few seconds, perhaps between the two steps."""
        declare(vhost, name := next(names))
        reading = reader.depths([], deadline_seconds=30)
        return (row(reading, name), reading.totals) == (unknown, {"ready": None, "unacked": None})

    wait_until(is_told, "a queue without statistics")


def test_the_oldest_is_known_when_its_producer_stamped_it(vhost: str, reader: QueueReader) -> None:
    declare(vhost, "mail")
    with Connection(vhost) as connection:
        Producer(connection).publish({}, routing_key="mail", timestamp=int(time.time()) - 100)
    wait_until(lambda: bool(reader.depths([], deadline_seconds=30).per_queue("oldest")["mail"]), "the statistics")
    assert 100 <= (reader.depths([], deadline_seconds=30).per_queue("oldest")["mail"] or 0) < 300


def test_celerys_own_queues_and_exclusive_ones_are_flagged(vhost: str, reader: QueueReader) -> None:
    declare(vhost, "mail", "celery@host.celery.pidbox", "celeryev.1", "celery_delayed_27")
    with Connection(vhost) as connection:
        Queue("mine", exclusive=True)(connection).declare()
        frame = depth_frame(reader.depths([], deadline_seconds=30).rows)
    assert frame.set_index("queue")["internal"].to_dict() == {
        "celery@host.celery.pidbox": True,
        "celery_delayed_27": True,
        "celeryev.1": True,
        "mail": False,
        "mine": True,
    }


def test_results_that_nobody_fetches_are_no_work_and_nothing_is_to_be_started_on_them(
    vhost: str, reader: QueueReader
) -> None:
    of_celery_5_6, mine = str(uuid.uuid4()), str(uuid.uuid4())
    declare(vhost, of_celery_5_6, durable=False, auto_delete=True, expires=86_400)
    declare(vhost, mine)  # it stays, so somebody may count on it
    with Celery(broker=vhost, backend="rpc://", set_as_current=False) as app:
        for task in [app.send_task("work", queue="mail") for _ in range(5)]:
            request = Context(reply_to=app.thread_oid, correlation_id=task.id)
            app.backend.store_result(task.id, None, "SUCCESS", request=request)
        results = app.thread_oid

    def told() -> dict[str, tuple[int, int]]:
        rows = reader.depths([], deadline_seconds=30).rows
        return {row["queue"]: (row["ready"], row["consumers"]) for row in rows}

    wait_until(lambda: {results: (5, 0), "mail": (5, 0)}.items() <= told().items(), "the statistics")
    reading = reader.depths([], deadline_seconds=30)
    assert {row["queue"]: row["internal"] for row in reading.rows} == {
        results: True,
        of_celery_5_6: True,
        mine: False,
        "mail": False,
    }
    assert reading.totals["ready"] == 5
    left = leftovers(depth_frame(reading.rows), Broker.from_url(vhost))
    assert left[["what", "name"]].to_numpy().tolist() == [["nobody", "mail"]]


def test_all_pages_are_read_and_a_cut_is_said(vhost: str, reader: QueueReader, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(vhost, "a", "b", "c", "d", "e")
    monkeypatch.setattr(rabbitmq_management, "PAGE_SIZE", 2)
    assert [row["queue"] for row in reader.depths([], deadline_seconds=30).rows] == ["a", "b", "c", "d", "e"]
    monkeypatch.setattr(rabbitmq_management, "MAX_PAGES", 2)
    reading = reader.depths([], deadline_seconds=30)
    assert [row["queue"] for row in reading.rows] == ["a", "b", "c", "d"]
    assert "Showing 4 of 5 queues" in text(reading)
    assert reading.totals["ready"] is None


def test_a_vhost_of_any_name_is_one_part_of_the_path(rabbitmq: RabbitMQ) -> None:
    name = quote("a/../b?x#", safe="")
    put(rabbitmq, f"/api/vhosts/{name}")
    url = f"amqp://guest:guest@127.0.0.1:{rabbitmq.port}/{name}"
    declare(url, "within")
    with closing(open_reader(url, rabbitmq.management_url)) as broker:
        assert [row["queue"] for row in broker.depths([], deadline_seconds=30).rows] == ["within"]


def test_each_refusal_of_the_management_api_has_its_own_advice(rabbitmq: RabbitMQ) -> None:
    put(rabbitmq, "/api/users/worker", {"password": PASSWORD, "tags": ""})
    put(rabbitmq, "/api/users/watcher", {"password": PASSWORD, "tags": "monitoring"})
    where = f"127.0.0.1:{rabbitmq.management_port}"
    for login, vhost, what, hint in (
        (f"guest:wrong-{PASSWORD}", "/", "refused the user name or password", "RABBITMQ_MANAGEMENT_URL"),
        ("", "/", "asks for a user name and password, and none is given", "RABBITMQ_MANAGEMENT_USERNAME"),
        (f"worker:{PASSWORD}", "/", "no management user", "set_user_tags"),
        (f"watcher:{PASSWORD}", "/", "see the vhost", "set_permissions"),
        ("guest:guest", "nowhere", "knows no such vhost", "list_vhosts"),
    ):
        endpoint = HttpEndpoint.from_url(f"http://{login}@{where}" if login else f"http://{where}")
        with closing(RabbitmqManagement(endpoint, vhost, where)) as refusing, pytest.raises(QueryRejected) as raised:
            refusing.depths([], deadline_seconds=30)
        assert what in raised.value.what
        assert hint in raised.value.hint
        assert PASSWORD not in f"{raised.value} {raised.value.hint}"


def test_the_address_of_the_management_api_is_enough_also_as_flower_has_it(rabbitmq: RabbitMQ, vhost: str) -> None:
    declare(vhost, "mail")
    url = f"http://127.0.0.1:{rabbitmq.management_port}/api/"
    given = settings.load({"CELERY_BROKER_URL": vhost, "RABBITMQ_MANAGEMENT_URL": url})
    with closing(open_broker(given.clusters[0])) as broker:
        assert broker.depths([], deadline_seconds=30).managed


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_proxy_that_refuses_a_login_in_its_own_words_is_said_to_refuse_it(status: str) -> None:
    with impostor(say_json(status, "<html>")) as port:
        endpoint = HttpEndpoint.from_url(f"http://me:{PASSWORD}@127.0.0.1:{port}")
        with closing(RabbitmqManagement(endpoint, "/", "host:5672/")) as other, pytest.raises(QueryRejected) as raised:
            other.depths([], deadline_seconds=30)
    assert raised.value.what == "refused the user name or password"


def management(port: int) -> RabbitmqManagement:
    return RabbitmqManagement(HttpEndpoint.from_url(f"http://127.0.0.1:{port}"), "/", "host:5672/")


@pytest.mark.parametrize("behaviour", [say_json("200 OK", "<html>"), say_json("200 OK", "[]")])
def test_something_else_on_the_management_port_is_said_to_be_no_management_api(behaviour: Behaviour) -> None:
    raises = pytest.raises(SourceUnreachable, match="not a management API")
    with impostor(behaviour) as port, closing(management(port)) as other, raises:
        other.depths([], deadline_seconds=30)


@pytest.mark.parametrize("item", ["null", '{"name": 1}', '{"name": "x", "messages_ready": "many", "consumers": -1}'])
def test_a_strange_answer_is_never_a_wrong_number(item: str) -> None:
    body = f'{{"items": [{item}], "page_count": null, "rabbitmq_version": null}}'
    with impostor(say_json("200 OK", body)) as port, closing(management(port)) as strange:
        frame = depth_frame(strange.depths([], deadline_seconds=30).rows)
    assert frame[["ready", "unacked", "consumers", "oldest"]].isna().all(axis=None)


# ---- AMQP alone


def test_without_the_plugin_known_queues_show_ready_and_consumers(plain_rabbitmq: RabbitMQ) -> None:
    url = plain_rabbitmq.url
    send(url, "mail", [0] * 4)
    with holding(url, Queue("mail", Exchange("mail"), routing_key="mail", max_priority=9), 4):
        send(url, "mail", [0, 3, 6, 9])
        with closing(open_reader(url, f"http://guest:{PASSWORD}@127.0.0.1:{free_port()}")) as broker:
            wait_until(lambda: broker.depths(["mail"], deadline_seconds=30).per_queue("ready")["mail"] == 4, "all four")
            assert broker.depths(["mail"], deadline_seconds=30).totals["ready"] is None  # others may be there
            reading = broker.depths(["absent", "mail"], deadline_seconds=30)
    assert row(reading, "mail") == {"ready": 4, "unacked": None, "consumers": 1, "oldest": None}
    assert row(reading, "absent") == {"ready": None, "unacked": None, "consumers": None, "oldest": None}
    assert reading.totals == {"ready": None, "unacked": None}
    assert re.fullmatch(rf"RabbitMQ \d+\.\d+\.\d+\S* at 127\.0\.0\.1:{plain_rabbitmq.port}/", reading.origin)
    assert "absent: missing" in text(reading)
    assert "management API cannot be connected to: connection refused" in text(reading)
    assert PASSWORD not in text(reading)


def test_a_management_api_that_fails_is_a_source_that_fails(vhost: str) -> None:
    env = {"CELERY_BROKER_URL": vhost, "RABBITMQ_MANAGEMENT_URL": f"http://guest:{PASSWORD}@127.0.0.1:{free_port()}"}
    with watching(env) as desk:
        wait_until(lambda: desk.ask(Depths(), LIVE).measured_at is not None, "the queues")
        sources = desk.ask(Sources(), LIVE).frame.set_index("source")
    assert sources["state"].to_dict() | {"workers": "", "recorder": ""} == {
        "amqp": "ok",
        "rabbitmq management": "failing",
        "workers": "",
        "prometheus": "off",
        "recorder": "",
    }
    management = sources.loc["rabbitmq management"]
    assert (management["what"], management["hint"]) == (
        "cannot be connected to: connection refused",
        "Is it running? Check RABBITMQ_MANAGEMENT_URL.",
    )


def test_a_management_api_that_nobody_named_is_missed_only_when_it_was_there(
    rabbitmq: RabbitMQ, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq_broker, "RETRY_SECONDS", 0.0)
    assert rabbitmq.management_url
    endpoint = replace(HttpEndpoint.from_url(rabbitmq.management_url), assumed=True)

    def state(broker: QueueReader) -> object:
        return management_row(Reading(broker.depths([], deadline_seconds=30), datetime.now(UTC)))["state"]

    with closing(open_broker(Cluster(broker=Broker.from_url(vhost), rabbitmq_management=endpoint))) as broker:
        with monkeypatch.context() as broken:
            broken.setattr(rabbitmq_management, "MAX_BYTES", 1)
            assert state(broker) == "off"
        assert state(broker) == "ok"
        monkeypatch.setattr(rabbitmq_management, "MAX_BYTES", 1)
        assert state(broker) == "failing"


def test_what_the_management_api_would_add_is_said_when_it_is_not_configured(plain_rabbitmq: RabbitMQ) -> None:
    with closing(open_reader(plain_rabbitmq.url)) as broker:
        assert "Set RABBITMQ_MANAGEMENT_URL" in text(broker.depths([], deadline_seconds=30))


def test_a_refused_login_falls_back_and_is_not_tried_in_every_reading(vhost: str) -> None:
    declare(vhost, "mail")
    asked = []
    refuse = say_json("401 Unauthorized", '{"error": "not_authorized", "reason": "Login failed"}')

    def count_and_refuse(connection: socket.socket) -> None:
        asked.append(connection)
        refuse(connection)

    with impostor(count_and_refuse) as port, closing(open_reader(vhost, f"http://me@127.0.0.1:{port}")) as broker:
        for _ in range(3):
            reading = broker.depths(["mail"], deadline_seconds=30)
            assert row(reading, "mail")["ready"] == 0
            assert "refused the user name or password" in text(reading)
    assert len(asked) == 1


def test_the_management_api_is_used_again_when_it_is_back(
    rabbitmq: RabbitMQ, vhost: str, reader: QueueReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(vhost, "mail")
    monkeypatch.setattr(rabbitmq_broker, "RETRY_SECONDS", 0.0)
    with monkeypatch.context() as broken:
        broken.setattr(rabbitmq_management, "MAX_BYTES", 1)
        assert "Only ready and consumers" in text(reader.depths(["mail"], deadline_seconds=30))
    assert not reader.depths(["mail"], deadline_seconds=30).notes


def test_a_connection_the_broker_has_closed_is_made_anew(plain_rabbitmq: RabbitMQ) -> None:
    declare(plain_rabbitmq.url, "mine")
    with closing(open_reader(plain_rabbitmq.url)) as broker:
        assert row(broker.depths(["mine"], deadline_seconds=30), "mine")["ready"] == 0
        plain_rabbitmq.ctl("close_all_connections", "maintenance")
        assert row(broker.depths(["mine"], deadline_seconds=30), "mine")["ready"] == 0


# ---- Faults


@pytest.mark.parametrize("behaviour", [hang, drip])
def test_a_silent_broker_is_an_error_within_the_deadline(behaviour: Behaviour) -> None:
    with impostor(behaviour) as port:
        login = f"guest:{PASSWORD}@127.0.0.1:{port}"
        broker = open_reader(f"amqp://{login}//", f"http://{login}")
        with pytest.raises(SourceUnreachable) as raised, within(1):
            broker.depths(["mail"], deadline_seconds=1)
        broker.close()
    assert PASSWORD not in f"{raised.value} {raised.value.hint}"


def test_wrong_port_password_and_vhost_are_told_apart(rabbitmq: RabbitMQ) -> None:
    guest, stranger = "amqp://guest:guest@127.0.0.1", f"amqp://guest:{PASSWORD}@127.0.0.1"
    assert_fails(f"{stranger}:{free_port()}/", SourceUnreachable, "refused the connection")
    assert_fails(f"{guest}:{rabbitmq.management_port}/", SourceUnreachable, "")
    assert_fails(f"{stranger}:{rabbitmq.port}/", QueryRejected, "refused the user name or password")
    assert_fails(f"{guest}:{rabbitmq.port}/nowhere", QueryRejected, "no such vhost")


def assert_fails(url: str, kind: type[SourceError], what: str) -> None:
    with closing(open_reader(url)) as broker, pytest.raises(kind) as raised:
        broker.depths(["mail"], deadline_seconds=30)
    assert what in raised.value.what
    assert PASSWORD not in f"{raised.value} {raised.value.hint}"
