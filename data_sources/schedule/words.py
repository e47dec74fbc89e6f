"""A schedule in words: "every 5 minutes", "Mondays to Fridays at 18:30 Europe/Berlin".

Told from what celery's own fields match, so that words and due times cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from data_sources.schedule.forms import Crontab, Form, Hits, Interval, Once, Solar, hits

UNITS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
DAYS = ("Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
MOST_TIMES = 4  # of a day, told one by one
MOST_LISTED = 6


def in_words(form: Form) -> str:
    match form:
        case Interval(seconds=seconds):
            return every(seconds)
        case Crontab():
            return crontab_words(hits(form), form.zone)
        case Once(at=at):
            return f"once, at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        case Solar():
            return f"at {form.event.replace('_', ' ')} at {form.latitude:g}, {form.longitude:g}"
    return str(form)


def every(seconds: float) -> str:
    """`every 5 minutes`, `every 1.5 seconds`."""
    unit, length = next((one for one in UNITS if seconds >= one[1] and seconds % one[1] == 0), UNITS[-1])
    if length == 1 and seconds > 120 and seconds == int(seconds):
        return f"every {int(seconds // 60)} minutes {int(seconds % 60)} seconds"
    count = seconds / length
    return f"every {unit}" if count == 1 else f"every {count:g} {unit}s"


def crontab_words(of: Hits, zone: str) -> str:
    clock, days = times(of, zone), days_of(of)
    if clock.startswith("at "):
        return f"{days or 'every day'} {clock}"
    return f"{clock}, {days}" if days else clock


def times(of: Hits, zone: str) -> str:
    """When on a day it runs."""
    minutes, hours = of.minutes, of.hours
    if len(minutes) * len(hours) <= MOST_TIMES:
        return f"at {listed([f'{hour}:{minute:02}' for hour in hours for minute in minutes])} {zone}"
    if len(minutes) == 1:
        return hourly(hours, minutes[0], zone)
    if step := step_of(minutes, 60):
        often = "every minute" if step == 1 else f"every {step} minutes"
    else:
        often = f"each hour at {listed([f':{minute:02}' for minute in minutes])}"
    if len(hours) == 24:
        return often
    if is_run(hours):
        return f"{often} from {hours[0]}:00 to {hours[-1]}:59 {zone}"
    return f"{often} in the hours {listed(list(map(str, hours)))} {zone}"


def hourly(hours: Sequence[int], minute: int, zone: str) -> str:
    """Once in each of many hours."""
    at = f" at :{minute:02}" if minute else ""
    if step := step_of(hours, 24):
        return f"every hour{at}" if step == 1 else f"every {step} hours{at}"
    if is_run(hours):
        return f"every hour from {hours[0]}:{minute:02} to {hours[-1]}:{minute:02} {zone}"
    return f"at {listed([f'{hour}:{minute:02}' for hour in hours])} {zone}"


def days_of(of: Hits) -> str:
    """On which days; empty: on all."""
    weekdays = week(of.weekdays) if len(of.weekdays) < 7 else ""
    months = listed([MONTHS[month - 1] for month in of.months]) if len(of.months) < 12 else ""
    if len(of.days) == 31:
        return f"{weekdays or 'every day'} in {months}" if months else weekdays
    days = (
        f"{ordinal(of.days[0])} to {ordinal(of.days[-1])}" if is_run(of.days) else listed(list(map(ordinal, of.days)))
    )
    return f"{f'{weekdays} that are' if weekdays else 'on'} the {days} of {months or 'each month'}"


def week(weekdays: Sequence[int]) -> str:
    """`Mondays to Fridays`, `Sundays and Wednesdays`; a week begins with Monday."""
    from_monday = sorted((day - 1) % 7 for day in weekdays)
    names = [DAYS[(day + 1) % 7] for day in from_monday]
    return f"{names[0]} to {names[-1]}" if is_run(from_monday) else listed(names)


def is_run(numbers: Sequence[int]) -> bool:
    """At least three that follow each other."""
    return len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1


def step_of(numbers: Sequence[int], whole: int) -> int | None:
    """2, for every second one of `whole`, beginning with 0."""
    step = whole // len(numbers)
    return step if step * len(numbers) == whole and list(numbers) == list(range(0, whole, step)) else None


def ordinal(number: int) -> str:
    ending = "th" if 10 < number < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`; of many the first few."""
    if len(words) > MOST_LISTED:
        return f"{', '.join(words[: MOST_LISTED - 1])} and {len(words) - MOST_LISTED + 1} more"
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
