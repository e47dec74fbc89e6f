"""URLs of the configuration, taken apart. They may hold passwords, so no error raised here quotes any part of one."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from kombu.transport import TRANSPORT_ALIASES

ESCAPES = "in a user name, password or vhost write / ? # @ : ; as %2F %3F %23 %40 %3A %3B"
WEB_PORTS = {"http": 80, "https": 443}
SOCKETS = ("unix", "socket", "redis+unix")  # redis-py's word for them, and others that are tried
BROKER_PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379, "amqp": 5672, "pyamqp": 5672, "amqps": 5671}

# What differs only in how one connects is one transport: the broker holds the same things in the same places.
TRANSPORTS = {
    "rediss": "redis",
    "sentinel": "redis",
    "amqps": "amqp",
    "pyamqp": "amqp",
    "librabbitmq": "amqp",
    "sqlalchemy": "sqla",
    "kafka": "confluentkafka",
}


def split_url(url: str) -> SplitResult:
    """The parts of `scheme://[user[:password]@][host][:port][/path]`; reading their `port` raises nothing more."""
    if "://" not in url:
        raise ValueError("is not a URL; it begins with a scheme such as redis:// or http://")
    if not url.isprintable() or " " in url:
        raise ValueError("holds a space or an unprintable character")
    try:
        parts = urlsplit(url)
        _ = parts.port  # checked only when it is read
    except ValueError:
        raise ValueError(f"has a host or port that cannot be read; {ESCAPES}") from None  # the cause quotes the port
    if "@" in parts.path + parts.query + parts.fragment:
        raise ValueError(f"is cut short by an unescaped character; {ESCAPES}")
    return parts


def host_of(parts: SplitResult) -> str:
    """The host as it is written before a port: an IPv6 address in brackets."""
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def split_web_url(url: str) -> tuple[str, str, str]:
    """The origin of an http or https URL as browsers write it (IDNA, no default port), its path, and its userinfo."""
    parts = split_url(url)
    if parts.scheme not in WEB_PORTS or not parts.hostname:
        raise ValueError("must be written as http://host:port or https://host:port")
    if parts.query or parts.fragment:
        raise ValueError("must end after its path, without ? or #")
    port = "" if parts.port in (None, WEB_PORTS[parts.scheme]) else f":{parts.port}"
    userinfo, _, _ = parts.netloc.rpartition("@")
    try:
        host = host_of(parts).encode("idna").decode()
    except UnicodeError:
        raise ValueError("has a host that is not a domain name") from None
    return f"{parts.scheme}://{host}{port}", parts.path.rstrip("/"), userinfo


# ---- brokers, as kombu reads their URLs (kombu/connection.py, kombu/utils/url.py)


def split_broker_url(url: str) -> list[SplitResult]:
    """The brokers of `url`: several are separated by semicolons, the later ones tried when the first fails."""
    return [split_url(part) for part in url.split(";")]


def broker_transport(url: str) -> str:
    """redis, amqp, or another kombu transport's name."""
    scheme = split_broker_url(url)[0].scheme
    name = scheme.split("+")[0]
    if scheme in SOCKETS:
        raise ValueError("is of a socket, which Celery writes redis+socket:///path/to/redis.sock?virtual_host=0")
    if name not in TRANSPORT_ALIASES:
        raise ValueError("has a scheme Celery does not know; redis, rediss, sentinel, amqp and amqps are usual")
    return TRANSPORTS.get(name, name)


def broker_address(url: str) -> str:
    """Hosts, ports and vhost or database, for people: `localhost:6379/0`, `a:26379,b:26379/0`, `rabbit:5672/`.

    Alternates share the vhost or database of the first.
    """
    brokers, transport = split_broker_url(url), broker_transport(url)
    path = unquote(brokers[0].path[1:])
    if brokers[0].scheme == "redis+socket":
        return f"/{path}/{parse_qs(brokers[0].query).get('virtual_host', ['0'])[0]}"
    if transport == "redis":
        if path and not path.isdecimal():
            raise ValueError("names a database that is not a number")
        return f"{broker_hosts(brokers)}/{path or 0}"
    if transport == "amqp":
        return f"{broker_hosts(brokers)}/{'' if path == '/' else path}"
    return broker_hosts(brokers) if brokers[0].hostname else transport


def broker_hosts(brokers: list[SplitResult]) -> str:
    ports = (broker.port or BROKER_PORTS.get(broker.scheme) for broker in brokers)
    hosts = (host_of(broker) or "localhost" for broker in brokers)
    return ",".join(f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=True))


def management_url(url: str, by_tls: bool = False) -> str | None:
    """Where RabbitMQ's management API listens by default; None for other brokers.

    A broker reached by TLS (`amqps`, or `by_tls`) is asked by TLS: nobody asked for its password to go in the clear.
    """
    if broker_transport(url) != "amqp":
        return None
    broker = split_broker_url(url)[0]
    scheme, port = ("https", 15671) if by_tls or broker.scheme == "amqps" else ("http", 15672)
    return f"{scheme}://{host_of(broker) or 'localhost'}:{port}"


def management_login(url: str, api_url: str, by_tls: bool = False) -> tuple[str, str] | None:
    """User and password of the RabbitMQ on the host of `api_url`, whose management API knows the same users.

    None when the broker is elsewhere, and where its password would leave TLS.
    """
    api = split_url(api_url)
    for broker in split_broker_url(url) if broker_transport(url) == "amqp" else ():
        in_the_clear = api.scheme == "http" and (by_tls or broker.scheme == "amqps")
        if (broker.hostname or "localhost") == api.hostname and not in_the_clear:
            return unquote(broker.username or "guest"), unquote(broker.password or "guest")
    return None
