"""A change is sent in time or not at all; and where that cannot be told, it is said."""

from __future__ import annotations

import threading

import pytest

from data_sources.brokers.errand import Errand, run
from data_sources.config import Broker
from data_sources.errors import NotConfirmed, QueryRejected, SourceUnreachable

BROKER = Broker.from_url("redis://:hunter2@broker.example:6379/0")


def test_what_it_returns_is_handed_on() -> None:
    assert run(BROKER, 60, lambda errand: errand.left > 4) is True


def test_one_that_is_late_before_it_sends_never_sends() -> None:
    late, ended = threading.Event(), threading.Event()
    sent = []

    def act(errand: Errand) -> None:
        try:
            late.wait(60)
            errand.send()
            sent.append("it")
        finally:
            ended.set()

    with pytest.raises(SourceUnreachable, match=r"did not answer within 0\.1 s") as error:
        run(BROKER, 0.1, act)
    assert not isinstance(error.value, NotConfirmed)
    assert error.value.hint.startswith("Nothing was sent.")
    late.set()  # as a name look-up that ends at last
    assert ended.wait(60)
    assert sent == []


def test_one_that_is_late_after_it_sent_may_have_been_done() -> None:
    given_up = threading.Event()

    def act(errand: Errand) -> None:
        errand.send()
        given_up.wait(60)

    with pytest.raises(NotConfirmed, match="did not answer within 2 s") as error:
        run(BROKER, 2, act)
    given_up.set()
    assert error.value.hint == "It was sent, and may have been done: look before you repeat it."


@pytest.mark.parametrize("sends", [True, False])
@pytest.mark.parametrize("failure", [ConnectionResetError(), TimeoutError(), RuntimeError("hunter2")])
def test_whatever_fails_says_whether_something_was_sent(failure: Exception, sends: bool) -> None:
    def act(errand: Errand) -> None:
        if sends:
            errand.send()
        raise failure

    with pytest.raises(SourceUnreachable) as error:
        run(BROKER, 60, act)
    assert isinstance(error.value, NotConfirmed) == sends
    assert "hunter2" not in str(error.value)


def test_a_refusal_is_one_whether_something_was_sent_or_not() -> None:
    def act(errand: Errand) -> None:
        errand.send()
        raise QueryRejected("broker", "no")

    with pytest.raises(QueryRejected, match="no"):
        run(BROKER, 60, act)


def test_no_time_is_left_when_it_is_over() -> None:
    errand = Errand(0.0)
    with pytest.raises(TimeoutError):
        assert errand.left
