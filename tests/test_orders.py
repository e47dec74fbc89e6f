from __future__ import annotations

import json
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.planning import KINDS, PLANNERS, from_fields
from data_sources.errors import BadParameter
from data_sources.fields import Fields, Params
from data_sources.workers.look_inside import MOST_MESSAGES, LookInside
from data_sources.workers.order_fields import MOST_IDS
from data_sources.workers.orders import (
    SIGNALS,
    AddConsumer,
    Autoscale,
    CancelConsumer,
    DisableEvents,
    EnableEvents,
    Order,
    PoolGrow,
    PoolRestart,
    PoolShrink,
    Purge,
    RateLimit,
    Revoke,
    Shutdown,
    TimeLimit,
)
from data_sources.workers.send_task import SendTask

NAMES = st.text(min_size=1, max_size=60).filter(str.isprintable)
SLOTS = st.integers(1, 10_000)
SECONDS = st.none() | st.integers(1, 10**9).map(lambda thousandths: thousandths / 1000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
)
ANY = st.one_of(
    st.builds(
        Revoke,
        st.lists(NAMES, min_size=1, max_size=5).map(tuple),
        st.booleans(),
        st.sampled_from(SIGNALS),
    ),
    st.builds(RateLimit, NAMES, st.from_regex(r"[0-9]{1,4}(/[smh])?", fullmatch=True)),
    st.builds(
        lambda task, first, second: TimeLimit(task, *sorted((first, second))),
        NAMES,
        st.floats(1, 1000).map(round),
        st.floats(1, 1000).map(round),
    ),
    st.builds(TimeLimit, NAMES, SECONDS, st.none()),
    st.builds(PoolGrow, SLOTS),
    st.builds(PoolShrink, SLOTS),
    st.builds(lambda first, second: Autoscale(max(first, second), min(first, second)), SLOTS, SLOTS),
    st.builds(AddConsumer, NAMES),
    st.builds(CancelConsumer, NAMES),
    st.builds(Purge, NAMES),
    st.builds(LookInside, NAMES, st.integers(1, MOST_MESSAGES)),
    st.builds(EnableEvents),
    st.builds(DisableEvents),
    st.builds(PoolRestart),
    st.builds(Shutdown),
    st.builds(
        SendTask,
        NAMES,
        st.lists(JSON, max_size=3).map(json.dumps),
        st.dictionaries(NAMES, JSON, max_size=3).map(lambda table: json.dumps(table, ensure_ascii=False)),
        NAMES,
        SECONDS,
        SECONDS,
        st.none() | st.integers(0, 255),
        st.just("") | NAMES,
    ),
)


def fields_of(params: Params) -> Fields:
    fields = defaultdict(list)
    for name, value in params:
        fields[name].append(value)
    return fields


@given(ANY)
def test_an_order_is_read_back_as_it_was_written(order: Order) -> None:
    assert from_fields(fields_of(order.to_params())) == order
    assert hash(order) == hash(from_fields(fields_of(order.to_params())))


def test_each_kind_stands_under_its_own_name() -> None:
    assert {kind: order.kind for kind, order in KINDS.items()} == {kind: kind for kind in KINDS}
    assert len(KINDS) == len(PLANNERS)


def test_equal_fields_of_two_kinds_are_two_orders() -> None:
    assert len({AddConsumer("mail"), CancelConsumer("mail"), Purge("mail")}) == 3
    assert len({PoolGrow(1), PoolShrink(1)}) == 2
    assert len({EnableEvents(), DisableEvents(), PoolRestart(), Shutdown()}) == 4


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ([], "order"),
        ([("order", "ping")], "order"),
        ([("order", "shutdown"), ("order", "shutdown")], "order"),
        ([("order", "revoke")], "id"),
        ([("order", "revoke"), ("id", "")], "id"),
        ([("order", "revoke"), *[("id", str(n)) for n in range(MOST_IDS + 1)]], "id"),
        ([("order", "revoke"), ("id", "a"), ("signal", "SIGNOPE")], "signal"),
        ([("order", "revoke"), ("id", "a"), ("terminate", "yes")], "terminate"),
        ([("order", "rate_limit"), ("rate", "1/m")], "task"),
        ([("order", "rate_limit"), ("task", "a")], "rate"),
        ([("order", "rate_limit"), ("task", "a"), ("rate", "10/q")], "rate"),
        ([("order", "rate_limit"), ("task", "a"), ("rate", "-1")], "rate"),
        ([("order", "rate_limit"), ("task", "a"), ("rate", "10/m\n")], "rate"),
        ([("order", "time_limit"), ("task", "a"), ("soft", "x")], "soft"),
        ([("order", "time_limit"), ("task", "a"), ("soft", "0")], "soft"),
        ([("order", "time_limit"), ("task", "a"), ("soft", "9"), ("hard", "8")], "soft"),
        ([("order", "time_limit"), ("task", "a"), ("hard", "1e3")], "hard"),
        ([("order", "pool_grow")], "n"),
        ([("order", "pool_grow"), ("n", "0")], "n"),
        ([("order", "pool_shrink"), ("n", "-1")], "n"),
        ([("order", "pool_shrink"), ("n", "١")], "n"),
        ([("order", "autoscale"), ("max", "2")], "min"),
        ([("order", "autoscale"), ("max", "2"), ("min", "3")], "min"),
        ([("order", "add_consumer")], "queue"),
        ([("order", "purge"), ("queue", "a\nb")], "queue"),
        ([("order", "purge"), ("queue", "x" * 501)], "queue"),
        ([("order", "send_task"), ("queue", "a")], "name"),
        ([("order", "send_task"), ("name", "a")], "queue"),
        ([("order", "send_task"), ("name", "a"), ("queue", "b"), ("args", "(1, 2)")], "args"),
        ([("order", "send_task"), ("name", "a"), ("queue", "b"), ("args", "{}")], "args"),
        ([("order", "send_task"), ("name", "a"), ("queue", "b"), ("args", "[NaN]")], "args"),
        ([("order", "send_task"), ("name", "a"), ("queue", "b"), ("args", "[" * 10_000)], "args"),
        ([("order", "send_task"), ("name", "a"), ("queue", "b"), ("args", f"[{'9' * 5_000}]")], "args"),
        ([("order", "send_task"), ("name", "a"), ("queue", "b"), ("args", '["\ud800"]')], "args"),
        ([("order", "send_task"), ("name", "a"), ("queue", "b"), ("kwargs", "[]")], "kwargs"),
        ([("order", "send_task"), ("name", "a"), ("queue", "b"), ("kwargs", '{"a": 1, "a": 2}')], "kwargs"),
        ([("order", "send_task"), ("name", "a"), ("queue", "b"), ("countdown", "-1")], "countdown"),
        ([("order", "send_task"), ("name", "a"), ("queue", "b"), ("expires", "0")], "expires"),
        ([("order", "send_task"), ("name", "a"), ("queue", "b"), ("priority", "256")], "priority"),
    ],
)
def test_what_cannot_be_ordered_names_the_field(params: Params, name: str) -> None:
    with pytest.raises(BadParameter) as error:
        from_fields(fields_of(params))
    assert error.value.name == name
