"""/healthz: the server lives; each source in a word, nothing that helps an attacker."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pandas as pd
import pytest
from starlette.requests import Request

import data_sources.ask
from data_sources.answer import Answer
from data_sources.query import Query
from data_sources.scope import Scope
from identity import HEADER, Person, to_header
from routes import health

SOURCES = pd.DataFrame(
    {
        "source": ["redis", "workers", "prometheus"],
        "state": ["ok", "pending", "failing"],
        "since": pd.to_datetime([None, None, "2026-03-01T10:00:00Z"]).as_unit("ms"),
        "latency_ms": pd.array([0.4, None, None], dtype="Float64"),
        "version": ["Redis 7.0.15 at cache:6379/0", None, None],
        "what": [None, None, "refused the connection to prom:9090"],
        "hint": [None, None, "Is it running?"],
        "retry_at": pd.to_datetime([None, None, "2026-03-01T10:00:08Z"]).as_unit("ms"),
    }
)


def ask(query: Query, scope: Scope, wait_seconds: float = 0.0) -> Answer:
    assert wait_seconds == 0  # a probe must not wait for what it reports on
    return Answer(SOURCES, query, measured_at=datetime.now(UTC))


def test_health_is_a_word_for_each_source_and_200_while_the_server_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_sources.ask, "ask", ask)
    monkeypatch.setattr(data_sources.ask, "clusters", lambda: ("shop",))

    reader = to_header(Person("", "nobody", reads=True, controls=False))
    response = asyncio.run(health.healthz(Request({"type": "http", "headers": [(HEADER.encode(), reader.encode())]})))

    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert json.loads(bytes(response.body)) == {
        "status": "ok",
        "sources": [
            {"cluster": "shop", "name": "redis", "state": "ok"},
            {"cluster": "shop", "name": "workers", "state": "pending"},
            {"cluster": "shop", "name": "prometheus", "state": "failing"},
        ],
    }


def test_whoever_has_not_signed_in_is_told_that_the_server_lives_and_nothing_else() -> None:
    response = asyncio.run(health.healthz(Request({"type": "http", "headers": []})))

    assert (response.status_code, json.loads(bytes(response.body))) == (200, {"status": "ok"})
