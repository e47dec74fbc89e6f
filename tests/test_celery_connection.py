"""A broker that cannot be used says why, in time, and without a password."""

from __future__ import annotations

import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from data_sources.brokers.connection import transport_options
from data_sources.config import Broker, Secret
from data_sources.errors import QueryRejected, SourceError, SourceUnreachable
from data_sources.workers.celery_inspect import CeleryInspector
from demo.servers import RabbitMQ, Redis, free_port, wait_until
from tests.deadline import within
from tests.impostor import drip, hang, impostor, say

CANARY = "c4n4ry"


def failure(asked: Broker, deadline_seconds: float = 30.0) -> SourceError:
    """What one snapshot raises, after checking that it came within the deadline and shows no password."""
    inspector = CeleryInspector(asked)
    with pytest.raises(SourceError) as raised, within(deadline_seconds):
        inspector.snapshot(["ping"], deadline_seconds=deadline_seconds)
    error = raised.value
    assert error.hint
    assert CANARY not in f"{error} {error.what} {error.hint}"
    inspector.close()
    return error


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_nothing_listens(scheme: str) -> None:
    error = failure(Broker.from_url(f"{scheme}://ann:{CANARY}@127.0.0.1:{free_port()}/0"))
    assert isinstance(error, SourceUnreachable)
    assert "refused the connection" in error.what
    assert error.__cause__ is not None


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_black_hole(scheme: str) -> None:
    with impostor(hang) as port:
        error = failure(Broker.from_url(f"{scheme}://ann:{CANARY}@127.0.0.1:{port}/0"), 1.0)
    assert isinstance(error, SourceUnreachable)
    assert "did not answer" in error.what


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_an_answer_that_drips(scheme: str) -> None:
    with impostor(drip) as port:
        error = failure(Broker.from_url(f"{scheme}://ann:{CANARY}@127.0.0.1:{port}/0"), 1.0)
    assert isinstance(error, SourceUnreachable)


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_web_server_on_the_port(scheme: str) -> None:
    with impostor(say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")) as port:
        error = failure(Broker.from_url(f"{scheme}://ann:{CANARY}@127.0.0.1:{port}/0"), 2.0)
    assert isinstance(error, SourceUnreachable)


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_host_that_does_not_exist(scheme: str) -> None:
    error = failure(Broker.from_url(f"{scheme}://ann:{CANARY}@nowhere.invalid:1234/0"), 2.0)
    assert isinstance(error, SourceUnreachable)
    assert "name" in error.what or "did not answer" in error.what  # some resolvers take their time to say no


@pytest.mark.parametrize("scheme", ["rediss", "amqps"])
def test_tls_to_a_port_without_tls(scheme: str, redis_server: Redis, rabbitmq: RabbitMQ) -> None:
    port = redis_server.port if scheme == "rediss" else rabbitmq.port
    error = failure(Broker.from_url(f"{scheme}://ann:{CANARY}@127.0.0.1:{port}/0"), 2.0)
    assert isinstance(error, SourceUnreachable)


def test_a_certificate_nobody_vouches_for(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout {key} -out {certificate}"
    subprocess.run(command.split(), check=True, capture_output=True)
    port = free_port()
    tls = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    with Redis(tmp_path / "redis", [*tls, "--tls-auth-clients", "no", "--tls-ca-cert-file", str(certificate)]):
        asked = Broker.from_url(f"rediss://:{CANARY}@127.0.0.1:{port}/0", ssl={"ssl_cert_reqs": ssl.CERT_REQUIRED})
        error = failure(asked)
    assert isinstance(error, SourceUnreachable)
    assert "certificate that cannot be trusted: self-signed certificate" in error.what
    assert "ssl_ca_certs" in error.hint


@pytest.fixture(scope="module")
def guarded_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis with a password, and users who may not ask workers."""
    with Redis(tmp_path_factory.mktemp("guarded"), ["--requirepass", "right"]) as server:
        allow(server, "reader on >right ~* &* +@all -publish")
        allow(server, "deaf on >right ~* resetchannels +@all")
        allow(server, "narrow on >right ~mail &* +@all")
        yield server


def allow(server: Redis, rules: str) -> Any:
    """ACL SETUSER, as the administrator of `guarded_redis`."""
    admin: Any = redis.Redis(port=server.port, password="right")
    return admin.execute_command("ACL", "SETUSER", *rules.split())


@pytest.mark.parametrize(
    ("login", "kind", "words"),
    [
        (f"ann:{CANARY}", QueryRejected, "refused the user name or password"),
        (f":{CANARY}", QueryRejected, "refused the user name or password"),
        ("", QueryRejected, "asks for a password and none is given"),
        ("reader:right", QueryRejected, "does not let this user run the command publish"),
        ("deaf:right", QueryRejected, "does not let this user use a channel"),
        ("narrow:right", QueryRejected, "does not let this user use a key"),
    ],
)
def test_redis_refuses(login: str, kind: type[SourceError], words: str, guarded_redis: Redis) -> None:
    error = failure(Broker.from_url(f"redis://{login}{'@' if login else ''}127.0.0.1:{guarded_redis.port}/0"))
    assert isinstance(error, kind)
    assert words in error.what


def test_the_rights_that_asking_workers_takes_on_redis(guarded_redis: Redis) -> None:
    keys = "~_kombu.binding*.celery.pidbox ~_kombu.binding*.reply.celery.pidbox ~celery-notebook@*"
    commands = "+ping +select +hello +multi +exec +llen +sadd +srem +sscan +del +publish +brpop"
    allow(guarded_redis, f"monitor on >right {keys} &/0.celery.pidbox {commands}")
    inspector = CeleryInspector(Broker.from_url(f"redis://monitor:right@127.0.0.1:{guarded_redis.port}/0"))
    assert inspector.snapshot(["ping"], deadline_seconds=30).asked_count == 0
    inspector.close()


def test_a_database_that_does_not_exist(redis_server: Redis) -> None:
    error = failure(Broker.from_url(f"redis://127.0.0.1:{redis_server.port}/99"))
    assert isinstance(error, QueryRejected)
    assert "has no such database" in error.what


@pytest.mark.parametrize(
    ("switch", "kind", "words"),
    [
        (["maxmemory", "1"], QueryRejected, "out of memory"),
        (["maxclients", "1"], SourceUnreachable, "takes no more clients"),
    ],
)
def test_a_redis_in_trouble(switch: list[str], kind: type[SourceError], words: str, redis_server: Redis) -> None:
    admin = redis.Redis(port=redis_server.port)
    admin.config_set(*switch)
    error = failure(Broker.from_url(redis_server.url))
    assert isinstance(error, kind)
    assert words in error.what


def test_a_read_only_replica(redis_server: Redis) -> None:
    redis.Redis(port=redis_server.port).replicaof("127.0.0.1", str(free_port()))
    error = failure(Broker.from_url(redis_server.url))
    assert isinstance(error, QueryRejected)
    assert "read-only replica" in error.what


def test_a_suspended_redis_is_no_empty_answer_and_heals(redis_server: Redis) -> None:
    inspector = CeleryInspector(Broker.from_url(redis_server.url))
    assert inspector.snapshot(["ping"], deadline_seconds=30).answered == frozenset()
    redis_server.suspend()
    with pytest.raises(SourceUnreachable, match="did not answer"), within(1.0):
        inspector.snapshot(["ping"], deadline_seconds=1.0)
    redis_server.signal(signal.SIGCONT)
    assert inspector.snapshot(["ping"], deadline_seconds=30).answered == frozenset()
    inspector.close()


@pytest.mark.parametrize(
    ("login", "vhost", "words"),
    [
        (f"guest:{CANARY}", "/", "refused the user name or password"),
        ("guest:guest", "nowhere", "has no such vhost"),
        ("poor:right", "/", "does not let this user use exchange 'celery.pidbox'"),
    ],
)
def test_rabbitmq_refuses(login: str, vhost: str, words: str, rabbitmq: RabbitMQ) -> None:
    if login.startswith("poor"):
        rabbitmq.ctl("add_user", "poor", "right")
        rabbitmq.ctl("set_permissions", "poor", "^$", "^$", "^$")
    error = failure(Broker.from_url(f"amqp://{login}@127.0.0.1:{rabbitmq.port}/{vhost}"))
    assert isinstance(error, QueryRejected)
    assert words in error.what


def test_a_rabbitmq_that_takes_no_messages_says_so(rabbitmq: RabbitMQ) -> None:
    rabbitmq.ctl("set_vm_memory_high_watermark", "0.00001")
    asked = Broker.from_url(rabbitmq.url)

    def is_told() -> bool:
        error = failure(asked, 2.0)
        return isinstance(error, SourceUnreachable) and "a memory or disk alarm is on" in error.what

    try:
        wait_until(is_told, "the alarm")
    finally:
        rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")


def test_an_unknown_transport(redis_server: Redis) -> None:
    asked = Broker(url=Secret(f"carrier-pigeon://ann:{CANARY}@host"), address="host", transport="carrier-pigeon")
    error = failure(asked)
    assert isinstance(error, QueryRejected)
    assert "The broker at host cannot be used as a broker" in error.what


def test_the_users_options_are_kept_and_the_harmful_overruled() -> None:
    asked = Broker.from_url(
        "redis://h",
        transport_options={
            "visibility_timeout": 60,
            "ack_emulation": True,
            "polling_interval": 10,
            "socket_timeout": None,
            "global_keyprefix": "shop:",
            "sep": ":",
            "fanout_prefix": "/x.",
            "priority_steps": [0, 1],
            "queue_order_strategy": "sorted",
        },
    )
    assert transport_options(asked, 1.5) == {
        "visibility_timeout": 10**9,
        "ack_emulation": False,
        "socket_timeout": 1.5,
        "socket_connect_timeout": 1.5,
        "global_keyprefix": "shop:",
        "sep": ":",
        "fanout_prefix": "/x.",
        "priority_steps": [0, 1],
    }
