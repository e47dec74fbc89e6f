"""Gaps as they begin and end: by whatever clock, none is lost and none ends before it began."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import data_sources.microseconds
import recorder.gaps
from recorder.batch import Gap
from recorder.gaps import Gaps

SECOND_US = 1_000_000
CAUSES = ("deaf", "slow", "workers")


class Clock(SimpleNamespace):
    """`steady` is lived through, `wall` is what the system says; seconds."""

    wall = 1_800_000_000.0
    steady = 50.0

    def time_ns(self) -> int:
        return round(self.wall * 1e9)

    def monotonic(self) -> float:
        return self.steady

    def live(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(data_sources.microseconds, "time", clock)
    monkeypatch.setattr(recorder.gaps, "time", clock)
    return clock


def test_a_gap_is_written_as_it_begins_and_again_as_it_ends(clock: Clock) -> None:
    gaps, start_us = Gaps("shop"), round(Clock.wall * SECOND_US)
    gaps.begin("deaf", "events", "the broker is away")
    gaps.begin("deaf", "events", "another word for the same")
    assert (gaps.take(), gaps.begun, gaps.is_open("deaf")) == (
        [Gap("events", start_us, None, "the broker is away")],
        1,
        True,
    )

    clock.live(2.5)
    ended = gaps.end("deaf")

    assert ended == Gap("events", start_us, start_us + 2_500_000, "the broker is away")
    assert (gaps.take(), gaps.take(), gaps.is_open("deaf")) == ([ended], [], False)
    assert gaps.end("deaf") is None


def test_a_gap_can_have_begun_before_it_is_known(clock: Clock) -> None:
    gaps = Gaps("shop")
    gaps.begin("deaf", "events", "the connection was lost", ago_seconds=4.0)
    clock.live(1.0)

    gap = gaps.end("deaf")

    assert gap
    assert gap.end_us is not None
    assert gap.end_us - gap.start_us == 5 * SECOND_US
    assert gap.end_us == round(clock.wall * SECOND_US)


def test_a_gap_that_has_another_reason_by_now_is_written_again_and_is_the_same(clock: Clock) -> None:
    gaps, start_us = Gaps("shop"), round(Clock.wall * SECOND_US)
    gaps.begin("silent", "senders", "a is silent")
    for reason in ("a is silent", "a, b are silent", "a, b are silent"):
        gaps.reword("silent", reason)
    gaps.end("silent")

    assert [(gap.start_us, gap.reason, gap.end_us) for gap in gaps.take()] == [
        (start_us, "a is silent", None),
        (start_us, "a, b are silent", None),
        (start_us, "a, b are silent", start_us),
    ]
    assert gaps.begun == 1


def test_what_was_missed_is_told_when_it_is_known(clock: Clock) -> None:
    gaps = Gaps("shop")
    gaps.begin("slow", "events", "too many")
    gap = gaps.end("slow")
    assert gap
    gaps.estimate(gap, 12)

    assert [one.missed for one in gaps.take()] == [None, None, 12]


def test_what_could_not_be_written_is_written_first(clock: Clock) -> None:
    gaps = Gaps("shop")
    gaps.begin("deaf", "events", "away")
    taken = gaps.take()
    gaps.end("deaf")

    gaps.put_back(taken)

    assert [gap.end_us is None for gap in gaps.take()] == [True, False]


@pytest.mark.parametrize("ago", [30.0, -3_600.0])
def test_a_gap_from_before_this_process_goes_on_wherever_the_clock_stands_now(clock: Clock, ago: float) -> None:
    gaps, now_us = Gaps("shop"), round(Clock.wall * SECOND_US)
    gaps.resume("down", Gap("recorder", now_us - round(ago * SECOND_US), None, "it was not running"))
    clock.live(1.0)

    gap = gaps.end("down")

    assert gap
    assert gap.end_us == now_us + SECOND_US
    assert gap.start_us == now_us - round(max(0.0, ago) * SECOND_US)


seconds = st.floats(0, 1e5)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.sampled_from(CAUSES), seconds),
        st.tuples(st.just("end"), st.sampled_from(CAUSES), st.just(0.0)),
        st.tuples(st.just("live"), st.just(""), seconds),
        st.tuples(st.just("set clock"), st.just(""), st.floats(-1e5, 1e5)),
        st.tuples(st.just("fail to write"), st.just(""), st.just(0.0)),
    ),
    max_size=30,
)


@given(steps)
def test_whatever_happens_each_gap_is_written_and_is_as_long_as_it_was(
    clock: Clock, steps: list[tuple[str, str, float]]
) -> None:
    gaps, written, began, lengths = Gaps("shop"), list[Gap](), dict[str, float](), list[float]()
    for step, cause, amount in steps:
        match step:
            case "begin":
                if cause not in began:
                    began[cause] = clock.steady - amount
                gaps.begin(cause, "events", cause, amount)
            case "end":
                if gaps.end(cause):
                    lengths.append(clock.steady - began.pop(cause))
            case "live":
                clock.live(amount)
            case "set clock":
                clock.wall += amount
            case "fail to write":
                gaps.put_back(gaps.take())
    written = gaps.take()

    ended = [gap for gap in written if gap.end_us is not None]
    assert [gap.end_us - gap.start_us for gap in ended if gap.end_us is not None] == pytest.approx(
        [length * SECOND_US for length in lengths], abs=2
    )
    assert len(written) - len(ended) == gaps.begun == len(ended) + len(began)
    assert {cause for cause in CAUSES if gaps.is_open(cause)} == set(began)
