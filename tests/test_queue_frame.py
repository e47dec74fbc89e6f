"""The promised frame of queues, and which queues are Celery's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.brokers.queue_depths import DepthReading, depth_rows, is_internal, total
from data_sources.note import listed
from data_sources.now_frames import depth_frame

PROMISED = {
    "queue": "str",
    "ready": "Int64",
    "unacked": "Int64",
    "scheduled": "Int64",
    "consumers": "Int64",
    "oldest": "float64",
    "internal": "bool",
    "priorities": "str",
    "oldest_at_least": "float64",
    "oldest_unacked": "float64",
    "next_eta": "datetime64[ms, UTC]",
    "twice": "Int64",
    "overdue": "Int64",
    "in_rate": "float64",
    "out_rate": "float64",
    "growth": "float64",
    "grows": "boolean",
    "falls": "boolean",
    "memory": "Int64",
    "message_bytes": "Int64",
    "type": "str",
    "dead_letter": "str",
    "message_ttl": "float64",
    "expires": "float64",
    "drain": "float64",
    "flags": "object",
}


@pytest.mark.parametrize("queues", [[], ["mail"]])
def test_the_columns_are_promised_also_when_there_are_no_queues(queues: list[str]) -> None:
    frame = depth_frame(depth_rows(queues))
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == PROMISED
    assert len(frame) == len(queues)


def test_what_is_not_known_is_not_zero() -> None:
    rows = depth_rows(["mail", "images"], ready=[0, None])
    frame = depth_frame(rows)
    assert frame["queue"].tolist() == ["images", "mail"]
    assert frame["ready"].tolist() == [pd.NA, 0]
    assert frame[["unacked", "scheduled", "consumers", "oldest", "priorities"]].isna().all(axis=None)
    assert total(rows, "ready") is None


def test_totals_and_series_leave_celerys_own_queues_out() -> None:
    rows = depth_rows(["mail", "celeryev.1", "mine"], ready=[1, 2, 4], private=frozenset({"mine"}))
    reading = DepthReading(rows, {}, (), "", timedelta(0), datetime.now(UTC))
    assert total(rows, "ready") == 1
    assert reading.per_queue("ready") == {"mail": 1}
    assert reading.per_queue("oldest") == {"mail": None}


@pytest.mark.parametrize(
    ("name", "internal"),
    [
        ("celeryev", True),
        ("celeryev.6a1b", True),
        ("celery@host.celery.pidbox", True),
        ("6a1b.reply.celery.pidbox", True),
        ("celery_delayed_27", True),
        ("amq.gen-JzTY20BRgKO", True),
        ("celery", False),
        ("celeryevents", False),
        ("celery_delayed_mail", False),
        ("pidbox", False),
        ("", False),
    ],
)
def test_celerys_own_queues_are_recognised_by_name(name: str, internal: bool) -> None:
    assert is_internal(name) is internal


def test_a_private_queue_is_one_clients_alone() -> None:
    assert is_internal("6a1b-a-reply-queue", private=True)


@given(st.lists(st.text(st.characters(exclude_categories=())), unique=True, max_size=5))
def test_any_name_fits_into_the_frame(names: list[str]) -> None:
    assert len(depth_frame(depth_rows(names, ready=range(len(names))))) == len(names)


def test_a_few_names_are_listed_once_and_the_rest_counted() -> None:
    assert listed(["a", "b", "a"]) == "a, b"
    assert listed("abcde") == "a, b, c and 2 more"
