"""Tasks whose every number is decided beforehand, written by the recorder's own store."""

from __future__ import annotations

import random
import time
from contextlib import closing
from dataclasses import dataclass

from data_sources.history.place import Place
from data_sources.history.task_record import TaskRecord
from data_sources.latest import RecorderState
from data_sources.microseconds import SECOND_US
from data_sources.schema import STATES
from recorder.batch import Batch, Latest
from recorder.rollups import Rollups
from recorder.store import Store

TASKS = 3_000
HOUR_US = 3600 * SECOND_US
END_US = int(time.time()) // 3600 * HOUR_US  # within what a store takes in
START_US = END_US - 3 * HOUR_US
NAMES = ("shop.pay", "shop.send", "<img src=x onerror=window.__xss=1>")
EXCEPTIONS = ("KeyError('sku-{}')", "TimeoutError({})", "ValueError: order {} of 'x'")


@dataclass(frozen=True)
class Decided:
    """One task as it was decided; seconds, and microseconds since 1970."""

    name: str
    state: str
    worker: str
    queue: str
    last_us: int
    wait: float
    runtime: float
    retries: int
    exception: str | None

    @property
    def ended(self) -> bool:
        return self.state in ("SUCCESS", "FAILURE", "REVOKED")

    def record(self, number: int) -> TaskRecord:
        runtime_us, wait_us = round(self.runtime * SECOND_US), round(self.wait * SECOND_US)
        started_us = self.last_us - runtime_us if self.ended else self.last_us
        return TaskRecord(
            id=f"{number:08}",
            state=STATES.index(self.state),
            state_us=self.last_us,
            outcome_us=self.last_us if self.ended else None,
            name=self.name,
            worker=self.worker,
            queue=self.queue,
            sent_us=started_us - wait_us,
            received_us=started_us - wait_us,
            started_us=started_us,
            finished_us=self.last_us if self.ended else None,
            runtime_us=runtime_us if self.ended else None,
            retries=self.retries,
            args=f"({number},)",
            exception=self.exception,
        )


def decided(chance: random.Random, number: int) -> Decided:
    state = chance.choices(("SUCCESS", "FAILURE", "REVOKED", "STARTED"), (80, 12, 3, 5))[0]
    return Decided(
        name=chance.choices(NAMES, (6, 3, 1))[0],
        state=state,
        worker=chance.choice(("one@shop", "two@shop")),
        queue=chance.choice(("mail", "slow")),
        last_us=chance.randrange(START_US, END_US),
        wait=chance.randrange(1, 90_000) / 1000,
        runtime=chance.randrange(1, 30_000) / 1000,
        retries=chance.choice((0, 0, 0, 1, 3)),
        exception=chance.choice(EXCEPTIONS).format(number) if state == "FAILURE" else None,
    )


def write(where: Place) -> list[Decided]:
    """Writes them in three parts: most minutes are made, some made anew, and some are behind their rows."""
    chance = random.Random(4)
    tasks = [decided(chance, number) for number in range(TASKS)]
    records = [task.record(number) for number, task in enumerate(tasks)]
    alive = Latest("recorder", END_US, 0, body=RecorderState(0, "test", "", START_US, "").to_json())
    with closing(Store.open(where)) as store:
        store.database.execute("UPDATE meta SET value = ? WHERE key IN ('began_us', 'kept_from_us')", (str(START_US),))
    late = records[::30]  # into minutes that were made, some of which are made anew
    last = [record for record in records[1::3] if record.last_us > END_US - HOUR_US // 2]
    soon = [record for record in records if record not in late and record not in last]
    with closing(Store.open(where)) as store:
        store.write(Batch(soon, latest=[alive]))
        rollups = Rollups(store)
        while rollups.step(END_US + HOUR_US):
            pass
        store.write(Batch(late))
        for _ in range(40):
            rollups.step(END_US + HOUR_US)
        store.write(Batch([record for record in last if record not in late]))
    return tasks
