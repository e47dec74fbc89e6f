"""Events: what a worker says is read, whatever stands around it; what cannot be read costs itself alone."""

from __future__ import annotations

import base64
import json
import pickle
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.events.celery_events import MAX_EVENTS, Heard, TaskEvent, WorkerEvent, decode
from data_sources.events.event_fields import LIMITS
from data_sources.events.event_stream import MAX_MESSAGE_BYTES, Message
from data_sources.events.redis_events import unwrap

NOW = 1_800_000_000.5
NOW_US = 1_800_000_000_500_000
ID = "8c1e5d0e-1111-4222-8333-444455556666"
WORKER = "mail@host-1"


def event(kind: str, **fields: Any) -> dict[str, Any]:
    """As Celery's Event makes it."""
    common = {"type": kind, "hostname": WORKER, "utcoffset": -9, "pid": 7, "clock": 3, "timestamp": NOW}
    return common | ({"uuid": ID} if kind.startswith("task-") else {}) | fields


def hear(*bodies: Any, **options: Any) -> Heard:
    """Decodes one message a body."""
    return decode([Message(json.dumps(body).encode()) for body in bodies], NOW_US, **options)


def heard_task(kind: str, **fields: Any) -> TaskEvent:
    heard = hear(event(kind, **fields))
    assert (heard.poisoned, heard.reason) == (0, None)
    return heard.tasks[0]


# ---- What is read


def test_a_sent_event_is_the_clients_and_tells_the_queue() -> None:
    sent = heard_task(
        "task-sent",
        hostname="gen12@laptop",
        name="shop.mail",
        args="(1,)",
        kwargs="{}",
        retries=2,
        eta="2027-01-15T10:00:00+02:00",
        queue="mail",
        exchange="",
        routing_key="mail",
        root_id="root",
        parent_id="parent",
    )
    assert sent == TaskEvent(
        "sent",
        ID,
        NOW_US,
        worker=None,
        name="shop.mail",
        queue="mail",
        routing_key="mail",
        retries=2,
        eta_us=1_800_000_000_000_000,
        root="root",
        parent="parent",
        args="(1,)",
        kwargs="{}",
    )


def test_a_task_that_is_its_own_root_has_none() -> None:
    assert heard_task("task-received", name="a", root_id=ID).root is None


def test_a_batch_is_read_event_by_event() -> None:
    heard = hear([event("task-started"), event("task-succeeded", result="'ok'", runtime=0.25)])
    assert [(task.kind, task.result, task.runtime_us) for task in heard.tasks] == [
        ("started", None, None),
        ("succeeded", "'ok'", 250_000),
    ]


def test_failed_retried_revoked_and_rejected_tell_why() -> None:
    failed, retried, revoked, rejected = hear(
        event("task-failed", exception="KeyError('sku')", traceback="Traceback ..."),
        event("task-retried", exception="OSError()", traceback=None),
        event("task-revoked", terminated=True, signum="15", expired=False),
        event("task-rejected", requeue=True),
    ).tasks
    assert (failed.exception, failed.traceback) == ("KeyError('sku')", "Traceback ...")
    assert (retried.exception, retried.traceback) == ("OSError()", None)
    assert (revoked.kind, rejected.requeue) == ("revoked", True)


def test_a_heartbeat_tells_load_and_count() -> None:
    beat = event(
        "worker-heartbeat", freq=2.0, active=3, processed=99, loadavg=[0.5, 1, 2.25], sw_ident="py-celery", sw_ver="5.7"
    )
    assert hear(beat).workers == [
        WorkerEvent("heartbeat", WORKER, NOW_US, NOW_US, 7, 2.0, 3, 99, (0.5, 1.0, 2.25), "py-celery", "5.7", 0.0)
    ]


def test_an_applications_own_events_are_counted_and_left() -> None:
    heard = hear(event("shop-opened"), event("task-cancelled"))
    assert (heard.other, heard.poisoned, heard.tasks) == (2, 0, [])


# ---- Clocks


def test_a_timestamp_is_unix_time_whatever_the_workers_zone() -> None:
    assert heard_task("task-started", utcoffset=-9).at_us == NOW_US


@pytest.mark.parametrize(
    "timestamp",
    ["now", None, float("nan"), float("inf"), 1e308, -1.0, 0, True, [1], NOW - 60.1, NOW + 60.1, 10**40, 10**400],
)
def test_a_clock_that_is_wrong_is_not_believed(timestamp: object) -> None:
    assert heard_task("task-started", timestamp=timestamp).at_us == NOW_US


@pytest.mark.parametrize("skew", [-59.5, 0, 59.5])
def test_a_clock_within_a_minute_is_believed(skew: float) -> None:
    assert heard_task("task-started", timestamp=NOW + skew).at_us == NOW_US + round(skew * 1e6)


@pytest.mark.parametrize("eta", [None, 5, "soon", "2027-01-15T10:00:00", "0001-01-01T00:00:00+14:00", "9" * 1000])
def test_an_eta_that_names_no_moment_is_unknown(eta: object) -> None:
    assert heard_task("task-received", eta=eta).eta_us is None


# ---- What is hidden, cut and cleaned


def test_secrets_in_arguments_results_and_errors_are_masked() -> None:
    received = heard_task("task-received", args="('redis://u:hunter2@h/0',)", kwargs="{'password': 'hunter2'}")
    failed = heard_task("task-failed", exception="E(\"token='hunter2'\")", traceback="amqp://u:hunter2@h//")
    succeeded = heard_task("task-succeeded", result="{'api_key': 'hunter2'}")
    assert "hunter2" not in f"{received} {failed} {succeeded}"
    assert received.kwargs == "{'password': '********'}"
    digits = heard_task("task-received", args="({'otp': 445566},)", kwargs="{'password': 12345678, 'order': 17}")
    assert (digits.args, digits.kwargs) == ("({'otp': ********},)", "{'password': ********, 'order': 17}")


def test_arguments_and_results_can_be_left_out_wholly() -> None:
    heard = hear(
        event("task-received", args="(1,)", kwargs="{}"),
        event("task-succeeded", result="1", runtime=1),
        event("task-failed", exception="E()"),
        hide_arguments=True,
    )
    assert [(task.args, task.kwargs, task.result, task.cut) for task in heard.tasks] == [(None, None, None, None)] * 3
    assert heard.tasks[2].exception == "E()"


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("task-sent", "args"),
        ("task-received", "kwargs"),
        ("task-succeeded", "result"),
        ("task-failed", "exception"),
        ("task-failed", "traceback"),
    ],
)
@pytest.mark.parametrize("more", [0, 1, 5_000, 1_000_000])
def test_a_long_text_is_cut_and_its_true_length_kept(kind: str, field: str, more: int) -> None:
    said = heard_task(kind, **{field: "x" * (LIMITS[field] + more)})
    assert getattr(said, field) == "x" * LIMITS[field]
    assert said.cut == ({field: LIMITS[field] + more} if more else None)


@pytest.mark.parametrize("start", range(1_880, 2_010, 7))
def test_a_secret_on_the_edge_of_the_cut_is_masked_too(start: int) -> None:
    url = "redis://user:" + "s3cr3t" * 20 + "@host/0"
    said = heard_task("task-received", args="x" * start + " " + url + "y" * 9_000)
    assert "s3cr3t" not in (said.args or "")


def test_nul_and_lone_surrogates_are_replaced_so_that_every_database_takes_them() -> None:
    received = heard_task("task-received", name="na\0me", args="('\0\ud800',)")
    assert (received.name, received.args) == (
        "na\N{REPLACEMENT CHARACTER}me",
        "('\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}',)",
    )
    assert (received.args or "").encode()


def test_long_names_are_cut_and_known_names_are_one_object() -> None:
    one, two = (heard_task("task-received", name="shop." + "n" * 100_000) for _ in range(2))
    assert len(one.name or "") == 255
    assert one.name is two.name


@pytest.mark.parametrize("field", ["args", "name", "parent_id", "root_id", "eta", "retries", "kwargs"])
@pytest.mark.parametrize("value", [7.5, [1], {"a": 1}, True, -1, 2**70])
def test_a_field_of_the_wrong_type_is_unknown_and_costs_nothing_else(field: str, value: object) -> None:
    received = heard_task("task-received", **{field: value})
    fields = (received.args, received.name, received.parent, received.root, received.eta_us, received.kwargs)
    assert fields == (None,) * 6
    assert received.retries is None


# ---- Poison: each of these, and then a good one


def envelope(body: bytes) -> dict[str, Any]:
    """As kombu wraps it for Redis."""
    return {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"hostname": WORKER},
        "properties": {"body_encoding": "base64", "delivery_mode": 1},
    }


def wrapped(said: object, /, **fields: Any) -> bytes:
    return json.dumps(envelope(json.dumps(said).encode()) | fields).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in envelope(b"{}").items() if key != name}).encode()


GOOD = wrapped([event("task-started")])
POISON: dict[str, Callable[[], bytes]] = {
    "text": lambda: wrapped("task-started"),
    "number": lambda: wrapped(42),
    "null": lambda: wrapped(None),
    "list in a list": lambda: wrapped([[event("task-started")]]),
    "no type": lambda: wrapped({"uuid": ID, "hostname": WORKER}),
    "type is a list": lambda: wrapped(event("task-started", type=["task-started"])),
    "no id": lambda: wrapped(event("task-started", uuid=None)),
    "id is a number": lambda: wrapped(event("task-started", uuid=12)),
    "id is long": lambda: wrapped(event("task-started", uuid="x" * 256)),
    "id holds NUL": lambda: wrapped(event("task-started", uuid="a\0b")),
    "no worker": lambda: wrapped(event("task-started", hostname=None)),
    "worker without a name": lambda: wrapped(event("worker-heartbeat", hostname={})),
    "no properties": lambda: without("properties"),
    "no body": lambda: without("body"),
    "no content type": lambda: without("content-type"),
    "body is an object": lambda: wrapped({}, body={"type": "task-started"}),
    "properties are a list": lambda: wrapped({}, properties=[]),
    "not base64": lambda: wrapped({}, body="~~~"),
    "not an envelope": lambda: b"[1, 2",
    "an envelope of the wrong type": lambda: b'"text"',
    "empty": lambda: b"",
    "pickle": lambda: wrapped({}, body=base64.b64encode(pickle.dumps({"type": "x"})).decode()),
    "said to be pickle": lambda: wrapped(event("task-started"), **{"content-type": "application/x-python-serialize"}),
    "said to be of no type": lambda: wrapped(event("task-started"), **{"content-type": None}),
    "said to be of a strange type": lambda: wrapped(event("task-started"), **{"content-type": {"a": 1}}),
    "not UTF-8": lambda: json.dumps(envelope(b'\xff\xfe{"type"')).encode(),
    "deep": lambda: json.dumps(envelope(b"[" * 200_000)).encode(),
    "deep and closed": lambda: json.dumps(envelope(b"[" * 5_000 + b"]" * 5_000)).encode(),
    "a number of many digits": lambda: json.dumps(envelope(b"9" * 50_000)).encode(),
    "huge": lambda: json.dumps(envelope(b" " * (MAX_MESSAGE_BYTES + 1))).encode(),
    "many": lambda: wrapped([0] * (MAX_EVENTS + 1)),
}


@pytest.mark.parametrize("name", POISON)
def test_a_poisoned_message_is_counted_with_its_reason_and_the_next_is_heard(name: str) -> None:
    heard = decode([unwrap(POISON[name]()), unwrap(GOOD)], NOW_US)
    assert heard.poisoned == 1
    assert 5 < len(heard.reason or "") <= 200
    assert [task.kind for task in heard.tasks] == ["started"]


def test_a_body_that_is_not_encoded_is_read_as_it_stands() -> None:
    body = json.dumps(event("task-started"))
    properties: dict[str, Any] = {"body_encoding": None, "delivery_mode": 1}
    heard = decode([unwrap(wrapped({}, body=body, properties=properties))], NOW_US)
    assert [task.kind for task in heard.tasks] == ["started"]


def test_one_bad_event_does_not_cost_its_batch() -> None:
    heard = hear([event("task-started"), 7, event("task-started", uuid=5), event("task-succeeded"), None])
    assert (len(heard.tasks), heard.poisoned) == (2, 3)


@pytest.mark.parametrize("ill", ["\ud83d", float("nan"), float("-inf"), "\0"])
def test_what_only_python_writes_into_json_does_not_cost_its_batch(ill: object) -> None:
    heard = hear([event("task-started", extra=ill), event("task-started")])
    assert (len(heard.tasks), heard.poisoned) == (2, 0)


def test_bytes_that_are_no_text_do_not_cost_their_batch() -> None:
    body = json.dumps([event("task-received", args="BAD"), event("task-started")]).encode().replace(b"BAD", b"\xff")
    heard = decode([Message(body)], NOW_US)
    assert (len(heard.tasks), heard.poisoned) == (2, 0)


def test_a_reason_holds_no_secret() -> None:
    heard = decode([Message(b"", "amqp://user:hunter2@host//")], NOW_US)
    assert "hunter2" not in (heard.reason or "")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
FIELDS = ("hostname", "uuid", "timestamp", "name", "args", "retries", "eta", "runtime", "exception", "loadavg", "freq")
TYPES = ("task-sent", "task-received", "task-started", "task-succeeded", "task-failed", "worker-heartbeat", "own")


@given(st.lists(st.binary(max_size=200)), st.integers(0, 2**62))
def test_no_bytes_make_it_fail(payloads: list[bytes], now_us: int) -> None:
    heard = decode([unwrap(payload) for payload in payloads] + [Message(payload) for payload in payloads], now_us)
    assert heard.poisoned + heard.other >= len(payloads)


@given(json_values)
def test_no_json_makes_it_fail(body: Any) -> None:
    heard = hear(body)
    assert not heard.tasks
    assert not heard.workers


@given(st.fixed_dictionaries({"type": st.sampled_from(TYPES)}, optional=dict.fromkeys(FIELDS, json_values)))
def test_no_field_makes_it_fail(fields: dict[str, Any]) -> None:
    heard = hear(fields)
    assert len(heard.tasks) + len(heard.workers) + heard.poisoned + heard.other == 1
    for task in heard.tasks:
        texts = [task.id, task.worker, task.name, task.args, task.exception]
        assert all("\0" not in text for text in texts if text is not None)
        json.dumps(texts, ensure_ascii=False).encode()  # no lone surrogate


def test_the_clock_of_this_process_will_do() -> None:
    heard = decode(
        [Message(json.dumps(event("task-started", uuid=str(uuid.uuid4()))).encode())], time.time_ns() // 1000
    )
    assert len(heard.tasks) == 1
