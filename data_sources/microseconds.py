"""Moments as databases keep them: whole microseconds since 1970."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from data_sources.scope import EPOCH

SECOND_US = 1_000_000
MICROSECOND = timedelta(microseconds=1)


def now_us() -> int:
    return time.time_ns() // 1_000


def microseconds(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


def moment(at_us: int) -> datetime:
    return EPOCH + at_us * MICROSECOND
