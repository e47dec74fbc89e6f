"""The configuration: what is read, what is refused, and that no secret is ever shown."""

from __future__ import annotations

import copy
import json
import pickle
import ssl
import traceback
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.config import Broker, Cluster, HttpEndpoint, Secret, SecretMapping
from data_sources.errors import ConfigError
from data_sources.settings import ABOVE, CLUSTER, load

CANARY = "S3cr3tPw"


def cluster(**environ: str) -> Cluster:
    [only] = load(environ).clusters
    return only


def toml(folder: Path, text: str) -> Path:
    path = folder / "celery-notebook.toml"
    path.write_text(text)
    return path


def test_with_nothing_set_the_usual_ports_of_this_machine_are_meant() -> None:
    settings = load({})

    [only] = settings.clusters
    assert (settings.public_url, settings.history_url) == (None, None)
    assert only.name == "default"
    assert only.broker == Broker.from_url("redis://localhost:6379/0")
    assert only.prometheus == HttpEndpoint("http://localhost:9090")
    assert only.alertmanager == HttpEndpoint("http://localhost:9093")
    assert only.rabbitmq_management is None
    assert only.result_backend is None


@pytest.mark.parametrize(
    ("url", "transport", "address"),
    [
        ("redis://", "redis", "localhost:6379/0"),
        ("redis://cache", "redis", "cache:6379/0"),
        ("redis://:S3cr3tPw@cache:7000/3", "redis", "cache:7000/3"),
        ("redis://acl:S3cr3tPw%2F%40@cache/3", "redis", "cache:6379/3"),
        ("redis://:S3cr3tPw@S3cr3tPw@cache/3", "redis", "cache:6379/3"),
        ("redis://[::1]:6379/0", "redis", "[::1]:6379/0"),
        ("rediss://:S3cr3tPw@cache/1?ssl_cert_reqs=required", "redis", "cache:6379/1"),
        ("redis+socket://:S3cr3tPw@/run/redis.sock?virtual_host=2", "redis", "/run/redis.sock/2"),
        ("sentinel://:S3cr3tPw@a:26380/1;sentinel://:S3cr3tPw@b", "redis", "a:26380,b:26379/1"),
        ("amqp://", "amqp", "localhost:5672/"),
        ("amqp://me:S3cr3tPw@rabbit//", "amqp", "rabbit:5672/"),
        ("amqp://me:S3cr3tPw@rabbit/mail", "amqp", "rabbit:5672/mail"),
        ("amqp://me:S3cr3tPw@rabbit/%2Fmail", "amqp", "rabbit:5672//mail"),
        ("pyamqp://me:S3cr3tPw@a:1/v;amqp://me:S3cr3tPw@b:2/v", "amqp", "a:1,b:2/v"),
        ("amqps://me:S3cr3tPw@rabbit/mail", "amqp", "rabbit:5671/mail"),
        ("sqs://KEY:S3cr3tPw@", "sqs", "sqs"),
        ("sqla+postgresql://me:S3cr3tPw@db/celery", "sqla", "db"),
        ("memory://", "memory", "memory"),
    ],
)
def test_a_broker_is_named_by_host_and_vhost_or_database_and_never_by_its_credentials(
    url: str, transport: str, address: str
) -> None:
    sentinel = {"CELERY_BROKER_TRANSPORT_OPTIONS": '{"master_name": "main"}'} if url.startswith("sentinel") else {}

    broker = cluster(CELERY_BROKER_URL=url, **sentinel).broker

    assert (broker.transport, broker.address) == (transport, address)
    assert broker.url.reveal() == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "is empty"),
        ("S3cr3tPw", "is not a URL"),
        ("redis://:S3cr3tPw/x@cache:6379/0", "has a host or port that cannot be read"),
        ("redis://:1/S3cr3tPw@cache:6379/0", "is cut short by an unescaped character"),
        ("redis://:S3cr3tPw#x@cache:6379/0", "has a host or port that cannot be read"),
        ("redis://:S3cr3tPw;x@cache:6379/0", "has a host or port that cannot be read"),
        ("redis://me:1;S3cr3tPw@cache:6379/0", "is not a URL"),
        ("redis://cache:S3cr3tPw/0", "has a host or port that cannot be read"),
        ("redis://cache/S3cr3tPw", "names a database that is not a number"),
        ("redis://:S3cr 3tPw@cache", "holds a space"),
        ("redis://:S3cr3tPw\n@cache", "holds a line break"),
        ("http://:S3cr3tPw@cache", "has a scheme Celery does not know"),
        ("unix:///run/redis.sock?password=S3cr3tPw", r"is of a socket, which Celery writes redis\+socket:///path"),
    ],
)
def test_a_broker_url_that_cannot_be_used_is_refused_by_its_settings_name(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"CELERY_BROKER_URL: {message}") as caught:
        load({"CELERY_BROKER_URL": url})

    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_rabbitmqs_management_api_is_looked_for_beside_the_broker_with_its_credentials() -> None:
    endpoint = cluster(CELERY_BROKER_URL="amqp://me:p%40ss@rabbit:5673/mail").rabbitmq_management

    assert endpoint == HttpEndpoint("http://rabbit:15672", "me", Secret("p@ss"))


def test_a_password_that_goes_to_the_broker_by_tls_is_not_sent_in_the_clear_by_default() -> None:
    endpoint = cluster(CELERY_BROKER_URL="amqps://rabbit").rabbitmq_management

    assert endpoint == HttpEndpoint("https://rabbit:15671", "guest", Secret("guest"))


@pytest.mark.parametrize(
    ("broker", "url", "login"),
    [
        ("amqp://me:p%40ss@rabbit", "http://Rabbit:8080", ("me", "p@ss")),
        ("amqp://me:p%40ss@rabbit", "http://rabbit:15672/base/api/", ("me", "p@ss")),
        ("amqp://other;amqp://me:pass@rabbit", "http://rabbit:15672", ("me", "pass")),
        ("amqp://", "http://localhost:15672", ("guest", "guest")),
        ("amqp://me:S3cr3tPw@rabbit", "http://other:15672", None),
        ("amqp://me:S3cr3tPw@rabbit", "http://admin@rabbit:15672", ("admin", None)),
        ("amqps://me:S3cr3tPw@rabbit", "http://rabbit:15672", None),
        ("amqps://me:pass@rabbit", "https://rabbit:15671", ("me", "pass")),
        ("redis://me:S3cr3tPw@rabbit", "http://rabbit:15672", None),
    ],
)
def test_a_management_api_on_the_brokers_host_is_asked_with_the_brokers_login_unless_one_is_given(
    broker: str, url: str, login: tuple[str, str | None] | None
) -> None:
    endpoint = cluster(CELERY_BROKER_URL=broker, RABBITMQ_MANAGEMENT_URL=url).rabbitmq_management
    assert endpoint
    password = endpoint.password.reveal() if endpoint.password else None
    assert (endpoint.username, password) == (login or (None, None))
    assert not endpoint.url.endswith("api")


def test_credentials_of_any_kind_take_the_place_of_the_brokers_login() -> None:
    own = '{"authorization": "Basic xyz"}'
    endpoint = cluster(CELERY_BROKER_URL="amqp://me:S3cr3tPw@rabbit", RABBITMQ_MANAGEMENT_HEADERS=own)
    assert endpoint.rabbitmq_management == HttpEndpoint(
        "http://rabbit:15672", headers={"authorization": Secret("Basic xyz")}
    )


def test_no_password_goes_in_the_clear_to_the_management_api_of_a_broker_with_tls_options() -> None:
    given = {"CELERY_BROKER_URL": "amqp://me:S3cr3tPw@rabbit", "CELERY_BROKER_USE_SSL": "true"}
    assert cluster(**given).rabbitmq_management == HttpEndpoint("https://rabbit:15671", "me", Secret("S3cr3tPw"))
    named = cluster(**given, RABBITMQ_MANAGEMENT_URL="http://rabbit:15672")
    assert named.rabbitmq_management == HttpEndpoint("http://rabbit:15672")


@pytest.mark.parametrize("api", ["PROMETHEUS", "ALERTMANAGER", "RABBITMQ_MANAGEMENT"])
def test_an_empty_url_switches_that_source_off(api: str) -> None:
    assert getattr(cluster(**{"CELERY_BROKER_URL": "amqp://rabbit", f"{api}_URL": ""}), api.lower()) is None


def test_the_settings_of_the_app_that_a_monitor_must_match_are_read(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()

    broker = cluster(
        CELERY_CONTROL_EXCHANGE="ctl",
        CELERY_EVENT_EXCHANGE="ev",
        CELERY_VISIBILITY_TIMEOUT="43200",
        CELERY_TASK_SERIALIZER="msgpack",
        CELERY_ACCEPT_CONTENT="json, msgpack",
        CELERY_BROKER_USE_SSL=json.dumps({"ssl_cert_reqs": "CERT_OPTIONAL", "ssl_ca_certs": str(authority)}),
        CELERY_BROKER_TRANSPORT_OPTIONS='{"global_keyprefix": "shop:", "priority_steps": [0, 5], "sep": ":"}',
    ).broker

    assert (broker.control_exchange, broker.event_exchange) == ("ctl", "ev")
    assert broker.visibility_timeout == timedelta(hours=12)
    assert broker.task_serializer == "msgpack"
    assert broker.accept_content == ("json", "msgpack")
    assert broker.ssl == {"ssl_cert_reqs": ssl.CERT_OPTIONAL, "ssl_ca_certs": str(authority)}
    assert broker.transport_options == {"global_keyprefix": "shop:", "priority_steps": [0, 5], "sep": ":"}


def test_a_visibility_timeout_among_the_transport_options_is_the_brokers() -> None:
    assert cluster(CELERY_BROKER_TRANSPORT_OPTIONS='{"visibility_timeout": 7200}').broker.visibility_timeout == (
        timedelta(hours=2)
    )


@pytest.mark.parametrize(
    ("url", "key"),
    [("redis://cache", "ssl_cert_reqs"), ("amqp://rabbit", "cert_reqs"), ("amqps://rabbit", "cert_reqs")],
)
def test_tls_merely_switched_on_verifies_the_brokers_certificate(url: str, key: str) -> None:
    for word in ("true", "True", "1", "yes", "on"):
        assert cluster(CELERY_BROKER_URL=url, CELERY_BROKER_USE_SSL=word).broker.ssl == {key: ssl.CERT_REQUIRED}
    for word in ("", "false", "0", "No", "off"):
        assert cluster(CELERY_BROKER_URL=url, CELERY_BROKER_USE_SSL=word).broker.ssl is None


def test_prometheus_takes_basic_auth_extra_headers_a_ca_file_and_a_base_path(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()

    endpoint = cluster(
        PROMETHEUS_URL="https://me:p%40ss@Prom.example:443/select/0/prometheus/",
        PROMETHEUS_HEADERS='{"X-Scope-OrgID": "team"}',
        PROMETHEUS_CA_FILE=str(ca),
    ).prometheus

    assert endpoint == HttpEndpoint(
        url="https://prom.example/select/0/prometheus",
        username="me",
        password=Secret("p@ss"),
        headers={"X-Scope-OrgID": Secret("team")},
        ca_file=str(ca),
    )
    assert endpoint.address == "prom.example/select/0/prometheus"


def test_redbeat_is_looked_for_on_the_brokers_redis_or_where_it_is_said_to_be() -> None:
    beside = cluster(CELERY_BROKER_URL="redis://queue:6380/2").redbeat
    assert (beside and beside.redis.address, beside and beside.key_prefix) == ("queue:6380/2", "redbeat:")
    assert cluster(CELERY_BROKER_URL="amqp://rabbit//").redbeat is None
    own = cluster(CELERY_BROKER_URL="amqp://rabbit//", REDBEAT_REDIS_URL="redis://beat/1", REDBEAT_KEY_PREFIX="shop:")
    assert (own.redbeat and own.redbeat.redis.address, own.redbeat and own.redbeat.key_prefix) == (
        "beat:6379/1",
        "shop:",
    )


def test_django_celery_beats_tables_are_looked_for_where_a_setting_says() -> None:
    assert cluster().beat_database is None
    for url in ("sqlite:////srv/django.sqlite3", "postgresql://me@db/shop", "postgres://me@db/shop"):
        assert cluster(BEAT_DATABASE_URL=url).beat_database == Secret(url)


def test_workers_that_should_be_there_are_named_in_a_list() -> None:
    assert cluster(CELERY_WORKERS_EXPECTED="mail@*, images@shop-1").workers_expected == ("mail@*", "images@shop-1")
    assert cluster().workers_expected == ()


def test_a_user_name_of_its_own_setting_stands_before_the_one_in_the_url() -> None:
    endpoint = cluster(
        PROMETHEUS_URL="http://old:older@prom", PROMETHEUS_USERNAME="me", PROMETHEUS_PASSWORD="p/w"
    ).prometheus

    assert endpoint == HttpEndpoint("http://prom", "me", Secret("p/w"))


def test_a_bearer_token_is_taken() -> None:
    assert cluster(PROMETHEUS_BEARER_TOKEN="t0ken").prometheus == HttpEndpoint(
        "http://localhost:9090", bearer_token=Secret("t0ken")
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PROMETHEUS_URL", "prom:9090", "is not a URL"),
        ("PROMETHEUS_URL", "ftp://prom", "must be written as http"),
        ("PROMETHEUS_URL", "http://prom:x", "host or port that cannot be read"),
        ("PROMETHEUS_URL", "http://prom/?token=S3cr3tPw", "must end after its path"),
        ("PROMETHEUS_URL", "http://:S3cr3tPw@prom", "a password for no user name"),
        ("PROMETHEUS_USERNAME", "a:b", "must not hold a colon"),
        ("PROMETHEUS_PASSWORD", "S3cr3tPw", "a password for no user name"),
        ("PROMETHEUS_HEADERS", "S3cr3tPw", "must be a table"),
        ("PROMETHEUS_HEADERS", '["S3cr3tPw"]', "must be a table"),
        ("PROMETHEUS_HEADERS", '{"X-A": "S3cr3tPw\\r\\nX-B: 1"}', "X-A must be a text of one line"),
        ("PROMETHEUS_HEADERS", '{"X A": "S3cr3tPw"}', "a name that is not a header name"),
        ("PROMETHEUS_LABELS", '{"a-b": "S3cr3tPw"}', "a name that is not a label name"),
        ("PROMETHEUS_LABELS", '{"__name__": "S3cr3tPw"}', "a name that is not a label name"),
        ("PROMETHEUS_LABELS", '{"namespace": 1}', "namespace must be a text of one line"),
        ("PROMETHEUS_CA_FILE", "/nowhere/S3cr3tPw", "names a file that is not there"),
        ("CELERY_VISIBILITY_TIMEOUT", "S3cr3tPw", "must be seconds or a duration"),
        ("CELERY_TASK_SERIALIZER", "S3cr3tPw", "must be one of json"),
        ("CELERY_ACCEPT_CONTENT", "json,pickle", "must not hold pickle"),
        ("CELERY_ACCEPT_CONTENT", "json,,", "must be a list of words"),
        ("CELERY_BROKER_USE_SSL", "S3cr3tPw", "must be true, false or a table"),
        ("CELERY_BROKER_USE_SSL", '{"ssl_cert_reqs": "S3cr3tPw"}', "ssl_cert_reqs must be one of none, optional"),
        ("BEAT_DATABASE_URL", "mysql://me:S3cr3tPw@db/shop", "must be sqlite:///absolute/file or postgresql"),
        ("BEAT_DATABASE_URL", "postgresql://me:S3cr3tPw@db", "must be sqlite:///absolute/file or postgresql"),
        ("BEAT_DATABASE_URL", "S3cr3tPw", "must be sqlite:///absolute/file or postgresql"),
        ("HISTORY_KEEP", "7", "must be at least 1h; a number alone is seconds: for a week write 7d"),
        ("HISTORY_KEEP", "59m", "must be at least 1h"),
        ("HISTORY_KEEP", "0", "must be seconds or a duration"),
        ("REDBEAT_REDIS_URL", "redis://:S3cr3tPw@cache?db=3", "write the database as /3"),
        ("REDBEAT_REDIS_URL", "sentinel://:S3cr3tPw@cache", "must be the URL of the Redis itself"),
        ("REDBEAT_REDIS_URL", "amqp://me:S3cr3tPw@rabbit/v", "must be the URL of a Redis"),
        ("PUBLIC_URL", "celery.example.com", "is not a URL"),
        ("PUBLIC_URL", "https://me:S3cr3tPw@celery.example.com", "must be a scheme, a host"),
        ("PUBLIC_URL", "https://celery.example.com/base", "must be a scheme, a host"),
        ("PUBLIC_URL", f"https://{'x' * 70}.example", "has a host that is not a domain name"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_name_without_quoting_it(
    name: str, value: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: .*{message}") as caught:
        load({name: value})

    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("user", [{"PROMETHEUS_USERNAME": "me"}, {"PROMETHEUS_URL": "http://me:S3cr3tPw@prom"}])
def test_basic_auth_and_a_bearer_token_together_are_refused(user: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="PROMETHEUS_BEARER_TOKEN: cannot be combined"):
        load({"PROMETHEUS_BEARER_TOKEN": "t", **user})


def test_a_token_for_the_management_api_is_sent_without_the_brokers_password() -> None:
    endpoint = cluster(CELERY_BROKER_URL="amqp://me:S3cr3tPw@rabbit", RABBITMQ_MANAGEMENT_BEARER_TOKEN="t")
    assert endpoint.rabbitmq_management == HttpEndpoint("http://rabbit:15672", bearer_token=Secret("t"))


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://Celery.Example.com:443/", "https://celery.example.com"),
        ("http://celery.example.com:8080", "http://celery.example.com:8080"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[2001:DB8::1]:80", "http://[2001:db8::1]"),
    ],
)
def test_the_public_url_is_kept_as_browsers_write_an_origin(given: str, origin: str) -> None:
    assert load({"PUBLIC_URL": given}).public_url == origin


def test_a_file_names_several_clusters_with_the_settings_in_small_letters(tmp_path: Path) -> None:
    path = toml(
        tmp_path,
        """
        public_url = "https://celery.example.com"
        history_url = "postgresql://me:S3cr3tPw@db/history"

        [clusters.shop]
        celery_broker_url = "redis://:S3cr3tPw@cache/1"
        prometheus_url = "http://prom:9090"

        [clusters.shop.celery]
        control_exchange = "ctl"
        visibility_timeout = 7200
        accept_content = ["json", "msgpack"]
        broker_transport_options = { global_keyprefix = "shop:" }

        [clusters.shop.prometheus]
        username = "me"
        password = "S3cr3tPw"
        headers = { X-Scope-OrgID = "team" }
        labels = { namespace = "shop" }

        [clusters.mail]
        celery_broker_url = "amqp://rabbit/mail"
        prometheus_url = ""
        """,
    )

    settings = load({"CELERY_BROKER_URL": "redis://not-read", "PUBLIC_URL": "https://other.example"}, path)

    shop, mail = settings.clusters
    assert settings.public_url == "https://other.example"
    assert settings.history_url == Secret("postgresql://me:S3cr3tPw@db/history")
    assert (shop.name, shop.broker.address, shop.broker.control_exchange) == ("shop", "cache:6379/1", "ctl")
    assert shop.broker.visibility_timeout == timedelta(hours=2)
    assert shop.broker.accept_content == ("json", "msgpack")
    assert shop.broker.transport_options == {"global_keyprefix": "shop:"}
    assert shop.prometheus == HttpEndpoint(
        "http://prom:9090", "me", Secret("S3cr3tPw"), headers={"X-Scope-OrgID": Secret("team")}
    )
    assert (shop.prometheus_labels, mail.prometheus_labels) == ({"namespace": "shop"}, {})
    assert (mail.name, mail.broker.address, mail.prometheus) == ("mail", "rabbit:5672/mail", None)
    assert mail.alertmanager == HttpEndpoint("http://localhost:9093")


def test_the_words_a_setting_begins_with_may_name_a_table(tmp_path: Path) -> None:
    text = """
        [history]
        keep = 604800
        [access.session]
        life = "1h"
        [clusters.one]
        celery_broker_url = "amqp://rabbit"
        [clusters.one.rabbitmq]
        management_url = "https://a.example"
        [clusters.two.celery.broker]
        url = "amqp://rabbit"
        [clusters.two.rabbitmq_management]
        url = "https://b.example"
        """

    settings = load({}, toml(tmp_path, text))

    assert (settings.history_keep, settings.access.session_life) == (timedelta(days=7), timedelta(hours=1))
    assert [one.rabbitmq_management and one.rabbitmq_management.url for one in settings.clusters] == [
        "https://a.example",
        "https://b.example",
    ]
    assert {one.broker.address for one in settings.clusters} == {"rabbit:5672/"}


def test_the_file_is_found_by_the_environment_or_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toml(tmp_path, '[clusters.shop]\ncelery_broker_url = "redis://cache"\n')

    assert load({"CELERY_NOTEBOOK_CONFIG": str(path)}).clusters[0].name == "shop"
    assert load({}).clusters[0].name == "default"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("data_sources.settings.FILE", path.name)  # the tests look for none by themselves
    assert load({}).clusters[0].name == "shop"


def test_a_file_without_clusters_leaves_the_environments_cluster(tmp_path: Path) -> None:
    settings = load({"CELERY_BROKER_URL": "redis://cache"}, toml(tmp_path, 'public_url = "https://a.example"'))

    assert settings.public_url == "https://a.example"
    assert [c.broker.address for c in settings.clusters] == ["cache:6379/0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("publik_url = 'x'", "publik_url: is not a setting; did you mean public_url?"),
        ("celery_broker_url = 'x'", "celery_broker_url: is not a setting here; settings of a cluster stand under"),
        ("[celery]\nbroker_url = 'x'", r"\[celery\] broker_url: is not a setting here"),
        (
            "[clusters.a]\nprometheus_ulr = 'x'",
            r"\[clusters.a\] prometheus_ulr: is not a setting; did you mean prom.*_url\?",
        ),
        (
            "[clusters.a.celery]\ncontrol_exchang = 'x'",
            r"\[clusters.a.celery\] control_exchang: .* mean control_exchange\?",
        ),
        ("[clusters.a]\nzzz = 'x'", r"\[clusters.a\] zzz: is not a setting$"),
        ("[clusters.a]\ncelery_broker_url = 6379", r"\[clusters.a\] celery_broker_url: must be text"),
        ("[clusters.a]\ncelery_broker_url = ''", r"\[clusters.a\] celery_broker_url: is empty"),
        (
            "[clusters.a]\nprometheus_username = 'x'\nprometheus.username = 'y'",
            r"\[clusters.a.prometheus\] username: is given twice, also as \[clusters.a\] prometheus_username",
        ),
        ("[clusters.'a/b']\n", "clusters: are named with letters"),
        ("clusters = 'S3cr3tPw'", "clusters: must be tables"),
        ("[clusters]\na = 'S3cr3tPw'", r"clusters.a: must be a table"),
        ("password = S3cr3tPw", "CELERY_NOTEBOOK_CONFIG: .* is not TOML: see at line 1"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load({}, toml(tmp_path, text))

    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_a_file_that_is_named_but_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"CELERY_NOTEBOOK_CONFIG: .*cannot be read: No such file"):
        load({"CELERY_NOTEBOOK_CONFIG": str(tmp_path / "none.toml")})


def test_a_secret_shows_itself_to_reveal_alone() -> None:
    secret, options = Secret(CANARY), SecretMapping({"password": CANARY})

    assert secret.reveal() == CANARY
    assert options["password"] == CANARY
    shown = (
        f"{secret} {secret!r} {secret:>20} {options} {options!r} {asdict(Broker(secret, transport_options=options))}"
    )
    assert CANARY not in shown
    assert copy.deepcopy((secret, options)) == (secret, options)
    for value in (secret, options):
        with pytest.raises(TypeError, match="is not pickled"):
            pickle.dumps(value)


SECRET_PLACES = {
    "CELERY_BROKER_URL": [
        "redis://:{}@cache",
        "amqp://me:{}@rabbit/v",
        "redis://:{}@a;redis://:{}@b",
        "sqs://k:{}@",
        "{}",
    ],
    "CELERY_RESULT_BACKEND": ["redis://:{}@cache", "{}"],
    "CELERY_BROKER_USE_SSL": ['{"password": "{}"}', "{}"],
    "CELERY_BROKER_TRANSPORT_OPTIONS": ['{"sentinel_kwargs": {"password": "{}"}}', "{}"],
    "PROMETHEUS_URL": ["http://me:{}@prom/base", "http://prom/?token={}", "http://prom:{}", "{}"],
    "PROMETHEUS_PASSWORD": ["{}"],
    "PROMETHEUS_BEARER_TOKEN": ["{}"],
    "PROMETHEUS_HEADERS": ['{"Authorization": "{}"}', "{}"],
    "ALERTMANAGER_URL": ["https://me:{}@alerts", "{}"],
    "RABBITMQ_MANAGEMENT_URL": ["https://me:{}@rabbit:15671", "{}"],
    "HISTORY_URL": ["postgresql://me:{}@db/h", "{}"],
    "BEAT_DATABASE_URL": ["postgresql://me:{}@db/h", "mysql://me:{}@db/h", "{}"],
    "REDBEAT_REDIS_URL": ["redis://:{}@cache", "amqp://me:{}@rabbit/v", "{}"],
    "PUBLIC_URL": ["https://me:{}@celery.example", "{}"],
    "ACCESS_SESSION_KEY": ["{}" * 5, "{}"],
    "ACCESS_PROXY_SECRET": ["{}" * 3, "{}"],
    "ACCESS_USERS": ['{"ann": "{}"}', '{"{}": "ann"}', "{}"],
    "ACCESS_TOKENS": ['{"ci": {"sha256": "{}"}}', '{"{}": {"sha256": ""}}', "{}"],
}
awkward = st.text(st.characters(codec="utf-8"), max_size=6)
environments = st.fixed_dictionaries(
    {},
    optional={
        name: st.tuples(st.sampled_from(forms), awkward, awkward, st.booleans())
        for name, forms in SECRET_PLACES.items()
    },
)


@given(environments)
def test_wherever_a_secret_stands_and_however_it_is_written_nothing_shows_it(
    places: dict[str, tuple[str, str, str, bool]],
) -> None:
    environ = {}
    for name, (form, before, after, escaped) in places.items():
        text = before + CANARY + after
        environ[name] = form.replace("{}", quote(text, safe="") if escaped else text)
    try:
        settings = load(environ)
    except ConfigError as exc:
        shown = "".join(traceback.format_exception(exc))
    else:
        shown = f"{settings} {settings!r} {asdict(settings)} " + " ".join(
            f"{c.broker.address} {c.prometheus and c.prometheus.address}" for c in settings.clusters
        )
    # Hosts are written in small letters, so a secret shown as a host would be too.
    assert CANARY.lower() not in shown.lower()


@given(st.dictionaries(st.sampled_from(sorted(CLUSTER | ABOVE)).map(str.upper), awkward))
def test_any_environment_gives_settings_or_a_named_error(environ: dict[str, str]) -> None:
    wrong = None
    try:
        load(environ)
    except ConfigError as exc:
        wrong = exc.name
    assert wrong is None or wrong in environ
