"""The fields of an event, read without trust: none has the size or content it should have. Unknown is None."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from data_sources.mask import mask_text

MAX_NAME = 255  # of ids, and of the names of tasks, queues and workers; characters, as the others
LIMITS = {"args": 2_000, "kwargs": 2_000, "result": 2_000, "exception": 1_000, "traceback": 8_000}
MARGIN = 2_000  # read beyond a limit, so that a secret which the cut would split is seen whole and masked

MAX_SKEW_US = 60e6  # a clock further off than this is wrong, and what it says is no time
MOST_NAMES = 10_000  # kept, then begun anew
MAX_INTEGER = 2**31 - 1
MAX_SECONDS = 10 * 366 * 86_400

names: dict[str, str] = {}  # by how they were said


def identifier(value: str | None) -> str | None:
    """A task's id as it stands: cut or cleaned it could be another's."""
    return value if value and len(value) <= MAX_NAME and value.isprintable() else None


def name(value: str | None) -> str | None:
    """The one text for a name that comes again and again, cleaned once."""
    return (names.get(value) or new_name(value[:MAX_NAME])) if value else None


def new_name(value: str) -> str:
    if len(names) >= MOST_NAMES:
        names.clear()
    return names.setdefault(value, cleaned(value)[:MAX_NAME])


def text(value: str | None, what: str, cut: dict[str, int]) -> str | None:
    """`value`, masked, and cut to the limit of `what`; then `cut` tells its true length."""
    if not value:
        return None
    limit, length = LIMITS[what], len(value)
    if length <= limit:
        return cleaned(value)
    cut[what] = length
    seen = cleaned(value[: limit + MARGIN])
    return seen[: min(limit, max(1, len(seen) - MARGIN))] if length > limit + MARGIN else seen[:limit]


def cleaned(value: str) -> str:
    """Without secrets, lone surrogates, and NUL, which PostgreSQL does not take."""
    masked = mask_text(value)
    return masked.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in masked else masked


def timestamp(value: float | None, heard_us: int) -> int:
    """Microseconds since 1970 of Celery's `timestamp`, UNIX time wherever the worker is; else the hearing's."""
    return int(value * 1e6) if value is not None and -MAX_SKEW_US <= value * 1e6 - heard_us <= MAX_SKEW_US else heard_us


def offset(value: float | None, heard_us: int) -> float | None:
    """How far ahead of ours the clock is that says `value`, however wrong it is."""
    return value - heard_us / 1e6 if value is not None and 0 <= value < 1e12 else None


def count(value: int | None) -> int | None:
    return value if value is not None and 0 <= value <= MAX_INTEGER else None


def number(value: float | None) -> float | None:
    return value if value is not None and 0 <= value <= MAX_SECONDS else None


def duration(value: float | None) -> int | None:
    """Microseconds of a number of seconds."""
    return round(value * 1e6) if value is not None and 0 <= value <= MAX_SECONDS else None


def load_average(value: Any) -> tuple[float, float, float] | None:
    match value if isinstance(value, list) else None:
        case [float() | int() as one, float() | int() as five, float() | int() as fifteen]:
            loads = tuple(number(float(load)) for load in (one, five, fifteen))
            return loads if None not in loads else None  # type: ignore[return-value]
    return None


def moment(value: str | None) -> int | None:
    """Microseconds since 1970 of an ETA in ISO 8601. Without an offset it is in a zone nobody tells: unknown."""
    if value is None or len(value) > 40:
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        return None
    seconds = when.timestamp()
    return round(seconds * 1e6) if seconds > 0 and math.isfinite(seconds) else None
