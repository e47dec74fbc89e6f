"""What kombu and its drivers raise, in our words: what happened to which broker, and what to do about it."""

from __future__ import annotations

import re
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import amqp.exceptions
import redis.exceptions
from kombu.exceptions import KombuError
from redis.sentinel import MasterNotFoundError

from data_sources.config import Broker
from data_sources.errors import QueryRejected, SourceError, SourceUnreachable
from data_sources.mask import mask_text

SOURCE = "broker"
NAMES = {"redis": "Redis", "amqp": "RabbitMQ"}

# What kombu and the drivers raise; ValueError, KeyError and ImportError come of URLs, struct.error of servers
# that speak something else, AttributeError of connections that are lost halfway ("it's very annoying", kombu says
# in transport/pyamqp.py).
FOREIGN = (
    redis.exceptions.RedisError,
    amqp.exceptions.AMQPError,
    KombuError,
    OSError,
    ValueError,
    KeyError,
    ImportError,
    AttributeError,
    struct.error,
)


@contextmanager
def translated(broker: Broker) -> Iterator[None]:
    """The border: whatever kombu or a driver raises inside leaves as SourceUnreachable or QueryRejected."""
    try:
        yield
    except FOREIGN as exc:
        raise explain(exc, broker) from exc


def no_answer(broker: Broker, seconds: float) -> SourceUnreachable:
    """For a wait that outlasted its deadline."""
    return SourceUnreachable(
        SOURCE,
        f"{place(broker)} did not answer within {seconds:g} s",
        "It is overloaded, suspended, or a firewall swallows the connection.",
    )


def alarmed(broker: Broker) -> SourceUnreachable:
    """For RabbitMQ's `connection.blocked`."""
    return SourceUnreachable(
        SOURCE,
        f"{place(broker)} takes no messages: a memory or disk alarm is on",
        "See rabbitmqctl status; tasks cannot be published either until it is over.",
    )


def place(broker: Broker) -> str:
    """`Redis at host:6379/0`"""
    return f"{NAMES.get(broker.transport, 'The broker')} at {broker.address}"


class Rule(NamedTuple):
    """An exception of `kind` whose text has `pattern` means `what`; `{}` takes the pattern's first group, and
    `{transport}` the broker's.
    """

    kind: type[BaseException] | tuple[type[BaseException], ...]
    pattern: str
    error: type[SourceError]
    what: str
    hint: str


Redis = redis.exceptions
OPTIONS = "Check CELERY_BROKER_USE_SSL, CELERY_BROKER_TRANSPORT_OPTIONS, and CELERY_BROKER_URL after a question mark."
CREDENTIALS = "Check the user name and password in CELERY_BROKER_URL."

# The first rule that fits any exception of the chain wins, so the telling ones come first.
RULES = (
    Rule(
        Redis.NoPermissionError,
        r"'([\w|]+)' command",
        QueryRejected,
        "does not let this user run the command {}",
        "Grant it: ACL SETUSER <user> +{}",
    ),
    Rule(
        Redis.NoPermissionError,
        "channel",
        QueryRejected,
        "does not let this user use a channel",
        "Grant the channels of remote control: ACL SETUSER <user> &*",
    ),
    Rule(
        Redis.NoPermissionError,
        "",
        QueryRejected,
        "does not let this user use a key",
        "Grant the keys of the broker: ACL SETUSER <user> ~*",
    ),
    Rule(
        (Redis.AuthenticationError, Redis.ResponseError),
        "HELLO must be called|NOAUTH|Authentication required",
        QueryRejected,
        "asks for a password and none is given",
        CREDENTIALS,
    ),
    Rule(
        (Redis.AuthenticationError, Redis.ResponseError),
        "without any password configured|invalid (?:username-)?password|WRONGPASS",
        QueryRejected,
        "refused the user name or password",
        CREDENTIALS,
    ),
    Rule(
        Redis.BusyLoadingError, "", SourceUnreachable, "is still loading its data", "It will answer when that is done."
    ),
    Rule(
        Redis.ConnectionError,
        "max number of clients",
        SourceUnreachable,
        "takes no more clients",
        "Raise its maxclients, or look for what keeps so many connections open.",
    ),
    Rule(
        Redis.ReadOnlyError,
        "",
        QueryRejected,
        "is a read-only replica, and asking workers needs to write",
        "Point CELERY_BROKER_URL at the primary.",
    ),
    Rule(
        Redis.OutOfMemoryError,
        "",
        QueryRejected,
        "is out of memory and takes no writes",
        "Raise its maxmemory or drain its queues; workers can publish nothing either.",
    ),
    Rule(
        Redis.ResponseError,
        "MISCONF",
        QueryRejected,
        "takes no writes because it cannot save to disk",
        "See its log; workers can publish nothing either.",
    ),
    Rule(
        Redis.ResponseError,
        "DB index",
        QueryRejected,
        "has no such database",
        "Check the number at the end of CELERY_BROKER_URL.",
    ),
    Rule(
        Redis.InvalidResponse,
        "",
        SourceUnreachable,
        "does not speak Redis",
        "Check the port, and rediss:// if it wants TLS.",
    ),
    Rule(
        MasterNotFoundError,
        "",
        SourceUnreachable,
        "has no primary that a sentinel knows of",
        "Check master_name in the transport options, and that the sentinels run.",
    ),
    Rule(
        Redis.MovedError,
        "",
        QueryRejected,
        "is a Redis Cluster, which Celery cannot use as a broker",
        "Point CELERY_BROKER_URL at a single Redis, or at sentinels.",
    ),
    Rule(Redis.ResponseError, "(.*)", QueryRejected, "refused: {}", "See its log."),
    Rule(
        amqp.exceptions.AccessRefused,
        "access to ((?:exchange|queue) '[^']*')",
        QueryRejected,
        "does not let this user use {}",
        "Grant it: rabbitmqctl set_permissions -p <vhost> <user> '.*' '.*' '.*'",
    ),
    Rule(amqp.exceptions.AccessRefused, "", QueryRejected, "refused the user name or password", CREDENTIALS),
    Rule(
        amqp.exceptions.NotAllowed,
        "",
        QueryRejected,
        "has no such vhost, or does not let this user into it",
        "Check the end of CELERY_BROKER_URL; rabbitmqctl list_vhosts and list_permissions tell which there are.",
    ),
    Rule(
        (amqp.exceptions.PreconditionFailed, amqp.exceptions.ResourceLocked),
        "((?:exchange|queue) '[^']*')",
        QueryRejected,
        "holds {} declared in another way",
        "Another program uses that name: check control_exchange.",
    ),
    Rule(amqp.exceptions.ConnectionForced, "", SourceUnreachable, "is shutting down", "It will be tried again."),
    Rule(
        ssl.SSLCertVerificationError,
        "certificate verify failed: ([^(]*)",
        SourceUnreachable,
        "shows a certificate that cannot be trusted: {}",
        "Name its authority in the TLS options (ssl_ca_certs for Redis, ca_certs for RabbitMQ).",
    ),
    Rule(
        ssl.SSLError,
        "",
        SourceUnreachable,
        "failed the TLS handshake",
        "Check that the port speaks TLS, and the certificates in the TLS options.",
    ),
    Rule(
        socket.gaierror,
        "",
        SourceUnreachable,
        "has a host name that is not known here",
        "Check the host in CELERY_BROKER_URL, and DNS.",
    ),
    Rule(
        ConnectionRefusedError,
        "",
        SourceUnreachable,
        "refused the connection",
        "Nothing listens there: check the port, and that the broker runs.",
    ),
    Rule(
        FileNotFoundError,
        "",
        SourceUnreachable,
        "needs a socket or a file that is not there",
        "Look for the socket of CELERY_BROKER_URL, and for the files in CELERY_BROKER_USE_SSL.",
    ),
    Rule(
        PermissionError,
        "Permission denied",
        SourceUnreachable,
        "needs a socket or a file that this user may not open",
        "See who may use the socket of CELERY_BROKER_URL, and read the files in CELERY_BROKER_USE_SSL.",
    ),
    Rule(
        TimeoutError,
        "handshake",
        SourceUnreachable,
        "did not answer the TLS handshake in time",
        "Redis without TLS is silent then: if it has none on this port, write redis:// for rediss://, and leave "
        "CELERY_BROKER_USE_SSL out. Else it is overloaded, suspended, or behind a firewall.",
    ),
    Rule(
        (TimeoutError, Redis.TimeoutError, BlockingIOError),
        "",
        SourceUnreachable,
        "did not answer in time",
        "It is overloaded, suspended, or a firewall swallows the connection.",
    ),
    Rule(
        (OSError, Redis.ConnectionError, amqp.exceptions.AMQPError, KombuError, struct.error),
        "",
        SourceUnreachable,
        "closed the connection",
        "It is going down, or does not speak the protocol of CELERY_BROKER_URL.",
    ),
    Rule(
        ImportError,
        "librabbitmq",
        QueryRejected,
        "needs librabbitmq, which is not installed here",
        "Write amqp:// in CELERY_BROKER_URL: that is the same broker, by a driver that is.",
    ),
    Rule(
        ImportError,
        r"(?:No module named '|(?i:the|missing) )([\w.-]+)(?:'| library)",
        QueryRejected,
        "needs {}, which is not installed here",
        'Install it where this dashboard runs: pip install "kombu[{transport}]", or that package itself.',
    ),
    Rule(
        TypeError,
        r"unexpected keyword argument '(\w+)'",
        QueryRejected,
        "cannot be opened with the option {}, which its driver does not have",
        OPTIONS,
    ),
    Rule(TypeError, "", QueryRejected, "cannot be opened with an option of the wrong kind", OPTIONS),
    Rule(
        (ValueError, KeyError, ImportError),
        "",
        QueryRejected,
        "cannot be used as a broker",
        "Check CELERY_BROKER_URL: its transport, port and database.",
    ),
)


def explain(exc: BaseException, broker: Broker) -> SourceError:
    """`exc`, or what caused it, as one of our two kinds; its own text is quoted only where it tells more."""
    chain = list(causes(exc))
    for rule in RULES:
        for cause in chain:
            if isinstance(cause, rule.kind) and (found := re.search(rule.pattern, str(cause))):
                detail = mask_text(found[1].strip()[:200]) if found.groups() else ""
                hint = rule.hint.format(detail, transport=broker.transport)
                return rule.error(SOURCE, f"{place(broker)} {rule.what.format(detail)}", hint)
    return SourceUnreachable(SOURCE, f"{place(broker)} failed ({type(exc).__name__})", "It will be tried again.")


def causes(exc: BaseException | None) -> Iterator[BaseException]:
    """`exc` and the exceptions it was raised from: drivers wrap the telling one."""
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield exc
        exc = exc.__cause__ or exc.__context__
