"""What one person is about to do at one place of a page: looks at it, confirms it, waits for it, reads what came of it.

Plans and acts take seconds, and a session has one thread for all its cells, so they run in a thread of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime

from control.errors import Denied, Stale, Unconfirmed
from control.plan import Outcome, Plan
from data_sources.errors import BadParameter, SourceError
from identity import Person

log = logging.getLogger(__name__)

KEY = "cn_steer_"  # what the widgets of cells/steer.py are called begins so
LANES = ThreadPoolExecutor(16, "steer")
MOST_RESULTS = 10  # that wait to be dismissed; the audit has them all

Ask = Callable[[Person], Plan]
Act = Callable[[Person, str, str], Outcome]


@dataclass(frozen=True)
class Result:
    """What came of an act, until somebody has read it."""

    number: int
    at: datetime
    by: str
    outcome: Outcome


class Steering:
    """`stage` is one of

        resting   nothing is asked
        planning  a plan is made; then planned, or refused with the `problem` (and the `field` that is to blame)
        planned   to be confirmed; `problem` says what was typed wrongly
        acting    it is given, and the replies are waited for; then done, stale, refused or unknown
        done      the newest of `results` has what came of it
        stale     the plan does not hold any more; `again` makes it anew
        unknown   it broke in the middle: the audit has what is known

    `turn` is the browser's number of what it asked for last: a dialog shows nothing that belongs to another one.
    `heard` is that of the last message from it; what it says again is not obeyed again.
    """

    def __init__(self, act: Act) -> None:
        self.stage, self.turn, self.heard = "resting", 0, 0
        self.plan: Plan | None = None
        self.problem = self.field = ""
        self.results: list[Result] = []
        self._act = act
        self._ask: Ask | None = None
        self._job: Future[Plan | Outcome] | None = None
        self._by = ""
        self._count = 0

    def ask(self, turn: int, ask: Ask, person: Person) -> None:
        """For a plan. Not while something is being done."""
        if self.stage != "acting":
            self.turn, self._ask = turn, ask
            self._start("planning", lambda: ask(person))

    def again(self, turn: int, person: Person) -> None:
        """For the same plan, made anew."""
        if self._ask:
            self.ask(turn, self._ask, person)

    def confirm(self, nonce: str, typed: str, person: Person) -> None:
        """Acts on the plan that is looked at, and on no other."""
        if self.stage == "planned" and self.plan and self.plan.nonce == nonce:
            self._by = person.name
            self._start("acting", lambda: self._act(person, nonce, typed))

    def leave(self) -> None:
        """What is under way goes on, and tells what came of it."""
        if self.stage != "acting":
            self._rest("resting")
            self._job = None

    def dismiss(self, number: int) -> None:
        self.results = [result for result in self.results if result.number != number]

    def result(self, number: int) -> Result | None:
        return next((result for result in self.results if result.number == number), None)

    def look(self, wait_seconds: float) -> bool:
        """Takes in what has come of what is under way, waiting that long for it. Whether something was done."""
        if self._job is None:
            return False
        wait([self._job], wait_seconds)
        if not self._job.done():
            return False
        acted, job, self._job = self.stage == "acting", self._job, None
        self._take(job)
        return acted and self.stage != "planned"

    def _start(self, stage: str, work: Callable[[], Plan | Outcome]) -> None:
        self.stage, self.problem, self.field = stage, "", ""
        self._job = LANES.submit(work)

    def _take(self, job: Future[Plan | Outcome]) -> None:
        acted = self.stage == "acting"
        try:
            made = job.result()
        except Unconfirmed as error:
            self.stage, self.problem = "planned", str(error)
        except Stale as error:
            self._rest("stale", str(error))
        except Denied as error:
            self._rest("refused", str(error))
        except BadParameter as error:
            self._rest("refused", error.message, error.name)
        except SourceError as error:
            self._rest("refused", ". ".join(filter(None, (str(error), error.hint))))
        except Exception:
            log.exception("unexpected error while %s", self.stage)
            unknown = "What came of it is not known: look at the audit and at what it was about before you try again."
            self._rest("unknown" if acted else "refused", unknown if acted else "It failed here; the log has why.")
        else:
            if isinstance(made, Plan):
                self.stage, self.plan = "planned", made
            else:
                self._count += 1
                self.results = [
                    Result(self._count, datetime.now(UTC), self._by, made),
                    *self.results[: MOST_RESULTS - 1],
                ]
                self._rest("done")

    def _rest(self, stage: str, problem: str = "", field: str = "") -> None:
        self.stage, self.problem, self.field, self.plan = stage, problem, field, None
