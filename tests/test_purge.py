"""Purging a queue: what waits is deleted and counted, what workers hold is theirs, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis
from kombu import Connection, Exchange, Queue

from data_sources.brokers.purge import purge
from data_sources.config import Broker, Cluster
from data_sources.errors import NotConfirmed, QueryRejected, SourceUnreachable
from demo.servers import Redis, wait_until
from tests.brokers import broker_of_ones_own
from tests.fault_proxy import FaultProxy
from tests.impostor import hang
from tests.messages import holding, send
from tests.wiretap import wiretap

MAIL = Queue("mail", Exchange("mail"), routing_key="mail", max_priority=9)


def cluster(url: str, **settings: Any) -> Cluster:
    return Cluster(broker=Broker.from_url(url, **settings))


@pytest.fixture(params=["redis", "rabbitmq"])
def url(request: pytest.FixtureRequest) -> str:
    return broker_of_ones_own(request)


def waiting(url: str, queue: str) -> int:
    with Connection(url) as connection:
        channel = connection.default_channel
        return int(channel._size(queue) if url.startswith("redis") else channel.queue_declare(queue, passive=True)[1])


def test_all_that_waits_is_deleted_of_every_priority_and_counted(url: str) -> None:
    send(url, "mail", [0, 0, 3, 5, 9, 9])
    send(url, "other", [0, 9])
    assert purge(cluster(url), "mail", 30) == 6
    assert (waiting(url, "mail"), waiting(url, "other")) == (0, 2)
    assert purge(cluster(url), "mail", 30) == 0


def test_what_a_worker_has_taken_stays_its_own(url: str) -> None:
    send(url, "mail", [0] * 5)
    with holding(url, MAIL, 2):
        assert purge(cluster(url), "mail", 30) == 3
    wait_until(lambda: waiting(url, "mail") == 2, "what is given back")


def test_a_queue_that_does_not_exist_is_not_made(url: str) -> None:
    send(url, "mail")
    if url.startswith("amqp"):
        with pytest.raises(QueryRejected, match="there is no queue “nowhere”"):
            purge(cluster(url), "nowhere", 30)
    else:
        assert purge(cluster(url), "nowhere", 30) == 0
    assert waiting(url, "mail") == 1


@pytest.mark.parametrize("queue", ["celeryev", "w@host.celery.pidbox", "celery_delayed_3"])
def test_celerys_own_queues_are_not_purged(url: str, queue: str) -> None:
    with wiretap(url) as (way, seen), pytest.raises(QueryRejected, match="Celery keeps it for itself"):
        purge(cluster(way), queue, 30)
    assert seen == []


def test_an_answer_that_is_lost_leaves_it_open_what_was_done(url: str) -> None:
    send(url, "mail", [0, 3])
    word = b"EXEC" if url.startswith("redis") else b"mail"
    with wiretap(url, deaf_after=word) as (way, _), pytest.raises(NotConfirmed) as error:
        purge(cluster(way), "mail", 10)
    assert error.value.hint == "It was sent, and may have been done: look before you repeat it."
    assert waiting(url, "mail") == 0


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_cannot_be_reached_was_sent_nothing(scheme: str) -> None:
    with FaultProxy(None) as nobody:
        for behaviour in (None, hang):
            nobody.behave(behaviour)
            with pytest.raises(SourceUnreachable) as error:
                purge(cluster(f"{scheme}://127.0.0.1:{nobody.port}/"), "mail", 1)
            assert not isinstance(error.value, NotConfirmed)
            assert error.value.hint.startswith("Nothing was sent.")


@pytest.mark.parametrize("key", ["unacked", "unacked_index", "_kombu.binding.mail", "note"])
def test_the_name_of_another_key_of_redis_is_no_queue(redis_server: Redis, key: str) -> None:
    send(redis_server.url, "mail", [0, 0])
    with redis.Redis(port=redis_server.port) as client, holding(redis_server.url, MAIL, 1):
        client.set("note", "not ours")
        before = {name: client.dump(name) for name in client.scan_iter()}
        with pytest.raises(QueryRejected, match=f"“{key}” is no queue"):
            purge(cluster(redis_server.url), key, 30)
        assert {name: client.dump(name) for name in client.scan_iter()} == before


def test_a_prefix_and_other_priorities_are_the_clusters_own(redis_server: Redis) -> None:
    options = {"global_keyprefix": "shop:", "priority_steps": [0, 5], "sep": ":"}
    send(redis_server.url, "mail", [0, 5], broker_transport_options=options)
    send(redis_server.url, "mail", [0, 0, 0])
    assert purge(cluster(redis_server.url, transport_options=options), "mail", 30) == 2
    assert waiting(redis_server.url, "mail") == 3


def test_a_user_who_may_not_delete_is_told_so(redis_server: Redis) -> None:
    send(redis_server.url, "mail")
    with redis.Redis(port=redis_server.port) as client:
        client.execute_command("ACL", "SETUSER", "reader", "on", ">word", "~*", "&*", "+@all", "-ltrim")
    with pytest.raises(QueryRejected, match="does not let this user run the command ltrim"):
        purge(cluster(f"redis://reader:word@127.0.0.1:{redis_server.port}/0"), "mail", 30)
    assert waiting(redis_server.url, "mail") == 1


def test_other_transports_purge_by_kombu(tmp_path: Path) -> None:
    folder = str(tmp_path)
    options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": str(tmp_path / "control")}
    send("filesystem://", "mail", [0, 0], broker_transport_options=options)
    assert purge(cluster("filesystem://", transport_options=options), "mail", 30) == 2
    assert purge(cluster("filesystem://", transport_options=options), "mail", 30) == 0
