"""What is offered on each page, and in which words: a button says exactly what it does, and to what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from cells.steer_offer import Offer
from cells.steer_words import objects, sentence
from cells.views import audit as audit_view
from cells.views import steering, steering_tasks
from control.changes import Change
from control.planning import PLANNERS, Again
from control.runs import Runs
from control.sending import Retry
from data_sources.answer import Answer
from data_sources.audit_query import AUDIT_COLUMNS, Audit
from data_sources.errors import SourceUnreachable
from data_sources.query import Depths, Inspect, Workers
from data_sources.scope import Scope
from data_sources.task_query import TaskFilter
from data_sources.workers.look_inside import LookInside
from data_sources.workers.orders import (
    AddConsumer,
    Autoscale,
    CancelConsumer,
    DisableEvents,
    EnableEvents,
    Order,
    PoolGrow,
    PoolRestart,
    PoolShrink,
    Purge,
    RateLimit,
    Revoke,
    Shutdown,
    TimeLimit,
)
from data_sources.workers.send_task import SendTask
from headlines import control as headlines
from tests.steered import Stage
from tests.task_frames import answer as tasks
from tests.task_frames import row

MAIL, SLOW = "celery@mail", "celery@slow"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE: Sequence[tuple[Order, str]] = (
    (Shutdown(), "Shut down celery@mail"),
    (PoolRestart(), "Restart the pool of celery@mail"),
    (PoolGrow(2), "Add 2 slots to celery@mail"),
    (PoolShrink(1), "Take 1 slot from celery@mail"),
    (Autoscale(4, 1), "Scale celery@mail between 1 and 4 slots"),
    (AddConsumer("mail"), "Let celery@mail consume mail"),
    (CancelConsumer("mail"), "Stop celery@mail consuming mail"),
    (EnableEvents(), "Switch task events on at celery@mail"),
    (DisableEvents(), "Switch task events off at celery@mail"),
    (RateLimit("shop.add", "10/m"), "Limit shop.add to 10/m on celery@mail"),
    (RateLimit("shop.add", "0.5/s"), "Limit shop.add to 0.5/s on celery@mail"),
    (RateLimit("shop.add", "0"), "Lift the rate limit of shop.add on celery@mail"),
    (TimeLimit("shop.add", 20.0, None), "Set the time limits of shop.add on celery@mail: soft 20 s"),
    (TimeLimit("shop.add", None, None), "Set the time limits of shop.add on celery@mail: no limit"),
    (Revoke(("7",)), "Revoke task 7"),
    (Revoke(("7", "8")), "Revoke 2 tasks"),
    (Revoke(("7",), terminate=True), "Terminate task 7"),
    (Retry(("7", "8")), "Retry 2 tasks"),
    (LookInside("mail", 20), "Look at 20 messages of mail"),
    (Purge("mail"), "Purge mail: delete all messages"),
    (SendTask("shop.add", "[]", "{}", "mail"), "Run shop.add on mail"),
    (SendTask("shop.add", "[]", "{}", "mail", retry_of="7"), "Retry shop.add on mail"),
    (Again((EnableEvents(), PoolGrow(1))), "Apply 2 changes again to celery@mail"),
)


@pytest.mark.parametrize(("order", "words"), ONE)
def test_a_button_says_what_it_does(order: Order, words: str) -> None:
    assert sentence(order, [MAIL]) == words


def test_there_are_words_for_every_order() -> None:
    assert {*PLANNERS, Again} - {type(order) for order, _ in ONE} == set()


def test_several_workers_are_counted_and_messages_too() -> None:
    assert sentence(Shutdown(), [MAIL, SLOW]) == "Shut down 2 workers"
    assert sentence(Purge("mail"), [], 1_204) == "Purge mail: delete 1,204 messages"


def test_what_it_is_about_is_named_first_the_task_or_queue_then_whom() -> None:
    assert objects(RateLimit("shop.add", "1"), [MAIL, SLOW]) == (
        ("task", ("shop.add",)),
        ("worker", (MAIL, SLOW)),
    )
    assert objects(Purge("mail"), []) == objects(LookInside("mail"), []) == (("queue", ("mail",)),)
    assert objects(Revoke(("7", "8")), [MAIL]) == (("tasks", ("2",)),)  # whoever has them
    assert objects(Revoke(("7",)), [MAIL]) == (("id", ("7",)),)


# --- offers -----------------------------------------------------------------------------------------------------


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.add(MAIL, "prefork", "mail")
    stage.add(SLOW, "prefork", "slow")
    stage.add_queue("mail", 120)
    stage.add_queue("slow", 0)
    stage.add_queue("celeryev.1", 0, internal=True)
    return stage


def said(stage: Stage, method: str, *workers: str) -> Answer:
    return stage.ask(Inspect(method, workers), Scope("default"))


def depths(stage: Stage) -> Answer:
    return stage.ask(Depths(), Scope("default"))


def by_name(offers: Sequence[Offer]) -> dict[str, Offer]:
    return {offer.name: offer for offer in offers}


def values(offer: Offer) -> dict[str, str]:
    return {field.name: field.value for field in offer.fields}


def choices(offer: Offer, name: str) -> list[str]:
    return [option.value for field in offer.fields if field.name == name for option in field.options]


def test_what_ends_or_replaces_a_worker_stands_apart(stage: Stage) -> None:
    offers = steering.pool({"stats": said(stage, "stats", MAIL)})

    assert {offer.name for offer in offers if offer.destroys} == {"pool_restart", "shutdown"}


def test_the_bounds_of_autoscale_are_those_it_has_now(stage: Stage) -> None:
    stage.says[MAIL]["stats"]["autoscaler"] = {"max": 4, "min": 1, "current": 2, "qty": 0}

    assert values(by_name(steering.pool({"stats": said(stage, "stats", MAIL)}))["autoscale"]) == {
        "max": "4",
        "min": "1",
    }
    assert values(by_name(steering.pool({}))["autoscale"]) == {"max": "", "min": ""}


def test_a_task_that_is_chosen_fills_in_its_limits_where_all_workers_agree(stage: Stage) -> None:
    stage.says[MAIL]["registered"] = ["shop.mail [rate_limit=10/m time_limit=30]", "shop.add"]
    stage.says[SLOW]["registered"] = ["shop.mail [rate_limit=20/m time_limit=30]"]
    offer = by_name(steering.limits({"registered": said(stage, "registered", MAIL, SLOW)}))["time_limit"]

    fills = {option.value: option.fills for option in offer.fields[0].options}

    assert fills == {"shop.mail": {"hard": "30", "soft": ""}, "shop.add": {"rate": "", "soft": "", "hard": ""}}


def test_a_worker_stops_consuming_one_of_its_own_queues(stage: Stage) -> None:
    offers = by_name(steering.consumers({"active": said(stage, "active_queues", MAIL), "depths": depths(stage)}))

    assert choices(offers["cancel_consumer"], "queue") == ["mail"]
    assert choices(offers["add_consumer"], "queue") == ["mail", "slow"]


def test_of_a_queue_those_stop_who_consume_it_and_those_begin_who_do_not(stage: Stage) -> None:
    answers = {"workers": stage.ask(Workers(), Scope("default")), "depths": depths(stage)}
    offers = by_name(steering.queue("mail", answers))

    assert choices(offers["cancel_consumer"], "worker") == [MAIL]
    assert choices(offers["add_consumer"], "worker") == [SLOW]
    assert (offers["purge"].destroys, offers["purge"].given) == (True, (("order", "purge"), ("queue", "mail")))
    assert (
        by_name(steering.queue("new", answers))["cancel_consumer"].refused == "No worker that is known takes from it."
    )


def test_one_of_two_of_one_name_that_may_consume_a_queue_stops_and_does_not_begin(stage: Stage) -> None:
    stage.workers[1] |= {"queues": None, "may_consume": ["mail", "slow"]}
    answers = {"workers": stage.ask(Workers(), Scope("default")), "depths": depths(stage)}
    offers = by_name(steering.queue("mail", answers))
    assert choices(offers["cancel_consumer"], "worker") == [MAIL, SLOW]
    assert offers["add_consumer"].refused


def test_the_buttons_are_called_as_celery_calls_what_they_do(stage: Stage) -> None:
    answers = {"workers": stage.ask(Workers(), Scope("default")), "depths": depths(stage)}
    assert [offer.label for offer in steering.queue("mail", answers)] == ["Add consumers", "Cancel consumers", "Purge"]
    answers = {"registered": said(stage, "registered", MAIL), "depths": depths(stage)}
    (form,) = steering_tasks.run("shop.mail", "mail", answers)
    labels = ["Task", "Arguments", "Keyword arguments", "Queue", "Countdown", "Expires", "Priority"]
    assert [field.label for field in form.fields] == labels


def test_a_look_is_offered_where_rabbitmq_tells_what_kind_of_queue_it_is(stage: Stage) -> None:
    answers = {"workers": stage.ask(Workers(), Scope("default")), "depths": depths(stage)}
    assert "look_inside" not in by_name(steering.queue("mail", answers))
    for queue in stage.queues:
        queue["type"] = "classic"
    offer = by_name(steering.queue("mail", answers | {"depths": depths(stage)}))["look_inside"]
    assert (offer.label, [field.name for field in offer.fields]) == ("Look inside", ["n"])
    assert "redelivered" in offer.line


def task_offers(stage: Stage, state: str, **known: Any) -> dict[str, Offer]:
    run = row("7", state, name="shop.mail", **known)
    return by_name(steering_tasks.task("7", {"task": tasks(run), "depths": depths(stage)}))


@pytest.mark.parametrize("state", ["PENDING", "RECEIVED", "STARTED", "RETRY"])
def test_a_task_that_has_not_ended_can_be_taken_back(stage: Stage, state: str) -> None:
    offers = task_offers(stage, state)

    assert offers.keys() == {"revoke", "terminate"}
    assert offers["terminate"].destroys
    assert offers["terminate"].given == (("order", "revoke"), ("id", "7"), ("terminate", "1"))


def test_a_task_that_is_not_recorded_can_be_taken_back_by_its_id(stage: Stage) -> None:
    offers = by_name(steering_tasks.task("7", {"task": tasks(), "depths": depths(stage)}))

    assert offers["revoke"].about == (("id", ("7",)),)


def test_what_ended_is_sent_once_more_with_the_arguments_it_had(stage: Stage) -> None:
    offer = task_offers(stage, "FAILURE", args="(1, 'ü')", kwargs="{'to': ['a']}", queue="mail")["retry"]

    assert values(offer) == {"args": '[1, "ü"]', "kwargs": '{"to": ["a"]}', "queue": "mail"}
    assert offer.given == (("order", "send_task"), ("name", "shop.mail"), ("retry_of", "7"))


def test_arguments_that_were_cut_are_not_sent_and_the_form_is_named_instead(stage: Stage) -> None:
    offer = task_offers(stage, "FAILURE", args="(1, 'aaa", kwargs="{}", cut='{"args": 9000}')["retry"]

    assert (offer.fields, bool(offer.refused)) == ((), True)
    assert offer.instead == ("Run it with other arguments", "/run?name=shop.mail")


def test_the_form_to_run_a_task_begins_with_what_its_link_says(stage: Stage) -> None:
    answers = {"registered": said(stage, "registered", MAIL), "depths": depths(stage)}
    (offer,) = steering_tasks.run("shop.mail", "mail", answers)

    assert values(offer) | {"name": "shop.mail", "queue": "mail", "args": "[]", "kwargs": "{}"} == values(offer)
    assert choices(offer, "name") == ["shop.mail"]


def test_all_that_is_found_is_revoked_or_retried_and_one_name_leads_to_its_form() -> None:
    offers = by_name(steering_tasks.found(Scope("default"), TaskFilter(names=("a b",)), {}))

    assert [offer.name for offer in offers.values() if offer.destroys] == ["revoke", "terminate", "retry"]
    assert offers["terminate"].whole({"signal": ["SIGKILL"]}) == {"signal": ("SIGKILL",), "terminate": ("1",)}
    assert offers["revoke"].about == (("found by", ("name a b, range 1h",)),)
    assert offers["run"].leads_to == "/run?name=a+b"


# --- what was changed -------------------------------------------------------------------------------------------


def change(order: Order, lost: bool) -> Change:
    return Change(MAIL, order, NOW, "ann", ("x", ""), {}, lost)


def test_what_was_changed_is_told_and_what_was_lost_can_be_applied_again(stage: Stage) -> None:
    seen: list[Runs] = []

    def told(runs: Runs) -> Sequence[Change]:
        seen.append(runs)
        return [change(RateLimit("shop.mail", "10/m"), True), change(PoolGrow(1), False)]

    offer = steering.again(MAIL, told, {"stats": said(stage, "stats", MAIL)})

    assert [(one.text, one.lost) for one in offer.told] == [
        (f"Limit shop.mail to 10/m on {MAIL}", True),
        (f"Add 1 slot to {MAIL}", False),
    ]
    assert (offer.label, [*seen[0]], seen[0][MAIL].pid) == ("Apply again", [MAIL], 7)


def test_nothing_lost_is_nothing_to_apply(stage: Stage) -> None:
    offer = steering.again(MAIL, lambda runs: [change(PoolGrow(1), False)], {"stats": said(stage, "stats", MAIL)})

    assert (offer.label, len(offer.told)) == ("", 1)


def test_what_was_changed_of_a_worker_that_does_not_answer_is_not_known(stage: Stage) -> None:
    del stage.says[MAIL]
    stats = said(stage, "stats", MAIL)

    (line,) = steering.again(MAIL, lambda runs: (), {"stats": stats}).told
    assert line.text == "What was changed here is not known while it does not say since when it runs."
    assert steering.again(MAIL, lambda runs: (), {"stats": replace(stats, measured_at=None)}).told == ()


def test_a_workspace_that_cannot_be_read_does_not_mean_that_nothing_was_changed(stage: Stage) -> None:
    def told(runs: Runs) -> Sequence[Change]:
        raise SourceUnreachable("Workspace", "disk is gone")

    (line,) = steering.again(MAIL, told, {"stats": said(stage, "stats", MAIL)}).told

    assert line.text == "What was changed here is not known: Workspace: disk is gone"


# --- the audit --------------------------------------------------------------------------------------------------


def entry(id: int, outcome: str, **known: Any) -> dict[str, Any]:
    made = {
        "who": "ann",
        "from_address": "10.0.0.7",
        "action": "shutdown",
        "target": MAIL,
        "detail": "",
        "arguments": {},
    }
    return {"id": id, "at": NOW, "outcome": outcome, **made, **known}


def entries(*rows: Mapping[str, Any]) -> dict[str, Answer]:
    frame = pd.DataFrame([*rows], columns=[*AUDIT_COLUMNS]).astype(AUDIT_COLUMNS)
    return {"entries": replace(Answer(frame, Audit()), measured_at=NOW + timedelta(minutes=5))}


def words(answers: Mapping[str, Answer]) -> str:
    return "".join(part if isinstance(part, str) else part.text for part in headlines.audit(answers).sentence)


def test_the_audit_says_of_which_orders_nobody_knows_what_came() -> None:
    assert words(entries(entry(3, "done", arguments={"asked": 2}), entry(2, "asked"), entry(1, "asked"))) == (
        "Of 1 order it is not known what came"
    )


def test_what_came_of_the_newest_order_of_an_older_page_may_stand_on_the_page_before() -> None:
    early = NOW - timedelta(hours=1)
    answers = entries(entry(3, "asked"), entry(2, "done", arguments={"asked": 1}), entry(1, "asked", at=early))
    older = {"entries": replace(answers["entries"], query=Audit(before=4))}
    lost = {
        "entries": replace(entries(entry(3, "asked"), entry(1, "asked", at=early))["entries"], query=Audit(before=4))
    }

    assert words(older) == f"ann: shutdown of {MAIL}, asked"
    assert words(lost) == words(answers) == "Of 1 order it is not known what came"


def test_the_audit_says_who_was_turned_away() -> None:
    assert words(entries(entry(1, "denied"))) == "1 attempt was denied in the last 24 h"


def test_the_audit_says_what_was_done_last() -> None:
    assert words(entries(entry(2, "done", arguments={"asked": 1}), entry(1, "asked"))) == (
        f"ann: shutdown of {MAIL}, done"
    )
    assert words(entries()) == "Nothing was steered from here"


@pytest.mark.parametrize(
    ("known", "href"),
    [
        ({"arguments": {"workers": [MAIL]}}, "/worker?name=celery%40mail"),
        ({"action": "purge", "target": "mail"}, "/queue?name=mail"),
        ({"action": "revoke", "target": "7", "arguments": {"order": {"id": ["7"]}}}, "/task?id=7"),
        ({"action": "revoke", "target": "2 tasks", "arguments": {"order": {"id": ["7", "8"]}}}, None),
        ({"target": "2 workers", "arguments": {"workers": [MAIL, SLOW]}}, None),
    ],
)
def test_an_entry_leads_to_what_it_names(known: dict[str, Any], href: str | None) -> None:
    table = audit_view.entries(entries(entry(1, "done", **known))["entries"].frame, {})
    target = table.rows[0][[column.name for column in table.columns].index("target")]

    assert (target["href"] if isinstance(target, dict) else None) == href


def test_an_empty_audit_says_what_it_will_hold() -> None:
    table = audit_view.entries(entries()["entries"].frame, {})

    assert (table.rows, len(table.empty)) == ([], 2)
