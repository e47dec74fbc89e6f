"""The fields of an event, read without trust: none has the type, size or content it should have. Unknown is None."""

from __future__ import annotations

import math
from datetime import datetime
from functools import lru_cache
from typing import Any

from data_sources.mask import mask_text

MAX_NAME = 255  # of ids, and of the names of tasks, queues and workers; characters, as the others
LIMITS = {"args": 2_000, "kwargs": 2_000, "result": 2_000, "exception": 1_000, "traceback": 8_000}
MARGIN = 2_000  # read beyond a limit, so that a secret which the cut would split is seen whole and masked

MAX_SKEW = 60.0  # seconds; a clock further off than this is wrong, and what it says is no time
MAX_INTEGER = 2**31 - 1
MAX_SECONDS = 10 * 366 * 86_400


def identifier(value: Any) -> str | None:
    """A task's id as it stands: cut or cleaned it could be another's."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable() else None


def name(value: Any) -> str | None:
    return interned(value[:MAX_NAME]) if isinstance(value, str) and value else None


@lru_cache(10_000)
def interned(value: str) -> str:
    """The one text for a name that comes again and again, cleaned once."""
    return cleaned(value)[:MAX_NAME]


def text(value: Any, what: str, cut: dict[str, int]) -> str | None:
    """`value`, masked, and cut to the limit of `what`; then `cut` tells its true length."""
    if not isinstance(value, str) or not value:
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


def timestamp(value: Any, heard_us: int) -> int:
    """Microseconds since 1970 of Celery's `timestamp`, UNIX time wherever the worker is; else the hearing's."""
    if type(value) is float or type(value) is int:
        heard = heard_us / 1e6
        if heard - MAX_SKEW <= value <= heard + MAX_SKEW:
            return int(value * 1_000_000)
    return heard_us


def offset(value: Any, heard_us: int) -> float | None:
    """How far ahead of ours the clock is that says `value`, however wrong it is."""
    return value - heard_us / 1e6 if type(value) in (int, float) and 0 <= value < 1e12 else None


def count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else None


def number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and 0 <= value <= MAX_SECONDS else None


def duration(value: Any) -> int | None:
    """Microseconds of a number of seconds."""
    seconds = number(value)
    return round(seconds * 1e6) if seconds is not None else None


def load_average(value: Any) -> tuple[float, float, float] | None:
    match value if isinstance(value, list) else None:
        case [float() | int() as one, float() | int() as five, float() | int() as fifteen]:
            loads = tuple(number(load) for load in (one, five, fifteen))
            return loads if None not in loads else None  # type: ignore[return-value]
    return None


def moment(value: Any) -> int | None:
    """Microseconds since 1970 of an ETA in ISO 8601. Without an offset it is in a zone nobody tells: unknown."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        return None
    seconds = when.timestamp()
    return round(seconds * 1e6) if seconds > 0 and math.isfinite(seconds) else None
