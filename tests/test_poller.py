"""Pollers: asked on a clock, the last good value kept beside what went wrong since."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from data_sources.errors import SourceUnreachable
from data_sources.poller import Poller, Reading
from demo.servers import wait_until


class Source:
    """Gives how often it was asked; raises `error` while there is one."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.error: Exception | None = None

    def __call__(self) -> int:
        self.times.append(time.monotonic())
        if self.error:
            raise self.error
        return len(self.times)

    @property
    def asked(self) -> int:
        return len(self.times)


@contextmanager
def running(poller: Poller[int]) -> Iterator[Poller[int]]:
    poller.start()
    try:
        yield poller
    finally:
        poller.stop()


def until(poller: Poller[int], outcome: str) -> Reading[int]:
    """The first reading that is `good` or `failed`."""
    readings: list[Reading[int]] = []

    def look() -> bool:
        readings.append(poller.read())
        return bool(readings[-1].failure) == (outcome == "failed")

    wait_until(look, outcome)
    return readings[-1]


def test_before_the_first_reading_nothing_is_known_and_readers_wait_for_it() -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def slow() -> int:
        asked.set()
        return int(may_answer.wait(60))

    with running(Poller("Broker", slow, 60)) as poller:
        assert poller.read().pending
        assert poller.read(0.05).pending
        assert asked.wait(60)
        threading.Timer(0.1, may_answer.set).start()
        reading = poller.read(60)
        assert (reading.value, reading.pending, reading.failure) == (1, False, None)
        assert reading.took.total_seconds() >= 0.1


def test_a_source_that_never_answered_has_a_failure_and_no_value() -> None:
    source = Source()
    source.error = SourceUnreachable("Broker", "refuses connections", "Is it running?")
    with running(Poller("Broker", source, 60)) as poller:
        reading = poller.read(60)
    assert (reading.value, reading.measured_at, reading.pending) == (None, None, False)
    assert reading.failure
    assert (reading.failure.kind, reading.failure.what) == ("unreachable", "refuses connections")


def test_a_failure_stands_beside_the_last_good_value_since_the_first_of_its_row() -> None:
    source = Source()
    with running(Poller("Broker", source, 0.1)) as poller:
        good = until(poller, "good")
        source.error = SourceUnreachable("Broker", "refuses connections")
        first = until(poller, "failed")
        failed_at = source.asked
        wait_until(lambda: source.asked >= failed_at + 3, "three more tries")
        later = poller.read()
        source.error = None
        healed = until(poller, "good")
        source.error = SourceUnreachable("Broker", "refuses connections")
        again = until(poller, "failed")
    assert good.value is not None
    assert first.value is not None
    assert first.value >= good.value
    assert later.value == first.value
    assert later.measured_at == first.measured_at
    assert first.failure
    assert later.failure
    assert again.failure
    assert later.failure.since == first.failure.since
    assert healed.measured_at
    assert again.failure.since > healed.measured_at


def test_it_asks_on_its_clock_and_the_time_an_answer_takes_is_part_of_it() -> None:
    times: list[float] = []

    def slow() -> int:
        times.append(time.monotonic())
        time.sleep(0.5)
        return len(times)

    def gaps() -> list[float]:
        return [b - a for a, b in itertools.pairwise(times)]

    with running(Poller("Broker", slow, 1.0)):
        wait_until(lambda: any(gap < 1.4 for gap in gaps()[1:]), "a round on its clock")
    assert min(gaps()) > 0.6


def test_a_source_that_failed_is_tried_again_soon_and_it_says_when() -> None:
    source = Source()
    source.error = SourceUnreachable("Broker", "refuses connections")
    with running(Poller("Broker", source, 3600)) as poller:
        failure = poller.read(60).failure
        failed_by = datetime.now(UTC)
        source.error = None
        until(poller, "good")
    assert failure
    assert failure.retry_at
    assert failure.since + timedelta(seconds=2) <= failure.retry_at <= failed_by + timedelta(seconds=2)
    assert source.times[1] - source.times[0] > 1.5


def test_stopping_does_not_wait_for_the_next_round() -> None:
    poller = Poller("Broker", Source(), 3600)
    poller.start()
    poller.read(60)
    poller.stop(60)
    assert not [thread for thread in threading.enumerate() if thread is poller._thread]


def test_a_fault_of_our_own_is_a_failure_logged_once_and_the_poller_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    source.error = KeyError("S3cr3t")
    with caplog.at_level(logging.ERROR), running(Poller("Broker", source, 0.1)) as poller:
        failure = until(poller, "failed").failure
        wait_until(lambda: source.asked >= 4, "more tries")
        source.error = None
        assert until(poller, "good").value
    assert failure
    assert (failure.source, failure.what) == ("Broker", "unexpected KeyError")
    assert len(caplog.records) == 1


def test_whoever_listens_sees_every_outcome_and_a_listener_that_fails_is_a_failure() -> None:
    source, values, failures = Source(), list[int](), list[Reading[int]]()

    def keep(reading: Reading[int]) -> None:
        if reading.failure:
            failures.append(reading)
            return
        if reading.value == 2:
            raise ValueError("what came back fits no frame")
        assert reading.value is not None
        values.append(reading.value)

    with running(Poller("Broker", source, 0.1, keep)):
        wait_until(lambda: source.asked >= 4, "four readings")
    assert values[:2] == [1, 3]
    assert [(one.value, one.failure and one.failure.what) for one in failures] == [(1, "unexpected ValueError")]


def test_a_reader_may_wait_for_more_than_the_first_reading() -> None:
    with running(Poller("Broker", Source(), 0.1)) as poller:
        assert (poller.read(60, lambda reading: (reading.value or 0) >= 3).value or 0) >= 3
        assert poller.read(0.05, lambda reading: False).value
