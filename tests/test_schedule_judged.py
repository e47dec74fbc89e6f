"""Was it kept? Due times beside runs: on time, late, missed, doubled, and what cannot be known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from data_sources.schedule.forms import Crontab, Form, Interval, Once, Other
from data_sources.schedule.inferred import rhythm
from data_sources.schedule.judged import Kept, judged
from data_sources.schedule.runs import Deaf, Run
from data_sources.scope import EPOCH

MINUTELY = Crontab("*", "*", "*", "*", "*")
NEVER_DEAF = Deaf(np.array([-np.inf, np.inf]), np.array([-np.inf, np.inf]))
END = 1_800_000_000.0  # a whole minute


def run(at: float, retried: bool = False, state: str = "SUCCESS") -> Run:
    return Run(f"id-{at:g}", END + at, "sent", state, retried, None, 0.1)


def kept(
    form: Form, times: Sequence[float], since: float = -600, deaf: Deaf = NEVER_DEAF, retried: Sequence[float] = ()
) -> Kept:
    """`times` and `since` are seconds before END, which is now."""
    runs = sorted([run(at) for at in times] + [run(at, retried=True) for at in retried], key=lambda one: one.at)
    return judged(form, runs, deaf, END + since, END)


def told(of: Kept) -> list[str]:
    return [block.kind for block in of.blocks]


def deaf_between(start: float, end: float) -> Deaf:
    return Deaf(np.array([END + start]), np.array([END + end]))


def every_minute(*left_out: int) -> list[float]:
    """A run of each of the ten last minutes, a fifth of a second late; END's own minute has just begun."""
    return [0.2 - 60 * minute for minute in range(10, 0, -1) if minute not in left_out]


def test_a_run_a_minute_is_on_time() -> None:
    of = kept(MINUTELY, every_minute())
    assert told(of) == ["on_time"] * 10
    assert of.overdue_since is None
    first = of.blocks[0]
    assert first.due == END - 600
    assert first.run is not None
    assert first.run.at == pytest.approx(END - 599.8)


def test_a_minute_without_a_run_was_missed() -> None:
    of = kept(MINUTELY, every_minute(3, 4))
    assert told(of) == ["on_time"] * 6 + ["missed"] * 2 + ["on_time"] * 2
    assert [block.due for block in of.blocks if block.kind == "missed"] == [END - 240, END - 180]
    assert of.overdue_since is None


def test_a_beat_that_comes_back_sends_the_last_that_was_due_late_and_the_next_on_time() -> None:
    of = kept(MINUTELY, [*every_minute(2, 3, 4), -72.7], since=-600)
    assert told(of) == ["on_time"] * 6 + ["missed", "missed", "late", "on_time"]
    assert of.blocks[8].due == END - 120


def test_a_first_run_long_after_any_due_time_is_shown_and_not_compared() -> None:
    assert told(kept(MINUTELY, [-75.0, -59.8], since=-75.0 - 10)) == ["ran", "on_time"]


def test_two_beats_give_a_run_too_many_each_minute() -> None:
    of = kept(MINUTELY, sorted(every_minute() + [at + 0.3 for at in every_minute()]))
    assert of.counts is not None
    assert (of.counts["on_time"], of.counts["doubled"], of.counts["missed"]) == (10, 10, 0)


def test_more_than_thirty_seconds_after_it_was_due_is_late() -> None:
    hour = END // 3600 * 3600 - END  # the last whole one
    of = kept(Crontab("0", "*", "*", "*", "*"), [hour - 7200 + 29, hour - 3600 + 31], since=hour - 7200)
    assert told(of)[:2] == ["on_time", "late"]


def test_what_is_due_now_is_not_missed_yet() -> None:
    assert told(kept(MINUTELY, every_minute(), since=-600))[-1] == "on_time"
    assert (
        told(judged(MINUTELY, [run(at) for at in every_minute()], NEVER_DEAF, END - 600, END + 25)) == ["on_time"] * 10
    )
    late = judged(MINUTELY, [run(at) for at in every_minute()], NEVER_DEAF, END - 600, END + 35)
    assert (told(late)[-1], late.overdue_since) == ("missed", END)


def test_the_newest_run_counts_though_it_has_just_come() -> None:
    runs = [run(at) for at in [*every_minute(), 0.2]]
    assert told(judged(MINUTELY, runs, NEVER_DEAF, END - 600, END + 1)) == ["on_time"] * 11


def test_nothing_is_missed_while_nothing_was_recorded() -> None:
    of = kept(MINUTELY, every_minute(3, 4), deaf=deaf_between(-245, -170))
    assert told(of) == ["on_time"] * 6 + ["unknown"] * 2 + ["on_time"] * 2
    assert of.counts is not None
    assert of.counts["missed"] == 0


def test_what_came_late_out_of_a_gap_may_not_be_the_first_that_came() -> None:
    assert told(kept(MINUTELY, [-20.0], since=-60))[0] == "late"
    assert told(kept(MINUTELY, [-20.0], since=-60, deaf=deaf_between(-61, -25)))[0] == "ran"


def test_an_interval_runs_from_its_last_run() -> None:
    of = kept(Interval(10), [-50, -39.9, -29.8, -19.7, -9.5])
    assert told(of) == ["ran", "on_time", "on_time", "on_time", "on_time"]
    assert [block.due for block in of.blocks][1:] == pytest.approx([END - 40, END - 29.9, END - 19.8, END - 9.7])


def test_an_interval_that_paused_missed_as_many_as_fit_in() -> None:
    of = kept(Interval(10), [-90, -80, -45, -35, -25, -15, -5])
    assert told(of) == ["ran", "on_time", "missed", "missed", "on_time", *["on_time"] * 4]
    assert told(kept(Interval(10), [-90, -80, -43.5, -33.5]))[2:6] == ["missed", "missed", "late", "on_time"]


def test_an_interval_that_stopped_is_overdue_since_its_last_due_time() -> None:
    of = kept(Interval(60), [-300, -240])
    assert told(of) == ["ran", "on_time", "missed", "missed", "missed"]
    assert of.overdue_since == END - 60


@pytest.mark.parametrize("offset", [0.1, 3, 5, 7, 9.9])
def test_a_second_beat_is_seen_whenever_it_was_started(offset: float) -> None:
    one = [-600 + 10.0 * k for k in range(60)]
    of = kept(Interval(10), sorted(one + [at + offset for at in one]))
    assert of.counts is not None
    assert of.counts["doubled"] >= 58
    assert of.counts["missed"] == of.counts["late"] == 0


def test_one_call_by_hand_is_one_too_many_and_moves_nothing() -> None:
    assert told(kept(Interval(60), [-300, -240, -210, -180, -120, -60])) == [
        *["ran", "on_time", "doubled"],
        *["on_time"] * 3,
    ]


def test_a_task_that_others_call_all_the_time_is_not_compared() -> None:
    of = kept(MINUTELY, [float(at) for at in range(-600, 0, 5)])
    assert (of.counts, set(told(of))) == (None, {"ran"})


def test_a_retried_run_stands_in_for_the_due_time_it_was_first_sent_at() -> None:
    of = kept(MINUTELY, every_minute(4), retried=[-225.0])
    assert told(of) == ["on_time"] * 6 + ["ran"] + ["on_time"] * 3
    assert told(kept(Interval(60), [-300, -240, -120, -60], retried=[-130.0]))[2:4] == ["ran", "on_time"]


def test_a_single_time_is_missed_or_not() -> None:
    once = Once(EPOCH + np.timedelta64(int(END) - 300, "s").astype(object))
    assert told(kept(once, [-299.5])) == ["on_time"]
    assert (told(kept(once, [])), kept(once, []).overdue_since) == (["missed"], END - 300)


def test_what_has_no_times_is_shown_and_not_compared() -> None:
    of = kept(Other("solar"), [-60, -30])
    assert (told(of), of.counts) == (["ran", "ran"], None)


def test_a_long_pause_of_a_short_interval_is_bounded() -> None:
    of = kept(Interval(1), [-900_000, -899_999], since=-900_000)
    assert 19_990 < len(of.blocks) < 20_010
    assert (told(of)[-1], of.overdue_since) == ("missed", END - 1)
    assert kept(MINUTELY, [-9_000_000], since=-9_000_000).overdue_since == END - 60


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([60.0 * k for k in range(20)], 60),
        ([60.0 * k + (k % 3) for k in range(20)], 60),
        ([60.0 * k for k in range(20) if k not in (5, 6, 12)], 60),
        ([60.0 * k for k in range(7)], None),
        ([0.3 * k for k in range(60)], None),
        ([float(k * k) for k in range(30)], None),
        ([60.0 * k + 31 * (k % 2) for k in range(30)], None),
    ],
)
def test_a_rhythm_is_found_where_there_is_one(times: list[float], seconds: float | None) -> None:
    found = rhythm([run(at) for at in times])
    assert found is None if seconds is None else found == pytest.approx(seconds, abs=1)
