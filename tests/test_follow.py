"""The thread that listens to events: whatever goes wrong in it, it listens on."""

from __future__ import annotations

import logging

import pytest

from data_sources.config import Cluster
from demo.servers import wait_until
from recorder import follow
from recorder.follow import Follower
from recorder.gaps import Gaps
from recorder.inbox import Inbox


def test_a_fault_of_our_own_is_told_once_while_it_lasts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = []

    def fault(_: object) -> None:
        tried.append("again")
        raise (ZeroDivisionError if len(tried) < 5 else RecursionError)

    monkeypatch.setattr(follow, "open_events", fault)
    monkeypatch.setattr(follow, "RETRY_SECONDS", 0.01)
    follower = Follower(Cluster(), Inbox(), Gaps("shop"), {}, (), hide_arguments=False)
    with caplog.at_level(logging.ERROR):
        follower.start()
        wait_until(lambda: len(tried) > 8, "eight tries")
        follower.stop()

    told = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert told == [ZeroDivisionError, RecursionError]
    assert follower.failure
    assert follower.failure.what == "unexpected RecursionError"
