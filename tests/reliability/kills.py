"""kill -9 at random moments under load: what was acknowledged stays, once, and roll-ups stay equal to their rows."""

from __future__ import annotations

import math
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from data_sources import schema
from data_sources.config import Secret
from demo.servers import Redis, wait_until
from tests.event_load import Publisher
from tests.recording import FINAL, Look, RecorderProcess

RATE = 900
READY_SECONDS = 3.0  # on a quiet machine
# What takes half a second there; on a slower one, or a busy one, a recorder may take as much longer as this does.
MEASURE, MEASURE_SECONDS = "import sqlalchemy, kombu.transport.redis", 0.5
LONGEST_LIFE = 3.0  # seconds from ready to the kill
LEVELS, MINUTE = schema.LEVELS, schema.LEVELS[1]
BY_THEN_SECONDS = 30  # after the beginning; the minute before the one that this is in has tasks, and is over soon
ENDS_SECONDS = 300.0  # a minute and its grace: then everything is rolled up, but on a busy machine

LAST = "ORDER BY seq DESC LIMIT 3000"  # the rows that changed last
# Told by the table itself: `state_us` stands in no index.
TWICE = "SELECT count(*) - count(DISTINCT id) FROM tasks WHERE state_us > 0"
SUMS = "count(*), sum(coalesce(retries, 0)), count(wait_us), coalesce(sum(wait_us), 0)"
ROWS = f"""SELECT finished_us / 1000000 / {{level}} * {{level}}, coalesce(name, 0), coalesce(queue, 0),
 coalesce(worker, 0), state, {SUMS}, count(runtime_us), coalesce(sum(runtime_us), 0)
 FROM tasks WHERE state IN {FINAL} GROUP BY 1, 2, 3, 4, 5"""
ROLLUPS = """SELECT at, name, queue, worker, state, count, retries, waits, wait_us, runtimes, runtime_us
 FROM rollups JOIN cells ON cells.id = rollups.cell WHERE level = {level}"""


@dataclass
class Kills:
    """What is counted. `acknowledged`: rows, in the version a reader had seen when it was killed."""

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    twice: int = 0
    buckets: int = 0
    wrong_buckets: int = 0
    unaccounted: int = 0  # kills that left no gap
    slowest_seconds: float = 0.0  # from a kill to a recorder that records again
    slow: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def missed(self) -> bool:
        return bool(self.lost or self.twice or self.wrong_buckets or self.unaccounted or self.slow or not self.buckets)


Version = tuple[str, int, int | None]  # id, state, finished_us


def run(kills: int, history_url: Secret, to_the_last: bool = True) -> Kills:
    """At the end it waits for roll-ups and compares them once more: `to_the_last`, which takes more than a minute, or
    else of minutes that are over by then. There are some, whatever second it began in: tasks are dated up to 50 s back.
    """
    counted = Kills()
    began = time.time()
    with tempfile.TemporaryDirectory() as name, Redis(Path(name) / "redis") as redis:
        with Publisher(Path(name), redis.url, "--rate", str(RATE), "--upset"):
            begin = partial(RecorderProcess, Path(name), redis.url, history_url=history_url)
            recorder = begin()
            try:
                for _ in range(kills):
                    recorder = one_kill(recorder, begin, counted)
            finally:
                recorder.stop()
        gaps = recorder.history.rows("SELECT count(*) FROM gaps WHERE source = 'recorder'")[0][0]
        counted.unaccounted = max(0, kills - gaps)
        until = math.inf if to_the_last else (began + BY_THEN_SECONDS) // MINUTE * MINUTE
        with begin() as recorder:
            wait_until(lambda: not dirty(recorder.history, until), "the roll-ups", ENDS_SECONDS)
            check(recorder.history, counted)
    return counted


def one_kill(recorder: RecorderProcess, begin: Callable[[], RecorderProcess], counted: Kills) -> RecorderProcess:
    seen: dict[int, Version] = {}
    dies = time.monotonic() + random.uniform(0, LONGEST_LIFE)
    while time.monotonic() < dies:
        seen |= versions(recorder.history, LAST)
    recorder.signal(signal.SIGKILL)
    killed = time.monotonic()
    recorder.stop()
    successor = begin()
    took = time.monotonic() - killed
    counted.kills += 1
    counted.acknowledged += len(seen)
    counted.slowest_seconds = max(counted.slowest_seconds, round(took, 2))
    counted.slow += took > READY_SECONDS * how_slow()
    counted.lost += len(lost(seen, recorder.history))
    check(recorder.history, counted)
    return successor


def how_slow() -> float:
    """How many times as long as on a quiet machine a process takes to start now, at least once."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", MEASURE], check=True)
    return max(1.0, (time.monotonic() - began) / MEASURE_SECONDS)


def versions(history: Look, which: str, *parameters: object) -> dict[int, Version]:
    """Rows by their number."""
    rows = history.rows(f"SELECT seq, id, state, finished_us FROM tasks {which}", *parameters)
    return {seq: (id, state, finished_us) for seq, id, state, finished_us in rows}


def lost(seen: dict[int, Version], history: Look) -> list[int]:
    """The numbers of rows that are not there any more, or in an older version than was seen."""
    now = versions(history, "WHERE seq >= ?", min(seen)) if seen else {}
    return [seq for seq, version in seen.items() if seq not in now or is_older(now[seq], version)]


def is_older(one: Version, other: Version) -> bool:
    """Whether it is another task's, or comes before: an end is never taken back, a later end counts."""
    (id, state, finished_us), (other_id, other_state, other_finished_us) = one, other
    ends_before = state not in FINAL or (finished_us or 0) < (other_finished_us or 0)
    return id != other_id or (other_state in FINAL and ends_before)


def dirty(history: Look, until: float) -> bool:
    """Whether a minute that began before `until` is not rolled up."""
    return bool(history.rows("SELECT 1 FROM dirty WHERE level = ? AND at < ? LIMIT 1", MINUTE, until))


def check(history: Look, counted: Kills) -> None:
    """No task twice, and in one moment every bucket that says it is current equal to its rows."""
    with history.reading() as rows:
        counted.twice += rows(TWICE)[0][0]
        behind = {level: {at for (at,) in rows("SELECT at FROM dirty WHERE level = ?", level)} for level in LEVELS}
        for level in LEVELS:
            marked = max(level, MINUTE)
            skip = behind[marked]
            of_rows, of_rollups = (
                {row for row in rows(sql.format(level=level)) if row[0] // marked * marked not in skip}
                for sql in (ROWS, ROLLUPS)
            )
            counted.buckets += len(of_rows)
            counted.wrong_buckets += len(of_rows ^ of_rollups)
            note(counted, level, of_rows ^ of_rollups)


def note(counted: Kills, level: int, rows: Iterable[tuple[object, ...]]) -> None:
    """The first few that are wrong, for whoever has to find out why."""
    for row in rows:
        if len(counted.faults) < 5:
            counted.faults.append(f"level {level}: {row}")
