"""The page of one task over real workers, on Redis and on RabbitMQ: what it says is what was recorded.

The result backend decides what a chord lets know: Redis counts its parts and tells nobody, with a database a task of
Celery's own looks after them.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from cells.views import family, task
from data_sources import fetches
from data_sources.answer import Answer
from data_sources.ask import HIDDEN, Desk
from data_sources.history.task_run import TaskRun
from data_sources.query import Query, Workers
from data_sources.run_query import Compared, Held, Runs
from data_sources.scope import Range, Scope
from data_sources.task_query import Family, Task, Tasks
from demo.servers import RabbitMQ, Redis, celery_worker, wait_until
from headlines.task import task as happened
from tests.test_task_headline import said
from tests.test_task_views import NOBODY, words
from tests.watching import ROOT, unwatched, watching

SCOPE = Scope(range=Range(span=timedelta(minutes=5)), max_age=timedelta(seconds=0.2))


@dataclass(frozen=True)
class Site:
    desk: Desk
    folder: Path
    env: dict[str, str]
    knows_chords: bool  # by chord_unlock

    def send(self, *calls: str) -> list[str]:
        """The ids of what these expressions over tests.family_app give, sent by a client as any other."""
        code = "\n".join(
            ["from celery import chain, group", "from tests.family_app import *", *(f"print({call})" for call in calls)]
        )
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **self.env},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return run.stdout.split()

    def ask(self, query: Query) -> Answer:
        return self.desk.ask(query, SCOPE, wait_seconds=60)

    def runs(self, query: Query) -> list[TaskRun]:
        return TaskRun.all_of(self.ask(query).frame)

    def run(self, id: str) -> TaskRun | None:
        return next(iter(self.runs(Task(id))), None)

    def await_state(self, id: str, state: str) -> TaskRun:
        wait_until(lambda: (run := self.run(id)) is not None and run.state == state, f"{id} to be {state}")
        run = self.run(id)
        assert run
        return run

    def parts(self, fan: str, name: str = "shop.part") -> list[str]:
        """The states of the tasks of this name in a family."""
        return sorted(run.state for run in self.runs(Family(fan)) if run.name == name)

    def says(self, id: str) -> list[str]:
        """Of chords."""
        answer = self.ask(Family(id))
        return [words(one) for one in family.family(answer.frame, {"rows": answer}).says]

    def tree(self, id: str) -> list[tuple[str | None, int]]:
        answer = self.ask(Family(id))
        return [(one.name, one.depth) for one in family.family(answer.frame, {"rows": answer}).branches]

    def sentence(self, id: str) -> str:
        answers = {"task": self.ask(Task(id)), "workers": self.ask(Workers()), "runs": self.ask(Runs(id))}
        return said(happened(answers).sentence)

    def rows(self, sql: str) -> list[dict[str, int | str | None]]:
        """Of the history, as it stands in its file."""
        (path,) = (self.folder / "history").glob("*.db")
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql)]


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("task-page")
    with Redis(folder / "redis") as redis:
        if request.param == "redis":
            broker, backend = redis.url, redis.url
        else:
            server: RabbitMQ = request.getfixturevalue("rabbitmq")
            server.ctl("add_vhost", "task-page")
            server.ctl("set_permissions", "-p", "task-page", "guest", ".*", ".*", ".*")
            broker, backend = server.url.rstrip("/") + "/task-page", f"db+sqlite:///{folder / 'results.db'}"
        env = {"CELERY_BROKER_URL": broker, "CELERY_RESULT_BACKEND": backend, "PYTHONPATH": str(ROOT)}
        history = {"HISTORY_URL": f"sqlite://{folder / 'history'}", "CELERY_BROKER_URL": broker}
        options = ["--pool", "threads", "-c", "6", "-E"]
        with (
            pytest.MonkeyPatch.context() as patch,
            watching(history) as desk,
            celery_worker("tests.family_app", "w1@shop", folder, options, env, ROOT) as worker,
        ):
            patch.setattr(fetches, "INSPECT_SECONDS", 9.0)
            worker.wait_until(lambda: "w1@shop ready" in worker.log.read_text())
            yield Site(desk, folder, env, knows_chords=request.param == "rabbitmq")


def test_a_chain_is_a_line_and_a_group_that_a_task_sent_stands_under_it(site: Site) -> None:
    last, crowd, *apart = site.send(
        "chain(steps.s(1), steps.s(), steps.s())().id",
        "crowds.delay().id",
        "' '.join(one.id for one in group([steps.s(1), steps.s(2)])())",
    )
    site.await_state(last, "SUCCESS")
    wait_until(lambda: len(site.runs(Family(crowd))) == 3, "the group")

    assert site.tree(last) == [("shop.step", 0), ("shop.step", 1), ("shop.step", 2)]
    assert site.tree(crowd) == [("shop.crowd", 0), ("shop.step", 1), ("shop.step", 1)]
    for id in apart:  # no event tells that a client sent them together
        site.await_state(id, "SUCCESS")
        assert site.tree(id) == []


def test_a_chord_that_waits_names_the_part_that_is_missing_until_it_has_ended(site: Site) -> None:
    gate = site.folder / "gate"
    (fan,) = site.send(f"fans.delay({str(gate)!r}).id")
    wait_until(lambda: site.parts(fan) == ["STARTED", "SUCCESS", "SUCCESS"], "two parts to end, and one to be written")
    (missing,) = [run for run in site.runs(Family(fan)) if run.name == "shop.part" and not run.ended]

    (told,) = site.says(fan)
    if site.knows_chords:
        assert told.startswith(
            "A chord waits: its body shop.total starts when its 3 parts have ended; celery.chord_unlock"
        )
        assert told.endswith("Not ended: shop.part (STARTED)")
    else:
        assert told.startswith("If the 3 tasks that shop.fan sent are the parts of a chord, its body waits")
        assert told.endswith("shop.part (STARTED). This is inferred: events tell no groups.")
    assert site.sentence(missing.id).startswith("shop.part runs since ")

    held = site.ask(Held(missing.id))
    assert held.frame[["worker", "id", "state"]].values.tolist() == [["w1@shop", missing.id, "active"]]
    shown = task.facts(site.ask(Task(missing.id)).frame, {"rows": site.ask(Task(missing.id)), "held": held})
    assert shown.sections[0].title == "w1@shop says now"

    gate.touch()
    wait_until(lambda: any(run.name == "shop.total" for run in site.runs(Family(fan))), "the body")
    site.await_state(missing.id, "SUCCESS")
    wait_until(lambda: site.says(fan) == [], "the chord's end")
    assert site.ask(Held(missing.id)).query == Held(missing.id)  # nobody is asked for what has ended


def test_a_chord_of_which_a_part_failed_will_not_run_its_body(site: Site) -> None:
    (fan,) = site.send("fans.delay(None, True).id")
    wait_until(lambda: site.parts(fan) == ["FAILURE", "SUCCESS", "SUCCESS"], "all parts")
    if site.knows_chords:
        wait_until(lambda: site.parts(fan, "celery.chord_unlock") == ["SUCCESS"], "the chord to be given up")

    (told,) = site.says(fan)
    assert "shop.part (FAILURE)" in told
    assert told.startswith("A chord has failed" if site.knows_chords else "If the 3 tasks that shop.fan sent")


def test_a_retried_and_a_failed_task_say_which_attempt_it_was_and_are_compared_with_the_last_success(
    site: Site,
) -> None:
    good, bad = site.send("flakys.delay('good').id", "flakys.delay('bad').id")
    site.await_state(good, "SUCCESS")
    failed = site.await_state(bad, "FAILURE")

    assert site.sentence(bad).endswith("with KeyError('bad'), the 3rd attempt")
    assert site.sentence(good).endswith(", the 3rd attempt")
    assert (failed.parent, failed.retries) == (None, 2)  # it is its own parent in Celery's messages
    assert "KeyError: 'bad'" in (failed.traceback or "")
    answer = site.ask(Task(bad))
    parts = task.timeline(answer.frame, {"rows": answer}).parts
    assert [part.kind for part in parts if part.kind != "queue"] == ["eta", "worker", "run"]
    assert [run.id for run in site.runs(Compared(bad))] == [bad, good]
    assert [run.id for run in site.runs(Compared(good, bad))] == [good, bad]
    assert {run.id for run in site.runs(Runs(bad))} == {good, bad}


def test_an_id_that_nobody_recorded_is_asked_of_the_workers(site: Site) -> None:
    held = site.ask(Held("nobody"))

    assert site.sentence("nobody") == "No task nobody is recorded"
    assert held.frame.empty
    (section,) = task.facts(site.ask(Task("nobody")).frame, {"rows": site.ask(Task("nobody")), "held": held}).sections
    assert (section.title, section.facts[0].value) == ("The workers now", "no worker that answered")


def test_every_moment_and_duration_is_the_recorded_one(site: Site) -> None:
    recorded = site.rows("SELECT * FROM tasks WHERE state >= 4")
    assert len(recorded) > 10
    for row in recorded:
        answer = site.ask(Task(str(row["id"])))
        (when, *_) = task.facts(answer.frame, {"rows": answer, "held": NOBODY}).sections
        facts = {fact.label: fact.value for fact in when.facts}
        told = [facts[name] for name in ("sent", "ETA", "received", "started", "ended")]
        assert [us(value) for value in told] == [
            row[name] for name in ("sent_us", "eta_us", "received_us", "started_us", "finished_us")
        ]
        assert [us(facts[name], 1e6) for name in ("wait", "runtime")] == [row["wait_us"], row["runtime_us"]]
        parts = task.timeline(answer.frame, {"rows": answer}).parts
        assert [us(part.seconds, 1e6) for part in parts if part.kind == "run"] == [row["runtime_us"]]
        for part in parts:
            if part.kind != "run" and part.seconds is not None:
                assert us(part.seconds, 1e6) == (us(part.end) or 0) - (us(part.start) or 0)
        assert us(parts[-1].end) == row["finished_us"]


def test_that_arguments_are_hidden_is_said_of_each_task_and_not_of_lists() -> None:
    nowhere = {"CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    for hide, notes in (("true", (HIDDEN,)), ("false", ())):
        desk = unwatched({**nowhere, "HISTORY_HIDE_ARGUMENTS": hide})
        assert (desk.ask(Task("a"), SCOPE).notes, desk.ask(Tasks(), SCOPE).notes) == (notes, ())
        desk.stop()


def us(value: object, factor: float = 1e3) -> int | None:
    """Microseconds, of milliseconds or by another factor."""
    return round(value * factor) if isinstance(value, int | float) else None
