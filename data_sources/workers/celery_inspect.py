"""One snapshot of every worker in one round trip: a closed list of methods, one deadline, no worker disturbed."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from data_sources.brokers.broker_errors import FOREIGN, SOURCE, alarmed, no_answer, translated
from data_sources.config import Broker
from data_sources.errors import QueryRejected
from data_sources.query import METHODS
from data_sources.workers.mailbox import Mailbox
from data_sources.workers.messages import Answer, Audience, Request
from data_sources.workers.roster import Roster
from data_sources.workers.snapshot import Round, Snapshot

# The arguments a method may be given: a wrong one is a traceback in every worker's log.
ARGUMENTS: Mapping[str, frozenset[str]] = {
    "active": frozenset({"safe"}),
    "conf": frozenset({"with_defaults"}),
    "registered": frozenset({"taskinfoitems", "builtins"}),
    "query_task": frozenset({"ids"}),
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "active": {"safe": True},  # arguments as text: small, and always JSON
    "registered": {"taskinfoitems": ["exchange", "routing_key", "rate_limit", "soft_time_limit", "time_limit"]},
}

SILENCE_SECONDS = 0.5  # ends a round in which nobody is known: with 0.1 s a busy machine lost 5 of 8 workers
OVERDUE_SECONDS = 0.02  # waited for an answer that should have come before this round
SPARE_SECONDS = 0.2  # of the deadline: a round ends earlier, so that what was heard by then is not lost with it
CLOSE_SECONDS = 2.0
MAX_GIVEN_UP = 3  # threads


@dataclass(frozen=True)
class Question:
    """What is asked of whom. `workers`: None is everyone."""

    requests: Sequence[Request]
    workers: Collection[str] | None
    expected: frozenset[str]
    awake: frozenset[str] = frozenset()


class CeleryInspector:
    """Asks the workers of one broker. For any number of threads: they take turns, each within its own deadline."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._talk = Conversation(broker)
        self._turn = threading.Lock()
        self._given_up: list[threading.Thread] = []

    def snapshot(
        self,
        methods: Sequence[str],
        *,
        workers: Collection[str] | None = None,
        expected: Collection[str] = (),
        awake: Collection[str] = (),
        deadline_seconds: float = 3.0,
        arguments: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Snapshot:
        """Asks `methods` of all workers (`workers=None`) or of those named, in one exchange.

        It ends when all who are known, `expected` or counted by the broker have answered, or at the deadline. Who owes
        an answer is left alone for a while, but not for long when it is `awake`: its heart beats. No answer at all is
        an empty snapshot. Raises QueryRejected for what is not in the closed lists or names no
        worker, before anything is sent, and when the broker refuses; SourceUnreachable when it does not answer.
        """
        given = arguments or {}
        requests = [Request(method, {**DEFAULTS.get(method, {}), **given.get(method, {})}) for method in methods]
        check(requests, workers)
        ends = time.monotonic() + deadline_seconds
        if not self._turn.acquire(timeout=deadline_seconds):
            raise no_answer(self.broker, deadline_seconds)
        try:
            return self._ask(Question(requests, workers, frozenset(expected), frozenset(awake)), ends)
        except TimeoutError as exc:
            raise no_answer(self.broker, deadline_seconds) from exc
        finally:
            self._turn.release()

    def close(self) -> None:
        """Deletes our reply queue and ends the connection."""
        if self._turn.acquire(timeout=CLOSE_SECONDS):
            self._talk.close()
            self._turn.release()
        else:
            self._talk.hang_up()

    def _ask(self, question: Question, ends: float) -> Snapshot:
        """The exchange, in a thread that is given up when time is up: name look-ups know no time-out, and an answer
        that drips exceeds none. Such a thread ends when we hang up; one that still connects cannot be reached, so a
        few are borne with. Raises TimeoutError.
        """
        self._given_up = [thread for thread in self._given_up if thread.is_alive()]
        if len(self._given_up) >= MAX_GIVEN_UP:
            raise TimeoutError("too many threads are still trying to connect")
        talk, outcome = self._talk, Future[Snapshot]()

        def exchange() -> None:
            try:
                outcome.set_result(talk.exchange(question, ends - min(SPARE_SECONDS, (ends - time.monotonic()) / 4)))
            except Exception as error:
                outcome.set_exception(error)
            if talk is not self._talk:  # given up meanwhile
                talk.close()

        thread = threading.Thread(target=exchange, name="celery-inspect", daemon=True)
        thread.start()
        thread.join(max(0.0, ends - time.monotonic()))
        thread.join(SPARE_SECONDS)  # this process may have stood still, and the answer be about to come
        try:
            return outcome.result(0)
        except TimeoutError:
            self._given_up.append(thread)
            self._talk = Conversation(self.broker)
            talk.hang_up()
            raise


class Conversation:
    """The connection to one broker and what was learnt through it. Used by one thread at a time."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._roster = Roster()
        self._mailbox: Mailbox | None = None

    def exchange(self, question: Question, ends: float) -> Snapshot:
        """One round of questions on the connection there is, or else on a new one."""
        with translated(self._broker):
            if self._mailbox is not None:
                with suppress(*FOREIGN):  # an old connection: the broker may have been restarted since
                    return self._attempt(question, ends)
            return self._attempt(question, ends)

    def close(self) -> None:
        if self._mailbox is not None:
            self._mailbox.close()
        self._mailbox = None

    def hang_up(self) -> None:
        """From another thread: makes the exchange under way fail."""
        if mailbox := self._mailbox:
            mailbox.hang_up()

    def _attempt(self, question: Question, ends: float) -> Snapshot:
        try:
            return self._round(question, ends)
        except BaseException:
            if self._mailbox is not None:
                self._mailbox.abandon()
            self._mailbox = None
            self._roster.forget_debts()
            raise

    def _round(self, question: Question, ends: float) -> Snapshot:
        started, measured_at = time.monotonic(), datetime.now(UTC)
        mailbox, roster, workers = self._connected(ends), self._roster, question.workers
        overdue = self._overdue(mailbox, ends)
        roster.review(question.expected, mailbox, started)
        excused = roster.excused(started)
        if workers is None:
            expected = roster.expected(question.expected, started)
        else:
            expected = roster.expected_of(workers, started)
        asked = Round(question.requests, expected, roster.beats, excused)
        for answer in overdue:
            asked.take(answer)
        if workers is None or expected:
            audience = Audience(None if workers is None else sorted(expected), sorted(excused))
            count = mailbox.ask(question.requests, audience, ends - time.monotonic())
            asked.reached = count if workers is None else None
            self._listen(mailbox, asked, ends)
            if not mailbox.delivered and not asked.heard():
                raise alarmed(self._broker) if mailbox.blocked else TimeoutError("no message was confirmed")
            roster.learn(asked, workers is None, mailbox, started, question.awake)
        owing = (roster.debtors | (expected.keys() - asked.caught_up - roster.excepted(asked))) - asked.late
        return Snapshot(
            replies=tuple(asked.replies),
            errors=tuple(asked.errors),
            answered=frozenset(asked.heard()),
            owing=frozenset(owing if workers is None else owing.intersection(workers)),
            late=frozenset(asked.late),
            unreadable=tuple(asked.unreadable),
            asked_count=asked.reached,
            measured_at=measured_at,
            took=timedelta(seconds=time.monotonic() - started),
            present=frozenset(roster.listeners.present if workers is None else ()),
            absent=frozenset(roster.listeners.absent if workers is None else ()),
            all_heard=workers is None and asked.silent_listeners == 0,
        )

    def _connected(self, ends: float) -> Mailbox:
        if self._mailbox is None and (left := ends - time.monotonic()) > 0:
            self._mailbox = Mailbox(self._broker, left)
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
