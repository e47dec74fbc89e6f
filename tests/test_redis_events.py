"""Events of Redis: the right channels, every message, and a loss that is told."""

from __future__ import annotations

import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from data_sources.config import Broker
from data_sources.errors import QueryRejected, SourceError, SourceUnreachable
from data_sources.events import redis_events
from data_sources.events.celery_events import decode
from data_sources.events.event_stream import EventStream, Message
from data_sources.events.event_streams import open_events
from demo.servers import PATIENCE_SECONDS, Redis, accepts, free_port, redis_program, wait_until
from tests.fault_proxy import FaultProxy, forward
from tests.impostor import Behaviour, close, hang, impostor, say
from tests.listening import assert_closing_ends_a_read, hear_until, listening
from tests.listening import say as publish

PASSWORD = "correct-horse"
CHANNEL = "/0.celeryev/worker.heartbeat"


def read_all(stream: EventStream, count: int) -> list[Message]:
    messages: list[Message] = []
    ends = time.monotonic() + PATIENCE_SECONDS
    while len(messages) < count:
        assert time.monotonic() < ends, messages[:3]
        messages += stream.read(0.5)
    return messages


def lost(stream: EventStream) -> SourceUnreachable:
    """The error that reading ends in, whatever is still heard before."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        try:
            stream.read(0.5)
        except SourceUnreachable as error:
            return error
    pytest.fail("the loss was not told")


# ---- Which channels


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"global_keyprefix": "shop-"},
        {"fanout_prefix": "events/{db}."},
        {"fanout_prefix": False},
        {"fanout_patterns": False},
        {"fanout_prefix": False, "fanout_patterns": False, "global_keyprefix": "a:"},
    ],
    ids=str,
)
@pytest.mark.parametrize("db", [0, 3])
def test_celerys_own_dispatcher_is_heard_whatever_the_transport_options(
    redis_server: Redis, options: dict[str, Any], db: int
) -> None:
    url = f"redis://127.0.0.1:{redis_server.port}/{db}"
    with listening(url, transport_options=options, event_exchange="shop-events") as stream:
        publish(url, "worker-heartbeat", exchange="celeryev", **options)
        publish(url, "worker-online", "task-started", exchange="shop-events", **options)
        heard = hear_until(stream, lambda heard: bool(heard.workers and heard.tasks))
    assert [beat.kind for beat in heard.workers] == ["online"]
    assert heard.poisoned == 0


def test_names_are_taken_literally_where_redis_reads_patterns(redis_server: Redis) -> None:
    options = {"global_keyprefix": "shop[1]*\\?:"}
    with redis.Redis(port=redis_server.port) as raw, listening(redis_server.url, transport_options=options) as stream:
        raw.publish("shop1x?:" + CHANNEL, "another's")
        raw.publish("shop[1]*\\?:" + CHANNEL, "ours")
        assert [message.fault for message in read_all(stream, 1)] == ["not in an envelope of kombu's"]


def test_a_unix_socket_will_do(tmp_path: Path) -> None:
    with Redis(tmp_path, ["--unixsocket", str(tmp_path / "s")]):
        url = f"redis+socket://{tmp_path}/s?virtual_host=2"
        with listening(url) as stream:
            publish(url, "worker-online")
            assert hear_until(stream, lambda heard: bool(heard.workers)).poisoned == 0


def test_tls_will_do(tmp_path: Path) -> None:
    key, certificate, port = tmp_path / "key.pem", tmp_path / "certificate.pem", free_port()
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    with Redis(tmp_path, [*options, "--tls-auth-clients", "no"]) as server:
        wait_until(lambda: accepts(port), "TLS")
        with (
            redis.Redis(port=server.port) as raw,
            listening(f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=CERT_NONE") as stream,
        ):
            for _ in range(300):
                raw.publish(CHANNEL, "x" * 10_000)
            assert len(read_all(stream, 300)) == 300


def test_a_sentinel_leads_to_the_primary_and_what_is_published_twice_is_heard_once(tmp_path: Path) -> None:
    port = free_port()
    with Redis(tmp_path / "primary") as server:
        (tmp_path / "sentinel.conf").write_text(f"sentinel monitor shop 127.0.0.1 {server.port} 1\n")
        command = [redis_program(), str(tmp_path / "sentinel.conf"), "--sentinel", "--port", str(port)]
        with subprocess.Popen([*command, "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL) as sentinel:
            try:
                wait_until(lambda: accepts(port), "the sentinel")
                url = f"sentinel://127.0.0.1:{port}/0"
                with listening(url, transport_options={"master_name": "shop"}) as stream:
                    publish(server.url, "worker-online")
                    assert hear_until(stream, lambda heard: bool(heard.workers)).poisoned == 0
                both: dict[str, Any] = {"master_name": "shop", "sentinel_fanout_compat": True}
                with listening(url, transport_options=both) as stream:
                    publish(url, "task-started", "task-started", "worker-online", **both)
                    publish(server.url, "task-started", "worker-offline")  # by one that knows nothing of it
                    heard = hear_until(stream, lambda heard: "offline" in {beat.kind for beat in heard.workers})
                    assert (len(heard.tasks), len(heard.workers)) == (3, 2)
            finally:
                sentinel.terminate()


# ---- Every message


def test_a_burst_is_heard_whole_and_in_order(redis_server: Redis) -> None:
    with redis.Redis(port=redis_server.port) as raw, listening(redis_server.url) as stream:
        pipeline = raw.pipeline(transaction=False)
        for number in range(20_000):
            pipeline.publish(
                CHANNEL, f'{{"body": "{number:0>400}", "content-type": "n", "properties": {{"body_encoding": 0}}}}'
            )
        publisher = threading.Thread(target=pipeline.execute)
        publisher.start()
        messages = read_all(stream, 20_000)
        publisher.join()
    assert [int(message.body) for message in messages] == list(range(20_000))


@pytest.mark.parametrize(
    ("taken", "seconds"),
    [(0, 0.3), (2**17 - 1, 0.3), (2**17, 1.0), (2**22 - 1, 1.0), (2**22, 0.0), (2**30, 0.0)],
)
def test_who_hears_much_wakes_less_often_and_who_falls_behind_reads_on_at_once(taken: int, seconds: float) -> None:
    assert redis_events.gathering(taken) == seconds


def test_a_message_too_long_to_be_true_is_counted_and_the_next_is_heard(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_sources.events.redis_push.MAX_MESSAGE_BYTES", 100_000)
    with redis.Redis(port=redis_server.port) as raw, listening(redis_server.url) as stream:
        raw.publish(CHANNEL, "x" * 3_000_000)
        publish(redis_server.url, "worker-online")
        heard = hear_until(stream, lambda heard: bool(heard.workers))
    assert (heard.poisoned, heard.reason) == (1, "a message of 3,000,000 bytes")


def test_listening_changes_nothing_in_redis(redis_server: Redis) -> None:
    with redis.Redis(port=redis_server.port) as raw:
        raw.hset("unacked", "held", "x")
        raw.zadd("unacked_index", {"held": time.time() - 7200})
        with listening(redis_server.url) as stream:
            stream.read(0)
        assert sorted(raw.keys()) == [b"unacked", b"unacked_index"]


# ---- Loss


def test_a_connection_that_is_cut_is_told_and_made_anew(redis_server: Redis) -> None:
    with FaultProxy(forward(redis_server.port)) as proxy, listening(f"redis://127.0.0.1:{proxy.port}/0") as stream:
        publish(redis_server.url, "worker-online")
        assert read_all(stream, 1)
        proxy.behave(forward(redis_server.port))
        assert "closed the connection" in lost(stream).what
        stream.connect(30)
        publish(redis_server.url, "worker-online")
        assert read_all(stream, 1)


def test_a_redis_that_ends_is_told(tmp_path: Path) -> None:
    with Redis(tmp_path) as server, listening(server.url) as stream:
        server.stop()
        assert "closed the connection" in lost(stream).what
        with pytest.raises(SourceUnreachable, match="refused the connection"):
            stream.connect(1)


def test_a_reader_too_slow_is_dropped_and_told_why(tmp_path: Path) -> None:
    with (
        Redis(tmp_path, ["--client-output-buffer-limit", "pubsub 1mb 1mb 1"]) as server,
        redis.Redis(port=server.port) as raw,
        listening(server.url) as stream,
    ):
        wait_until(lambda: raw.publish(CHANNEL, "x" * 500_000) == 0, "the drop")
        error = lost(stream)
    assert "in the middle of a message" in error.what
    assert "client-output-buffer-limit" in error.hint


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The stream's; `ahead`: seconds that have gone by without it."""
    clock = SimpleNamespace(ahead=0.0, sleep=time.sleep)
    clock.monotonic = lambda: time.monotonic() + clock.ahead
    monkeypatch.setattr(redis_events, "time", clock)
    return clock


def test_a_redis_that_vanished_is_noticed_by_its_silence(redis_server: Redis, clock: SimpleNamespace) -> None:
    with FaultProxy(forward(redis_server.port)) as proxy, listening(f"redis://127.0.0.1:{proxy.port}/0") as stream:
        for _ in range(3):
            clock.ahead += redis_events.SILENCE_SECONDS
            assert stream.read(0.1) == []  # it is asked
            assert stream.read(60) == []  # silent, and there: it answers
        redis_server.suspend()
        clock.ahead += redis_events.SILENCE_SECONDS
        assert stream.read(0.1) == []
        clock.ahead += redis_events.SILENCE_SECONDS
        assert "did not answer in time" in lost(stream).what


def test_who_stood_still_for_long_takes_no_redis_for_lost(redis_server: Redis, clock: SimpleNamespace) -> None:
    with listening(redis_server.url) as stream:
        clock.ahead += 60  # before it was asked
        assert stream.read(0.1) == []
        clock.ahead += 60  # and since
        publish(redis_server.url, "worker-online")
        assert hear_until(stream, lambda heard: bool(heard.workers)).poisoned == 0


def test_closing_ends_a_read_in_another_thread(redis_server: Redis) -> None:
    assert_closing_ends_a_read(redis_server.url)


def test_reading_before_connecting_is_an_error(redis_server: Redis) -> None:
    with pytest.raises(SourceUnreachable):
        open_events(Broker.from_url(redis_server.url)).read(0)


@pytest.mark.parametrize("behaviour", [hang, close, say(b"HTTP/1.1 400 Bad Request\r\n\r\n"), say(b"+OK\r\n")])
def test_a_server_that_is_no_redis_is_an_error_in_time(behaviour: Behaviour) -> None:
    with (
        impostor(behaviour) as port,
        closing(open_events(Broker.from_url(f"redis://127.0.0.1:{port}/0"))) as stream,
        pytest.raises(SourceError),
    ):
        stream.connect(1)


def test_a_user_who_may_not_listen_is_told_what_to_grant(tmp_path: Path) -> None:
    with Redis(tmp_path) as server:
        with redis.Redis(port=server.port) as raw:
            raw.execute_command("ACL", "SETUSER", "viewer", "on", f">{PASSWORD}", "+@all", "~*", "resetchannels")
        stream = open_events(Broker.from_url(f"redis://viewer:{PASSWORD}@127.0.0.1:{server.port}/0"))
        with pytest.raises(QueryRejected, match="does not let this user use a channel") as raised:
            stream.connect(30)
    assert PASSWORD not in f"{raised.value} {raised.value.hint} {raised.value.__cause__}"


def test_poison_on_the_channel_stops_nothing(redis_server: Redis) -> None:
    with redis.Redis(port=redis_server.port) as raw, listening(redis_server.url) as stream:
        for payload in (
            "",
            "null",
            "[]",
            "{}",
            '{"body": 1}',
            b"\xff\x00",
            '{"body":"~","properties":{"body_encoding":"base64"}}',
        ):
            raw.publish(CHANNEL, payload)
        publish(redis_server.url, "task-started")
        messages = read_all(stream, 8)
    heard = decode(messages, time.time_ns() // 1000)
    assert (heard.poisoned, len(heard.tasks)) == (7, 1)
