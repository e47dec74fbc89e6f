"""Who may steer, and how often: the rules that every order goes by, whatever it is."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from control import carrying_out, denials, pending
from control.desk import Desk
from control.errors import Denied, Stale, Unconfirmed
from data_sources.config import Access, Settings
from data_sources.errors import BadParameter, NotConfirmed, SourceUnreachable
from data_sources.query import Workers
from data_sources.workers.celery_control import Reply
from data_sources.workers.orders import DisableEvents, EnableEvents, Order, Purge, RateLimit, Revoke, Shutdown
from data_sources.workers.send_task import SendTask
from identity import NOBODY, Person
from tests.steered import ANN, BEN, VIEWER, Stage, steering
from workspace.audit import Entry, entries
from workspace.store import SqliteHome, Workspace

LIMIT = RateLimit("shop.mail", "10/m")
MAIL, SLOW = "celery@mail", "celery@slow"


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(carrying_out, "READ_BACK_SECONDS", 0.0)
    stage = Stage()
    stage.add(MAIL, "prefork", "mail")
    stage.add(SLOW, "prefork", "slow")
    stage.add_queue("mail", 120, unacked=3)
    return stage


@pytest.fixture
def desk(stage: Stage, tmp_path: Path) -> Iterator[Desk]:
    with steering(stage, tmp_path) as desk:
        yield desk


def written(desk: Desk) -> list[Entry]:
    """The audit, oldest first."""
    return entries(desk.workspace)[::-1]


def test_a_plan_sends_nothing_and_writes_nothing(desk: Desk, stage: Stage) -> None:
    plan = desk.plan(ANN, LIMIT, "default", (MAIL,))

    assert (plan.order, plan.cluster, plan.workers, plan.phrase) == (LIMIT, "default", (MAIL,), "")
    assert plan.nonce not in repr(plan)
    assert stage.given == []
    assert written(desk) == []


def test_what_was_planned_is_given_once_and_both_is_in_the_audit(desk: Desk, stage: Stage) -> None:
    plan = desk.plan(ANN, LIMIT, "default", (MAIL, SLOW))

    outcome = desk.act(ANN, plan.nonce)

    assert stage.given == [(LIMIT, (MAIL, SLOW))]
    assert [(reply.worker, reply.outcome) for reply in outcome.replies] == [(MAIL, "done"), (SLOW, "done")]
    asked, done = written(desk)
    assert (asked.id, asked.outcome, done.outcome) == (outcome.audit_id, "asked", "done")
    assert {(one.who, one.from_address, one.cluster, one.action, one.target) for one in (asked, done)} == {
        ("ann", "10.0.0.7", "default", "rate_limit", "2 workers")
    }
    assert (asked.arguments["how"], done.arguments["how"]) == ("password", "password")
    assert asked.arguments["workers"] == [MAIL, SLOW]
    assert asked.arguments["order"] == {"order": ["rate_limit"], "task": ["shop.mail"], "rate": ["10/m"]}
    assert (done.arguments["asked"], done.arguments["done"]) == (asked.id, [MAIL, SLOW])


def test_the_entry_stands_before_anything_is_given(desk: Desk, stage: Stage) -> None:
    seen: list[list[str]] = []

    def give(*given: object) -> tuple[Reply, ...]:
        seen.append([entry.outcome for entry in written(desk)])
        return (Reply(MAIL, "done", "ok"),)

    with pytest.MonkeyPatch.context() as patch:  # the fixture's would be undone after the stage's, and bring that back
        patch.setattr("data_sources.workers.celery_control.give", give)
        desk.act(ANN, desk.plan(ANN, LIMIT, "default", (MAIL,)).nonce)

    assert seen == [["asked"]]


@pytest.mark.parametrize("person", [VIEWER, NOBODY, replace(ANN, until=datetime.now(UTC) - timedelta(seconds=1))])
def test_who_is_no_operator_plans_nothing_and_does_nothing(person: Person, desk: Desk, stage: Stage) -> None:
    plan = desk.plan(ANN, LIMIT, "default", (MAIL,))

    with pytest.raises(Denied):
        desk.plan(person, LIMIT, "default", (MAIL,))
    with pytest.raises(Denied):
        desk.act(person, plan.nonce)

    assert stage.given == []
    (entry,) = written(desk)
    assert (entry.who, entry.outcome, entry.action, entry.target) == (person.name, "denied", "rate_limit", MAIL)
    assert entry.arguments["how"] == person.how


def test_who_tries_again_and_again_does_not_fill_the_audit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for order in (LIMIT, LIMIT, Shutdown(), LIMIT):
        for person in (VIEWER, replace(VIEWER, address="10.0.0.10")):
            with pytest.raises(Denied):
                desk.plan(person, order, "default", (MAIL,))
    assert [one.action for one in written(desk)] == ["rate_limit"]

    monkeypatch.setattr(denials, "AGAIN_SECONDS", 0.0)
    with pytest.raises(Denied):
        desk.plan(VIEWER, LIMIT, "default", ("x" * 1_999,) * 100)
    entry = written(desk)[1]
    assert (entry.target, entry.arguments["workers"]) == ("100 workers", ["x" * 200] * 5)


def test_who_is_not_signed_in_is_told_by_the_address(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "AGAIN_SECONDS", float("inf"))
    monkeypatch.setattr(denials, "MOST", 3)
    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.3", "10.0.0.4"):
        desk.deny(replace(NOBODY, address=address))
    desk.deny(VIEWER)

    assert [(one.who, one.from_address) for one in written(desk)] == [
        ("", "10.0.0.1"),
        ("", "10.0.0.2"),
        ("", "10.0.0.3"),
        ("eve", "10.0.0.9"),
    ]


def test_where_no_access_is_set_up_not_even_an_operator_may(stage: Stage, tmp_path: Path) -> None:
    stage.settings = Settings(access=Access(operators=("ann",)))  # named, but nothing says who is ann
    with steering(stage, tmp_path) as desk:
        assert not desk.enabled
        with pytest.raises(Denied):
            desk.plan(ANN, LIMIT, "default", (MAIL,))
    assert list(tmp_path.iterdir()) == []
    assert stage.audit is None


def test_a_plan_is_its_persons_alone(desk: Desk, stage: Stage) -> None:
    plan = desk.plan(ANN, LIMIT, "default", (MAIL,))

    with pytest.raises(Stale):
        desk.act(BEN, plan.nonce)
    with pytest.raises(Stale):
        desk.act(replace(ANN, how="proxy"), plan.nonce)
    assert stage.given == []
    desk.act(ANN, plan.nonce)
    assert len(stage.given) == 1


def test_a_double_click_acts_once(desk: Desk, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = desk.plan(ANN, LIMIT, "default", (MAIL,))
    both = threading.Barrier(2, timeout=60)
    look = desk._pending.look

    def look_together(*given: object) -> object:
        found = look(*given)  # type: ignore[arg-type]
        both.wait()  # both have found it before either takes it
        return found

    monkeypatch.setattr(desk._pending, "look", look_together)

    def click(_: int) -> str:
        try:
            desk.act(ANN, plan.nonce)
        except Stale:
            return "stale"
        return "done"

    with ThreadPoolExecutor(2) as two:
        assert sorted(two.map(click, range(2))) == ["done", "stale"]
    assert len(stage.given) == 1


def test_a_plan_does_not_live_for_ever(desk: Desk, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "LASTS", timedelta(0))
    plan = desk.plan(ANN, LIMIT, "default", (MAIL,))

    with pytest.raises(Stale, match="ago"):
        desk.act(ANN, plan.nonce)
    assert stage.given == []


def test_after_a_restart_of_the_dashboard_a_plan_is_not_known(desk: Desk, stage: Stage, tmp_path: Path) -> None:
    plan = desk.plan(ANN, LIMIT, "default", (MAIL,))

    with steering(stage, tmp_path / "another") as other, pytest.raises(Stale):
        other.act(ANN, plan.nonce)
    assert stage.given == []


def test_plans_that_nobody_confirms_do_not_pile_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "MOST", 3)
    first, *rest = [desk.plan(ANN, LIMIT, "default", (MAIL,)) for _ in range(4)]

    with pytest.raises(Stale):
        desk.act(ANN, first.nonce)
    for plan in rest:
        desk.act(ANN, plan.nonce)


@pytest.mark.parametrize("typed", ["", "mail ", "Mail", "celery@mail"])
def test_what_destroys_needs_its_name_typed_exactly(typed: str, desk: Desk, stage: Stage) -> None:
    plan = desk.plan(ANN, Purge("mail"), "default")

    with pytest.raises(Unconfirmed, match="Type exactly: mail"):
        desk.act(ANN, plan.nonce, typed)
    assert written(desk) == []

    assert desk.act(ANN, plan.nonce, "mail").replies == (Reply("mail", "done", "120 messages deleted"),)


@pytest.mark.parametrize(
    ("phrase", "workers"), [(MAIL, (MAIL,)), ("shut down 2 workers", (MAIL, SLOW))], ids=["one", "two"]
)
def test_to_shut_down_a_worker_its_name_is_typed(phrase: str, workers: tuple[str, ...], desk: Desk) -> None:
    assert desk.plan(ANN, Shutdown(), "default", workers).phrase == phrase


@pytest.mark.parametrize("order", [LIMIT, Shutdown(), EnableEvents()], ids=lambda order: order.kind)
@pytest.mark.parametrize(
    "workers", [(), ("*",), ("celery@*",), ("",), ("celery@other",), tuple(f"w{n}" for n in range(1_001))], ids=str
)
def test_a_selection_that_is_empty_wild_unknown_or_too_large_is_refused(
    order: Order, workers: tuple[str, ...], desk: Desk, stage: Stage
) -> None:
    with pytest.raises(BadParameter) as error:
        desk.plan(ANN, order, "default", workers)
    assert error.value.name == "worker"
    assert stage.given == []


def test_too_many_workers_are_refused_though_they_are_there(desk: Desk, stage: Stage) -> None:
    stage.workers = [{**stage.workers[0], "worker": f"w{n}"} for n in range(1_001)]

    with pytest.raises(BadParameter, match="more than 1,000"):
        desk.plan(ANN, LIMIT, "default", tuple(f"w{n}" for n in range(1_001)))
    with pytest.raises(BadParameter, match="more than 1,000"):
        desk.plan(ANN, Revoke(("a",)), "default")


def test_more_tasks_than_a_thousand_are_refused() -> None:
    with pytest.raises(BadParameter):
        Revoke(tuple(f"t{n}" for n in range(1_001)))
    with pytest.raises(BadParameter):
        Revoke(())


def test_a_cluster_that_is_not_there_is_named(desk: Desk) -> None:
    with pytest.raises(BadParameter) as error:
        desk.plan(ANN, LIMIT, "elsewhere", (MAIL,))
    assert error.value.name == "cluster"


@pytest.mark.parametrize("stats", [{"pid": 8}, {"uptime": 1}], ids=["another process", "started anew"])
def test_a_worker_that_restarted_between_plan_and_act_makes_it_stale(
    stats: dict[str, int], desk: Desk, stage: Stage
) -> None:
    plan = desk.plan(ANN, LIMIT, "default", (MAIL, SLOW))
    stage.says[SLOW]["stats"] |= stats

    with pytest.raises(Stale, match=f"{SLOW} was started anew"):
        desk.act(ANN, plan.nonce)
    assert stage.given == []
    assert written(desk) == []
    with pytest.raises(Stale, match="already"):  # it has to be looked at anew
        desk.act(ANN, plan.nonce)


def test_tasks_are_revoked_though_a_worker_restarted_since(desk: Desk, stage: Stage) -> None:
    plan = desk.plan(ANN, Revoke(("a",)), "default")
    stage.says[SLOW]["stats"] |= {"pid": 8}
    del stage.says[MAIL]

    desk.act(ANN, plan.nonce)
    assert stage.given == [(Revoke(("a",)), (MAIL, SLOW))]


def test_a_worker_that_vanished_between_plan_and_act_makes_it_stale(desk: Desk, stage: Stage) -> None:
    plan = desk.plan(ANN, LIMIT, "default", (MAIL,))
    del stage.says[MAIL]

    with pytest.raises(Stale, match=f"{MAIL} does not answer any more"):
        desk.act(ANN, plan.nonce)
    assert stage.given == []


def test_to_a_worker_that_is_silent_it_is_sent_and_not_confirmed(desk: Desk, stage: Stage) -> None:
    del stage.says[SLOW]
    stage.replies = {SLOW: Reply(SLOW, "no reply", "sent, not confirmed")}
    plan = desk.plan(ANN, LIMIT, "default", (MAIL, SLOW))

    outcome = desk.act(ANN, plan.nonce)

    assert any(SLOW in warning and "does not answer" in warning for warning in plan.warnings)
    assert [reply.outcome for reply in outcome.replies] == ["done", "no reply"]
    asked, told = written(desk)
    assert (asked.outcome, told.outcome) == ("asked", "partly")
    assert (told.arguments["done"], told.arguments["no reply"]) == ([MAIL], [SLOW])


def test_what_was_sent_and_not_answered_did_not_fail(desk: Desk, stage: Stage) -> None:
    stage.failure = NotConfirmed("Broker", "the connection was cut")
    outcome = desk.act(ANN, desk.plan(ANN, Purge("mail"), "default").nonce, "mail")

    (reply,) = outcome.replies
    assert (reply.outcome, outcome.failure) == ("no reply", None)
    assert "not confirmed" in reply.text
    assert [entry.outcome for entry in written(desk)] == ["asked", "unconfirmed"]


def test_a_broker_that_is_not_reached_is_said_to_have_got_nothing(desk: Desk, stage: Stage) -> None:
    plan = desk.plan(ANN, LIMIT, "default", (MAIL,))
    stage.failure = SourceUnreachable("Broker", "refused the connection", "Nothing was sent")

    outcome = desk.act(ANN, plan.nonce)

    assert outcome.replies == ()
    assert outcome.failure is not None
    assert outcome.failure.what == "refused the connection"
    assert (outcome.undo, outcome.read_back) == (None, ())
    assert [entry.outcome for entry in written(desk)] == ["asked", "failed"]


def test_a_fault_of_our_own_while_it_is_given_is_no_failure_either(desk: Desk, stage: Stage) -> None:
    plan = desk.plan(ANN, LIMIT, "default", (MAIL,))
    stage.failure = RuntimeError("hunter2")

    outcome = desk.act(ANN, plan.nonce)

    assert [reply.outcome for reply in outcome.replies] == ["no reply"]
    assert "hunter2" not in str(outcome) + str(written(desk))
    assert [entry.outcome for entry in written(desk)] == ["asked", "unconfirmed"]


@pytest.fixture
def no_workspace(desk: Desk, tmp_path: Path) -> None:
    """Where it should be there can be none."""
    (tmp_path / "file").touch()
    desk.workspace.home = SqliteHome(tmp_path / "file" / "workspace.db")


@pytest.mark.usefixtures("no_workspace")
def test_without_an_entry_in_the_audit_nothing_is_done(desk: Desk, stage: Stage) -> None:
    plan = desk.plan(ANN, LIMIT, "default", (MAIL,))

    with pytest.raises(SourceUnreachable):
        desk.act(ANN, plan.nonce)
    assert stage.given == []


def test_while_another_dashboard_holds_the_workspace_nothing_is_done(desk: Desk, stage: Stage, tmp_path: Path) -> None:
    holder = Workspace(SqliteHome(tmp_path / "workspace.db"))
    with holder.write():
        pass
    plan = desk.plan(ANN, LIMIT, "default", (MAIL,))

    with pytest.raises(Exception, match=f"another dashboard, .*{os.getpid()}"):
        desk.act(ANN, plan.nonce)
    assert stage.given == []

    holder.close()
    desk.act(ANN, desk.plan(ANN, LIMIT, "default", (MAIL,)).nonce)
    assert len(stage.given) == 1


def test_an_outcome_that_cannot_be_written_is_said(desk: Desk, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise SourceUnreachable("Workspace", "the disk is full")

    monkeypatch.setattr("control.journal.record_outcome", refuse)
    outcome = desk.act(ANN, desk.plan(ANN, LIMIT, "default", (MAIL,)).nonce)

    assert len(stage.given) == 1
    assert "not what came of it" in outcome.warnings[0]


@pytest.mark.usefixtures("no_workspace")
def test_a_denial_that_cannot_be_written_is_a_denial(desk: Desk) -> None:
    with pytest.raises(Denied):
        desk.plan(VIEWER, LIMIT, "default", (MAIL,))


def test_secrets_in_arguments_are_not_in_the_audit(desk: Desk, stage: Stage) -> None:
    order = SendTask("shop.mail", '["a"]', '{"password": "hunter2"}', "mail")
    desk.act(ANN, desk.plan(ANN, order, "default").nonce)

    assert stage.sent == [order]
    assert "hunter2" not in str(written(desk))


def test_what_cannot_be_asked_makes_no_plan(desk: Desk, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = stage.ask(Workers(), None)  # type: ignore[arg-type]
    monkeypatch.setattr("control.facts.WAIT_SECONDS", 0.0)
    monkeypatch.setattr(stage, "ask", lambda *given: replace(answer, measured_at=None))

    with pytest.raises(SourceUnreachable):
        desk.plan(ANN, LIMIT, "default", (MAIL,))


def test_undo_is_offered_for_those_who_did_it(desk: Desk, stage: Stage) -> None:
    stage.replies = {SLOW: Reply(SLOW, "refused", "no")}

    outcome = desk.act(ANN, desk.plan(ANN, EnableEvents(), "default", (MAIL, SLOW)).nonce)

    assert (outcome.undo, outcome.undo_workers) == (DisableEvents(), (MAIL,))


@pytest.mark.parametrize("order", [EnableEvents(), DisableEvents()], ids=lambda order: order.kind)
def test_where_events_were_so_already_nothing_was_changed_and_nothing_is_taken_back(
    order: Order, desk: Desk, stage: Stage
) -> None:
    word = "enabled" if order == EnableEvents() else "disabled"
    stage.replies = {
        MAIL: Reply(MAIL, "done", f"task events {word}"),
        SLOW: Reply(SLOW, "done", f"task events already {word}", already=True),
    }

    outcome = desk.act(ANN, desk.plan(ANN, order, "default", (MAIL, SLOW)).nonce)

    assert outcome.undo_workers == (MAIL,)
    assert [reply.outcome for reply in outcome.replies] == ["done", "done"]
    told = written(desk)[-1]
    assert (told.outcome, told.arguments["done"], told.arguments["already"]) == ("done", [MAIL], [SLOW])
    assert [one.worker for one in desk.changes("default")] == [MAIL]


def test_on_a_disk_that_became_read_only_nothing_is_done(stage: Stage, small_disk: Path) -> None:
    with steering(stage, small_disk) as desk:
        desk.act(ANN, desk.plan(ANN, LIMIT, "default", (MAIL,)).nonce)
        plan = desk.plan(ANN, LIMIT, "default", (MAIL,))
        desk.workspace.close()
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

        with pytest.raises(SourceUnreachable, match="Read-only"):
            desk.act(ANN, plan.nonce)
    assert len(stage.given) == 1
