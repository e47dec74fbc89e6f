"""Flights: one request per question, failures are answers, and healing is noticed soon."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from data_sources import flights as module
from data_sources.answer import Answer
from data_sources.errors import QueryRejected, SourceUnreachable
from data_sources.flights import MOST_QUESTIONS, Flight, Flights, Wish
from data_sources.query import PromQL
from demo.servers import wait_until
from tests.deadline import within

BLANK = Answer(pd.DataFrame({"value": pd.Series(dtype="float64")}), PromQL("up"))


def answer(value: float) -> Answer:
    return replace(BLANK, frame=pd.DataFrame({"value": [value]}), measured_at=datetime.now(UTC))


def value(of: Answer) -> float:
    return float(of.frame["value"].iloc[0])


class Source:
    """Answers with how often it was asked, once `open`; raises `error` while there is one."""

    def __init__(self, open: bool = True) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.opened = threading.Event()
        if open:
            self.opened.set()

    def __call__(self, waited_seconds: float) -> Answer:
        self.asked += 1
        self.opened.wait(60)
        if self.error:
            raise self.error
        return answer(self.asked)


@pytest.fixture
def flights() -> Iterator[Flights]:
    flights = Flights("test", parallel=2)
    yield flights
    flights.close()


@pytest.fixture
def short_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REST", timedelta(milliseconds=50))


def many(count: int, ask: Callable[[], Answer]) -> list[Answer]:
    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(ask) for _ in range(count)]]


def test_twenty_viewers_cost_one_request(flights: Flights) -> None:
    source, together = Source(open=False), threading.Barrier(21, action=lambda: source.opened.set())

    def viewer() -> Answer:
        flights.ask("q", 1, source, BLANK, 0)
        together.wait(60)
        return flights.ask("q", 1, source, BLANK, 60)

    with ThreadPoolExecutor(20) as pool:
        viewers = [pool.submit(viewer) for _ in range(20)]
        together.wait(60)
    assert [value(one.result()) for one in viewers] == [1.0] * 20
    assert source.asked == 1


def test_a_new_slot_is_fetched_once_and_an_old_one_never_again(flights: Flights) -> None:
    source = Source()
    assert [value(flights.ask("q", slot, source, BLANK, 60)) for slot in (1, 1, 2, 2)] == [1, 1, 2, 2]
    assert [value(flights.ask("frozen", 0, source, BLANK, 60)) for _ in range(3)] == [3, 3, 3]


def test_who_is_content_with_an_older_answer_takes_the_newer_one_that_is_there(flights: Flights) -> None:
    source = Source()
    assert [value(flights.ask("q", slot, source, BLANK, 60)) for slot in (65, 60, 65, 60, 70, 60)] == [1, 1, 1, 1, 2, 2]


def test_the_last_good_answer_is_shown_while_a_newer_one_is_on_its_way(flights: Flights) -> None:
    source = Source()
    flights.ask("q", 1, source, BLANK, 60)
    source.opened.clear()
    assert value(flights.ask("q", 2, source, BLANK, 0)) == 1
    source.opened.set()
    assert value(flights.ask("q", 2, source, BLANK, 60)) == 2


def test_nobody_waits_longer_than_asked_for_and_pending_is_not_an_answer(flights: Flights) -> None:
    source = Source(open=False)
    with within(0.2):
        assert flights.ask("q", 1, source, BLANK, 0.2).pending
    source.opened.set()


def test_a_source_that_hangs_holds_up_no_other(flights: Flights) -> None:
    silent, well = Source(open=False), Source()
    for question in range(5):
        flights.ask(question, 1, silent, BLANK, 0, lane="silent")
    wait_until(lambda: silent.asked == 2, "the first questions")

    assert value(flights.ask("q", 1, well, BLANK, 60, lane="well")) == 1
    assert silent.asked == 2  # at once; the others wait their turn
    silent.opened.set()


def test_ten_askers_of_a_failing_question_wait_one_timeout_not_ten(
    flights: Flights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST", timedelta(hours=1))
    source = Source(open=False)
    source.error = SourceUnreachable("Prometheus", "did not answer within 0.3 s", "Is it running?")
    threading.Timer(0.3, source.opened.set).start()
    at_once = many(10, lambda: flights.ask("q", 1, source, BLANK, 60))
    after = [flights.ask("q", 1, source, BLANK, 60) for _ in range(10)]
    assert source.asked == 1
    assert {"did not answer within 0.3 s"} == {one.failure.what for one in at_once + after if one.failure}
    assert not any(one.pending for one in at_once + after)


@pytest.mark.usefixtures("short_rest")
def test_a_failure_stands_beside_the_last_good_answer_until_it_heals(flights: Flights) -> None:
    source = Source()
    flights.ask("q", 1, source, BLANK, 60)
    source.error = SourceUnreachable("Prometheus", "refuses connections")
    first = flights.ask("q", 2, source, BLANK, 60)
    assert first.stale
    assert value(first) == 1
    wait_until(lambda: flights.ask("q", 2, source, BLANK, 60) is not first, "another try")
    again = flights.ask("q", 2, source, BLANK, 60)
    assert again.failure
    assert first.failure
    assert again.failure.since == first.failure.since

    source.error = None
    wait_until(lambda: flights.ask("q", 2, source, BLANK, 60).failure is None, "healing")
    assert value(flights.ask("q", 2, source, BLANK, 60)) == source.asked


@pytest.mark.usefixtures("short_rest")
def test_what_failed_is_tried_again_by_itself_while_somebody_asks(
    flights: Flights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WANTED_SECONDS", 3600.0)
    source = Source()
    source.error = SourceUnreachable("Prometheus", "refuses connections")
    flights.ask("q", 1, source, BLANK, 60)
    wait_until(lambda: source.asked > 2, "another try")
    source.error = None
    wait_until(lambda: flights._flights["q"].answer.failure is None, "healing before anybody asks")

    monkeypatch.setattr(module, "WANTED_SECONDS", 0.0)
    source.error = SourceUnreachable("Prometheus", "refuses connections")
    asked = source.asked
    flights.ask("q", 2, source, BLANK, 60)
    time.sleep(0.2)  # four rests
    assert source.asked == asked + 1


@pytest.mark.parametrize("hours", [0, 1, 24])
def test_however_long_the_outage_the_next_try_is_within_ten_seconds(hours: int) -> None:
    flight = Flight(answer(1), Wish(1, Source(), None))
    flight.fail(SourceUnreachable("Prometheus", "refuses connections"))
    began = flight.answer.failure
    for _ in range(hours * 1_800):  # every two seconds
        flight.fail(SourceUnreachable("Prometheus", "refuses connections"))
    before = time.monotonic()
    flight.fail(SourceUnreachable("Prometheus", "refuses connections"))
    assert before + 2 <= flight.rests_until <= time.monotonic() + 10
    failure = flight.answer.failure
    assert failure
    assert failure.retry_at
    assert failure.retry_at - datetime.now(UTC) <= timedelta(seconds=10)
    assert began
    assert failure.since == began.since


def test_a_refused_question_is_not_asked_again_and_again(flights: Flights) -> None:
    source = Source()
    source.error = QueryRejected("Prometheus", "parse error: unexpected end of input")
    refused = [flights.ask("q", slot, source, BLANK, 60).failure for slot in range(10)]
    assert source.asked == 1
    assert {"rejected"} == {failure.kind for failure in refused if failure}


def test_a_fault_of_our_own_is_a_failure_and_its_text_stays_in_the_log(
    flights: Flights, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source()
    source.error = KeyError("redis://:S3cr3t@host")
    with caplog.at_level(logging.ERROR):
        failure = flights.ask("q", 1, source, BLANK, 60).failure
    assert failure
    assert (failure.what, failure.hint) == ("unexpected KeyError", "The log has the details")
    assert "unexpected error while asking" in caplog.text


def test_the_question_not_asked_for_longest_is_forgotten_first(flights: Flights) -> None:
    source = Source()
    for question in range(MOST_QUESTIONS):
        flights.ask(question, 1, source, BLANK, 60)
    flights.ask(0, 1, source, BLANK, 60)
    flights.ask("new", 1, source, BLANK, 60)
    assert len(flights._flights) == MOST_QUESTIONS
    assert 0 in flights._flights
    assert 1 not in flights._flights


def test_large_answers_are_forgotten_before_memory_runs_out(flights: Flights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 3_500_000)
    megabyte = replace(answer(0), frame=pd.DataFrame({"value": [0.0] * 125_000}))
    for question in range(10):
        assert len(flights.ask(question, 1, lambda waited_seconds: megabyte, BLANK, 60).frame) == 125_000
    assert list(flights._flights) == [7, 8, 9]


def test_who_waits_for_a_forgotten_question_still_gets_its_answer(flights: Flights) -> None:
    slow, quick = Source(open=False), Source()
    with ThreadPoolExecutor(1) as pool:
        asker = pool.submit(flights.ask, "slow", 1, slow, BLANK, 60)
        wait_until(lambda: slow.asked == 1, "the slow question")
        for question in range(MOST_QUESTIONS):
            flights.ask(question, 1, quick, BLANK, 60)
        assert "slow" not in flights._flights
        slow.opened.set()
        assert value(asker.result(60)) == 1


def test_closing_lets_everybody_go_at_once() -> None:
    flights, source = Flights("test", parallel=1), Source(open=False)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(flights.ask, question, 1, source, BLANK, 60) for question in "ab"]  # the second queues
        wait_until(lambda: source.asked == 1, "the first question")
        with within(1):
            flights.close()
            assert all(asker.result(60).pending for asker in waiting)
            assert flights.ask("c", 1, source, BLANK, 60).pending
    source.opened.set()


def test_questions_do_not_wait_for_each_other(flights: Flights) -> None:
    slow = Source(open=False)
    flights.ask("slow", 1, slow, BLANK, 0)
    assert value(flights.ask("quick", 1, Source(), BLANK, 60)) == 1
    slow.opened.set()
