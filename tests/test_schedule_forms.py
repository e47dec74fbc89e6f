"""Due times as celery's own beat has them, over changes of clocks too; and the same in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from celery import Celery
from celery.schedules import crontab
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.schedule.forms import (
    Crontab,
    Form,
    Interval,
    Once,
    Other,
    Solar,
    coming,
    due_times,
    next_due,
    read_crontab,
    read_interval,
)
from data_sources.schedule.words import in_words

FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
BERLIN = "Europe/Berlin"


def cron(fields: str, zone: str = "UTC") -> Form:
    return read_crontab(dict(zip(FIELDS, fields.split(), strict=True)), zone)


def local(form: Form, start: str, hours: float) -> list[str]:
    """Due times within `hours` from `start`, by the clocks of the schedule."""
    assert isinstance(form, Crontab)
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()
    times = due_times(form, begin, begin + hours * 3600)
    return [f"{datetime.fromtimestamp(at, ZoneInfo(form.zone)):%d %H:%M%z}" for at in times]


def by_beat(form: Crontab, start: datetime, hours: float, every: timedelta) -> list[datetime]:
    """When celery's crontab says that it is due, asked `every` so often, as beat asks."""
    zone = ZoneInfo(form.zone)
    app = Celery(set_as_current=False)
    app.conf.timezone = form.zone
    at, last, found = start, start, []
    fields = {field: getattr(form, field) for field in FIELDS}
    schedule = crontab(**fields, nowfun=lambda: at.astimezone(zone), app=app)
    while at < start + timedelta(hours=hours):
        if schedule.is_due(last.astimezone(zone)).is_due:
            found.append(at)
            last = at
        at += every
    return found


@pytest.mark.parametrize("fields", ["30 2 * * *", "0 * * * *", "*/20 2,3 * * *", "0 */6 * * *", "0 3 * * *"])
@pytest.mark.parametrize("day", ["2026-03-28", "2026-10-24"])  # in the night after it clocks change
def test_over_a_change_of_clocks_it_is_due_when_beat_sends_it(fields: str, day: str) -> None:
    form = cron(fields, BERLIN)
    assert isinstance(form, Crontab)
    start = datetime.fromisoformat(day).replace(second=30, tzinfo=UTC)

    sent = by_beat(form, start, 48, timedelta(minutes=1))

    due = due_times(form, start.timestamp(), start.timestamp() + 48 * 3600 - 30)
    assert [at.timestamp() // 60 for at in sent] == (due // 60).tolist()
    assert len(due) >= 2


def test_a_time_that_clocks_skip_comes_later_and_one_they_show_twice_comes_once() -> None:
    assert local(cron("30 2 * * *", BERLIN), "2026-03-28", 48) == ["28 02:30+0100", "29 03:30+0200"]
    assert local(cron("30 2 * * *", BERLIN), "2026-10-24", 48) == ["24 02:30+0200", "25 02:30+0200"]
    assert len(local(cron("0 * * * *", BERLIN), "2026-03-28T23:00", 24)) == 24 - 1 + 1
    assert len(local(cron("0 * * * *", BERLIN), "2026-10-24T22:00", 25)) == 24


def test_the_next_run_of_a_local_time_moves_with_the_clocks() -> None:
    form = cron("0 8 * * *", BERLIN)
    before, after = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC)
    assert next_due(form, before.timestamp(), None) == datetime(2026, 3, 29, 6, tzinfo=UTC).timestamp()
    assert next_due(form, before.timestamp() - 86_400, None) == datetime(2026, 3, 28, 7, tzinfo=UTC).timestamp()
    assert next_due(form, after.timestamp(), None) == datetime(2026, 3, 30, 6, tzinfo=UTC).timestamp()


numbers = st.integers(0, 23)
field = st.one_of(
    st.just("*"),
    st.integers(2, 12).map(lambda step: f"*/{step}"),
    st.tuples(numbers, numbers).map(lambda ends: f"{min(ends)}-{max(ends)}"),
    st.lists(numbers, min_size=1, max_size=3).map(lambda some: ",".join(map(str, some))),
)
day_fields = st.sampled_from(["*", "1", "*/10", "15-20", "1,31"])
weekdays = st.sampled_from(["*", "mon-fri", "0", "sat-mon", "1,3"])


@settings(max_examples=40)
@given(field, field, day_fields, weekdays, st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"]))
def test_any_crontab_is_due_when_celery_says(minute: str, hour: str, day: str, weekday: str, zone: str) -> None:
    form = read_crontab({"minute": minute, "hour": hour, "day_of_month": day, "day_of_week": weekday}, zone)
    assert isinstance(form, Crontab)
    start = datetime(2026, 5, 14, 3, 20, tzinfo=UTC)
    due = due_times(form, start.timestamp(), start.timestamp() + 40 * 86_400)
    app = Celery(set_as_current=False)
    app.conf.timezone = zone
    fields = {name: getattr(form, name) for name in FIELDS}
    told, at = [], start - timedelta(microseconds=1)
    for _ in range(min(len(due), 20)):
        schedule = crontab(**fields, nowfun=lambda at=at: at.astimezone(ZoneInfo(zone)), app=app)
        at += schedule.remaining_estimate(at.astimezone(ZoneInfo(zone)))
        told.append(at.timestamp())
    first = [one for one in due.tolist() if one > start.timestamp() - 1][: len(told)]
    assert told == pytest.approx(first, abs=0.001)


def test_the_29th_of_february_is_found_years_ahead_and_the_30th_is_refused() -> None:
    now = datetime(2028, 3, 1, tzinfo=UTC).timestamp()
    assert next_due(cron("0 0 29 2 *"), now, None) == datetime(2032, 2, 29, tzinfo=UTC).timestamp()
    assert next_due(cron("0 0 30 2 *"), now, None) is None


@pytest.mark.parametrize("fields", ["*/0 * * * *", "99 * * * *", "x * * * *", "* * * * someday", ", * * * *"])
def test_what_celery_cannot_read_is_no_crontab_and_shown_as_it_stands(fields: str) -> None:
    form = cron(fields)
    assert form == Other(f"crontab {fields} UTC")
    assert next_due(form, 0.0, None) is None
    assert not len(coming(form, 0.0, 86_400.0, None))


def test_a_zone_that_is_not_one_is_refused() -> None:
    assert isinstance(cron("0 8 * * *", "../../etc/passwd"), Other)
    assert isinstance(cron("0 8 * * *", "Europe/Atlantis"), Other)


@pytest.mark.parametrize("seconds", [0, 0.001, -5, float("nan"), float("inf"), True, None, "5", 1e12])
def test_an_interval_that_is_none_is_refused(seconds: object) -> None:
    assert isinstance(read_interval(seconds), Other)


def test_an_interval_is_due_after_its_last_run_and_not_known_before_there_was_one() -> None:
    assert next_due(Interval(20), 1_000.0, 995.0) == 1_015.0
    assert next_due(Interval(20), 2_000.0, 995.0) == 1_015.0  # overdue
    assert next_due(Interval(20), 1_000.0, None) is None
    assert coming(Interval(20), 1_000.0, 1_060.0, 995.0).tolist() == [1_015.0, 1_035.0, 1_055.0]
    assert len(coming(Interval(1), 0.0, 86_400.0, None)) == 86_400  # a day of them, for what is to come


def test_a_single_time_is_due_once() -> None:
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert next_due(Once(at), at.timestamp() - 5, None) == at.timestamp()
    assert next_due(Once(at), at.timestamp() + 5, None) is None


def test_the_next_of_many_is_the_first_of_them() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
    assert next_due(cron("* * 15-31 * *"), now, None) == datetime(2026, 5, 15, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("0 8 * * *", "every day at 8:00 UTC"),
        ("*/5 * * * *", "every 5 minutes"),
        ("* * * * *", "every minute"),
        ("0 * * * *", "every hour"),
        ("7 * * * *", "every hour at :07"),
        ("0 */2 * * *", "every 2 hours"),
        ("*/15 8-17 * * 1-5", "every 15 minutes from 8:00 to 17:59 UTC, Mondays to Fridays"),
        ("0 8-17 * * *", "every hour from 8:00 to 17:00 UTC"),
        ("0,30 8,20 * * *", "every day at 8:00, 8:30, 20:00 and 20:30 UTC"),
        ("0 0 1 * *", "on the 1st of each month at 0:00 UTC"),
        ("0 4 1-7 * mon", "Mondays that are the 1st to 7th of each month at 4:00 UTC"),
        ("0 0 1,15 1,7 *", "on the 1st and 15th of January and July at 0:00 UTC"),
        ("0 12 * * sat,sun", "Saturdays and Sundays at 12:00 UTC"),
        ("0 12 * 12 *", "every day in December at 12:00 UTC"),
        ("1,7,13,30-40 * * * *", "each hour at :01, :07, :13, :30, :31 and 9 more"),
    ],
)
def test_a_crontab_is_told_in_words(fields: str, words: str) -> None:
    assert in_words(cron(fields)) == words


def test_other_forms_are_told_in_words() -> None:
    assert in_words(cron("30 18 * * mon-fri", BERLIN)) == "Mondays to Fridays at 18:30 Europe/Berlin"
    said = {
        1: "every second",
        0.5: "every 0.5 seconds",
        90: "every 90 seconds",
        150: "every 2 minutes 30 seconds",
        300: "every 5 minutes",
        5400: "every 90 minutes",
        86_400: "every day",
    }
    assert {seconds: in_words(Interval(seconds)) for seconds in said} == said
    assert in_words(Solar("dawn_civil", 52.52, 13.4)) == "at dawn civil at 52.52, 13.4"
    assert in_words(Once(datetime(2026, 5, 1, 12, tzinfo=UTC))) == "once, at 2026-05-01 12:00:00 UTC"
