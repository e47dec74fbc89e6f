"""Asking together: whoever asks the same of the same moment shares one fetch, and what is settled is fetched once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

import data_sources.ask
import data_sources.fetches
from data_sources.ask import Desk
from data_sources.query import PromQL
from data_sources.scope import Range, Scope
from demo.servers import free_port
from tests.peer import Peer, body
from tests.watching import LIVE, Clock, unwatched

MATRIX = body(b'{"status":"success","data":{"resultType":"matrix","result":[]}}')


@dataclass
class Counted:
    """A desk beside a Prometheus that has nothing to say and counts how often it is asked."""

    desk: Desk
    peer: Peer

    def asked(self, scope: Scope, text: str = "up") -> int:
        """How many requests there were after one more ask."""
        answer = self.desk.ask(PromQL(text), scope, wait_seconds=60)
        assert answer.failure is None
        return len(self.peer.requests)


@pytest.fixture
def counted() -> Iterator[Counted]:
    with Peer(lambda connection, request: connection.sendall(MATRIX)) as peer:
        desk = unwatched({"CELERY_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0", "PROMETHEUS_URL": peer.url})
        yield Counted(desk, peer)
        desk.stop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    monkeypatch.setattr(data_sources.ask, "datetime", Clock)
    monkeypatch.setattr(data_sources.fetches, "datetime", Clock)
    monkeypatch.setattr(data_sources.fetches, "steady_now", Clock.now)
    monkeypatch.setattr(Clock, "at", Clock.at)
    return Clock


def test_a_closed_range_is_fetched_once_however_long_people_look(counted: Counted, clock: type[Clock]) -> None:
    frozen = Scope(range=Range(start=clock.at - timedelta(hours=2), end=clock.at - timedelta(hours=1)))
    for patience in (1, 5, 60, 5, 1):
        assert counted.asked(replace(frozen, max_age=timedelta(seconds=patience))) == 1
        clock.at += timedelta(hours=1)


def test_a_frozen_range_that_ends_now_is_fetched_until_it_is_settled_and_then_never_again(
    counted: Counted, clock: type[Clock]
) -> None:
    frozen = Scope(range=Range(start=clock.at - timedelta(hours=1), end=clock.at))
    assert [counted.asked(frozen), counted.asked(frozen)] == [1, 1]
    clock.at += timedelta(seconds=10)
    assert [counted.asked(frozen), counted.asked(frozen)] == [2, 2]
    clock.at += timedelta(minutes=6)
    assert [counted.asked(frozen), counted.asked(frozen)] == [3, 3]
    clock.at += timedelta(days=6)
    assert counted.asked(frozen) == 3


def test_viewers_with_different_patience_share_what_the_most_impatient_fetched(
    counted: Counted, clock: type[Clock]
) -> None:
    quick, slow = (replace(LIVE, max_age=timedelta(seconds=seconds)) for seconds in (5, 60))
    requests = []
    for _ in range(12):  # a minute, from half past on: 12 moments, whoever else looks
        requests.append([counted.asked(scope) for scope in (quick, slow, quick, slow)][-1])
        clock.at += timedelta(seconds=5)
    assert requests == list(range(1, 13))


def test_the_patient_alone_cost_one_fetch_a_slot(counted: Counted, clock: type[Clock]) -> None:
    slow, counts = replace(LIVE, max_age=timedelta(seconds=60)), []
    for _ in range(24):
        counts.append(counted.asked(slow))
        clock.at += timedelta(seconds=5)
    assert counts == [1] * 6 + [2] * 12 + [3] * 6  # the minute turns at the sixth


def test_a_step_longer_than_anybodys_patience_is_not_asked_for_before_it_moves(
    counted: Counted, clock: type[Clock]
) -> None:
    day = Scope(range=Range(span=timedelta(days=1)))
    assert counted.desk.window(day).step == timedelta(minutes=1)
    counts = []
    for _ in range(12):
        counts.append(counted.asked(day))
        clock.at += timedelta(seconds=5)
    assert counts == [1] * 6 + [2] * 6


def test_fifty_viewers_cost_one_request(counted: Counted, clock: type[Clock]) -> None:
    assert {counted.asked(LIVE) for _ in range(50)} == {1}
    assert counted.asked(LIVE, "down") == 2


def test_viewers_who_say_from_but_not_to_share_a_fetch_too(counted: Counted, clock: type[Clock]) -> None:
    start = clock.at - timedelta(hours=1)
    ends = [clock.at + timedelta(milliseconds=k) for k in range(50)]
    assert {counted.asked(Scope(range=Range(start=start, end=end))) for end in ends} == {1}
