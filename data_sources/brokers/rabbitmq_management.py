"""Queues by RabbitMQ's management API: all of a vhost, with what is ready, unacknowledged and consumed."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import orjson

from data_sources.brokers.queue_depths import DepthReading, depth_rows, total
from data_sources.config import HttpEndpoint
from data_sources.errors import QueryRejected, SourceError, SourceUnreachable
from data_sources.http import HttpClient, Reply
from data_sources.note import Note

SOURCE = "RabbitMQ management"
RATES = {"in_rate": ("publish",), "out_rate": ("ack", "deliver_no_ack")}  # what is acked, or is no more when delivered
COLUMNS = ",".join(
    [
        *("name", "exclusive", "auto_delete", "messages_ready", "messages_unacknowledged", "consumers"),
        *("head_message_timestamp", "type", "memory", "message_bytes", "arguments", "effective_policy_definition"),
        "backing_queue_status.priority_lengths",
        *(f"message_stats.{kind}_details.rate" for kinds in RATES.values() for kind in kinds),
    ]
)
PAGE_SIZE = 500  # the most it gives at once
MAX_PAGES = 20
MAX_TEXT = 255
MAX_BYTES = 8 * 2**20
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHARE_OF_DEADLINE = 0.7  # then it asks for no further page, to deliver what it has

Item = Mapping[str, Any]


class RabbitmqManagement:
    """One vhost of a RabbitMQ with the management plugin. `address` is the broker's, for people."""

    def __init__(self, endpoint: HttpEndpoint, vhost: str, address: str) -> None:
        self._http = HttpClient(endpoint, SOURCE)
        self._path = f"/api/queues/{quote(vhost, safe='')}"
        self._address = address
        self._version = ""

    def depths(self, known_queues: Collection[str], *, deadline_seconds: float) -> DepthReading:
        """Every queue; `known_queues` add nothing. Raises SourceUnreachable or QueryRejected.

        Its statistics are up to five seconds old (collect_statistics_interval), and unknown for a new queue.
        """
        measured_at, ends = datetime.now(UTC), time.monotonic() + deadline_seconds
        if not self._version:
            overview, _ = self._ask("/api/overview", ends, columns="rabbitmq_version")
            self._version = str(overview.get("rabbitmq_version", ""))[:30]
        items, count, latency = self._queues(ends, deadline_seconds)
        rows = depth_rows(
            [item["name"] for item in items],
            private=frozenset(item["name"] for item in items if is_private(item)),
            ready=[whole(item.get("messages_ready")) for item in items],
            unacked=[whole(item.get("messages_unacknowledged")) for item in items],
            consumers=[whole(item.get("consumers")) for item in items],
            oldest=[age(item.get("head_message_timestamp"), measured_at) for item in items],
            priorities=[priorities(item) for item in items],
            memory=[whole(item.get("memory")) for item in items],
            message_bytes=[whole(item.get("message_bytes")) for item in items],
            type=[text(item.get("type")) for item in items],
            dead_letter=[text(option(item, "dead-letter-exchange")) for item in items],
            message_ttl=[seconds(option(item, "message-ttl")) for item in items],
            expires=[seconds(option(item, "expires")) for item in items],
            **{column: [rate(item, kinds) for item in items] for column, kinds in RATES.items()},
        )
        cut = len(items) < count
        totals = {column: None if cut else total(rows, column) for column in ("ready", "unacked")}
        notes = (Note(f"Showing {len(items):,} of {count:,} queues", "cut"),) if cut else ()
        return DepthReading(rows, totals, notes, f"RabbitMQ {self._version} at {self._address}", latency, measured_at)

    def queue(self, name: str, *, deadline_seconds: float) -> Item:
        """What it says of one queue. Raises SourceUnreachable or QueryRejected."""
        told, reply = self._get(f"{self._path}/{quote(name, safe='')}", time.monotonic() + deadline_seconds)
        if reply.status == 404:
            raise QueryRejected(SOURCE, f"knows no queue “{name}”")
        if reply.status != 200:
            raise refusal(reply, told)
        return told

    def close(self) -> None:
        self._http.close()

    def _queues(self, ends: float, deadline_seconds: float) -> tuple[list[Item], int, timedelta]:
        """The queues there was time for, how many there are, and how long the first page took."""
        last_start = ends - deadline_seconds * (1 - SHARE_OF_DEADLINE)
        first, reply = self._ask(self._path, ends, columns=COLUMNS, page="1", page_size=str(PAGE_SIZE))
        items, page = list(queue_items(first)), first
        for number in range(2, min(whole(first.get("page_count")) or 1, MAX_PAGES) + 1):
            if time.monotonic() > last_start:
                break
            page, _ = self._ask(self._path, ends, columns=COLUMNS, page=str(number), page_size=str(PAGE_SIZE))
            items += queue_items(page)
        by_name = {item["name"]: item for item in items}  # a queue made meanwhile moves others to the next page
        return list(by_name.values()), whole(page.get("filtered_count")) or len(by_name), reply.took

    def _ask(self, path: str, ends: float, **params: str) -> tuple[Item, Reply]:
        """The JSON object at `path`."""
        answer, reply = self._get(path, ends, **params)
        if reply.status != 200:
            raise refusal(reply, answer)
        return answer, reply

    def _get(self, path: str, ends: float, **params: str) -> tuple[Item, Reply]:
        """What is said there, whatever the status."""
        reply = self._http.request(
            "GET",
            path,
            params=list(params.items()),
            deadline_seconds=max(0.05, ends - time.monotonic()),
            max_bytes=MAX_BYTES,
        )
        try:
            answer = orjson.loads(reply.body)
        except orjson.JSONDecodeError:
            answer = None
        if reply.status in (401, 403) and not self._http.endpoint.brings_credentials:
            raise anonymous()
        if isinstance(answer, dict):
            return answer, reply
        raise refusal(reply, {}) if reply.status in (401, 403) else not_management(reply)


def queue_items(page: Item) -> list[Item]:
    items = page.get("items")
    if not isinstance(items, list):
        return []
    return [item for item in items if isinstance(item, dict) and isinstance(item.get("name"), str)]


def is_private(item: Item) -> bool:
    """Whether the queue is one client's alone: it has locked it, or it waits there for the results of its tasks.

    The result backend rpc:// has those sent to a queue that is named by a UUID and goes with its client
    (celery/backends/rpc.py, RPCBackend.binding; durable since Celery 5.7). It is not exclusive, as results may be
    awaited on several connections.
    """
    takes_results = item.get("auto_delete") is True and UUID.fullmatch(item["name"]) is not None
    return takes_results or item.get("exclusive") is True


def whole(value: object) -> int | None:
    """A count; None when it is missing or is none."""
    return value if type(value) is int and 0 <= value < 2**63 else None


def text(value: object) -> str | None:
    return value[:MAX_TEXT] if isinstance(value, str) else None


def seconds(milliseconds: object) -> float | None:
    count = whole(milliseconds)
    return None if count is None else count / 1000


def part(item: Item, name: str) -> Item:
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def option(item: Item, name: str) -> object:
    """What the queue was declared with, or what its policy gives it."""
    return part(item, "arguments").get(f"x-{name}", part(item, "effective_policy_definition").get(name))


def rate(item: Item, kinds: Sequence[str]) -> float | None:
    """Messages a second; None before the first of them."""
    rates = [part(part(item, "message_stats"), f"{kind}_details").get("rate") for kind in kinds]
    known = [float(one) for one in rates if isinstance(one, int | float) and 0 <= one < math.inf]
    return sum(known) if known else None


def priorities(item: Item) -> str | None:
    """JSON: ready by priority, where the queue has several and there is one at all."""
    lengths = part(part(item, "backing_queue_status"), "priority_lengths")
    known = {step: count for step, count in lengths.items() if whole(count)}
    return orjson.dumps(known).decode() if known else None


def age(timestamp: object, now: datetime) -> float | None:
    """Seconds since the message at the head was stamped, by its producer's clock; Celery itself stamps none."""
    return max(0.0, now.timestamp() - timestamp) if type(timestamp) is int and timestamp > 0 else None


def refusal(reply: Reply, answer: Item) -> SourceError:
    """Two kinds of 401 need two remedies; how they are spelled differs between versions, the reason does not."""
    reason = str(answer.get("reason"))
    if reply.status in (401, 403):
        if "management user" in reason:
            hint = "Give it the tag: rabbitmqctl set_user_tags <user> monitoring"
            return QueryRejected(SOURCE, "does not let this user in: it is no management user", hint)
        if "virtual host" in reason:
            hint = "Grant it: rabbitmqctl set_permissions -p <vhost> <user> '' '' '.*'"
            return QueryRejected(SOURCE, "does not let this user see the vhost", hint)
        hint = "Check the user name and password: of RABBITMQ_MANAGEMENT_URL, or else CELERY_BROKER_URL."
        return QueryRejected(SOURCE, "refused the user name or password", hint)
    if reply.status == 404:
        hint = "Check the end of CELERY_BROKER_URL (rabbitmqctl list_vhosts), and the path of RABBITMQ_MANAGEMENT_URL."
        return QueryRejected(SOURCE, "knows no such vhost", hint)
    return SourceUnreachable(SOURCE, f"answered with status {reply.status}", "RabbitMQ's log says why.")


def anonymous() -> QueryRejected:
    what = "asks for a user name and password, and none is given"
    hint = (
        "Set RABBITMQ_MANAGEMENT_USERNAME and RABBITMQ_MANAGEMENT_PASSWORD. The broker's own are taken where both have "
        "the same host name, and never from TLS into the clear."
    )
    return QueryRejected(SOURCE, what, hint)


def not_management(reply: Reply) -> SourceUnreachable:
    what = f"is not a management API: it answered with status {reply.status} and no JSON"
    return SourceUnreachable(SOURCE, what, "Check host, port and path of RABBITMQ_MANAGEMENT_URL.")
