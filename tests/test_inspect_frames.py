"""Frames of inspect answers: the promised columns, exact values, and nothing a worker says can break them."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.query import METHODS
from data_sources.workers.inspect_frames import COLUMNS, inspect_frame
from data_sources.workers.snapshot import SHAPES
from tests.test_worker_facts import JSON, PREFORK, snapshot

TASK = {
    "id": "a1",
    "name": "shop.mail",
    "args": [1, "ä"],
    "kwargs": {"to": "ann"},
    "type": "shop.mail",
    "hostname": "mail@a",
    "time_start": 1772359200.25,
    "acknowledged": True,
    "delivery_info": {"exchange": "", "routing_key": "mail", "priority": 0, "redelivered": None},
    "worker_pid": 77,
}
QUEUE = {
    "name": "mail",
    "exchange": {"name": "mail", "type": "direct"},
    "routing_key": "mail",
    "queue_arguments": {"x-queue-type": "quorum"},
    "durable": True,
    "exclusive": False,
    "auto_delete": False,
    "no_ack": False,
    "expires": None,
    "message_ttl": 1.5,
    "max_length": None,
    "max_priority": 10,
}


def csv(method: str, *values: Any) -> str:
    frame = inspect_frame(method, snapshot(*[("mail@a", method, value) for value in values]))
    text = io.StringIO()
    frame.to_csv(text, index=False)
    return text.getvalue()


def test_a_running_task() -> None:
    assert csv("active", [TASK]) == (
        "worker,id,name,args,kwargs,time_start,acknowledged,exchange,routing_key,priority,redelivered,worker_pid\n"
        'mail@a,a1,shop.mail,"[1, ""ä""]","{""to"": ""ann""}",2026-03-01 10:00:00.250+00:00,True,,mail,0,,77\n'
    )


def test_a_task_that_waits_for_its_eta() -> None:
    (row,) = inspect_frame(
        "scheduled",
        snapshot(("a@h", "scheduled", [{"eta": "2026-03-01T12:00:00+02:00", "priority": 6, "request": TASK}])),
    ).to_dict("records")
    assert (row["eta"], row["id"], row["priority"]) == (pd.Timestamp("2026-03-01T10:00Z"), "a1", 0)


def test_the_name_of_a_task_ends_before_its_attributes() -> None:
    assert csv("registered", ["shop.mail [rate_limit=10/m]", "shop.report"]) == (
        "worker,task,attributes\nmail@a,shop.mail,rate_limit=10/m\nmail@a,shop.report,\n"
    )


def test_a_queue_of_a_worker() -> None:
    assert csv("active_queues", [QUEUE]) == (
        "worker,queue,exchange,exchange_type,routing_key,durable,exclusive,auto_delete,no_ack,expires,message_ttl,"
        "max_length,max_length_bytes,max_priority,queue_arguments,consumer_arguments\n"
        'mail@a,mail,mail,direct,mail,True,False,False,False,,1.5,,,10,"{""x-queue-type"": ""quorum""}",\n'
    )


def test_the_statistics_of_two_workers_of_one_name_are_two_rows() -> None:
    frame = inspect_frame("stats", snapshot(("mail@a", "stats", PREFORK), ("mail@a", "stats", PREFORK | {"pid": 4712})))
    assert frame[["worker", "pid", "pool", "concurrency", "processed", "clock"]].to_dict("records") == [
        {"worker": "mail@a", "pid": pid, "pool": "prefork", "concurrency": 2, "processed": 42, "clock": 1234}
        for pid in (4711, 4712)
    ]


def test_the_other_methods() -> None:
    assert csv("ping", {"ok": "pong"}) == "worker,ok\nmail@a,pong\n"
    assert csv("clock", {"clock": 9}) == "worker,clock\nmail@a,9\n"
    assert csv("revoked", ["a1", "a2"]) == "worker,id\nmail@a,a1\nmail@a,a2\n"
    assert csv("conf", {"task_acks_late": True, "beat_schedule": {}, "timezone": None, "broker_pool_limit": 10}) == (
        "worker,setting,value\nmail@a,beat_schedule,{}\nmail@a,broker_pool_limit,10\n"
        "mail@a,task_acks_late,true\nmail@a,timezone,\n"
    )
    assert csv("report", {"ok": "software"}) == "worker,report\nmail@a,software\n"
    asked = inspect_frame("query_task", snapshot(("mail@a", "query_task", {"a1": ["active", TASK]})))
    assert asked[["worker", "id", "state", "name"]].to_dict("records") == [
        {"worker": "mail@a", "id": "a1", "state": "active", "name": "shop.mail"}
    ]


@pytest.mark.parametrize("method", METHODS)
def test_the_columns_are_promised_when_nobody_answered(method: str) -> None:
    for frame in (inspect_frame(method), inspect_frame(method, snapshot())):
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == COLUMNS[method]
    assert next(iter(COLUMNS[method])) == "worker"


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("active", [TASK]),
        ("reserved", [TASK]),
        ("scheduled", [{"eta": "2026-03-01T12:00:00+02:00", "request": TASK}]),
        ("query_task", {"a1": ["active", TASK]}),
    ],
)
def test_arguments_can_be_hidden_and_nothing_else(method: str, value: Any) -> None:
    told = snapshot(("mail@a", method, value))
    shown, hidden = inspect_frame(method, told), inspect_frame(method, told, hide_arguments=True)
    assert hidden[["args", "kwargs"]].isna().all(axis=None)
    assert shown["args"].notna().all()
    pd.testing.assert_frame_equal(hidden.drop(columns=["args", "kwargs"]), shown.drop(columns=["args", "kwargs"]))
    assert dict(hidden.dtypes) == dict(shown.dtypes)


def test_a_time_that_is_none_is_unknown() -> None:
    absurd: list[Any] = [None, "soon", float("nan"), 1e308, -1e308, 10**400, True, [], {}]
    for nonsense in absurd:
        frame = inspect_frame("active", snapshot(("a@h", "active", [TASK | {"time_start": nonsense}])))
        assert frame["time_start"].isna().all(), nonsense


def hostile(method: str) -> st.SearchStrategy[Any]:
    names = ("request", "delivery_info", "exchange", "pool", "total", "ok", "eta", "autoscaler", *COLUMNS[method])
    entries = st.dictionaries(st.sampled_from(names), JSON, max_size=6)
    if SHAPES[method] is dict:
        return entries | st.dictionaries(st.text(max_size=5), JSON, max_size=3)
    return st.lists(entries | JSON, max_size=4)


@settings(max_examples=60)
@given(st.data(), st.sampled_from(METHODS))
def test_whatever_a_worker_says_the_columns_hold(data: st.DataObject, method: str) -> None:
    frame = inspect_frame(method, snapshot(("a@h", method, data.draw(hostile(method)))))
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == COLUMNS[method]
    assert (frame["worker"] == "a@h").all()
