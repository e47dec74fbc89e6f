"""What to connect to: frozen values; `settings` reads them. Secrets never print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Self
from urllib.parse import unquote

from data_sources.urls import broker_address, broker_transport, split_web_url


class Secret:
    """A text that shows itself only to `reveal()`: not in repr, str, format, pickle or comparison errors."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not pickled")

    def __deepcopy__(self, memo: object) -> Self:
        return self  # dataclasses.asdict copies deeply

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class SecretMapping(Mapping[str, Any]):
    """A mapping that shows its keys and hides its values, of which any may be a password."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any] | None = None) -> None:
        self._items = dict(items or {})

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"SecretMapping({', '.join(f'{key}=***' for key in self._items)})"

    def __reduce__(self) -> Any:
        raise TypeError("a SecretMapping is not pickled")

    def __deepcopy__(self, memo: object) -> Self:
        return self


@dataclass(frozen=True)
class Broker:
    """A Celery broker, and the settings of its app that a monitor must match to be heard."""

    url: Secret = Secret("redis://localhost:6379/0")
    address: str = "localhost:6379/0"  # host, port and vhost or database, for people; never a credential
    transport: str = "redis"  # redis (also by TLS, socket or Sentinel), amqp, or another kombu transport's name
    control_exchange: str = "celery"
    event_exchange: str = "celeryev"
    visibility_timeout: timedelta | None = None  # None: nobody said
    task_serializer: str = "json"
    accept_content: tuple[str, ...] = ("json",)
    ssl: Mapping[str, Any] | None = field(default=None, repr=False)  # broker_use_ssl; may hold a key's password
    transport_options: Mapping[str, Any] = field(default_factory=SecretMapping, repr=False)  # Sentinel's password

    @classmethod
    def from_url(cls, url: str, **settings: Any) -> Self:
        """A broker by its Celery URL. Raises ValueError, which does not quote it."""
        return cls(url=Secret(url), address=broker_address(url), transport=broker_transport(url), **settings)


@dataclass(frozen=True)
class HttpEndpoint:
    """An HTTP API: `url` without userinfo and without a trailing slash; credentials beside it."""

    url: str
    username: str | None = None
    password: Secret | None = None
    bearer_token: Secret | None = None
    headers: Mapping[str, Secret] = field(default_factory=dict)
    ca_file: str | None = None
    assumed: bool = field(
        default=False, compare=False
    )  # nobody named it: it is looked for in the usual place, and may not be there

    @classmethod
    def from_url(cls, url: str) -> Self:
        """An API by `http://[user[:password]@]host[:port][/base/path]`. Raises ValueError, which does not quote it."""
        origin, path, userinfo = split_web_url(url)
        username, colon, password = userinfo.partition(":")
        return cls(origin + path, unquote(username) or None, Secret(unquote(password)) if colon else None)

    @property
    def brings_credentials(self) -> bool:
        own = any(name.lower() == "authorization" for name in self.headers)
        return self.username is not None or self.bearer_token is not None or own

    @property
    def address(self) -> str:
        """Host, port and path, for people."""
        return self.url.split("://", 1)[-1]


@dataclass(frozen=True)
class RedBeatPlace:
    """Where RedBeat keeps its entries: a Redis, by the same kind of URL as a broker, and what its keys begin with."""

    redis: Broker
    key_prefix: str = "redbeat:"


@dataclass(frozen=True)
class Cluster:
    """One Celery cluster and what watches it. None: not configured."""

    name: str = "default"
    broker: Broker = Broker()
    enable_events: bool = False  # ask workers to send task events: it changes them, so only an operator says so
    workers_expected: tuple[str, ...] = ()  # names of workers that should be there, perhaps with `*`
    queues: tuple[str, ...] = ()  # names of some that no worker may tell of, where the broker lists none
    result_backend: Secret | None = None
    prometheus: HttpEndpoint | None = None
    prometheus_labels: Mapping[str, str] = field(default_factory=dict)  # those that only its own series have
    alertmanager: HttpEndpoint | None = None
    rabbitmq_management: HttpEndpoint | None = None
    beat_database: Secret | None = None  # with the tables of django-celery-beat
    redbeat: RedBeatPlace | None = None


@dataclass(frozen=True)
class ProxyHeader:
    """A proxy that signs people in and names them in `header`: believed from `trusted` networks, with the secret."""

    secret: Secret
    header: str = "X-Forwarded-User"
    secret_header: str = "X-Proxy-Secret"
    trusted: tuple[IPv4Network | IPv6Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
    sign_out: str | None = None  # where the proxy ends its session


@dataclass(frozen=True)
class Oidc:
    """Who signs in by OpenID Connect: `claim` names them. The provider itself stands in Streamlit's secrets.toml."""

    allowed: tuple[str, ...]  # whole names, @example.com for all of a domain, * for everybody the provider signs in
    claim: str = "email"
    provider: str = "default"
    session_life: timedelta | None = None  # since the sign-in; None: as long as the ID token says


@dataclass(frozen=True)
class Token:
    """What a program signs in with, known by its hash."""

    name: str
    sha256: Secret
    controls: bool


@dataclass(frozen=True)
class Access:
    """Who may read, and who may change something. Nothing of it configured: everybody reads, and nobody changes."""

    operators: tuple[str, ...] = ()
    users: Mapping[str, Secret] = field(default_factory=dict)  # name and hash of the password
    tokens: tuple[Token, ...] = ()
    proxy: ProxyHeader | None = None
    oidc: Oidc | None = None
    session_key: Secret | None = None  # None: made at each start
    session_life: timedelta = timedelta(hours=12)
    local_operator: bool = False

    @property
    def identified(self) -> bool:
        """Whether every page and route needs to know who asks."""
        return bool(self.users or self.tokens or self.proxy or self.oidc)

    @property
    def control(self) -> bool:
        """Whether anybody at all may change something."""
        return self.local_operator or (self.identified and bool(self.operators))


@dataclass(frozen=True)
class Settings:
    """The whole configuration. `public_url`: scheme and host under which others reach us, None on localhost.

    `history_url`: None is the platform's own folder. `history_keep` is how long single tasks are kept, within
    `history_size_bytes`; `history_hide_arguments` keeps arguments and results of tasks out of it, and
    hides those that workers tell.
    """

    clusters: tuple[Cluster, ...] = (Cluster(),)
    public_url: str | None = None
    access: Access = Access()
    history_url: Secret | None = None
    history_keep: timedelta = timedelta(days=7)
    history_size_bytes: int = 2 * 10**9
    history_hide_arguments: bool = False
