"""The configuration, read: one cluster from the environment, or several from a TOML file.

    CELERY_BROKER_URL=redis://localhost:6379/0      [clusters.prod]
    CELERY_CONTROL_EXCHANGE=celery                  celery_broker_url = "redis://localhost:6379/0"
    PROMETHEUS_URL=http://localhost:9090            prometheus_url = "http://localhost:9090"
    PROMETHEUS_USERNAME=viewer                      [clusters.prod.celery]
    PUBLIC_URL=https://celery.example.com           control_exchange = "celery"

A setting has one name: in capitals in the environment, in small letters in the file, where the words it begins with
may also name a table, as those of `celery_broker_url` and `rabbitmq_management_url` do: [clusters.prod.celery],
[clusters.prod.rabbitmq], [clusters.prod.rabbitmq_management]. The file is `CELERY_NOTEBOOK_CONFIG`, or
./celery-notebook.toml when there is one; when it holds clusters, the environment's cluster is not read. PUBLIC_URL,
the HISTORY settings and those of `access` stand above the clusters, in the environment before the file. An empty text
switches a source off.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from data_sources.access import ACCESS, access
from data_sources.broker_options import check_url, tls_options, transport_options
from data_sources.config import Broker, Cluster, HttpEndpoint, RedBeatPlace, Secret, SecretMapping, Settings
from data_sources.errors import ConfigError
from data_sources.given import Given
from data_sources.history.place import SCHEMES, place
from data_sources.urls import management_login, management_url, split_web_url

FILE = "celery-notebook.toml"

CELERY = {
    f"celery_{name}"
    for name in (
        "broker_url",
        "result_backend",
        "control_exchange",
        "event_exchange",
        "visibility_timeout",
        "task_serializer",
        "accept_content",
        "enable_events",
        "workers_expected",
        "queues",
        "broker_use_ssl",
        "broker_transport_options",
    )
}
APIS = ("prometheus", "alertmanager", "rabbitmq_management")
API_SETTINGS = ("url", "username", "password", "bearer_token", "headers", "ca_file")
BEAT = {"beat_database_url", "redbeat_redis_url", "redbeat_key_prefix"}
CLUSTER = CELERY | BEAT | {f"{api}_{name}" for api in APIS for name in API_SETTINGS} | {"prometheus_labels"}
ABOVE = {"public_url", "history_url", "history_keep", "history_size", "history_hide_arguments"} | ACCESS

SERIALIZERS = ("json", "yaml", "msgpack", "pickle")
SHORTEST_KEEP = timedelta(hours=1)


def load(environ: Mapping[str, str] = os.environ, file: Path | None = None) -> Settings:
    """The settings of `file` (else the one the environment names, else ./celery-notebook.toml) and `environ`.

    Raises ConfigError, which names the setting and quotes no value.
    """
    document = read_file(environ, file)
    tables = document.pop("clusters", {})
    if not isinstance(tables, dict):
        raise ConfigError("clusters", "must be tables: [clusters.NAME]")
    above = from_table(document, "", ABOVE)
    above = replace(above, values={**above.values, **from_environment(environ, ABOVE).values})
    origin = public_url(above)
    settings = Settings(
        clusters=tuple(cluster(name, from_table(table, f"clusters.{name}", CLUSTER)) for name, table in tables.items())
        or (cluster("default", from_environment(environ, CLUSTER)),),
        public_url=origin,
        access=access(above, origin),
        history_url=above.secret("history_url"),
        history_keep=history_keep(above) or Settings.history_keep,
        history_size_bytes=above.size_bytes("history_size") or Settings.history_size_bytes,
        history_hide_arguments=above.truth("history_hide_arguments"),
    )
    for one in settings.clusters:
        place(settings.history_url, one)  # raises ConfigError
    return settings


def read_file(environ: Mapping[str, str], file: Path | None) -> dict[str, Any]:
    named = environ.get("CELERY_NOTEBOOK_CONFIG")
    path = file or Path(named or FILE)
    if not (file or named or path.exists()):
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError("CELERY_NOTEBOOK_CONFIG", f"{path} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError:
        raise ConfigError("CELERY_NOTEBOOK_CONFIG", f"{path} is not UTF-8 text") from None  # the cause holds the file
    except tomllib.TOMLDecodeError as exc:
        place = re.search(r"\((at .*)\)$", str(exc))
        where = place[1] if place else "somewhere"
        raise ConfigError("CELERY_NOTEBOOK_CONFIG", f"{path} is not TOML: see {where}") from None


def from_environment(environ: Mapping[str, str], names: set[str]) -> Given:
    return Given({name: environ[name.upper()] for name in names if name.upper() in environ}, {})


def from_table(table: object, place: str, names: set[str]) -> Given:
    """The settings of one TOML table, its sub-tables laid flat; every name must be one of `names`."""
    if not isinstance(table, dict):
        raise ConfigError(place, f"must be a table: [{place}]")
    values: dict[str, object] = {}
    words: dict[str, str] = {}
    for where, key, name, value in laid_flat(table, place):
        word = f"[{where}] {key}" if where else key
        if name not in names:
            raise ConfigError(word, f"is not a setting{suggestion(name, name.removesuffix(key), names)}")
        if name in values:
            raise ConfigError(word, f"is given twice, also as {words[name]}")
        values[name], words[name] = value, word
    return Given(values, words)


def laid_flat(table: Mapping[str, object], place: str, prefix: str = "") -> Iterator[tuple[str, str, str, object]]:
    """Where each setting stands, its key there, its whole name, and its value."""
    for key, value in table.items():
        name = prefix + key
        if isinstance(value, dict) and is_table(name):
            yield from laid_flat(value, f"{place}.{key}".strip("."), f"{name}_")
        else:
            yield place, key, name, value


def is_table(name: str) -> bool:
    """Whether settings begin with that name, and it is none itself."""
    settings = CLUSTER | ABOVE
    return name not in settings and any(one.startswith(f"{name}_") for one in settings)


def suggestion(name: str, prefix: str, names: set[str]) -> str:
    if name in CLUSTER:
        return " here; settings of a cluster stand under [clusters.NAME]"
    nearest = difflib.get_close_matches(name, sorted(names), n=1)
    return f"; did you mean {nearest[0].removeprefix(prefix)}?" if nearest else ""


def cluster(name: str, given: Given) -> Cluster:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ConfigError("clusters", "are named with letters, digits, dots, dashes and underscores, 64 at most")
    celery = broker(given)
    return Cluster(
        name=name,
        broker=celery,
        enable_events=given.truth("celery_enable_events"),
        workers_expected=given.texts("celery_workers_expected", ()),
        queues=given.texts("celery_queues", ()),
        result_backend=given.secret("celery_result_backend"),
        prometheus=endpoint(given, "prometheus", "http://localhost:9090"),
        prometheus_labels=given.pairs("prometheus_labels", r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*", "label"),
        alertmanager=endpoint(given, "alertmanager", "http://localhost:9093"),
        rabbitmq_management=management(given, celery),
        beat_database=beat_database(given),
        redbeat=redbeat(given, celery),
    )


def broker(given: Given) -> Broker:
    url = given.text("celery_broker_url", Broker.url.reveal())
    if not url:
        raise given.error("celery_broker_url", "is empty; give the broker's URL, or leave it out for a local Redis")
    serializer = given.text("celery_task_serializer") or Broker.task_serializer
    if serializer not in SERIALIZERS:
        raise given.error("celery_task_serializer", f"must be one of {', '.join(SERIALIZERS)}")
    accept = given.texts("celery_accept_content", Broker.accept_content)
    if any("pickle" in kind or "python-serialize" in kind for kind in accept):
        raise given.error("celery_accept_content", "must not hold pickle: reading it runs whatever code it brings")
    try:
        plain = Broker.from_url(url)
    except ValueError as exc:
        raise given.error("celery_broker_url", str(exc)) from None
    check_url(given, "celery_broker_url", plain)
    options = transport_options(given, plain)
    return replace(
        plain,
        control_exchange=given.text("celery_control_exchange") or Broker.control_exchange,
        event_exchange=given.text("celery_event_exchange") or Broker.event_exchange,
        visibility_timeout=given.seconds("celery_visibility_timeout") or options.seconds("visibility_timeout"),
        task_serializer=serializer,
        accept_content=accept,
        ssl=tls_options(given, plain),
        transport_options=SecretMapping(options.values),
    )


def beat_database(given: Given) -> Secret | None:
    url = given.secret("beat_database_url")
    if url is None:
        return None
    try:
        parts = make_url(url.reveal())
        if not parts.database or parts.drivername not in ("sqlite", *SCHEMES):
            raise ValueError
    except (ArgumentError, ValueError):
        message = "must be sqlite:///absolute/file or postgresql://user:password@host/database"
        raise given.error("beat_database_url", message) from None  # the cause quotes it
    return url


def redbeat(given: Given, celery: Broker) -> RedBeatPlace | None:
    """On a Redis of its own, or else beside the broker's keys where that is one; None where there can be no RedBeat."""
    url = given.text("redbeat_redis_url")
    try:
        own = Broker.from_url(url) if url else celery
    except ValueError as exc:
        raise given.error("redbeat_redis_url", str(exc)) from None
    if url:
        check_url(given, "redbeat_redis_url", own)
    if own.transport != "redis":
        if url:
            raise given.error("redbeat_redis_url", "must be the URL of a Redis")
        return None
    if url.startswith("sentinel:"):
        raise given.error(
            "redbeat_redis_url", "must be the URL of the Redis itself; by sentinels only the broker's is found"
        )
    return RedBeatPlace(own, given.text("redbeat_key_prefix") or RedBeatPlace.key_prefix)


def management(given: Given, celery: Broker) -> HttpEndpoint | None:
    """RabbitMQ's management API, with the broker's own login where it is on the broker's host and none is given."""
    url, by_tls = celery.url.reveal(), celery.ssl is not None
    api = endpoint(given, "rabbitmq_management", management_url(url, by_tls) or "")
    if api is None:
        return None
    api = replace(api, url=api.url.removesuffix("/api"))  # which is ours to add
    login = None if api.brings_credentials else management_login(url, api.url, by_tls)
    return replace(api, username=login[0], password=Secret(login[1])) if login else api


def endpoint(given: Given, api: str, default: str) -> HttpEndpoint | None:
    """The HTTP API `api`, at `default` when nothing is said; None when it is switched off."""
    url = given.text(f"{api}_url", default)
    if not url:
        return None
    try:
        plain = HttpEndpoint.from_url(url)
    except ValueError as exc:
        raise given.error(f"{api}_url", str(exc)) from None
    token = given.secret(f"{api}_bearer_token")
    username, own = given.text(f"{api}_username"), given.secret(f"{api}_password")
    if ":" in username:
        raise given.error(f"{api}_username", "must not hold a colon")
    username, password = username or plain.username or "", own or plain.password
    if username and token:
        raise given.error(f"{api}_bearer_token", "cannot be combined with a user name; keep one of the two")
    if password and not username:
        where = f"{api}_password" if own else f"{api}_url"
        raise given.error(where, "gives a password for no user name; give that too")
    return replace(
        plain,
        username=username or None,
        password=password,
        bearer_token=token,
        headers=headers(given, f"{api}_headers"),
        ca_file=ca_file(given, f"{api}_ca_file"),
        assumed=f"{api}_url" not in given.values,
    )


def headers(given: Given, name: str) -> dict[str, Secret]:
    fields = given.pairs(name, r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", "header")  # a token of RFC 9110
    if beyond := next((field for field, value in fields.items() if not value.isascii()), None):
        raise given.error(name, f"{beyond} must be a text in ASCII")
    return {field: Secret(value) for field, value in fields.items()}


def ca_file(given: Given, name: str) -> str | None:
    path = given.text(name)
    if path and not os.access(path, os.R_OK):
        raise given.error(name, "names a file that is not there or cannot be read")
    return path or None


def history_keep(above: Given) -> timedelta | None:
    keep = above.seconds("history_keep")
    if keep and keep < SHORTEST_KEEP:
        raise above.error("history_keep", "must be at least 1h; a number alone is seconds: for a week write 7d")
    return keep


def public_url(above: Given) -> str | None:
    """`https://host[:port]`, as a browser writes it in Origin."""
    url = above.text("public_url")
    if not url:
        return None
    try:
        origin, path, userinfo = split_web_url(url)
        if path or userinfo:
            raise ValueError("must be a scheme, a host and perhaps a port: https://celery.example.com")
    except ValueError as exc:
        raise above.error("public_url", str(exc)) from None
    return origin
