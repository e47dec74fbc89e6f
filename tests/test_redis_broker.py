"""Redis: what a producer put in and a worker holds is what is shown, and nothing is disturbed by looking."""

from __future__ import annotations

import json
import math
import re
import shutil
import signal
import subprocess
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from kombu import Exchange, Queue
from kombu.transport.virtual.exchange import TopicExchange

from data_sources.brokers import redis_ages, redis_bindings, redis_broker, redis_unacked
from data_sources.brokers.open import QueueReader, open_broker
from data_sources.brokers.queue_depths import DepthReading
from data_sources.config import Broker, Cluster
from data_sources.errors import SourceError, SourceUnreachable
from data_sources.now_frames import depth_frame
from demo.servers import Process, Redis, accepts, free_port, redis_program, wait_until
from tests.deadline import costs, within
from tests.impostor import Behaviour, close, drip, hang, impostor, say
from tests.messages import holding, send

PASSWORD = "correct-horse"


def reader(url: str, **settings: Any) -> QueueReader:
    return open_broker(Cluster(broker=Broker.from_url(url, **settings)))


def depths(url: str, *known: str, **settings: Any) -> DepthReading:
    """One reading by a reader of its own."""
    with closing(reader(url, **settings)) as broker:
        return broker.depths(known, deadline_seconds=30)


def numbers(reading: DepthReading) -> dict[str, tuple[float | None, float | None]]:
    """queue -> ready, unacked."""
    ready, unacked = reading.per_queue("ready"), reading.per_queue("unacked")
    return {queue: (ready[queue], unacked[queue]) for queue in ready}


def text(reading: DepthReading) -> str:
    return "\n".join(note.text for note in reading.notes)


def client(server: Redis, **options: Any) -> Any:
    return redis.Redis(port=server.port, **options)


def unacked_entry(exchange: str, routing_key: str, body: str = "e30=", headers: object = None) -> str:
    """As kombu writes it (QoS.append)."""
    return json.dumps([{"body": body, "headers": headers or {}, "properties": {}}, exchange, routing_key])


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


# ---- What is there


def test_nineteen_of_four_priorities_and_four_held_show_as_19_ready_and_4_unacked(redis_server: Redis) -> None:
    send(redis_server.url, "mail", [0] * 4)
    with holding(redis_server.url, Queue("mail", Exchange("mail"), routing_key="mail"), 4):
        send(redis_server.url, "mail", [0, 3, 6, 9] * 4 + [0, 3, 9])
        reading = depths(redis_server.url)
    assert numbers(reading) == {"mail": (19, 4)}
    assert [row["priorities"] for row in reading.rows] == ['{"0": 5, "3": 5, "6": 4, "9": 5}']
    assert reading.totals["ready"] == 19
    assert reading.totals["unacked"] == 4
    assert 0 <= (reading.totals["oldest_unacked"] or 0) < 60
    with client(redis_server) as raw:
        version = raw.info("server")["redis_version"]
    assert reading.origin == f"Redis {version} at 127.0.0.1:{redis_server.port}/0"
    assert not reading.notes


def test_a_queue_without_a_worker_is_found_and_an_empty_one_is_zero(redis_server: Redis) -> None:
    send(redis_server.url, "forgotten")
    assert numbers(depths(redis_server.url, "idle")) == {"forgotten": (1, 0), "idle": (0, 0)}


def test_consumers_and_rates_are_unknown_to_redis(redis_server: Redis) -> None:
    frame = depth_frame(depths(redis_server.url, "mail").rows)
    assert frame[["consumers", "oldest", "in_rate", "out_rate", "memory", "twice"]].isna().all(axis=None)
    assert frame["scheduled"].tolist() == [0]


def test_what_is_held_for_an_eta_and_since_when_are_told_by_queue(redis_server: Redis) -> None:
    soon, late, now = time.time() + 600, time.time() + 7200, time.time()
    with client(redis_server) as raw:
        raw.hset(
            "unacked",
            mapping={
                "1": unacked_entry("", "mail", headers={"eta": iso(late)}),
                "2": unacked_entry("", "mail", headers={"eta": iso(soon)}),
                "3": unacked_entry("", "mail", headers={"eta": iso(now - 5)}),
                "4": unacked_entry("", "images", headers={"eta": None, "kwargsrepr": f'{{"eta": "{iso(late)}"}}'}),
            },
        )
        raw.zadd("unacked_index", {"1": now - 100, "2": now - 50, "3": now - 300, "4": math.inf})
        reading = depths(redis_server.url, "mail", "images")
    mail, images = (row for _, row in sorted((row["queue"], row) for row in reading.rows)[::-1])
    assert (mail["scheduled"], images["scheduled"], images["oldest_unacked"]) == (2, 0, None)
    assert mail["next_eta"].timestamp() == pytest.approx(soon, abs=0.01)
    assert mail["oldest_unacked"] == pytest.approx(300, abs=60)
    assert sorted(hold.until_eta or 0 for hold in reading.held["mail"]) == pytest.approx([0, 650, 7300], abs=0.1)
    assert sorted(hold.seconds for hold in reading.held["mail"]) == pytest.approx([50, 100, 300], abs=20)
    assert reading.held["images"] == []


def test_the_age_of_the_oldest_is_known_when_its_coming_was_seen(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_ages, "JUST_NOW_SECONDS", 600.0)
    send(redis_server.url, "old")
    with closing(reader(redis_server.url)) as broker, client(redis_server) as raw:
        broker.depths(["new"], deadline_seconds=30)
        send(redis_server.url, "new", [0, 3])
        began = time.monotonic()

        def row(queue: str) -> Any:
            return next(row for row in broker.depths(["new"], deadline_seconds=30).rows if row["queue"] == queue)

        wait_until(lambda: (row("new")["oldest"] or 0) > 0.2, "an age")
        assert row("new")["oldest"] <= time.monotonic() - began
        assert row("old")["oldest"] is None
        assert row("old")["oldest_at_least"] > 0.2
        raw.rpop("new")  # of another priority the first is still there
        assert row("new")["oldest"] > 0.2
        raw.rpop("new\x06\x163")
        assert (row("new")["oldest"], row("new")["oldest_at_least"]) == (None, None)


def test_ends_of_lists_of_large_messages_are_not_fetched(redis_server: Redis) -> None:
    with closing(reader(redis_server.url)) as broker, client(redis_server) as raw:
        raw.lpush("mail", "x" * 200_000)
        raw.config_resetstat()
        rows = broker.depths(["mail"], deadline_seconds=30).rows
        assert raw.info("stats")["total_net_output_bytes"] < 100_000
    assert [(row["ready"], row["oldest_at_least"]) for row in rows] == [(1, None)]


def test_prefix_separator_steps_and_key_names_are_the_apps(redis_server: Redis) -> None:
    options = {"global_keyprefix": "shop[1]*:", "sep": ":", "priority_steps": [0, 5], "unacked_key": "held"}
    send(redis_server.url, "mail", [0, 5, 5], broker_transport_options=options)
    mail = Queue("mail", Exchange("mail"), routing_key="mail")
    with holding(redis_server.url, mail, 1, **options):
        reading = depths(redis_server.url, transport_options=options)
    assert numbers(reading) == {"mail": (2, 1)}
    assert [row["priorities"] for row in reading.rows] == ['{"0": 0, "5": 2}']
    assert numbers(depths(redis_server.url)) == {}


def test_a_message_is_counted_for_the_queue_its_routing_key_leads_to(redis_server: Redis) -> None:
    tasks = Exchange("tasks", type="topic")
    with client(server=redis_server) as raw:
        for queue, key in (("all", "#"), ("mail", "mail.*"), ("images", "image.*")):
            raw.sadd("_kombu.binding.tasks", "\x06\x16".join((key, "^pattern$", queue)))
        raw.sadd("_kombu.binding.direct", "\x06\x16".join(("a", "", "alone")))
        raw.hset("unacked", mapping={"1": unacked_entry("direct", "a"), "2": unacked_entry("", "anonymous")})
        assert numbers(depths(redis_server.url, "anonymous"))["alone"] == (0, 1)
        assert numbers(depths(redis_server.url, "anonymous"))["anonymous"] == (0, 1)

        raw.hset("unacked", "3", unacked_entry(tasks.name, "mail.new"))
        reading = depths(redis_server.url)
    assert numbers(reading) == {"all": (0, None), "mail": (0, None), "images": (0, 0), "alone": (0, 1)}
    assert "topic exchange" in text(reading)


def test_messages_of_an_unknown_exchange_are_said_to_have_no_queue(redis_server: Redis) -> None:
    with client(redis_server) as raw:
        raw.hset("unacked", mapping={"1": unacked_entry("gone", "x"), "2": "not kombu's"})
        reading = depths(redis_server.url, "mail")
    assert "2 unacked messages belong to queues whose bindings are not known" in text(reading)
    assert reading.totals["unacked"] == 2


def test_celerys_own_queues_are_flagged(redis_server: Redis) -> None:
    with client(redis_server) as raw:
        raw.sadd("_kombu.binding.reply.celery.pidbox", "\x06\x16".join(("x", "", "x.reply.celery.pidbox")))
        raw.lpush("x.reply.celery.pidbox", "orphan")
        reading = depths(redis_server.url, "mail")
    assert {row["queue"]: row["internal"] for row in reading.rows} == {
        "mail": False,
        "x.reply.celery.pidbox": True,
    }
    assert reading.totals["ready"] == 0


# ---- Reading must not disturb


def test_only_small_reads_are_sent_and_nothing_is_changed(redis_server: Redis) -> None:
    send(redis_server.url, "mail", [0, 9])
    with client(redis_server) as raw, client(redis_server) as watcher, watcher.monitor() as monitor:
        raw.hset("unacked", "held", unacked_entry("mail", "mail"))
        raw.zadd("unacked_index", {"held": time.time() - 7200})
        before = {key: raw.dump(key) for key in raw.scan_iter()}
        raw.echo("begin")
        broker = reader(redis_server.url)
        for _ in range(3):
            broker.depths(["mail"], deadline_seconds=30)
        broker.close()
        raw.echo("end")
        assert {key: raw.dump(key) for key in raw.scan_iter()} == before
        log = iter(lambda: monitor.next_command()["command"].split(" "), ["ECHO", "end"])
        list(takewhile(lambda words: words != ["ECHO", "begin"], log))
        sent = {words[0].upper() for words in log}
    allowed = {"HELLO", "CLIENT", "PING", "SCAN", "SSCAN", "HLEN", "ZRANGE", "LLEN", "LINDEX", "MEMORY", "HSCAN"}
    assert sent <= allowed
    assert {"SCAN", "LLEN", "HSCAN"} <= sent


def test_queues_are_looked_for_a_slice_at_a_time(redis_server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_bindings, "SLICE_SECONDS", 0.0)  # as for who stood still for all of it
    monkeypatch.setattr(redis_bindings, "SCAN_KEYS", 10)
    send(redis_server.url, "mail")
    with client(redis_server) as raw:
        raw.mset({f"other:{n}": "" for n in range(100)})
    broker = reader(redis_server.url)
    begun = broker.depths([], deadline_seconds=30)
    assert "Still looking for queues" in text(begun)
    assert begun.totals["ready"] is None  # whatever was found, there may be more
    wait_until(lambda: not broker.depths([], deadline_seconds=30).notes, "the search")
    monkeypatch.setattr(redis_bindings, "READ_EVERY_SECONDS", 0.0)
    found = broker.depths([], deadline_seconds=30)
    assert (numbers(found), found.totals["ready"]) == ({"mail": (1, 0)}, 1)
    broker.close()


def test_more_queues_than_are_measured_is_said(redis_server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_broker, "MAX_QUEUES", 2)
    reading = depths(redis_server.url, "a", "b", "c")
    assert numbers(reading) == {"a": (0, 0), "b": (0, 0)}
    assert "Showing 2 of 3 queues" in text(reading)
    assert reading.totals["ready"] is None


def test_too_many_unacked_are_a_total_and_not_zeros(redis_server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_unacked, "MAX_MESSAGES", 2)
    with client(redis_server) as raw:
        raw.hset("unacked", mapping={str(n): unacked_entry("mail", "mail") for n in range(3)})
    reading = depths(redis_server.url, "mail")
    assert numbers(reading) == {"mail": (0, None)}
    assert reading.totals["unacked"] == 3
    assert "3 messages are held, at most 2 are read" in text(reading)


def test_one_enormous_unacked_message_is_never_fetched(redis_server: Redis) -> None:
    with client(redis_server) as raw:
        raw.hset("unacked", mapping={str(n): unacked_entry("mail", "mail") for n in range(600)})
        raw.hset("unacked", "huge", unacked_entry("mail", "mail", "x" * (17 * 2**20)))
        raw.config_resetstat()
        reading = depths(redis_server.url, "mail")
        assert raw.info("stats")["total_net_output_bytes"] < 100_000
    assert numbers(reading) == {"mail": (0, None)}
    assert reading.totals["unacked"] == 601
    assert "at most 16 MB are read" in text(reading)


def test_a_count_by_queue_that_is_older_than_the_rest_says_so(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_unacked, "EVERY_SECONDS", 3600.0)
    with client(redis_server) as raw:
        raw.hset("unacked", "1", unacked_entry("mail", "mail"))
        broker = reader(redis_server.url)
        assert numbers(broker.depths(["mail"], deadline_seconds=30)) == {"mail": (0, 1)}
        raw.hset("unacked", "2", unacked_entry("mail", "mail"))
        note = re.compile(r"Unacked by queue was counted \d+ s ago")
        wait_until(lambda: bool(note.search(text(broker.depths(["mail"], deadline_seconds=30)))), "the note")
        reading = broker.depths(["mail"], deadline_seconds=30)
        assert numbers(reading) == {"mail": (0, 1)}
        assert reading.totals["unacked"] == 2
        raw.delete("unacked")
        reading = broker.depths(["mail"], deadline_seconds=30)
        assert numbers(reading) == {"mail": (0, 0)}
        assert not reading.notes
        broker.close()


def test_a_count_is_as_old_as_it_was_when_the_rest_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(redis_unacked, "time", clock)
    nobody: Any = None
    counted = redis_unacked.UnackedCount(nobody)
    counted.refresh(nobody, 0, nobody)
    clock.now = 60.0  # before anybody asks what is to be said
    assert list(counted.notes()) == []


# ---- What cannot be measured


def test_a_key_that_is_no_list_is_unknown_and_the_others_are_measured(redis_server: Redis) -> None:
    send(redis_server.url, "mail")
    with client(redis_server) as raw:
        raw.set("images\x06\x163", "not a list")
    reading = depths(redis_server.url, "images", "mail")
    assert numbers(reading) == {"images": (None, 0), "mail": (1, 0)}
    assert reading.totals["ready"] is None
    assert "images: not what Celery keeps" in text(reading)


def test_an_unacked_key_that_is_no_hash_leaves_unacked_unknown(redis_server: Redis) -> None:
    send(redis_server.url, "mail")
    with client(redis_server) as raw:
        raw.set("unacked", "not a hash")
    reading = depths(redis_server.url)
    assert numbers(reading) == {"mail": (1, None)}
    assert reading.totals["unacked"] is None
    assert "unacked: not what Celery keeps" in text(reading)


@pytest.mark.parametrize(
    ("rules", "shown", "said"),
    [
        ("+ping +llen ~*", {"mail": (1, None)}, ["Redis refused HLEN", "Redis refused ZRANGE", "SCAN"]),
        ("+@read +ping -hscan ~*", {"mail": (1, None)}, ["MEMORY USAGE and HSCAN"]),
        ("+@all ~unacked* ~_kombu*", {"mail": (None, 1)}, ["Redis refused to show some keys"]),
        ("+ping ~*", {"mail": (None, None)}, ["Redis refused LLEN"]),
    ],
)
def test_what_the_user_may_not_read_is_named_and_the_rest_is_shown(
    redis_server: Redis, rules: str, shown: dict[str, tuple[int | None, int | None]], said: list[str]
) -> None:
    send(redis_server.url, "mail")
    with client(redis_server) as raw:
        raw.hset("unacked", "1", unacked_entry("mail", "mail"))
        raw.execute_command("ACL", "SETUSER", "monitor", "on", f">{PASSWORD}", *rules.split())
    reading = depths(f"redis://monitor:{PASSWORD}@127.0.0.1:{redis_server.port}/0", "mail")
    assert numbers(reading) == shown
    for words in said:
        assert words in text(reading)
    assert "monitor" not in text(reading)
    if "SCAN" in said:
        assert reading.totals["ready"] is None  # there may be other queues


def test_a_full_redis_and_a_replica_are_still_read(redis_server: Redis) -> None:
    send(redis_server.url, "mail")
    with client(redis_server) as raw:
        raw.config_set("maxmemory", 1)
        assert numbers(depths(redis_server.url)) == {"mail": (1, 0)}
        raw.execute_command("REPLICAOF", "127.0.0.1", "1")
        reading = depths(redis_server.url)
    assert numbers(reading) == {"mail": (1, 0)}
    assert "replica" in text(reading)


# ---- Faults


@pytest.mark.parametrize(
    ("behaviour", "what", "hint"),
    [
        (hang, "did not answer", "overloaded"),
        (drip, "did not answer", "overloaded"),
        (say(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>"), "does not speak Redis", "port"),
        (say(b"-LOADING Redis is loading the dataset in memory\r\n"), "still loading", "will answer"),
        (say(b"-NOAUTH Authentication required.\r\n"), "asks for a password", "password"),
        (say(b"-ERR max number of clients reached\r\n"), "no more clients", "maxclients"),
        (say(b"-MOVED 1 10.0.0.1:6379\r\n"), "is a Redis Cluster", "sentinels"),
        (say(b"-MASTERDOWN Link with MASTER is down\r\n"), "Link with MASTER is down", "log"),
        (say(b"$999999999999\r\nx"), "did not answer", "overloaded"),
        (close, "closed the connection", "protocol"),
    ],
    ids=["hang", "drip", "http", "loading", "noauth", "maxclients", "cluster", "masterdown", "huge", "closed"],
)
def test_a_server_that_cannot_answer_is_an_error_with_advice(behaviour: Behaviour, what: str, hint: str) -> None:
    seconds = 1 if what.startswith("did not answer") else 30
    with impostor(behaviour) as port:
        broker = reader(f"redis://:{PASSWORD}@127.0.0.1:{port}/0")
        with pytest.raises(SourceError) as raised, within(seconds):
            broker.depths(["mail"], deadline_seconds=seconds)
        broker.close()
    error = raised.value
    assert what in error.what
    assert hint in error.hint
    assert PASSWORD not in f"{error} {error.what} {error.hint}"
    assert error.__cause__


def test_readings_given_up_are_few_and_end_with_their_connections() -> None:
    def given_up() -> int:
        return sum(thread.name == "read queues" for thread in threading.enumerate())

    with impostor(drip) as port, closing(reader(f"redis://127.0.0.1:{port}/0")) as broker:
        for _ in range(6):
            with pytest.raises(SourceUnreachable, match="did not answer"):
                broker.depths([], deadline_seconds=0.6)
        assert given_up() <= 3
    wait_until(lambda: not given_up(), "the end of the threads")


def test_nothing_listening_a_wrong_password_and_a_wrong_database_are_told_apart(redis_server: Redis) -> None:
    with client(redis_server) as raw:
        raw.config_set("requirepass", PASSWORD)
    where = f"127.0.0.1:{redis_server.port}"
    for url, what in (
        (f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0", "refused the connection"),
        (f"redis://:{PASSWORD}@nowhere.invalid:6379/0", "host name"),
        (f"redis://:wrong-{PASSWORD}@{where}/0", "refused the user name or password"),
        (f"redis://{where}/0", "asks for a password"),
        (f"redis://:{PASSWORD}@{where}/99", "has no such database"),
    ):
        with pytest.raises(SourceError) as raised:
            depths(url)
        assert what in raised.value.what
        assert PASSWORD not in f"{raised.value} {raised.value.hint}"
    assert numbers(depths(f"redis://:{PASSWORD}@{where}/0", "mail")) == {"mail": (0, 0)}


def test_a_redis_without_tls_is_silent_when_it_is_asked_by_tls_and_that_is_said(redis_server: Redis) -> None:
    with (
        closing(reader(redis_server.url.replace("redis://", "rediss://"))) as broker,
        pytest.raises(SourceUnreachable, match="did not answer the TLS handshake in time") as raised,
    ):
        broker.depths([], deadline_seconds=2)
    assert "write redis:// for rediss://" in raised.value.hint


def test_it_heals_when_a_frozen_redis_wakes_and_when_it_was_restarted(tmp_path: Path) -> None:
    with Redis(tmp_path) as server:
        broker = reader(server.url)
        send(server.url, "mail")
        assert numbers(broker.depths([], deadline_seconds=30)) == {"mail": (1, 0)}
        server.suspend()
        with pytest.raises(SourceUnreachable, match="did not answer"):
            broker.depths([], deadline_seconds=0.3)
        server.signal(signal.SIGCONT)
        assert numbers(broker.depths([], deadline_seconds=30)) == {"mail": (1, 0)}
    with pytest.raises(SourceUnreachable, match="connection"):
        broker.depths([], deadline_seconds=30)
    with Redis(tmp_path, port=server.port) as server:
        send(server.url, "mail")
        assert numbers(broker.depths(["mail"], deadline_seconds=30)) == {"mail": (1, 0)}
        broker.close()


# ---- Ways to connect


def test_a_unix_socket_and_its_database(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with Redis(tmp_path, ["--unixsocket", str(path)]) as server:
        send(f"redis://127.0.0.1:{server.port}/3", "mail")
        assert numbers(depths(f"redis+socket://{path}?virtual_host=3")) == {"mail": (1, 0)}
        assert numbers(depths(f"redis+socket://{path}")) == {}


def test_tls_with_the_authority_given_and_an_unknown_one_refused(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    port = free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    with Redis(tmp_path, [*options, "--tls-auth-clients", "no"]) as server:
        send(server.url, "mail")
        url = f"rediss://localhost:{port}/0"
        trusted = {"ssl_cert_reqs": "required", "ssl_ca_certs": str(certificate)}
        assert numbers(depths(url, ssl=trusted)) == {"mail": (1, 0)}
        with pytest.raises(SourceUnreachable, match="certificate"):
            depths(url, ssl={"ssl_cert_reqs": "required"})


def test_sentinels_lead_to_the_master_though_one_of_them_is_dead(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "sentinel.conf").write_text("")
    with Redis(tmp_path, ["--requirepass", PASSWORD]) as server:
        (tmp_path / "sentinel.conf").write_text(
            f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\n"
            f"sentinel monitor main 127.0.0.1 {server.port} 1\nsentinel auth-pass main {PASSWORD}\n"
        )
        send(f"redis://:{PASSWORD}@127.0.0.1:{server.port}/0", "mail")
        command = [redis_program(), str(tmp_path / "sentinel.conf"), "--sentinel"]
        with Process("sentinel", command, tmp_path) as sentinel:
            sentinel.wait_until(lambda: accepts(port))
            url = f"sentinel://:{PASSWORD}@127.0.0.1:{free_port()}/0;sentinel://:{PASSWORD}@127.0.0.1:{port}/0"
            assert numbers(depths(url, transport_options={"master_name": "main"})) == {"mail": (1, 0)}
            with pytest.raises(SourceError, match="no primary"):
                depths(url, transport_options={"master_name": "other"})


# ---- The formats


@given(st.text(), st.text(max_size=80), st.text(max_size=80))  # within the tail, however escaped
def test_the_address_at_the_end_of_an_entry_is_the_one_kombu_wrote(body: str, exchange: str, routing_key: str) -> None:
    entry = unacked_entry(exchange, routing_key, body).encode()
    assert redis_unacked.address(entry) == (exchange.encode(), routing_key.encode())


@given(st.binary())
def test_no_entry_is_too_strange_to_be_read(entry: bytes) -> None:
    redis_unacked.address(entry)
    redis_unacked.eta_of(entry)


WORDS = st.lists(st.sampled_from(["a", "b", "", "a-b", "*", "#"]), min_size=1, max_size=5).map(".".join)


@given(WORDS, WORDS)
def test_topics_match_as_they_do_in_kombu(binding: str, routing_key: str) -> None:
    kombu = TopicExchange(None)
    expected = bool(kombu._match(kombu.key_to_pattern(binding), routing_key))
    assert redis_bindings.matches(binding.encode(), b"^pattern$", routing_key.encode()) is expected


def test_a_hostile_topic_costs_nothing() -> None:
    with costs(0.5):
        redis_bindings.matches(b".".join([b"#"] * 200), b"^pattern$", b".".join([b"a"] * 199))
