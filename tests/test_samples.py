"""Tracks: what was sampled is read back, a hole stays a hole, and memory stays bounded."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.samples import FRAMES, POINTS, RATE_WINDOW, SERIES, Track
from data_sources.scope import EPOCH, Window

START = 1_767_571_200.0  # a multiple of every step used here
FIVE = timedelta(seconds=5)

gaps = st.lists(st.floats(0.5, 120, allow_nan=False), min_size=1, max_size=60)
steps = st.sampled_from([1, 5, 30, 60])


def at(seconds: float) -> pd.Timestamp:
    return EPOCH + timedelta(seconds=START + seconds)


def window(start: float, end: float, step: float = 5) -> Window:
    return Window(at(start), at(end), timedelta(seconds=step))


def read(track: Track, asked: Window, name: str = "mail") -> dict[float, float]:
    """Seconds since START -> value, of one series; a hole has no key."""
    frame = track.frame(asked)
    line = frame[frame[track.label] == name] if track.label else frame
    seconds = (line["time"] - at(0)).dt.total_seconds()
    return dict(zip(seconds, line["value"], strict=True))


def gauge(samples: Mapping[float, float | None], name: str = "mail") -> Track:
    track = Track("queue")
    for second, value in samples.items():
        track.append(at(second), {name: value})
    return track


def reach_of(times: Sequence[float], step: float) -> float:
    return max(step, 3 * (float(np.median(np.diff(times))) if len(times) > 2 else 5.0))


@given(gaps, st.data(), steps)
def test_a_gauge_reads_back_as_its_last_sample_while_that_is_fresh_and_else_as_a_hole(
    gaps: list[float], data: st.DataObject, step: int
) -> None:
    times = [round(float(second), 3) for second in np.cumsum(gaps)]
    values = data.draw(st.lists(st.none() | st.floats(-1e9, 1e9), min_size=len(times), max_size=len(times)))
    asked = window(-step, times[-1] // step * step + 4 * step, step)

    expected = {}
    for moment in np.arange(-step, times[-1] // step * step + 4 * step + 1, step, dtype=float):
        past = [(t, v) for t, v in zip(times, values, strict=True) if t <= moment and v is not None]
        if past and moment - past[-1][0] <= reach_of(times, step):
            expected[moment] = past[-1][1]

    assert expected == read(gauge(dict(zip(times, values, strict=True))), asked)


@given(gaps, st.data(), steps)
def test_a_rate_is_what_was_counted_by_the_seconds_it_was_counted_over(
    gaps: list[float], data: st.DataObject, step: int
) -> None:
    times = [round(float(second), 3) for second in np.cumsum(gaps)]
    outcomes = st.none() | st.integers(0, 10**9)
    counts = data.draw(st.lists(outcomes, min_size=len(times), max_size=len(times)))
    track, samples, asked_at = Track("name", increments=True), [], 0.0
    for second, count in zip(times, counts, strict=True):
        if count is None:
            track.append(at(second), {})  # the next sample that succeeds counts over this gap too
        else:
            samples.append((second, count, second - asked_at))
            track.append(at(second), {"mail": float(count)}, second - asked_at)
            asked_at = second

    expected, reach = {}, reach_of(times, step)
    for moment in np.arange(-step, times[-1] // step * step + 4 * step + 1, step, dtype=float):
        recent = [s for s in samples if moment - max(reach, RATE_WINDOW.total_seconds()) < s[0] <= moment]
        if any(moment - reach < second for second, *_ in recent):
            expected[moment] = sum(c for _, c, _ in recent) / sum(span for *_, span in recent)

    got = read(track, window(-step, times[-1] // step * step + 4 * step, step))
    assert got == pytest.approx(expected, rel=1e-9)


def test_nothing_is_known_before_the_first_sample_nor_long_after_the_last() -> None:
    track = gauge({10: 3, 15: 4, 20: 5})
    assert read(track, window(0, 60)) == {10: 3, 15: 4, 20: 5, 25: 5, 30: 5, 35: 5}
    assert [(note.kind, note.start, note.end) for note in track.notes(window(0, 60))] == [("gap", None, at(10))]
    assert track.notes(window(10, 60)) == ()


def test_zero_is_a_value_and_none_is_not() -> None:
    assert read(gauge({0: 0, 60: None, 120: 0}), window(0, 120, 60)) == {0: 0, 60: 0, 120: 0}
    assert read(gauge({0: None, 60: None}), window(0, 120, 60)) == {}


def test_a_deep_queue_keeps_its_last_message() -> None:
    assert read(gauge({0: 2**24 + 1, 5: 123_456_789}), window(0, 5)) == {0: 16_777_217, 5: 123_456_789}


@pytest.mark.parametrize("absurd", [float("inf"), float("nan"), 1e300])
def test_an_absurd_count_spoils_no_later_rate(absurd: float) -> None:
    track = Track("name", increments=True)
    track.append(at(0), {"mail": absurd}, 5.0)
    for second in range(5, 65, 5):
        track.append(at(second), {"mail": 10.0}, 5.0)
    assert read(track, window(0, 60))[60] == 2.0


def test_a_count_over_no_known_span_is_no_rate() -> None:
    track = Track("name", increments=True)
    track.append(at(0), {"mail": 1000.0})
    assert read(track, window(0, 5)) == {}
    track.append(at(5), {"mail": 10.0}, 5.0)
    assert read(track, window(0, 5)) == {5: 2.0}


def test_an_empty_frame_has_its_promised_columns() -> None:
    frame = Track("queue").frame(window(0, 60))
    assert list(frame.columns) == ["time", "queue", "value"]
    assert list(Track("").frame(window(0, 60)).columns) == ["time", "value"]
    assert [str(kind) for kind in frame.dtypes] == ["datetime64[ms, UTC]", "category", "float64"]


def test_the_oldest_samples_give_way_and_the_notes_say_where_what_is_kept_begins() -> None:
    track = Track("queue")
    track.append(at(0), {"mail": 0.0, "gone": 0.0})
    for place in range(1, POINTS + 10):
        track.append(at(5 * place), {"mail": float(place)})
    last = POINTS + 9
    assert set(track.frame(window(0, 5 * last))["queue"]) == {"mail"}
    assert track.began == at(50)
    assert read(track, window(0, 100)) == {float(5 * place): place for place in range(10, 21)}
    assert read(track, window(5 * last - 10, 5 * last)) == {5.0 * place: place for place in range(last - 2, last + 1)}
    assert [note.end for note in track.notes(window(0, 100))] == [at(50)]


def test_more_names_than_there_is_room_for_are_left_out_and_it_is_said() -> None:
    track = Track("queue")
    track.append(at(0), {f"q{place:04}": 1.0 for place in range(SERIES + 50)})
    assert track.frame(window(0, 5))["queue"].nunique() == SERIES
    assert [note.kind for note in track.notes(window(0, 5))] == ["cut"]
    assert track.notes(window(5, 10)) == ()  # no more than one sample was cut


def test_workers_that_come_and_go_do_not_lock_out_new_ones() -> None:
    track = Track("worker")
    for deploy in range(SERIES + 50):
        track.append(at(5 * deploy), {"celery@stays": 1.0, f"celery@{deploy:04}": 1.0})
    end = 5 * (SERIES + 49)
    kept = track.frame(window(0, end))["worker"].unique()
    assert len(kept) == SERIES
    assert {"celery@stays", f"celery@{SERIES + 49:04}"} <= set(kept)
    assert "celery@0000" not in kept
    assert len(read(track, window(0, end), "celery@stays")) == SERIES + 50
    assert "cut" in {note.kind for note in track.notes(window(0, end))}


def test_series_stand_in_the_same_order_whoever_was_sampled_last() -> None:
    track = Track("queue")
    track.append(at(0), {"b": 1.0, "a": 1.0})
    track.append(at(5), {"c": 1.0, "b": 1.0})
    assert list(track.frame(window(0, 5))["queue"].unique()) == ["a", "b", "c"]


def test_viewers_of_one_window_share_a_frame_until_the_next_sample() -> None:
    track, asked = gauge({0: 1}), window(0, 10)
    first = track.frame(asked)
    assert track.frame(asked) is first
    track.append(at(5), {"mail": 2.0})
    assert read(track, asked) == {0: 1, 5: 2, 10: 2}


def test_a_sample_that_comes_in_while_a_frame_is_made_is_in_the_next_one() -> None:
    class Interrupted(Track):
        def _read(self, *given: Any) -> pd.DataFrame:
            frame = super()._read(*given)
            if self._count == 1:
                self.append(at(5), {"mail": 2.0})
            return frame

    track, asked = Interrupted("queue"), window(0, 5)
    track.append(at(0), {"mail": 1.0})
    assert read(track, asked) == {0: 1, 5: 1}
    assert read(track, asked) == {0: 1, 5: 2}


def test_looking_at_many_windows_keeps_few_frames() -> None:
    track = gauge({0: 1})
    for place in range(5 * FRAMES):
        track.frame(window(0, 5 + 5 * place))
    assert len(track._frames) <= FRAMES


def test_readers_see_each_sample_as_soon_as_it_is_in_while_others_write() -> None:
    track, asked, behind = Track(""), window(0, 5 * 300), []
    written = threading.Semaphore(0)

    def reader() -> None:
        for _ in range(300):
            written.acquire()
            due = track._count - 1
            if float(track.frame(asked)["value"].max()) < due:
                behind.append(due)

    readers = [threading.Thread(target=reader) for _ in range(4)]
    for thread in readers:
        thread.start()
    for place in range(300):
        track.append(at(5 * place), {"": float(place)})
        written.release(4)
    for thread in readers:
        thread.join(30)
    assert behind == []
    assert read(track, asked)[5 * 299] == 299
