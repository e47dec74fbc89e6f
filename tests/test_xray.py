"""Looking into queues: what is in them is told, and they are as they were. A real Redis."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st

from data_sources.brokers import redis_xray
from data_sources.brokers.redis_xray import read_sample, sampled
from data_sources.brokers.xray import MESSAGE_COLUMNS, MIX_COLUMNS, Sample, Sampled, message_frame, mix
from data_sources.config import Broker
from demo.servers import Redis
from tests.deadline import costs
from tests.messages import send

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def raw(redis_server: Redis) -> Iterator[Any]:
    with redis.Redis(port=redis_server.port) as client:
        yield client


def look(server: Redis, queue: str, **settings: Any) -> Sample:
    return read_sample(Broker.from_url(server.url, **settings), queue, 60)


def dump(raw: Any) -> dict[bytes, bytes]:
    return {key: raw.dump(key) for key in raw.scan_iter()}


def test_a_look_inside_tells_what_is_there_and_leaves_it_there(redis_server: Redis, raw: Any) -> None:
    eta = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    with Celery(broker=redis_server.url, set_as_current=False) as app:
        app.send_task("shop.mail", ("x" * 3000,), queue="mail")
        app.send_task("shop.mail", queue="mail", eta=eta, retries=2)
        app.send_task("shop.report", queue="mail", priority=9, expires=-60)
    raw.hset("unacked", "1", "held")
    before = dump(raw)
    frame = message_frame(look(redis_server, "mail").messages)

    assert dump(raw) == before
    assert frame[["end", "priority", "place", "task"]].to_numpy().tolist() == [
        ["next", 0, 0, "shop.mail"],
        ["next", 0, 1, "shop.mail"],
        ["next", 9, 0, "shop.report"],
    ]
    assert 3000 < frame["body_bytes"].iat[0] < 3200 < frame["message_bytes"].iat[0]
    assert frame["eta"].iat[1].to_pydatetime() == eta
    assert frame["retries"].tolist() == [0, 2, 0]
    assert frame["origin"].str.contains("@").all()


def test_only_reads_are_sent(redis_server: Redis, raw: Any) -> None:
    send(redis_server.url, "mail", [0] * 30)
    raw.config_resetstat()
    look(redis_server, "mail")
    sent = {name.removeprefix("cmdstat_") for name in raw.info("commandstats")}
    assert sent <= {
        "llen",
        "lrange",
        "hello",
        "select",
        "ping",
        "client|setinfo",
        "client|setname",
        "info",
        "config|resetstat",
    }


def test_of_a_long_queue_both_ends_are_seen_and_the_rest_is_said(
    redis_server: Redis, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_xray, "MOST_MESSAGES", 5)
    raw.lpush("mail", *(json.dumps({"headers": {"task": f"t{n}"}}) for n in range(40)))
    sample = look(redis_server, "mail")
    frame = message_frame(sample.messages)
    assert frame[frame["end"] == "next"]["task"].tolist() == ["t0", "t1", "t2", "t3", "t4"]
    assert frame[frame["end"] == "newest"]["task"].tolist() == ["t39", "t38", "t37", "t36", "t35"]
    assert [note.text for note in sample.notes] == ["A sample of 10 of 40 messages, from both ends"]


def test_no_more_is_read_than_is_asked_for(redis_server: Redis, raw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_xray, "MOST_BYTES", 50_000)
    raw.lpush("mail", *(f"{n:05}" * 2_000 for n in range(500)))
    raw.config_resetstat()
    sample = look(redis_server, "mail")
    assert raw.info("stats")["total_net_output_bytes"] < 200_000
    assert 5 <= len(sample.messages) < 20


def test_prefix_separator_and_steps_are_the_apps(redis_server: Redis) -> None:
    options = {"global_keyprefix": "shop:", "sep": ":", "priority_steps": [0, 5]}
    send(redis_server.url, "mail", [0, 5], broker_transport_options=options)
    assert not look(redis_server, "mail").messages
    assert [one.priority for one in look(redis_server, "mail", transport_options=options).messages] == [0, 5]


class Bomb:
    def __reduce__(self) -> Any:
        return pytest.fail, ("a body was unpickled",)


def test_bodies_are_measured_and_never_decoded(redis_server: Redis, raw: Any) -> None:
    body = pickle.dumps(Bomb())
    message = {
        "body": base64.b64encode(body).decode(),
        "content-type": "application/x-python-serialize",
        "headers": {"task": "bomb"},
        "properties": {"body_encoding": "base64"},
    }
    raw.lpush("mail", json.dumps(message))
    frame = message_frame(look(redis_server, "mail").messages)
    assert frame["body_bytes"].tolist() == [len(body)]
    assert frame["content_type"].tolist() == ["application/x-python-serialize"]


def test_a_mix_counts_by_task_what_is_known() -> None:
    def told(end: str, **headers: object) -> Sampled:
        body = base64.b64encode(b"x" * 10).decode()
        message = {"body": body, "headers": headers, "properties": {"body_encoding": "base64"}}
        return sampled(end, 0, 0, json.dumps(message).encode())

    frame = mix(
        message_frame(
            [
                told("next", task="a", retries=3, origin="gen1@web-1"),
                told("newest", task="a", eta="2026-03-02T00:00:00", origin="gen2@web-1"),
                told("newest", task="a", expires="2026-03-01T11:00:00+00:00", origin="gen2@web-2"),
                sampled("next", 0, 0, b"no JSON"),
            ]
        ),
        NOW,
    )
    assert frame.astype(object).where(frame.notna(), None).to_dict("records") == [
        {
            "task": "a",
            "messages": 3,
            "share": 0.75,
            "next": 1,
            "newest": 2,
            "mean_bytes": 10.0,
            "most_bytes": 10,
            "with_eta": 1,
            "expired": 1,
            "retried": 1,
            "most_retries": 3,
            "origins": ["web-1", "web-2"],
        },
        {
            **dict.fromkeys(MIX_COLUMNS),
            **dict.fromkeys(("messages", "next"), 1),
            "newest": 0,
            "share": 0.25,
            "origins": [],
        },
    ]
    assert list(mix(message_frame(), NOW).columns) == list(MIX_COLUMNS)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers(-(2**70), 2**70) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
headers = st.dictionaries(
    st.sampled_from(["task", "id", "eta", "expires", "retries", "origin", "root_id"]), json_values
)
hostile = st.binary(max_size=40) | st.builds(
    lambda body, found, properties: json.dumps({"body": body, "headers": found, "properties": properties}).encode(),
    json_values,
    headers | json_values,
    st.just({"body_encoding": "base64"}) | json_values,
)


@given(st.lists(hostile, max_size=4))
def test_whatever_stands_in_a_queue_fits_into_the_frame(messages: list[bytes]) -> None:
    frame = message_frame([sampled("next", 0, place, message) for place, message in enumerate(messages)])
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == MESSAGE_COLUMNS
    mix(frame, NOW)


def test_ten_thousand_messages_are_seen_through_in_a_moment(redis_server: Redis, raw: Any) -> None:
    message = json.dumps({"body": "e30=" * 300, "headers": {"task": "shop.mail"}, "properties": {}})
    for _ in range(10):
        raw.lpush("mail", *[message + " " * n for n in range(1000)])
    with costs(1.0):
        assert len(look(redis_server, "mail").messages) > 300
