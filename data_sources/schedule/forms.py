"""When an entry of a schedule is due: the closed set of forms that beats know, and the moments they mean.

Moments are seconds since 1970, so that thousands of them are an array.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from celery.exceptions import ImproperlyConfigured
from celery.schedules import ParseException, crontab

Moments = npt.NDArray[np.float64]

FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")  # of a crontab, as celery calls them
LONGEST_FIELD = 300  # characters; django-celery-beat takes 240
SHORTEST_SECONDS = 0.1  # no beat keeps up with less
MOST_MOMENTS = 20_000  # of one entry that are compared: two weeks of minutes
SEARCHED_DAYS = (2, 40, 400, 8 * 366)  # for the next time: the 29th of February may be eight years off


@dataclass(frozen=True)
class Interval:
    """So many seconds after the last time."""

    seconds: float

    def __str__(self) -> str:
        return f"interval {self.seconds:g}"


@dataclass(frozen=True)
class Crontab:
    """Celery's fields, as they are written; a day must match all three of its fields. Made by `read_crontab`."""

    minute: str
    hour: str
    day_of_month: str
    month_of_year: str
    day_of_week: str
    zone: str = "UTC"

    def __str__(self) -> str:
        fields = (self.minute, self.hour, self.day_of_month, self.month_of_year, self.day_of_week, self.zone)
        return f"crontab {' '.join(fields)}"


@dataclass(frozen=True)
class Solar:
    """An event of the sun at a place. Its times are not computed here."""

    event: str
    latitude: float
    longitude: float

    def __str__(self) -> str:
        return f"solar {self.event} {self.latitude:g} {self.longitude:g}"


@dataclass(frozen=True)
class Once:
    """A single time."""

    at: datetime

    def __str__(self) -> str:
        return f"once {self.at.astimezone(UTC).isoformat()}"


@dataclass(frozen=True)
class Other:
    """A form that is not known here, or fields that cannot be read."""

    text: str

    def __str__(self) -> str:
        return self.text


Form = Interval | Crontab | Solar | Once | Other


@dataclass(frozen=True)
class Hits:
    """What the fields of a crontab match, in order; days of the week from Sunday, 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def match(self, day: date) -> bool:
        return day.day in self.days and day.month in self.months and day.isoweekday() % 7 in self.weekdays


def read_interval(seconds: object) -> Form:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not SHORTEST_SECONDS <= seconds < 1e10:
        return Other(f"interval {seconds}"[:LONGEST_FIELD])
    return Interval(float(seconds))


def read_crontab(given: Mapping[str, object], zone: str = "UTC") -> Form:
    """Of FIELDS those that are given, as text, numbers or lists of numbers. Other, for what celery cannot read."""
    minute, hour, day_of_month, month_of_year, day_of_week = (spelled(given.get(field, "*")) for field in FIELDS)
    found = Crontab(minute, hour, day_of_month, month_of_year, day_of_week, zone)
    try:
        hits(found)
        ZoneInfo(zone)
    except (ValueError, TypeError, KeyError, IndexError, OSError, ParseException, ImproperlyConfigured):
        return Other(str(found)[:LONGEST_FIELD])
    return found


def spelled(field: object) -> str:
    if isinstance(field, list | tuple | set):
        return ",".join(str(one) for one in sorted(field, key=str))[:LONGEST_FIELD]
    return str(field).replace(" ", "")[:LONGEST_FIELD]


@lru_cache(10_000)
def hits(one: Crontab) -> Hits:
    """Expanded by celery itself. Raises what celery raises."""
    parsed = crontab(
        minute=one.minute,
        hour=one.hour,
        day_of_month=one.day_of_month,
        month_of_year=one.month_of_year,
        day_of_week=one.day_of_week,
    )
    of = (parsed.minute, parsed.hour, parsed.day_of_month, parsed.month_of_year, parsed.day_of_week)
    if not all(of):
        raise ValueError("matches nothing")
    return Hits(*(tuple(sorted(numbers)) for numbers in of))


def due_times(one: Crontab | Once, start: float, end: float) -> Moments:
    """When it is due from `start` to before `end`, in order.

    As celery's beat does it (celery/utils/time.py, remaining): a time that clocks skip is due as much later, one that
    they show twice is due at the first.
    """
    if isinstance(one, Once):
        at = one.at.timestamp()
        return np.array([at] if start <= at < end else [])
    zone, of = ZoneInfo(one.zone), hits(one)
    minutes = np.add.outer(np.array(of.hours) * 60, np.array(of.minutes)).ravel()
    found = [of_day(day, minutes, zone) for day in days_between(start, end, zone) if of.match(day)]
    moments: Moments = np.unique(np.concatenate([np.empty(0), *found]))
    return moments[(moments >= start) & (moments < end)]


def days_between(start: float, end: float, zone: ZoneInfo) -> Iterator[date]:
    """The days of `zone`, in order."""
    day, last = (datetime.fromtimestamp(at, zone).date() for at in (start, end))
    while day <= last:
        yield day
        day += timedelta(days=1)


def of_day(day: date, minutes: npt.NDArray[np.int64], zone: ZoneInfo) -> Moments:
    """The moments of a day that are so many minutes after midnight by its clocks."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    if midnight.utcoffset() == (midnight + timedelta(days=1)).utcoffset():
        return np.asarray(midnight.timestamp() + minutes * 60, np.float64)
    # Wall-clock arithmetic: between datetimes of one zone Python adds what clocks show.
    return np.array([(midnight + timedelta(minutes=int(minute))).timestamp() for minute in minutes])


def next_due(form: Form, now: float, last_run: float | None) -> float | None:
    """When it is due next; of an interval that may be past. None: never again, or not known."""
    match form:
        case Interval(seconds=seconds):
            return None if last_run is None else last_run + seconds
        case Crontab() | Once():
            for days in SEARCHED_DAYS:
                if len(found := due_times(form, now, now + days * 86_400)):
                    return float(found[0])
    return None


def coming(form: Form, now: float, until: float, last_run: float | None) -> Moments:
    """When it will be due from `now` to before `until`."""
    match form:
        case Interval(seconds=seconds):
            begin = now if last_run is None else max(last_run + seconds, now)
            return evenly(begin, until, seconds)
        case Crontab() | Once():
            return due_times(form, now, until)
    return np.empty(0)


def evenly(begin: float, until: float, seconds: float) -> Moments:
    """`begin`, and every so many seconds after it, to before `until`."""
    return begin + seconds * np.arange(max(0, math.ceil((until - begin) / seconds)), dtype=np.float64)
