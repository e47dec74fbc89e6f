"""Moments as numbers: whole microseconds since 1970, as databases keep them, and milliseconds, as browsers count."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import overload

from data_sources.scope import EPOCH

SECOND_US = 1_000_000
MICROSECOND = timedelta(microseconds=1)


def now_us() -> int:
    return time.time_ns() // 1_000


def microseconds(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


def moment(at_us: int) -> datetime:
    return EPOCH + at_us * MICROSECOND


@overload
def ms(at: datetime) -> float: ...
@overload
def ms(at: datetime | None) -> float | None: ...
def ms(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp() * 1000
