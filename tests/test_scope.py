"""Times, durations and ranges as a URL says them: read back exactly, or refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.errors import BadParameter
from data_sources.scope import (
    EPOCH,
    LATEST,
    MAX_POINTS,
    MAX_RANGE,
    PLOT_POINTS,
    STEPS,
    Range,
    floor_time,
    format_duration,
    iso,
    parse_duration,
    parse_time,
)

NOW = datetime(2026, 3, 1, 10, 0, 7, tzinfo=UTC)


def milliseconds(least: int, most: timedelta) -> st.SearchStrategy[timedelta]:
    return st.integers(least, most // timedelta(milliseconds=1)).map(lambda ms: timedelta(milliseconds=ms))


spans = milliseconds(1, MAX_RANGE)
moments = st.integers(400 * 86400 * 10**6, (LATEST - EPOCH) // timedelta(microseconds=1) - 1).map(
    lambda microseconds: EPOCH + timedelta(microseconds=microseconds)
)
hostile = (
    st.text(max_size=40)
    | st.from_regex(r"-?\d{1,14}(\.\d{0,8})?[smhdwy]?", fullmatch=True)
    | st.from_regex(r"\d{4}-\d\d-\d\d[T +]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+ -]\d\d:?\d\d)?", fullmatch=True)
)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90", timedelta(seconds=90)),
        ("0.5", timedelta(milliseconds=500)),
        ("15s", timedelta(seconds=15)),
        ("1h30m", timedelta(minutes=90)),
        ("366d", MAX_RANGE),
        ("2w", timedelta(days=14)),
    ],
)
def test_a_duration_is_read(text: str, span: timedelta) -> None:
    assert parse_duration(text, "range") == span


@pytest.mark.parametrize("text", ["", "0", "0s", "-1h", "1y", "6 h", "6H", "1e3", "٣h", "367d", "9" * 30, "1h\n", "h"])
def test_what_is_no_duration_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadParameter, match=r"^range: "):
        parse_duration(text, "range")


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T10:00:07Z",
        "2026-03-01T10:00:07",
        "2026-03-01 10:00:07",
        "2026-03-01T12:00:07+02:00",
        "2026-03-01T12:00:07 02:00",  # an unquoted + of a URL
        "2026-03-01T15:30:07+0530",
        "1772359207",
        "1772359207.000",
    ],
)
def test_a_time_is_read_in_each_of_its_spellings(text: str) -> None:
    assert parse_time(text, "from") == NOW


def test_a_day_and_an_hour_with_a_space_between_them_are_no_offset() -> None:
    assert parse_time("2026-03-01 10:00", "from") == datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "tomorrow",
        "2026-13-01",
        "2026-02-30",
        "-1",
        "9" * 12,
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "1e9",
    ],
)
def test_what_is_no_time_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadParameter, match=r"^from: "):
        parse_time(text, "from")


@given(spans)
def test_a_duration_reads_back_as_it_was_written(span: timedelta) -> None:
    assert parse_duration(format_duration(span), "range") == span


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_a_time_reads_back_as_it_was_written_in_any_zone(moment: datetime, minutes: int) -> None:
    assert parse_time(iso(moment), "from") == moment
    assert parse_time(moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat(), "from") == moment


ranges = spans.map(lambda span: Range(span=span)) | st.tuples(moments, spans).map(
    lambda pair: Range(start=pair[0] - pair[1], end=pair[0])
)


@given(ranges)
def test_a_range_survives_its_url(range: Range) -> None:
    query_string = urlencode(range.to_params())

    assert Range.from_params(dict(parse_qsl(query_string))) == range


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("range", "from", "to", "step"), hostile)))
def test_any_text_gives_a_range_that_can_be_asked_for_or_a_refusal_by_name(params: dict[str, str]) -> None:
    refused = None
    try:
        range = Range.from_params(params)
        step = parse_duration(params["step"], "step") if "step" in params else None
        window = range.resolve(NOW, step=step)
    except BadParameter as error:
        refused = error.name
    else:
        assert window.start <= window.end
        assert window.points <= MAX_POINTS
    assert refused in (None, "range", "from", "to", "step")


@given(ranges, st.none() | milliseconds(1, timedelta(days=30)), milliseconds(1000, timedelta(hours=2)))
def test_a_window_lies_on_its_step_within_the_limits(range: Range, step: timedelta | None, scrape: timedelta) -> None:
    try:
        window = range.resolve(NOW, step=step, at_least=scrape)
    except BadParameter as error:
        assert error.name == "step"  # noqa: PT017  the only refusal there is
        assert range.length / (step or scrape) > MAX_POINTS - 1
        return

    end = range.end or NOW
    assert window.start == floor_time(window.start, window.step)
    assert window.end == floor_time(window.end, window.step)
    assert timedelta(0) <= end - window.end < window.step
    assert timedelta(0) <= (end - range.length) - window.start < window.step
    if step is None:
        assert window.step >= scrape
        assert window.points <= PLOT_POINTS + 1
    else:
        assert window.step == step
        assert window.points <= MAX_POINTS


def test_a_planned_step_is_the_smallest_round_one() -> None:
    assert Range.live("1h").resolve(NOW).step == timedelta(seconds=5)
    assert Range.live("30d").resolve(NOW).step == timedelta(minutes=30)
    assert Range.live("5m").resolve(NOW, at_least=timedelta(seconds=15)).step == timedelta(seconds=15)
    assert Range.live("5m").resolve(NOW).step in STEPS


def test_a_step_too_small_is_refused_with_one_that_would_do() -> None:
    with pytest.raises(BadParameter, match="step: would give more than 11,000 points a series; 5m is the smallest"):
        Range.live("30d").resolve(NOW, step=timedelta(seconds=1))

    assert Range.live("30d").resolve(NOW, step=timedelta(minutes=5)).points <= MAX_POINTS


def test_live_windows_stand_still_between_steps() -> None:
    first = Range.live("1h").resolve(NOW)

    assert Range.live("1h").resolve(NOW + timedelta(seconds=2)) == first
    assert Range.live("1h").resolve(NOW + timedelta(seconds=3)) != first


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"to": "2026-03-01"}, "from"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "from"),
        ({"from": "2026-03-01", "to": "2026-03-01"}, "from"),
        ({"from": "2020-01-01", "to": "2026-03-01"}, "from"),
        ({"from": "2026-03-01", "to": "x"}, "to"),
        ({"range": "x"}, "range"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused_by_name(params: dict[str, str], name: str) -> None:
    with pytest.raises(BadParameter) as caught:
        Range.from_params(params)

    assert caught.value.name == name


def test_a_time_before_all_calendars_is_refused_and_not_an_error_of_ours() -> None:
    # Snapping the year 1 down to a multiple of a week leaves the calendar.
    with pytest.raises(BadParameter, match="is not a time from 1970 on"):
        Range.from_params({"from": "0001-01-01", "to": "0001-02-01"}).resolve(NOW, step=timedelta(days=7))


def test_frozen_stands_before_live_and_nothing_means_the_default() -> None:
    assert Range.from_params({}) == Range(span=timedelta(hours=1))
    assert Range.from_params({"range": ""}, "6h") == Range(span=timedelta(hours=6))
    assert Range.from_params({"range": "6h", "from": "0", "to": "60"}) == (
        Range(start=EPOCH, end=EPOCH + timedelta(minutes=1))
    )
