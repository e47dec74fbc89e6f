"""Entries in the configuration that workers report: what beat reads too, where both run one app.

A worker gives intervals as numbers, or as text of a timedelta, and other schedules as their repr (celery/schedules.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from data_sources.schedule.entry import WORKERS, Entry, defined
from data_sources.schedule.forms import LONGEST_FIELD, Form, Other, Solar, read_crontab, read_interval

MOST_ENTRIES = 2_000

FREQUENCY = re.compile(r"<freq: (?P<count>\d+(?:\.\d+)?) (?P<unit>second|minute|hour|day)s?>", re.ASCII)
SPAN = re.compile(r"(?:(?P<days>\d+) days?, )?(?P<hours>\d+):(?P<minutes>\d+):(?P<seconds>\d+(?:\.\d+)?)", re.ASCII)
CRONTAB = re.compile(r"<crontab:\s+(?P<fields>.{1,2000}?)\s+\((?P<order>[\w/]+)\)(?:, (?P<zone>[\w/+-]+))?>", re.DOTALL)
FIELD = re.compile(r"range\([^)]*\)|(?:frozenset\()?[\[{(][^\])}]*[\])}]\)?|\S+")
SOLAR = re.compile(r"<solar: (?P<event>\w+) at latitude (?P<lat>-?[\d.]+), longitude: (?P<lon>-?[\d.]+)>", re.ASCII)
RANGE = re.compile(r"range\((\d+), (\d+)(?:, (\d+))?\)", re.ASCII)

SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
# How a crontab's repr calls its fields, in which order it differs between versions.
NAMES = {"m": "minute", "h": "hour", "dM": "day_of_month", "MY": "month_of_year", "d": "day_of_week"}


@dataclass(frozen=True)
class Configured:
    """`zone`: the time zone of crontabs without one of their own, as most workers have it; None: nobody said."""

    entries: tuple[Entry, ...]
    zone: str | None


def read_configured(conf: Mapping[str, Any]) -> Configured:
    """What one worker says: its configuration, with defaults."""
    zone = zone_of(conf)
    return Configured(tuple(entry(name, given, zone) for name, given in islice(sections(conf), MOST_ENTRIES)), zone)


def merged(parts: Iterable[Configured]) -> Configured:
    """What several workers say; the same entry of several is one."""
    entries: dict[Entry, None] = {}
    zones: Counter[str] = Counter()
    for part in parts:
        entries |= dict.fromkeys(part.entries)
        zones.update([part.zone] if part.zone else [])
    return Configured(tuple(islice(entries, MOST_ENTRIES)), next((zone for zone, _ in zones.most_common(1)), None))


def sections(conf: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and definitions under `beat_schedule`, `CELERYBEAT_SCHEDULE`, or with a namespace of the app before it."""
    for setting, value in conf.items():
        if setting.lower().endswith("beat_schedule") and isinstance(value, Mapping):
            yield from value.items()


def zone_of(conf: Mapping[str, Any]) -> str:
    """Celery's default is UTC."""
    given = (conf.get(name) for name in ("timezone", "CELERY_TIMEZONE"))
    return next((zone for zone in given if isinstance(zone, str) and zone), "UTC")


def entry(name: str, given: Any, zone: str) -> Entry:
    if not isinstance(given, Mapping):  # its name looks like a secret's, so it came masked
        return Entry(name, None, Other("hidden: its name looks like that of a secret"), WORKERS)
    return defined(name, given, read_form(given.get("schedule"), zone), WORKERS)


def read_form(said: Any, zone: str) -> Form:
    """A schedule as a worker's JSON gives it; nothing of it is evaluated."""
    if not isinstance(said, str):
        return read_interval(said)
    if span := SPAN.fullmatch(said):
        parts = span.groupdict("0")
        hours = 24 * int(parts["days"]) + int(parts["hours"])
        return read_interval(hours * 3_600 + int(parts["minutes"]) * 60 + float(parts["seconds"]))
    if frequency := FREQUENCY.fullmatch(said):
        return read_interval(unrounded(frequency["count"], SECONDS[frequency["unit"]]))
    if solar := SOLAR.fullmatch(said):
        return Solar(solar["event"], number(solar["lat"]), number(solar["lon"]))
    if cron := CRONTAB.fullmatch(said.strip()):
        order = [NAMES.get(letter, "") for letter in cron["order"].split("/")]
        fields = [field_text(one) for one in FIELD.findall(cron["fields"])]
        if sorted(order) == sorted(NAMES.values()) and len(fields) == len(order):
            return read_crontab(dict(zip(order, fields, strict=True)), cron["zone"] or zone)
    return Other(said[:LONGEST_FIELD])


def unrounded(text: str, unit: int) -> float:
    """Whole seconds, where they are written so: a worker says 1.67 minutes for 100 s."""
    seconds = float(text) * unit
    return float(round(seconds)) if f"{round(seconds) / unit:.2f}" == text else seconds


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def field_text(said: str) -> str:
    """A field as it was written: `[0, 30]` is `0,30`."""
    if steps := RANGE.fullmatch(said):
        first, end, step = (int(part[:4]) for part in (steps[1], steps[2], steps[3] or "1"))
        return ",".join(map(str, range(first, min(end, 100), max(step, 1))))
    return ",".join(re.findall(r"\w+", said)) if said[0] in "[{(" or said.startswith("frozenset") else said
