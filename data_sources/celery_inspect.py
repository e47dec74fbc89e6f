"""One snapshot of every worker in one round trip: a closed list of methods, one deadline, no worker disturbed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from data_sources.celery_connection import FOREIGN, SOURCE, alarmed, no_answer, translated
from data_sources.celery_mailbox import Answer, Audience, Mailbox, Request
from data_sources.celery_roster import Roster
from data_sources.celery_snapshot import Round, Snapshot
from data_sources.config import Broker
from data_sources.errors import QueryRejected
from data_sources.query import METHODS

# The arguments a method may be given: a wrong one is a traceback in every worker's log.
ARGUMENTS: Mapping[str, frozenset[str]] = {
    "active": frozenset({"safe"}),
    "conf": frozenset({"with_defaults"}),
    "registered": frozenset({"taskinfoitems", "builtins"}),
    "query_task": frozenset({"ids"}),
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {"active": {"safe": True}}  # arguments as text: small, and never not JSON

SILENCE_SECONDS = 0.5  # ends a round in which nobody is known: with 0.1 s a busy machine lost 5 of 8 workers
OVERDUE_SECONDS = 0.02  # waited for an answer that should have come before this round
CLOSE_SECONDS = 2.0


class CeleryInspector:
    """Asks the workers of one broker. For any number of threads: they take turns, each within its own deadline."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        # One thread owns the connection, so that a caller can leave when a wait outlasts its deadline:
        # name lookups and half-sent answers know no timeout.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="celery-inspect")
        self._mailbox: Mailbox | None = None
        self._roster = Roster()

    def snapshot(
        self,
        methods: Sequence[str],
        *,
        workers: Collection[str] | None = None,
        expected: Collection[str] = (),
        deadline_seconds: float = 3.0,
        arguments: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Snapshot:
        """Asks `methods` of all workers (`workers=None`) or of those named, in one exchange.

        It ends when all who are known, `expected` or counted by the broker have answered, or at the deadline. No
        answer at all is an empty snapshot. Raises QueryRejected for what is not in the closed lists or names no
        worker, before anything is sent, and when the broker refuses; SourceUnreachable when it does not answer.
        """
        given = arguments or {}
        requests = [Request(method, {**DEFAULTS.get(method, {}), **given.get(method, {})}) for method in methods]
        check(requests, workers)
        ends = time.monotonic() + deadline_seconds
        # The exchange stops a little earlier, so that what was heard by then beats the deadline.
        exchange = self._thread.submit(
            self._exchange, requests, workers, frozenset(expected), ends - min(0.1, deadline_seconds / 10)
        )
        try:
            return exchange.result(max(0.0, ends - time.monotonic()))
        except TimeoutError as exc:
            exchange.cancel()
            if mailbox := self._mailbox:
                mailbox.hang_up()
            raise no_answer(self.broker, deadline_seconds) from exc

    def close(self) -> None:
        """Deletes our reply queue and ends the connection; waits two seconds at most."""
        closing = self._thread.submit(self._drop)
        with suppress(TimeoutError):
            closing.result(CLOSE_SECONDS)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _exchange(
        self, requests: Sequence[Request], workers: Collection[str] | None, expected: frozenset[str], ends: float
    ) -> Snapshot:
        with translated(self.broker):
            if self._mailbox is not None:
                with suppress(*FOREIGN):  # an old connection: the broker may have been restarted since
                    return self._attempt(requests, workers, expected, ends)
            return self._attempt(requests, workers, expected, ends)

    def _attempt(
        self, requests: Sequence[Request], workers: Collection[str] | None, expected: frozenset[str], ends: float
    ) -> Snapshot:
        try:
            return self._ask_all(requests, workers, expected, ends)
        except BaseException:
            self._drop()
            raise

    def _ask_all(
        self, requests: Sequence[Request], workers: Collection[str] | None, expected: frozenset[str], ends: float
    ) -> Snapshot:
        started, measured_at = time.monotonic(), datetime.now(UTC)
        mailbox, roster = self._connected(ends), self._roster
        overdue = self._overdue(mailbox, ends)
        excused = roster.excused(expected, started)
        names = roster.expected(expected) if workers is None else roster.only(workers)
        asked = Round(requests, Counter({n: c for n, c in names.items() if n not in excused}), roster.beats, excused)
        for answer in overdue:
            asked.take(answer)
        if workers is None or asked.expected:
            audience = Audience(None if workers is None else sorted(asked.expected), sorted(excused))
            count = mailbox.ask(requests, audience, ends - time.monotonic())
            asked.reached = count if workers is None else None
            self._listen(mailbox, asked, ends)
            if not mailbox.delivered and not asked.heard():
                raise alarmed(self.broker) if mailbox.blocked else TimeoutError("no message was confirmed")
            roster.learn(asked, workers is None, started, mailbox.nodes)
        silent = asked.expected.keys() - asked.caught_up - roster.excepted(asked) - asked.late
        owing = silent | roster.debtors
        return Snapshot(
            replies=tuple(asked.replies),
            errors=tuple(asked.errors),
            answered=frozenset(asked.heard()),
            owing=frozenset(owing if workers is None else owing & set(workers)),
            late=frozenset(asked.late),
            unreadable=tuple(asked.unreadable),
            asked_count=asked.reached,
            measured_at=measured_at,
            took=timedelta(seconds=time.monotonic() - started),
        )

    def _connected(self, ends: float) -> Mailbox:
        if self._mailbox is not None and not self._mailbox.alive:
            self._drop()
        if self._mailbox is None and (left := ends - time.monotonic()) > 0:
            self._mailbox = Mailbox(self.broker, left)
        if self._mailbox is None or time.monotonic() >= ends:
            raise TimeoutError("connecting took all the time there was")
        return self._mailbox

    def _overdue(self, mailbox: Mailbox, ends: float) -> list[Answer]:
        """The answers to older rounds that came in meanwhile."""
        answers: list[Answer] = []
        while self._roster.debtors and time.monotonic() < ends and (answer := mailbox.next(OVERDUE_SECONDS)):
            self._roster.settle(answer)
            answers.append(answer)
        return answers

    def _listen(self, mailbox: Mailbox, asked: Round, ends: float) -> None:
        """Takes answers until all who are waited for have answered, or time is up."""
        while not asked.complete and (left := ends - time.monotonic()) > 0:
            patient = asked.knows_whom or not asked.heard()
            answer = mailbox.next(left if patient else min(left, SILENCE_SECONDS))
            if answer is None:
                return
            self._roster.settle(answer)
            asked.take(answer)

    def _drop(self) -> None:
        if self._mailbox is not None:
            self._mailbox.close()
        self._mailbox = None
        self._roster.forget_debts()


def check(requests: Sequence[Request], workers: Collection[str] | None) -> None:
    """Refuses, before a byte is sent, what is not in the closed lists."""
    for request in requests:
        if request.method not in METHODS:
            refuse(f"“{request.method[:40]}” is not a question workers are asked", f"Ask one of {', '.join(METHODS)}.")
        if unknown := request.arguments.keys() - ARGUMENTS.get(request.method, frozenset()):
            refuse(f"{request.method} takes no argument “{min(unknown)[:40]}”")
        if request.method == "query_task" and not request.arguments.get("ids"):
            refuse("query_task needs the ids of tasks")
    if not requests:
        refuse("no method is asked")
    if workers is not None and not workers:
        refuse("no worker is selected", "To Celery an empty selection means everyone, so it is not sent.")


def refuse(what: str, hint: str = "") -> NoReturn:
    raise QueryRejected(SOURCE, what, hint)
