"""TLS and transport options, and what stands after `?`: a mistake is named at the start, what works goes on working."""

from __future__ import annotations

import errno
import json
import subprocess
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from data_sources.brokers.broker_errors import explain
from data_sources.brokers.connection import transport_options
from data_sources.brokers.open import open_broker
from data_sources.config import Broker, Cluster
from data_sources.errors import ConfigError, QueryRejected, SourceUnreachable
from data_sources.settings import load
from demo.servers import RabbitMQ, Redis, accepts, free_port, wait_until
from tests.brokers import new_vhost
from tests.messages import send

SECRET = "S3cr3tPw"


def environ(url: str, ssl: object = None, options: object = None) -> dict[str, str]:
    given = {"CELERY_BROKER_USE_SSL": ssl, "CELERY_BROKER_TRANSPORT_OPTIONS": options}
    return {"CELERY_BROKER_URL": url, **{name: json.dumps(value) for name, value in given.items() if value is not None}}


def cluster(url: str, ssl: object = None, options: object = None) -> Cluster:
    [only] = load(environ(url, ssl, options)).clusters
    return only


def refused(given: Mapping[str, str]) -> str:
    """What is said at the start, which shows no secret."""
    with pytest.raises(ConfigError) as raised:
        load(given)
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    return str(raised.value)


def ask(asked: Cluster) -> dict[str, float | None]:
    """How many messages are ready, by queue."""
    broker = open_broker(asked)
    try:
        return broker.depths(["mail"], deadline_seconds=30).per_queue("ready")
    finally:
        broker.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One for this machine that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    file, key = folder / "certificate.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", key, "-out", file], check=True, capture_output=True)
    return file, key


@pytest.fixture(scope="module")
def tls_redis(certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis by TLS alone, with one message in the queue `mail`."""
    file, key = map(str, certificate)
    port = free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", file, "--tls-key-file", key, "--tls-auth-clients", "no"]
    with Redis(tmp_path_factory.mktemp("redis"), options) as server:
        wait_until(lambda: accepts(port), "TLS")
        send(server.url, "mail")
        yield f"rediss://localhost:{port}/0"


@pytest.fixture(scope="module")
def tls_rabbitmq(certificate: tuple[Path, Path], rabbitmq: RabbitMQ) -> Iterator[str]:
    """The URL of a RabbitMQ, which listens by TLS too."""
    file, key = certificate
    port = free_port()
    options = f'[{{certfile, "{file}"}}, {{keyfile, "{key}"}}, {{versions, [\'tlsv1.2\']}}]'
    rabbitmq.ctl("eval", f'ok = rabbit_networking:start_ssl_listener({{"127.0.0.1", {port}}}, {options}, 2).')
    wait_until(lambda: accepts(port), "TLS")
    send(rabbitmq.url, "mail")
    yield f"amqps://guest:guest@localhost:{port}//"
    rabbitmq.ctl("eval", f'rabbit_networking:stop_tcp_listener({{"127.0.0.1", {port}}}).')


# ---- TLS


def test_what_a_driver_takes_of_tls_is_taken_and_leads_to_the_broker(
    tls_redis: str, tls_rabbitmq: str, certificate: tuple[Path, Path]
) -> None:
    authority = str(certificate[0])
    redis_options: list[dict[str, Any]] = [
        {"ssl_cert_reqs": "required", "ssl_ca_certs": authority},
        {"ssl_cert_reqs": 2, "ssl_ca_certs": authority, "ssl_check_hostname": True, "socket_keepalive": True},
        {"ssl_cert_reqs": None, "ssl_ca_certs": None, "ssl_min_version": 771},
    ]
    for options in redis_options:
        assert ask(cluster(tls_redis, options))["mail"] == 1
    assert ask(cluster(f"{tls_redis}?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={authority}"))["mail"] == 1
    assert ask(cluster(f"{tls_redis}?ssl_cert_reqs=none&heartbeat=10&insist=1"))["mail"] == 1
    amqp_options: list[dict[str, Any]] = [
        {"cert_reqs": "CERT_REQUIRED", "ca_certs": authority, "server_hostname": "localhost"},
        {"cert_reqs": "none", "ciphers": "ALL"},
        {"context": {"cafile": authority, "check_hostname": True}, "server_hostname": "localhost"},
    ]
    for options in amqp_options:
        assert ask(cluster(tls_rabbitmq, options))["mail"] == 1


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        (
            "rediss://h",
            {"ca_certs": "/S3cr3tPw"},
            "ca_certs is the name for another broker: for Redis write ssl_ca_",
        ),
        (
            "rediss://h",
            {"cert_reqs": "none"},
            "cert_reqs is the name for another broker: for Redis write ssl_cert",
        ),
        (
            "rediss://h",
            {"ssl_ca_cert": "/S3cr3tPw"},
            "ssl_ca_cert is nothing that Redis takes: did you mean ssl_ca_certs?",
        ),
        (
            "rediss://h",
            {"zzz": "S3cr3tPw"},
            "zzz is nothing that Redis takes: ssl_ca_certs, ssl_cert_reqs, ",
        ),
        (
            "amqps://h",
            {"ssl_ca_certs": "/S3cr3tPw"},
            "ssl_ca_certs is the name for another broker: for RabbitMQ write ",
        ),
        ("amqps://h", {"ca_cert": "/S3cr3tPw"}, "ca_cert is nothing that RabbitMQ takes: did you mean ca_certs?"),
        ("amqps://h", {"context": {"cafile": "/S3cr3tPw"}}, "cafile names a file that is not there"),
        ("amqps://h", {"keyfile": "/S3cr3tPw"}, "keyfile names a file that is not there"),
        ("rediss://h", {"ssl_ca_certs": "/S3cr3tPw"}, "ssl_ca_certs names a file that is not there"),
        ("rediss://h", {"ssl_ca_certs": "/"}, "ssl_ca_certs names a file that is not there"),
        ("rediss://h", {"ssl_ca_path": "/S3cr3tPw"}, "ssl_ca_path names a folder that is not there"),
        ("rediss://h", {"ssl_certfile": 7}, "ssl_certfile must be the path of a file"),
        ("redis+socket:///s", {"ssl_cert_reqs": "none"}, "is for brokers that are reached by TCP"),
        ("redis+socket:///s", True, "is for brokers that are reached by TCP"),
    ],
)
def test_a_tls_option_that_the_driver_does_not_take_is_named_with_what_to_write(
    url: str, options: object, message: str
) -> None:
    assert refused(environ(url, options)).startswith(f"CELERY_BROKER_USE_SSL: {message}")


def test_a_file_that_goes_away_later_and_a_socket_that_is_not_there_are_named_for_what_they_are(
    tls_redis: str, tmp_path: Path
) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()
    late = cluster(tls_redis, {"ssl_ca_certs": str(authority)})
    authority.unlink()
    for asked in (late, cluster(f"redis+socket://{tmp_path}/none.sock")):
        with pytest.raises(SourceUnreachable, match="needs a socket or a file that is not there") as raised:
            ask(asked)
        assert "CELERY_BROKER_URL" in raised.value.hint
        assert "CELERY_BROKER_USE_SSL" in raised.value.hint


def test_a_file_or_socket_of_another_user_is_named_for_what_it_is() -> None:
    refused = ConnectionError("Error 13 connecting to unix socket")
    refused.__cause__ = PermissionError(errno.EACCES, "Permission denied")
    assert "needs a socket or a file that this user may not open" in explain(refused, Broker()).what


# ---- The URL


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://:S3cr3tPw@h?db=3", "can hold after ? only connect_timeout, credential_provider, heartbeat, "),
        ("redis://h/0?socket_timeout=5", "can hold after ? only connect_timeout, "),
        ("redis://h/0?virtual_host=3", "can hold after ? only connect_timeout, "),
        ("redis://h/0?ssl=true", "can hold after ? only connect_timeout, "),
        ("amqp://h?S3cr3tPw=x", "can hold after ? only connect_timeout, "),
        ("redis://a;redis://b?db=3", "can hold after ? only connect_timeout, "),
        ("rediss://h?ssl_cert_reqs=S3cr3tPw", "ssl_cert_reqs must be one of none, optional, required"),
        ("rediss://h?ssl_ca_certs=/S3cr3tPw", "ssl_ca_certs names a file that is not there"),
        ("rediss://h?ssl_ca_cert=/S3cr3tPw", "ssl_ca_cert is nothing that Redis takes: did you mean ssl_ca_certs?"),
        ("amqps://h?ssl_ca_certs=/S3cr3tPw", "can hold TLS options for Redis alone"),
        ("redis+socket:///s?S3cr3tPw=3", "can hold the database after ?, as virtual_host=3"),
        (
            "sentinel://:S3cr3tPw@h",
            "names sentinels, which need master_name in the transport options: CELERY_BRO",
        ),
    ],
)
def test_what_celery_does_not_take_after_a_question_mark_is_refused(url: str, message: str) -> None:
    assert refused(environ(url)).startswith(f"CELERY_BROKER_URL: {message}")


@pytest.mark.parametrize(
    "url",
    [
        "redis://h/1?connect_timeout=5&insist=1&login_method=PLAIN&credential_provider=a.B",
        "amqp://h/v?heartbeat=10&login_method=EXTERNAL",
        "amqp://h/v?ssl=true",
        "redis+socket:///s?virtual_host=3&socket_timeout=5",
        "sqla+sqlite:///file?check_same_thread=false",
    ],
)
def test_what_celery_takes_there_is_taken(url: str) -> None:
    assert Connection(url)
    assert cluster(url).broker.url.reveal() == url


# ---- Transport options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sep": 5}, "sep: must be text"),
        ({"global_keyprefix": 7}, "global_keyprefix: must be text"),
        ({"unacked_key": ["S3cr3tPw"]}, "unacked_key: must be text"),
        ({"priority_steps": "0,3"}, "priority_steps: must be a list of whole numbers such as [0, 3, 6, 9]"),
        ({"priority_steps": []}, "priority_steps: must be a list of whole numbers"),
        ({"priority_steps": [0, "3"]}, "priority_steps: must be a list of whole numbers"),
        ({"max_connections": "S3cr3tPw"}, "max_connections: must be a number"),
        ({"visibility_timeout": "S3cr3tPw"}, "visibility_timeout: must be seconds or a duration"),
        ({"sentinel_kwargs": ["S3cr3tPw"]}, "sentinel_kwargs: must be a table"),
        ({"master_name": 5}, "master_name: must be text"),
    ],
)
def test_a_transport_option_of_the_wrong_kind_is_named_within_its_setting(
    options: dict[str, Any], message: str
) -> None:
    said = refused(environ("sentinel://h", options={"master_name": "main", **options}))
    assert said.startswith(f"CELERY_BROKER_TRANSPORT_OPTIONS {message}")


def test_a_transport_option_in_the_file_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "celery-notebook.toml"
    path.write_text('[clusters.a.celery]\nbroker_url = "redis://h"\nbroker_transport_options = { sep = 5 }\n')
    with pytest.raises(ConfigError, match=r"^\[clusters.a.celery\] broker_transport_options sep: must be text$"):
        load({}, path)


@pytest.mark.parametrize(
    "options",
    [
        {"global_keyprefix": None, "sep": None, "priority_steps": None, "max_connections": None, "body_encoding": None},
        {"socket_keepalive": True, "socket_keepalive_options": {"4": 60}},  # numbers, which JSON cannot write
        {"queue_order_strategy": "shop.queues:LongestFirst"},  # a class in the app's code
        {"sep": "\x06\x16", "priority_steps": [0, 3], "fanout_prefix": True, "fanout_patterns": False},
        {"visibility_timeout": "12h", "max_connections": 20, "health_check_interval": 2.5, "client_name": "me"},
        {"anything": ["else"], "sentinel_kwargs": None, "fanout_prefix": None, "socket_timeout": "5"},
    ],
)
def test_transport_options_that_celery_works_with_work(options: dict[str, Any], redis_server: Redis) -> None:
    send(redis_server.url, "mail")
    assert ask(cluster(redis_server.url, options=options)) == {"mail": 1}


def test_how_sockets_to_rabbitmq_are_tuned_is_the_workers_own(rabbitmq: RabbitMQ) -> None:
    url = new_vhost(rabbitmq)
    send(url, "mail")
    assert ask(cluster(url, options={"socket_settings": {"4": 60}, "max_retries": 3})) == {"mail": 1}


def test_nothing_instead_of_a_prefix_is_no_prefix_and_nothing_instead_of_a_truth_is_false() -> None:
    told = cluster("redis://h", options={"global_keyprefix": None, "fanout_prefix": None}).broker
    assert transport_options(told, 1.0).keys() & {"global_keyprefix", "fanout_prefix"} == {"fanout_prefix"}


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (
            {"sentinel_kwargs": {"colour": "S3cr3tPw"}, "master_name": "a"},
            "with the option colour, which its",
        ),
        ({"client_properties": 5}, "with an option of the wrong kind"),
    ],
)
def test_what_only_a_driver_finds_out_is_said_in_our_words(
    options: dict[str, Any], what: str, rabbitmq: RabbitMQ
) -> None:
    url = "sentinel://127.0.0.1:1" if "master_name" in options else rabbitmq.url
    with pytest.raises(QueryRejected, match=f"cannot be opened {what}") as raised:
        ask(cluster(url, options=options))
    assert "CELERY_BROKER_TRANSPORT_OPTIONS" in raised.value.hint
    assert SECRET not in f"{raised.value} {raised.value.hint}"


def test_a_fault_of_our_own_is_not_taken_for_a_wrong_option(
    monkeypatch: pytest.MonkeyPatch, redis_server: Redis
) -> None:
    def fault(*_: object) -> None:
        raise TypeError("a fault")

    monkeypatch.setattr("data_sources.brokers.redis_broker.RedisKeys.of", fault)
    with pytest.raises(TypeError, match="a fault"):
        ask(cluster(redis_server.url))
