"""What Celery is told beside a broker's address: TLS and transport options, and what stands after `?` in its URL.

They are checked at the start, where a mistake can be named; later it would be a TypeError deep in a driver. Which
options there are is asked of kombu and the drivers themselves, so that whatever they understand is taken.
"""

from __future__ import annotations

import difflib
import os
import ssl
from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import redis
from amqp.transport import SSLTransport
from kombu import Connection
from kombu.transport.redis import SentinelChannel
from kombu.utils.url import parse_url

from data_sources.config import Broker, SecretMapping
from data_sources.given import TRUTHS, Given
from data_sources.urls import split_broker_url, split_url

VERIFY_MODES = {mode.name.removeprefix("CERT_").lower(): mode for mode in ssl.VerifyMode}
NAMES = {"redis": "Redis", "amqp": "RabbitMQ"}
VERIFY = {"redis": "ssl_cert_reqs", "amqp": "cert_reqs"}  # each driver's word for whether a certificate is verified
FILES = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ca_certs", "certfile", "keyfile", "cafile"}
FOLDERS = {"ssl_ca_path", "capath"}
SOCKET = "redis+socket"


def keywords(*functions: Callable[..., Any]) -> set[str]:
    """What `functions` take by name."""
    by_name = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    found = (one for function in functions for one in signature(function).parameters.values())
    return {one.name for one in found if one.kind in by_name} - {"self"}


# ---- TLS


def tls_options(given: Given, broker: Broker) -> SecretMapping | None:
    """celery_broker_use_ssl, whether and how certificates are verified as the constant both drivers understand."""
    name, verify = "celery_broker_use_ssl", VERIFY.get(broker.transport, "cert_reqs")
    word = str(given.values.get(name, "")).strip().lower()
    if TRUTHS.get(word) is False:
        return None
    if split_broker_url(broker.url.reveal())[0].scheme == SOCKET:
        raise given.error(name, f"is for brokers that are reached by TCP: leave it out with {SOCKET}://")
    if word in TRUTHS:
        return SecretMapping({verify: ssl.CERT_REQUIRED})
    options = given.mapping(name, "true, false or ")
    check_tls(given, name, broker.transport, options)
    if isinstance(options.get(verify), str):
        mode = VERIFY_MODES.get(options[verify].removeprefix("ssl.").removeprefix("CERT_").lower())
        if mode is None:
            raise given.error(name, f"{verify} must be one of {', '.join(VERIFY_MODES)}")
        options = {**options, verify: mode}
    return SecretMapping(options)


def check_tls(given: Given, name: str, transport: str, options: Mapping[str, Any]) -> None:
    """Raises ConfigError for what the driver of `transport` does not take, or a file that cannot be read."""
    known = tls_words(transport, options)
    for key, value in options.items():
        if known and key not in known:
            raise given.error(name, unknown(key, known, transport))
        check_path(given, name, key, value)
    context = options.get("context")
    if isinstance(context, dict):  # py-amqp makes a context of it
        for key, value in context.items():
            check_path(given, name, key, value)


def tls_words(transport: str, options: Mapping[str, Any]) -> set[str]:
    """What its driver takes in celery_broker_use_ssl; nothing for a driver that cannot be asked."""
    match transport:
        case "redis":  # kombu adds them to all it opens a connection with
            return keywords(*redis.SSLConnection.__mro__[:-1], redis.ConnectionPool)
        case "amqp":  # py-amqp/amqp/transport.py, SSLTransport
            opens = ssl.SSLContext.wrap_socket if options.get("context") else SSLTransport._wrap_socket_sni
            return keywords(opens) - {"sock"} | {"context"}
        case _:
            return set()


def unknown(key: str, known: set[str], transport: str) -> str:
    """What to say of the name `key`, which nobody takes: it may be the other driver's."""
    driver, shown = NAMES[transport], key if key.isidentifier() else "one of its names"
    other = f"ssl_{key}" if transport == "redis" else key.removeprefix("ssl_")
    if other in known:
        return f"{shown} is the name for another broker: for {driver} write {other}"
    usual = sorted(FILES & known | {VERIFY[transport]})
    nearest = difflib.get_close_matches(key, sorted(known), n=1)
    return f"{shown} is nothing that {driver} takes: {f'did you mean {nearest[0]}?' if nearest else ', '.join(usual)}"


def check_path(given: Given, name: str, key: str, path: object) -> None:
    if key not in FILES | FOLDERS or not path:
        return
    if not isinstance(path, str) or not path.isprintable():
        raise given.error(name, f"{key} must be the path of a file")
    if not os.access(path, os.R_OK) or Path(path).is_dir() != (key in FOLDERS):
        kind = "folder" if key in FOLDERS else "file"
        raise given.error(name, f"{key} names a {kind} that is not there or cannot be read")


# ---- The URL


def check_url(given: Given, name: str, broker: Broker) -> None:
    """Raises ConfigError for what Celery does not take after `?`: kombu hands all of it to a function of its own."""
    if broker.transport not in NAMES:
        return
    for url in broker.url.reveal().split(";"):
        if split_url(url).scheme == SOCKET:
            known = keywords(*redis.UnixDomainSocketConnection.__mro__[:-1]) | {"virtual_host", "credential_provider"}
            if not {key for key, _ in parse_qsl(split_url(url).query)} <= known:
                raise given.error(name, "can hold the database after ?, as virtual_host=3, and little else")
            continue
        known = keywords(Connection._init_params)
        more = ", ".join(sorted(known - parse_url("").keys() - {"ssl"}))
        try:
            read = parse_url(url)
        except KeyError:
            raise given.error(name, f"ssl_cert_reqs must be one of {', '.join(VERIFY_MODES)}") from None
        except TypeError:  # it says again what stands before it
            read = {more: None}
        tls = read.get("ssl", {})
        if not read.keys() <= known or (broker.transport == "redis" and not isinstance(tls, dict)):
            raise given.error(
                name,
                f"can hold after ? only {more}, and for Redis what begins with ssl_; "
                "write the database as /3, and transport options into a setting of their own",
            )
        if isinstance(tls, dict):
            if tls and broker.transport != "redis":
                raise given.error(name, "can hold TLS options for Redis alone; write them into CELERY_BROKER_USE_SSL")
            check_tls(given, name, broker.transport, tls)


# ---- Transport options


def transport_options(given: Given, broker: Broker) -> Given:
    """celery_broker_transport_options as settings of their own, for Redis of kinds that kombu can use.

    What is null there is left out, where kombu looks for more than true or false: it is its word for nothing.
    """
    options = given.inside("celery_broker_transport_options")
    if broker.transport != "redis":
        return options
    for key in SentinelChannel.from_transport_options:
        check_kind(options, key)
    if not isinstance(options.values.get("sentinel_kwargs") or {}, dict):
        raise options.error("sentinel_kwargs", 'must be a table such as {"password": "..."}')
    if split_broker_url(broker.url.reveal())[0].scheme == "sentinel" and not options.text("master_name"):
        raise given.error(
            "celery_broker_url",
            "names sentinels, which need master_name in the transport options: "
            'CELERY_BROKER_TRANSPORT_OPTIONS={"master_name": "mymaster"}',
        )
    said = {key: value for key, value in options.values.items() if value is not None or usual_kind(key) is None}
    return Given(said, options.words)


def usual_kind(key: str) -> type | None:
    """The kind of kombu's default for that option; None where a truth will do, or there is no default."""
    kind = type(getattr(SentinelChannel, key, None))
    return kind if kind in (str, int, list) else None


def check_kind(options: Given, key: str) -> None:
    """Raises ConfigError for a value of another kind than kombu's default."""
    value, kind = options.values.get(key), usual_kind(key)
    if value is None or key == "visibility_timeout":
        return
    if kind is str and not isinstance(value, str):
        raise options.error(key, "must be text")
    if kind is int and not isinstance(value, int | float):
        raise options.error(key, "must be a number")
    if kind is list and not (isinstance(value, list) and value and all(type(step) is int for step in value)):
        raise options.error(key, "must be a list of whole numbers such as [0, 3, 6, 9]")
