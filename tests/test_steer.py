"""The dialog's server side: what a browser says is doubted, confirmed once, and told until it is dismissed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from cells import component, steer
from cells.steer import Place, hear, steering_of
from cells.steer_offer import Field, Offer, plain
from cells.steer_payload import MOST_LINES, steering_payload
from cells.steer_state import MOST_RESULTS, Steering
from control import carrying_out
from control import desk as control
from control.desk import Desk
from control.plan import Outcome, Plan
from data_sources.errors import SourceUnreachable
from data_sources.workers.celery_control import Reply
from data_sources.workers.orders import CancelConsumer, PoolGrow, RateLimit, Revoke, Shutdown
from identity import Person
from tests.steered import ANN, BEN, Stage, steering
from workspace.audit import entries

MAIL, SLOW = "celery@mail", "celery@slow"
SOON = 60.0
OFFERS = {
    "limit": plain(RateLimit, "Rate limit", "", Field("task", "Task"), Field("rate", "At most"), name="limit"),
    "grow": plain(PoolGrow, "Grow", "", Field("n", "How many more"), name="grow"),
    "shutdown": plain(Shutdown, "Shut down", "", destroys=True),
    "cancel": plain(
        CancelConsumer, "Stop", "", Field("worker", "Workers", "several"), given=(("queue", "mail"),), name="cancel"
    ),
}
TEN = {"task": ["shop.mail"], "rate": ["10/m"]}


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(carrying_out, "READ_BACK_SECONDS", 0.0)
    stage = Stage()
    stage.add(MAIL, "prefork", "mail")
    stage.add(SLOW, "prefork", "slow")
    stage.add_queue("mail", 120)
    return stage


@pytest.fixture
def desk(stage: Stage, tmp_path: Path) -> Iterator[Desk]:
    with steering(stage, tmp_path) as desk:
        yield desk


class Browser:
    """One tab at one place, whose person the guard knows. It numbers what it says, as steer-say.js does."""

    def __init__(self, session: dict[str, Any], chosen_in: str = "") -> None:
        self.session, self.person, self.said = session, ANN, 0
        self.place = Place("cn_steer_worker_1", "default", () if chosen_in else (MAIL,), chosen_in)
        self.offers = OFFERS

    def says(self, **message: Any) -> dict[str, Any]:
        self.said += 1
        return self.sends([{"n": self.said, **message}])

    def sends(self, said: object) -> dict[str, Any]:
        """What the server answers, once nothing is under way any more."""
        self.session[self.place.key] = {"say": said}
        hear(self.place, self.offers)
        return self.now()

    def now(self) -> dict[str, Any]:
        self.steering.look(SOON)
        return steering_payload(self.steering)

    @property
    def steering(self) -> Steering:
        return steering_of(self.place)

    def plans(self, offer: str = "limit", turn: int = 1, **more: Any) -> dict[str, Any]:
        return self.says(**{"do": "plan", "turn": turn, "offer": offer, "fields": TEN, "workers": [], **more})

    def acts(self, typed: str = "") -> dict[str, Any]:
        plan = self.now()["plan"]
        return self.says(do="act", nonce=plan["nonce"], typed=typed)


@pytest.fixture
def session(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    state: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", state)
    monkeypatch.setattr(control, "desk", lambda: desk)
    return state


@pytest.fixture
def browser(session: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Browser:
    return attended(Browser(session), monkeypatch)


def attended(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> Browser:
    monkeypatch.setattr(
        steer, "operator", lambda: browser.person if browser.person and browser.person.controls else None
    )
    return browser


def test_a_plan_is_shown_before_anything_is_sent(browser: Browser, stage: Stage) -> None:
    now = browser.plans(turn=7)

    assert (now["stage"], now["turn"], stage.given) == ("planned", 7, [])
    assert now["plan"]["does"] == f"Limit shop.mail to 10/m on {MAIL}"
    assert now["plan"]["about"] == [["task", ["shop.mail"]], ["worker", [MAIL]]]
    assert now["plan"]["lines"] == [[MAIL, "no limit", "10/m"]]
    assert now["plan"]["back"] == "It can be taken back from here."
    assert 100 < now["plan"]["lives_seconds"] <= 120


def test_what_was_confirmed_is_done_and_told_until_it_is_dismissed(browser: Browser, stage: Stage) -> None:
    browser.plans()

    now = browser.acts()

    assert stage.given == [(RateLimit("shop.mail", "10/m"), (MAIL,))]
    assert (now["stage"], now["plan"], now["result"]) == ("done", None, 1)
    (result,) = now["results"]
    assert (result["does"], result["by"]) == (f"Limit shop.mail to 10/m on {MAIL}", "ann")
    assert [line[:3] for line in result["lines"]] == [[MAIL, "done", "done"]]
    assert result["undo"] == f"Lift the rate limit of shop.mail on {MAIL}"

    assert browser.says(do="leave")["results"] == now["results"]
    assert browser.says(do="dismiss", result=1)["results"] == []


def test_a_double_click_acts_once(browser: Browser, stage: Stage) -> None:
    nonce = browser.plans()["plan"]["nonce"]

    browser.sends(
        [{"n": 8, "do": "act", "nonce": nonce, "typed": ""}, {"n": 9, "do": "act", "nonce": nonce, "typed": ""}]
    )

    assert len(stage.given) == 1


def test_what_is_said_again_because_it_was_not_heard_is_obeyed_once(browser: Browser, stage: Stage) -> None:
    act = {"n": 2, "do": "act", "nonce": browser.plans()["plan"]["nonce"], "typed": ""}
    browser.sends([act])

    now = browser.sends([act, {"n": 3, "do": "look"}])

    assert (len(stage.given), now["heard"], len(now["results"])) == (1, 3, 1)


def test_what_streamlit_dropped_while_it_was_busy_is_caught_up_with(browser: Browser, stage: Stage) -> None:
    plan = {"n": 1, "do": "plan", "turn": 5, "offer": "limit", "fields": TEN, "workers": []}

    assert browser.sends([plan, {"n": 2, "do": "look"}])["turn"] == 5


def test_only_the_plan_that_is_looked_at_is_acted_upon(browser: Browser, stage: Stage) -> None:
    first = browser.plans()["plan"]["nonce"]
    browser.plans("grow", fields={"n": ["1"]})

    assert browser.says(do="act", nonce=first, typed="")["stage"] == "planned"
    assert stage.given == []


def test_what_destroys_needs_its_name_typed_exactly(browser: Browser, stage: Stage) -> None:
    assert browser.plans("shutdown", fields={})["plan"]["phrase"] == MAIL

    for wrong in ("", "celery@slow", MAIL.upper(), f"{MAIL} "):
        now = browser.acts(wrong)
        assert (now["stage"], now["problem"], stage.given) == ("planned", f"Type exactly: {MAIL}", [])

    assert browser.acts(MAIL)["stage"] == "done"
    assert stage.given == [(Shutdown(), (MAIL,))]


def test_a_worker_that_restarted_meanwhile_makes_the_plan_stale_and_it_is_made_anew(
    browser: Browser, stage: Stage
) -> None:
    browser.plans()
    stage.says[MAIL]["stats"]["pid"] = 8

    now = browser.acts()

    assert (now["stage"], now["plan"], stage.given) == ("stale", None, [])
    assert f"{MAIL} was started anew" in now["problem"]
    assert browser.says(do="again", turn=9)["plan"]["does"] == f"Limit shop.mail to 10/m on {MAIL}"
    assert browser.acts()["stage"] == "done"


def test_a_field_that_cannot_be_used_is_named(browser: Browser) -> None:
    now = browser.plans(fields={"task": ["shop.mail"], "rate": ["often"]})

    assert (now["stage"], now["field"]) == ("refused", "rate")
    assert now["problem"].startswith("must be a number a second")


def test_a_form_that_was_mended_is_planned(browser: Browser) -> None:
    browser.plans(fields={"task": ["shop.mail"], "rate": ["often"]})

    assert browser.plans(turn=2)["stage"] == "planned"


def test_undo_is_a_plan_of_its_own_for_those_who_did_it(browser: Browser, stage: Stage) -> None:
    browser.plans()
    browser.acts()

    now = browser.says(do="undo", turn=3, result=1)

    assert (now["stage"], now["plan"]["does"]) == ("planned", f"Lift the rate limit of shop.mail on {MAIL}")
    assert len(stage.given) == 1
    browser.acts()
    assert stage.given[-1] == (RateLimit("shop.mail", "0"), (MAIL,))


def test_of_whom_the_way_back_is_not_known_is_said_before(
    session: dict[str, Any], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = attended(Browser(session, chosen_in="workers"), monkeypatch)
    del stage.says[SLOW]

    told = browser.plans(workers=[MAIL, SLOW])["plan"]["back"]

    assert told == f"It can be taken back from here of {MAIL} alone: what it is now is not known of the others."
    assert browser.plans("shutdown", fields={}, workers=[MAIL])["plan"]["back"] == "There is no way back from here."


def test_a_reply_that_did_not_come_is_not_said_to_have_failed(browser: Browser, stage: Stage) -> None:
    stage.replies = {MAIL: Reply(MAIL, "no reply", "no answer within 5 s")}
    browser.plans()

    (line,) = browser.acts()["results"][0]["lines"]

    assert line == [MAIL, "no reply", "sent, not confirmed", "no answer within 5 s", ""]


def test_those_that_were_not_done_stand_first(
    session: dict[str, Any], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = attended(Browser(session, chosen_in="workers"), monkeypatch)
    stage.replies = {SLOW: Reply(SLOW, "refused", "unknown task")}
    browser.plans(workers=[MAIL, SLOW])

    assert [line[0] for line in browser.acts()["results"][0]["lines"]] == [SLOW, MAIL]


def test_a_broker_that_is_gone_is_told_beside_nothing_done(browser: Browser, stage: Stage) -> None:
    browser.plans()
    stage.failure = SourceUnreachable("Redis", "refuses connections", "Is it running?")

    (result,) = browser.acts()["results"]

    assert result["failure"] == "Redis: refuses connections. Is it running?"


# --- whom -------------------------------------------------------------------------------------------------------


def test_on_the_page_of_one_worker_a_browser_cannot_name_another(browser: Browser) -> None:
    assert browser.plans(workers=[SLOW])["plan"]["about"][1] == ["worker", [MAIL]]


def test_chosen_rows_are_those_that_are_told(
    session: dict[str, Any], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = attended(Browser(session, chosen_in="workers"), monkeypatch)

    assert browser.plans(workers=[SLOW])["plan"]["about"][1] == ["worker", [SLOW]]
    browser.acts()
    assert stage.given[0][1] == (SLOW,)


@pytest.mark.parametrize("chosen", [[], ["*"], ["nobody"], [f"w{n}" for n in range(1_001)], [[MAIL]], [None]])
def test_a_choice_that_names_nobody_too_many_or_a_pattern_reaches_nobody(
    session: dict[str, Any], stage: Stage, monkeypatch: pytest.MonkeyPatch, chosen: list[Any]
) -> None:
    browser = attended(Browser(session, chosen_in="workers"), monkeypatch)

    assert browser.plans(workers=chosen)["stage"] == "refused"
    assert stage.given == []


def test_a_form_may_name_the_workers(browser: Browser) -> None:
    assert browser.plans("cancel", fields={"worker": [MAIL]})["plan"]["about"] == [
        ["queue", ["mail"]],
        ["worker", [MAIL]],
    ]
    assert browser.plans("cancel", fields={})["field"] == "worker"


def test_what_is_given_cannot_be_changed_and_what_is_no_field_is_left_out() -> None:
    whole = OFFERS["cancel"].whole({"queue": ["other"], "worker": [MAIL], "order": ["shutdown"], "admin": ["1"]})

    assert whole == {"order": ("cancel_consumer",), "queue": ("mail",), "worker": (MAIL,)}


# --- who --------------------------------------------------------------------------------------------------------


def test_somebody_who_is_no_operator_any_more_is_not_obeyed(browser: Browser, stage: Stage, desk: Desk) -> None:
    browser.plans()
    nonce, browser.person = browser.now()["plan"]["nonce"], replace(ANN, controls=False)

    browser.says(do="act", nonce=nonce, typed="")

    assert (stage.given, entries(desk.workspace)) == ([], [])


def test_a_plan_of_one_person_is_no_plan_of_another(browser: Browser, stage: Stage) -> None:
    browser.plans()
    browser.person = BEN

    assert (browser.acts()["stage"], stage.given) == ("stale", [])


def test_the_role_is_looked_at_where_it_is_done_too(stage: Stage, desk: Desk) -> None:
    steering = Steering(desk.act)
    steering.ask(1, lambda person: desk.plan(person, Shutdown(), "default", (MAIL,)), replace(ANN, controls=False))
    steering.look(SOON)

    assert (steering.stage, steering.problem) == ("refused", "Only operators may change something")
    assert [entry.outcome for entry in entries(desk.workspace)] == ["denied"]


SHAPES: list[Any] = [
    *(None, 3, "plan", {}, [], [None], [[]], [{"n": 1}], [{"do": "act"}], [{"n": "1", "do": "leave"}]),
    [{"n": 1, "do": "plan"}],
    [{"n": 1, "do": "plan", "turn": 1, "offer": "purge", "fields": {}, "workers": []}],
    [{"n": 1, "do": "plan", "turn": 1, "offer": ["limit"], "fields": {}, "workers": []}],
    [{"n": 1, "do": "plan", "turn": 1, "offer": "limit", "fields": [], "workers": []}],
    [{"n": 1, "do": "act", "nonce": "x", "typed": ""}],
    [{"n": 1, "do": "undo", "turn": 1, "result": 1}],
    [{"n": 1, "do": "again", "turn": 1}],
    [{"n": 1, "do": "dismiss", "result": None}],
]


@pytest.mark.parametrize("said", SHAPES)
def test_what_no_page_of_ours_says_changes_nothing(browser: Browser, stage: Stage, said: object) -> None:
    assert (browser.sends(said)["stage"], stage.given) == ("resting", [])


@pytest.mark.parametrize("values", ["10/m", [1], [None], ["1"] * 2_001, ["x" * 1_000_001]])
def test_a_field_that_is_no_list_of_texts_is_left_out_whole(browser: Browser, values: object) -> None:
    assert browser.plans(fields={"task": ["shop.mail"], "rate": values})["field"] == "rate"


# --- while it lasts ---------------------------------------------------------------------------------------------


class Slow:
    """An act that waits until it may end."""

    def __init__(self, act: Callable[[Person, str, str], Outcome]) -> None:
        self.act, self.may_end = act, threading.Event()

    def __call__(self, person: Person, nonce: str, typed: str) -> Outcome:
        assert self.may_end.wait(SOON)
        return self.act(person, nonce, typed)


def planned(desk: Desk, steering: Steering) -> Plan:
    steering.ask(1, lambda person: desk.plan(person, RateLimit("shop.mail", "10/m"), "default", (MAIL,)), ANN)
    steering.look(SOON)
    assert steering.plan
    return steering.plan


def test_who_leaves_while_it_is_done_is_told_later(desk: Desk, stage: Stage) -> None:
    slow = Slow(desk.act)
    steering = Steering(slow)
    steering.confirm(planned(desk, steering).nonce, "", ANN)
    steering.leave()
    steering.ask(2, lambda person: pytest.fail("one thing after the other"), ANN)
    steering.look(0.01)
    assert steering_payload(steering)["plan"]["does"] == f"Limit shop.mail to 10/m on {MAIL}"

    slow.may_end.set()
    steering.look(SOON)

    assert (steering.stage, len(steering.results), len(stage.given)) == ("done", 1, 1)


def test_who_leaves_while_it_is_planned_is_not_shown_the_plan(desk: Desk) -> None:
    steering = Steering(desk.act)
    steering.ask(1, lambda person: desk.plan(person, Shutdown(), "default", (MAIL,)), ANN)
    steering.leave()
    steering.look(SOON)

    assert (steering.stage, steering.plan) == ("resting", None)


def test_a_fault_of_ours_does_not_say_that_nothing_was_done(desk: Desk) -> None:
    def broken(person: Person, nonce: str, typed: str) -> Outcome:
        raise RuntimeError("redis://user:hunter2@host")

    steering = Steering(broken)
    steering.confirm(planned(desk, steering).nonce, "", ANN)
    steering.look(SOON)

    assert steering.stage == "unknown"
    assert "not known" in steering.problem
    assert "hunter2" not in steering.problem


def test_results_are_kept_apart_and_not_without_end(browser: Browser) -> None:
    for _ in range(MOST_RESULTS + 2):
        browser.plans()
        browser.acts()

    numbers = [result["number"] for result in browser.now()["results"]]
    assert numbers == [*range(MOST_RESULTS + 2, 2, -1)]


def test_of_many_lines_the_rest_is_counted(
    session: dict[str, Any], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"w{n}@shop" for n in range(MOST_LINES + 5)]
    for name in names:
        stage.add(name)
    browser = attended(Browser(session, chosen_in="workers"), monkeypatch)

    plan = browser.plans(workers=names)["plan"]

    assert (len(plan["lines"]), plan["more"]) == (MOST_LINES, 5)
    assert plan["does"] == "Limit shop.mail to 10/m on 205 workers"


def test_nobody_but_an_operator_is_drawn_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steer, "operator", lambda: None)
    monkeypatch.setattr(component, "steer", lambda **drawn: pytest.fail(f"{drawn} was sent"))

    steer.steer("worker", partial(pytest.fail, "nobody should be asked"), (MAIL,))


def test_an_offer_is_sent_without_what_it_is_made_of() -> None:
    sent = Offer("revoke", "Revoke", given=(("id", "7"),), fields=(Field("signal", "Signal"),)).to_dict()

    assert {"given", "plan"} & sent.keys() == set()
    assert sent["fields"][0]["name"] == "signal"


def test_to_revoke_one_task_all_workers_are_told(browser: Browser, stage: Stage) -> None:
    stage.add_task("7", "RECEIVED")
    browser.offers = {"revoke": plain(Revoke, "Revoke", "", given=(("id", "7"),))}
    browser.place = replace(browser.place, workers=())

    assert browser.plans("revoke", fields={})["plan"]["does"] == "Revoke task 7"
    browser.acts()
    assert stage.given == [(Revoke(("7",)), (MAIL, SLOW))]
