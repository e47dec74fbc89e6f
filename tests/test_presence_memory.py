"""What presence remembers of a worker beside its answers: heartbeats, mailbox, queues left alone, and who is missed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from data_sources.microseconds import microseconds
from data_sources.workers.accepted import Taken
from data_sources.workers.heartbeat import Heartbeat
from data_sources.workers.presence import Presence
from data_sources.workers.seen import Beside, Key
from data_sources.workers.worker_facts import WorkerFacts

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
MAIL = WorkerFacts("mail@a", pid=1, pool="threads", concurrency=2, active=0, queues=("mail",), uptime_seconds=9_000)


class Rounds:
    """Rounds of questions, five seconds apart; whose heart beats has just been heard at each."""

    def __init__(self, *wanted: str, earlier: Any = ()) -> None:
        self.presence = Presence(wanted, earlier)
        self.now = START
        self.beats: dict[Key, Heartbeat] = {}

    def ask(
        self, *answered: WorkerFacts, beating: Mapping[Key, Mapping[str, Any]] | None = None, **beside: Any
    ) -> Taken:
        self.now += timedelta(seconds=5)
        at_us = microseconds(self.now) - 1_000_000
        self.beats |= {key: Heartbeat(at_us, pid=key[1], **said) for key, said in (beating or {}).items()}
        told = Beside(beats=dict(self.beats), depths_at=self.now, **beside)
        return self.presence.update(answered, self.now, (self.now - START).total_seconds(), told)

    def rows(self) -> dict[Key, dict[str, Any]]:
        return {(row["worker"], row["pid"]): dict(row) for row in self.presence.rows(self.now)}

    def verdicts(self) -> dict[Key, str]:
        return {key: row["verdict"] for key, row in self.rows().items()}


def grown(facts: WorkerFacts, count: int) -> WorkerFacts:
    return replace(facts, processed=count, totals={"send": count})


def test_messages_that_wait_for_a_free_slot_are_counted_from_when_they_were_first_seen() -> None:
    rounds = Rounds()
    for _ in range(3):
        rounds.ask(MAIL, depths={"mail": 3})
    assert rounds.verdicts() == {("mail@a", 1): "idle"}
    rounds.ask(MAIL, depths={"mail": 3})
    row = rounds.rows()["mail@a", 1]
    assert (row["verdict"], row["neglected"], row["since"]) == ("wedged", ["mail"], START + timedelta(seconds=5))


def test_a_queue_that_was_empty_once_begins_the_wait_anew() -> None:
    rounds = Rounds()
    for ready in (3, 3, 3, 0, 3, 3, 3):
        rounds.ask(MAIL, depths={"mail": ready})
    assert rounds.verdicts() == {("mail@a", 1): "idle"}


def test_a_task_that_was_taken_begins_the_wait_anew() -> None:
    rounds = Rounds()
    for accepted in (7, 7, 7, 8, 8, 8, 8):
        rounds.ask(grown(MAIL, accepted), depths={"mail": 3})
    assert rounds.verdicts() == {("mail@a", 1): "idle"}


def test_a_queue_that_it_consumed_before_is_still_its_own() -> None:
    rounds = Rounds()
    rounds.ask(MAIL)
    cancelled = replace(MAIL, queues=())
    for _ in range(4):
        rounds.ask(cancelled, depths={"mail": 3, "other": 9})
    assert rounds.rows()["mail@a", 1]["neglected"] == ["mail"]
    assert rounds.presence.queues == {"mail"}


def test_a_busy_pool_leaves_nothing_alone() -> None:
    rounds = Rounds()
    for _ in range(6):
        rounds.ask(replace(MAIL, active=2), depths={"mail": 3})
    assert rounds.verdicts() == {("mail@a", 1): "working"}


def test_who_leaves_messages_alone_is_a_suspect_until_its_rate_limits_are_known() -> None:
    rounds = Rounds()
    rounds.ask(MAIL, depths={"mail": 3})
    assert rounds.presence.suspects == ("mail@a",)
    rounds.presence.limited({"mail@a": timedelta(minutes=1)})
    assert not list(rounds.presence.suspects)
    for _ in range(6):
        rounds.ask(MAIL, depths={"mail": 3})
    assert rounds.verdicts() == {("mail@a", 1): "idle"}
    rounds.ask(MAIL, depths={"mail": 0})
    rounds.ask(MAIL, depths={"mail": 3})
    assert rounds.presence.suspects == ("mail@a",)  # limits may have changed


def test_one_that_beats_and_does_not_answer_is_wedged_and_one_that_beats_no_more_is_silent() -> None:
    rounds = Rounds()
    beating: dict[Key, dict[str, Any]] = {("mail@a", 1): {"active": 0}}
    rounds.ask(MAIL, beating=beating)
    rounds.ask(beating=beating)
    assert rounds.verdicts() == {("mail@a", 1): "idle"}  # one question may be lost
    rounds.ask(beating=beating)
    rounds.ask(beating=beating)
    assert rounds.verdicts() == {("mail@a", 1): "wedged"}
    rounds.ask(present={"mail@a"})
    rounds.ask(present={"mail@a"})
    assert rounds.verdicts() == {("mail@a", 1): "silent"}
    rounds.ask(absent={"mail@a"})
    rounds.ask()  # who left is not looked for again
    assert rounds.verdicts() == {("mail@a", 1): "gone"}
    rounds.ask(MAIL)
    assert rounds.verdicts() == {("mail@a", 1): "idle"}


def test_two_of_one_name_are_told_apart_by_their_heartbeats() -> None:
    """Celery's answers to `active` do not say whose they are."""
    first, second = (replace(MAIL, pid=pid, active=None, queues=None) for pid in (1, 2))
    rounds = Rounds()
    rounds.ask(first, second, beating={("mail@a", 1): {"active": 2}, ("mail@a", 2): {"active": 0}})
    assert rounds.verdicts() == {("mail@a", 1): "working", ("mail@a", 2): "idle"}
    rounds.ask(first, all_heard=True)
    assert rounds.verdicts()["mail@a", 2] == "gone"


def test_one_that_beats_and_never_answered_has_a_row_and_answers_for_nothing() -> None:
    rounds = Rounds()
    rounds.ask(MAIL, beating={("mute@b", 7): {"active": 1, "processed": 5}})
    row = rounds.rows()["mute@b", 7]
    assert (row["verdict"], row["active"], row["processed"], row["queues"]) == ("working", 1, 5, None)
    assert row["silent_since"] is not None
    assert rounds.presence.expected == ("mail@a",)


def test_what_all_accept_is_not_known_while_one_runs_tasks_of_which_its_heart_alone_tells() -> None:
    rounds = Rounds()
    for count in range(30):  # two and a half minutes
        taken = rounds.ask(grown(MAIL, count), beating={("mute@b", 7): {"active": 1}})
    assert (taken.by_task, taken.by_worker) == (None, {"mail@a": 1.0})


def test_who_says_that_it_goes_is_missed_in_no_total() -> None:
    rounds, bulk = Rounds(), grown(replace(MAIL, worker="bulk@a", pid=2), 5)
    rounds.ask(grown(MAIL, 1), bulk)
    taken = rounds.ask(grown(MAIL, 3), beating={("bulk@a", 2): {"left": True}})
    assert taken.by_task == {"send": 2.0}


def test_the_last_beats_of_one_that_was_restarted_are_no_second_worker() -> None:
    rounds = Rounds()
    rounds.ask(MAIL, beating={("mail@a", 1): {"active": 0}})
    rounds.ask()
    rounds.ask(replace(MAIL, pid=2, uptime_seconds=1), beating={("mail@a", 2): {"active": 0}})
    assert list(rounds.verdicts()) == [("mail@a", 2)]


def test_one_that_is_heard_in_events_before_it_answers_still_takes_the_place_of_the_one_before() -> None:
    rounds = Rounds()
    rounds.ask(MAIL)
    rounds.ask()
    rounds.ask(beating={("mail@a", 2): {"active": 0}})
    rounds.ask(replace(MAIL, pid=2, uptime_seconds=4), beating={("mail@a", 2): {"active": 0}})
    assert list(rounds.verdicts()) == [("mail@a", 2)]


def test_who_is_wanted_and_was_never_seen_is_missing_until_somebody_fits() -> None:
    rounds = Rounds("mail@*", "report@b")
    rounds.ask(MAIL)
    rows = rounds.rows()
    assert {key: row["expected"] for key, row in rows.items()} == {("mail@a", 1): True, ("report@b", None): True}
    assert (rows["report@b", None]["verdict"], rows["report@b", None]["last_seen"]) == ("unknown", None)
    rounds.ask(MAIL, replace(MAIL, worker="report@b", pid=2))
    assert set(rounds.rows()) == {("mail@a", 1), ("report@b", 2)}


def test_a_recorder_that_starts_misses_those_whom_the_one_before_it_knew() -> None:
    before = Rounds("never@h")
    before.ask(MAIL, replace(MAIL, worker="bulk@a", pid=2), beating={("mute@b", 7): {"active": 1}})
    after = Rounds(earlier=before.presence.rows(before.now))
    after.now = before.now
    assert set(after.presence.expected) == {"mail@a", "bulk@a"}
    after.ask(MAIL, absent={"bulk@a"})
    assert after.verdicts() == {("mail@a", 1): "idle", ("bulk@a", 2): "gone"}


def test_one_that_was_restarted_under_its_number_has_nothing_to_do_with_the_queues_it_had() -> None:
    """In containers the number is always 1."""
    both = replace(grown(MAIL, 40), queues=("mail", "bulk"))
    rounds = Rounds()
    rounds.ask(both, depths={"mail": 3})
    for seconds in range(3, 40, 5):
        rounds.ask(replace(grown(MAIL, 0), queues=("bulk",), uptime_seconds=seconds), depths={"mail": 3})
    assert rounds.verdicts() == {("mail@a", 1): "idle"}
    assert rounds.presence.queues == {"bulk"}


def test_a_recorder_that_starts_sees_that_a_worker_was_restarted_since() -> None:
    before = Rounds()
    before.ask(replace(MAIL, queues=("mail", "bulk")))
    after = Rounds(earlier=before.presence.rows(before.now))
    after.now = before.now + timedelta(minutes=1)
    for seconds in range(3, 40, 5):
        restarted = replace(grown(MAIL, 0), queues=("bulk",), uptime_seconds=seconds)
        after.ask(restarted, depths={"mail": 3})
    assert after.verdicts() == {("mail@a", 1): "idle"}
