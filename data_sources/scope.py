"""Within what a question is asked: which cluster, which stretch of time, how fresh.

A `Range` is what a URL says; `Range.resolve` plans the `Window` that is really asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from data_sources.errors import BadParameter

MAX_POINTS = 11_000  # Prometheus refuses more a series ("exceeded maximum resolution", web/api/v1)
PLOT_POINTS = 1_500  # about one a pixel of a wide screen
MAX_RANGE = timedelta(days=366)

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
STEPS = tuple(
    timedelta(seconds=s)
    for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)  # and before it room for sums; nothing is recorded before the epoch


def parse_duration(text: str, name: str) -> timedelta:
    """`90s`, `6h`, `1d12h` or plain seconds; raises BadParameter naming `name`."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,3})?", text, re.ASCII):
        seconds = float(text)
    elif re.fullmatch(r"(\d{1,9}[smhdw]){1,5}", text, re.ASCII):
        seconds = float(sum(int(n) * UNITS[u] for n, u in re.findall(r"(\d+)([smhdw])", text)))
    else:
        raise BadParameter(name, f"“{text[:40]}” is not a duration; write 15m, 6h or 7d")
    if not 0 < seconds <= MAX_RANGE.total_seconds():
        raise BadParameter(name, "must be longer than nothing and at most 366d")
    return timedelta(seconds=seconds)


def format_duration(span: timedelta) -> str:
    """The shortest spelling `parse_duration` reads back to exactly this span: `6h`, `1d12h`, `0.5`."""
    seconds = span.total_seconds()
    if seconds != int(seconds):
        return f"{seconds:.3f}"
    rest, text = int(seconds), ""
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, UNITS[unit])
        text += f"{count}{unit}" if count else ""
    return text


def parse_time(text: str, name: str) -> datetime:
    """ISO 8601 (without an offset: UTC) or unix seconds; raises BadParameter naming `name`."""
    try:
        if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text, re.ASCII):
            moment = EPOCH + timedelta(seconds=float(text))
        else:
            # A "+" in a query string reaches us as a space when the sender forgot to quote it.
            moment = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip()))
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        if not EPOCH <= moment < LATEST:
            raise ValueError("out of range")
        return moment
    except (ValueError, OverflowError) as exc:
        message = f"“{text[:40]}” is not a time from 1970 on; write 2026-03-01T10:00:00Z or unix seconds"
        raise BadParameter(name, message) from exc


def floor_time(moment: datetime, step: timedelta) -> datetime:
    """The last multiple of `step` since the epoch that is not after `moment`."""
    return EPOCH + (moment - EPOCH) // step * step


@dataclass(frozen=True)
class Window:
    """A planned stretch: both ends included, both multiples of `step` since the epoch, in UTC."""

    start: datetime
    end: datetime
    step: timedelta

    @property
    def points(self) -> int:
        return (self.end - self.start) // self.step + 1


@dataclass(frozen=True)
class Range:
    """How far back a page looks: live (`span`, ending now) or frozen (`start` to `end`)."""

    span: timedelta | None = None
    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def live(cls, text: str) -> Self:
        return cls(span=parse_duration(text, "range"))

    @classmethod
    def from_params(cls, params: Mapping[str, str], default: str = "1h") -> Self:
        """Reads `from` with `to` (frozen; no `to` means now) or `range` (live). Raises BadParameter."""
        if params.get("to") and not params.get("from"):
            raise BadParameter("from", "is missing: `to` needs it")
        if params.get("from"):
            start = parse_time(params["from"], "from")
            end = parse_time(params["to"], "to") if params.get("to") else datetime.now(UTC)
            if start >= end:
                raise BadParameter("from", "must be before `to`")
            if end - start > MAX_RANGE:
                raise BadParameter("from", "is more than 366 days before `to`")
            return cls(start=start, end=end)
        return cls.live(params.get("range") or default)

    def to_params(self) -> dict[str, str]:
        if self.start and self.end:
            return {"from": iso(self.start), "to": iso(self.end)}
        assert self.span
        return {"range": format_duration(self.span)}

    @property
    def is_live(self) -> bool:
        return self.span is not None

    @property
    def length(self) -> timedelta:
        if self.start and self.end:
            return self.end - self.start
        assert self.span
        return self.span

    def resolve(
        self,
        now: datetime,
        *,
        step: timedelta | None = None,
        at_least: timedelta = timedelta(seconds=1),
        points: int = PLOT_POINTS,
    ) -> Window:
        """The window to ask for: a round step of at most `points` points, never under `at_least` (the scrape
        interval, when known), or exactly `step`; both ends snapped down to it.

        Raises BadParameter when `step` would give more than 11,000 points a series.
        """
        end = self.end or now
        start = self.start or end - self.length
        if step is None:
            step = plan_step(end - start, at_least, points)
        elif (end - start) / step > MAX_POINTS - 1:
            smallest = plan_step(end - start, timedelta(seconds=1), MAX_POINTS - 1)
            raise BadParameter(
                "step", f"would give more than 11,000 points a series; {format_duration(smallest)} is the smallest"
            )
        return Window(floor_time(start, step), floor_time(end, step), step)


def plan_step(length: timedelta, at_least: timedelta, points: int) -> timedelta:
    """The smallest round step that covers `length` in at most `points` points and is not under `at_least`."""
    wanted = max(length / points, at_least)
    return next((step for step in STEPS if step >= wanted), STEPS[-1] * -(-wanted // STEPS[-1]))


def iso(moment: datetime) -> str:
    """`2026-03-01T10:00:00+00:00`, with as many decimals of a second as are needed."""
    return moment.astimezone(UTC).isoformat()


@dataclass(frozen=True)
class Scope:
    """Where and when a question is asked, and how old an answer the asker is content with."""

    cluster: str = "default"
    range: Range = Range(span=timedelta(hours=1))
    step: timedelta | None = None  # None: planned for a plot
    max_age: timedelta = timedelta(seconds=5)  # askers of one question within one such slot share one fetch
    snapshot: str = ""  # the id of sealed answers; then these answer, and no source is asked
