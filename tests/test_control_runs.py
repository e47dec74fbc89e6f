"""Whether a worker is still the process that was looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from control.runs import Run, changed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
seconds = st.floats(0, 1e6)
latencies = st.floats(0, 5)


def run(at: float, began: float, took: float = 0.0, answered: float = 0.0, pid: int = 1) -> Run:
    """Asked `at` seconds after noon, and answered within `took` by a process that began then."""
    uptime = timedelta(seconds=floor(at + answered - began))
    asked_at = NOON + timedelta(seconds=at)
    return Run(worker="w", pid=pid, uptime=uptime, asked_at=asked_at, took=timedelta(seconds=took))


@given(seconds, seconds, latencies, latencies, st.floats(0, 1), st.floats(0, 1))
def test_a_process_that_goes_on_is_never_taken_for_another(
    age: float, between: float, took: float, took_later: float, early: float, late: float
) -> None:
    before = run(0, -age, took, took * early)
    now = run(took + between, -age, took_later, took_later * late)

    assert before.goes_on_in(now)


@given(seconds, st.floats(0, 120), st.floats(0, 1))
def test_one_that_was_started_anew_is_told_by_how_long_it_runs(age: float, between: float, share: float) -> None:
    before = run(0, -age)
    now = run(between, between * share)

    assert before.goes_on_in(now) == (now.uptime >= before.uptime + timedelta(seconds=between - 1.5))  # type: ignore[operator]
    if age > 5:
        assert not before.goes_on_in(now)


def test_another_process_is_another_one() -> None:
    assert not run(0, -60, pid=1).goes_on_in(run(5, -60, pid=2))


def test_what_did_not_say_how_long_it_runs_is_told_by_its_number() -> None:
    unsaid = Run(worker="w", pid=1, asked_at=NOON)

    assert unsaid.goes_on_in(run(5, -60))
    assert unsaid.began is None


def test_only_those_that_are_meant_are_looked_at() -> None:
    before = {"a": run(0, -60), "b": run(0, -60)}

    assert changed(before, {"a": run(5, -60)}, ("a",)) == ""
    assert changed(before, {"a": run(5, -60)}, ("a", "b")) == "b does not answer any more"
    assert changed(before, {"a": run(5, 4), "b": run(5, -60)}, ("a", "b")) == "a was started anew"
    assert changed({}, {}, ("a",)) == ""  # it did not answer before either
