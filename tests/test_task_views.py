"""One task as people read it: its parts, facts, texts and runs, and another beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pandas as pd
import pytest

from cells.facts import Facts
from cells.picture import Comparison
from cells.picture import Family as FamilyPicture
from cells.views import comparison, family, task
from data_sources.answer import Answer
from data_sources.ask import HIDDEN
from data_sources.failure import Failure
from data_sources.history.task_run import TaskRun
from data_sources.query import Inspect
from data_sources.run_query import Compared, Held, Runs
from data_sources.task_query import Family
from data_sources.workers.inspect_frames import COLUMNS, READ, inspect_frame
from tests.task_frames import NOON, answer, at, row
from tests.test_family import ARGS, KWARGS

OWN = row("a", "FAILURE", name="shop.send", worker="w1@shop", queue="mail", sent=0, received=1, started=3, finished=10)
NOBODY = replace(answer(), frame=inspect_frame("query_task", None), query=Held("a"))
ASKED = Inspect("query_task", ("w1@shop",), ("a",))


def ms(seconds: float) -> float:
    return at(seconds).timestamp() * 1000


def facts(rows: Answer, held: Answer = NOBODY) -> Facts:
    return task.facts(rows.frame, {"rows": rows, "held": held})


def values(shown: Facts, section: str) -> dict[str, object]:
    return {fact.label: fact.value for one in shown.sections if one.title == section for fact in one.facts}


def held(**said: object) -> Answer:
    """What w1@shop said of it."""
    row = {"worker": "w1@shop", "id": "a", "name": "shop.send", **said}
    kinds = COLUMNS["query_task"].items()
    frame = pd.DataFrame({name: pd.array([READ[kind](row.get(name))], dtype=kind) for name, kind in kinds})
    return replace(NOBODY, query=ASKED, frame=frame)


def test_the_timeline_has_each_part_with_its_moments_and_seconds() -> None:
    rows = answer({**OWN, "runtime_us": 6_900_000})
    drawn = task.timeline(rows.frame, {"rows": rows})

    assert [(part.kind, part.start, part.end, part.seconds, part.lasts) for part in drawn.parts] == [
        ("queue", ms(0), ms(1), 1.0, False),
        ("worker", ms(1), ms(3), 2.0, False),
        ("run", ms(3), ms(10), 6.9, False),  # as the worker measured it
    ]
    assert drawn.note == ""


def test_what_lasts_is_counted_until_the_answer_was_measured() -> None:
    rows = answer(row("a", "STARTED", started=3, retries=1), now=45)
    drawn = task.timeline(rows.frame, {"rows": rows})

    assert [(part.kind, part.end, part.seconds, part.lasts) for part in drawn.parts] == [
        ("unknown", ms(3), None, False),
        ("run", None, 42.0, True),
    ]
    assert drawn.note.startswith("These are the times of its last attempt")


def test_facts_are_what_is_recorded_and_nothing_for_what_is_not() -> None:
    shown = facts(answer({**OWN, "wait_us": 3_000_000, "parent": "p&q"}))

    assert values(shown, "When") == {
        "sent": ms(0), "ETA": None, "received": ms(1), "started": ms(3), "ended": ms(10),
        "wait": 3.0, "runtime": None, "attempt": None,
    }  # fmt: skip
    where = values(shown, "What and where")
    assert where["name"] == {"value": "shop.send", "href": "/tasks?name=shop.send"}
    assert where["parent"] == {"value": "p&q", "href": "/task?id=p%26q"}
    assert where["root"] is None
    assert values(shown, "Message") == {
        "queue": {"value": "mail", "href": "/queue?name=mail"},
        "exchange": None,
        "routing key": None,
        "priority": None,
    }
    assert [section.title for section in shown.sections] == ["When", "What and where", "Message"]


def test_texts_come_with_their_true_lengths_and_the_traceback_first() -> None:
    shown = facts(answer({**OWN, "args": "(1,)", "exception": "E", "traceback": "T", "cut": '{"args": 70000}'}))

    assert [(block.title, block.text, block.note) for block in shown.blocks] == [
        ("Traceback", "T", ""),
        ("Arguments", "(1,)", "Cut: 70,000 characters in all"),
        ("Exception", "E", ""),
    ]


def test_what_celery_cut_before_it_was_recorded_is_said_to_be_cut() -> None:
    text = f"('{'y' * 1_010}...', ...)"  # of 5,000, as Celery 5.7 sends it
    (block,) = facts(answer({**OWN, "args": text})).blocks
    (short,) = facts(answer({**OWN, "args": "('wait...',)"})).blocks

    assert block.note == "Cut by Celery itself, where it was sent; how long it was is not told"
    assert short.note == ""


def test_hidden_arguments_are_said_to_be_hidden() -> None:
    (block,) = facts(replace(answer(OWN), notes=(HIDDEN,))).blocks

    assert block.text == "HISTORY_HIDE_ARGUMENTS keeps arguments and results out of the history"


def test_what_a_worker_says_stands_before_what_is_recorded_with_when_it_was_asked() -> None:
    shown = facts(
        answer(row("a", "STARTED", started=3)), held(state="active", time_start=NOON.timestamp(), acknowledged=True)
    )

    assert shown.sections[0].title == "w1@shop says now"
    assert values(shown, "w1@shop says now") == {
        "has it as": "active", "started": ms(0), "acknowledged": "yes", "redelivered": None, "process": None,
        "asked": ms(100),
    }  # fmt: skip


def test_what_a_worker_said_and_cannot_be_asked_again_is_not_now() -> None:
    stale = held(state="active").failed(Failure("unreachable", "Celery", "x", "", NOON, None))

    assert facts(answer(row("a", "STARTED")), stale).sections[0].title.startswith("w1@shop said last, and cannot")


def test_a_task_that_no_worker_has_is_said_not_to_be_there_and_nobody_is_said_to_be_asked_for_one_that_ended() -> None:
    asked = replace(NOBODY, query=ASKED)

    assert values(facts(answer(row("a", "STARTED")), asked), "w1@shop now")["has it"] == "no worker that answered"
    assert values(facts(answer(), replace(asked, query=Inspect("query_task", (), ("a",)))), "The workers now")
    assert facts(answer()) == Facts()


def test_runs_are_held_against_this_one() -> None:
    own, other = {**OWN, "runtime_us": 2_000_000}, row("b", "SUCCESS", finished=20, runtime=3, retries=1)
    rows = answer(other, own, row("c", "STARTED", started=30), query=Runs("a"))

    table = task.runs(rows.frame, {"task": answer(own)})
    names = [column.name for column in table.columns]
    shown = [dict(zip(names, one, strict=True)) for one in table.rows]
    told = [(one["runtime"], one["times"], one["attempt"]) for one in shown]
    assert told == [(3.0, 1.5, 2), (2.0, None, None), (None, None, None)]
    assert shown[0]["state"] == {"value": "SUCCESS", "href": "/task?id=b"}
    assert [one["compare"] for one in shown] == [
        {"value": "compare", "href": "/task?id=a&with=b"},
        "this one",
        {"value": "compare", "href": "/task?id=a&with=c"},
    ]

    bars = task.runtimes(rows.frame, {"rows": rows})
    assert [(bar.own, bar.seconds) for bar in bars.runs] == [(True, 2.0), (False, 3.0), (False, None)]
    assert bars.usual == 3.0


def test_the_only_run_of_its_name_has_no_bars_and_an_unknown_task_no_words() -> None:
    alone = answer(OWN, query=Runs("a"))

    assert task.runtimes(alone.frame, {"rows": alone}).runs == ()
    assert task.runs(alone.frame, {"task": alone}).empty
    nobody = answer(query=Runs("a"))
    assert (task.runs(nobody.frame, {"task": nobody}).rows, task.runs(nobody.frame, {"task": nobody}).empty) == ([], ())


def test_two_runs_stand_side_by_side_and_what_differs_is_marked() -> None:
    own = {**OWN, "args": "(1,)", "kwargs": "{}", "runtime_us": 3_000_000, "cut": '{"kwargs": 9000}'}
    other = row("b", "SUCCESS", name="shop.send", worker="w2@shop", args="(2,)", kwargs="{}", runtime=2.0)
    rows = answer(own, other, query=Compared("a"))
    shown = {one.fact.label: one for one in comparison.comparison(rows.frame, {"rows": rows}).rows}

    assert {label: one.differs for label, one in shown.items() if one.differs is not None} == {
        "state": True, "name": False, "worker": True, "arguments": True,
    }  # fmt: skip
    assert (shown["runtime"].fact.value, shown["runtime"].other, shown["runtime"].note) == (
        3.0,
        2.0,
        "1.5 times as long",
    )
    assert (shown["wait"].fact.value, shown["wait"].note) == (None, "")
    assert shown["keyword arguments"].note == "the same as far as they are kept"
    assert shown["queue"].differs is None  # of the other it is not known
    assert "exchange" not in shown


@pytest.mark.parametrize(
    ("one", "other", "note"),
    [
        (2.0, 2.1, "about as long"),
        (3.0, 2.0, "1.5 times as long"),
        (2.0, 3.0, "the other 1.5 times as long"),
        (900.0, 0.313, "2,875 times as long"),
        (0.0, 3.0, ""),
        (None, 3.0, ""),
        (3.0, None, ""),
    ],
)
def test_durations_are_told_apart_by_how_many_times(one: float | None, other: float | None, note: str) -> None:
    assert comparison.duration("runtime", one, other).note == note


def test_without_another_run_it_is_said_and_one_can_be_asked_for() -> None:
    alone, nobody = answer(OWN, query=Compared("a")), answer(query=Compared("a"))
    strange = answer(OWN, query=Compared("a", "<b>"))

    assert comparison.comparison(alone.frame, {"rows": alone}).empty[0].startswith("No other run")
    assert comparison.comparison(strange.frame, {"rows": strange}).empty == ("No task <b> is recorded.",)
    assert comparison.comparison(alone.frame, {"rows": alone}).own == "a"
    assert comparison.comparison(nobody.frame, {"rows": nobody}) == Comparison()


def words(said: list[object]) -> str:
    return "".join(part if isinstance(part, str) else str(part["text"]) for part in said)  # type: ignore[index]


def test_a_family_is_a_tree_whose_bars_lie_on_one_axis() -> None:
    child = row("b", "STARTED", parent="a", sent=4, received=5, started=20)
    rows = answer(OWN, child, query=Family("b"))
    drawn = family.family(rows.frame, {"rows": rows})

    assert (drawn.start, drawn.end) == (ms(0), ms(100))
    assert [(one.own, one.depth, one.waits, one.runs, one.ends, one.lasts) for one in drawn.branches] == [
        (False, 0, ms(0), ms(3), ms(10), False),
        (True, 1, ms(4), ms(20), ms(100), True),
    ]
    assert (drawn.branches[1].runtime, drawn.branches[0].runtime) == (80.0, None)


def test_a_chord_that_waits_says_which_part_is_missing_and_what_is_inferred() -> None:
    fan, one = row("f", "SUCCESS", name="shop.fan"), row("p", "SUCCESS", parent="f", name="shop.part")
    two = row("q", "STARTED", parent="f", name="shop.part")
    unlock = row("u", "RECEIVED", parent="f", name="celery.chord_unlock", args=ARGS, kwargs=KWARGS, retries=2)

    def says(*rows: dict[str, object]) -> list[str]:
        asked = answer(*rows, query=Family("f"))
        return [words(said) for said in family.family(asked.frame, {"rows": asked}).says]

    assert says(fan, unlock, one, two) == [
        "A chord waits: its body shop.total starts when its 2 parts have ended; celery.chord_unlock looked 3 times. "
        "Not ended: shop.part (STARTED)"
    ]
    assert says({**unlock, "parent": None}) == [
        "A chord waits: its body shop.total starts when its 2 parts have ended; celery.chord_unlock looked 3 times. "
        "Which have not is not known: a client sent them, and events tell no groups."
    ]
    assert says(fan, one, two) == [
        "If the 2 tasks that shop.fan sent are the parts of a chord, its body waits for what has not ended: "
        "shop.part (STARTED). This is inferred: events tell no groups."
    ]
    assert says(fan, unlock, one, {**two, "state": 5}) == [
        "A chord has failed: its body shop.total does not run, because of its 2 parts these did not succeed: "
        "shop.part (FAILURE)"
    ]
    assert says(fan, one) == []


def test_one_without_a_family_teaches_and_all_of_it_is_json() -> None:
    alone = answer(OWN, query=Family("a"))

    assert family.family(alone.frame, {"rows": alone}).empty
    assert family.family(answer().frame, {"rows": answer(query=Family("a"))}) == FamilyPicture()
    assert json.dumps(asdict(family.family(alone.frame, {"rows": alone})), allow_nan=False)
    assert TaskRun.all_of(alone.frame)[0].name == "shop.send"
