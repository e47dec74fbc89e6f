"""Real beats and a worker on Redis: entries, the next run, a run that was missed, and one that came twice."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from data_sources.ask import Desk
from data_sources.schedule_query import Schedule, ScheduledLoad
from data_sources.scope import Range, Scope
from demo.servers import Process, Redis, celery_worker, wait_until
from exports.csv_text import csv_chunks
from headlines.schedule import schedule
from tests.watching import LIVE, ROOT, watching

EVERY_SECONDS = 8  # a run may be half as late, as on a busy machine it is
SECONDLY = replace(LIVE, step=timedelta(seconds=1), max_age=timedelta(seconds=1))  # each second a new answer
RECENT = replace(SECONDLY, range=Range(span=timedelta(minutes=2)))  # soon without a run that came late


@pytest.fixture
def desk(redis_server: Redis, tmp_path: Path) -> Iterator[Desk]:
    env = {"CELERY_BROKER_URL": redis_server.url}
    events = ["--pool", "solo", "--events", "--without-gossip", "--without-mingle"]
    with watching(env) as desk, celery_worker("tests.beat_app", "w@shop", tmp_path, events, env, ROOT):
        yield desk


def beat(name: str, redis_server: Redis, folder: Path) -> Process:
    own = ["--schedule", str(folder / "schedule"), "--pidfile", ""]
    command = [sys.executable, "-m", "celery", "-A", "tests.beat_app", "beat", *own]
    return Process(name, command, folder / name, {"CELERY_BROKER_URL": redis_server.url}, ROOT)


def entries(desk: Desk, scope: Scope = SECONDLY) -> dict[str, dict[str, Any]]:
    frame = desk.ask(Schedule(), scope, wait_seconds=60).frame
    return {row["name"]: row for row in frame.to_dict("records")}


def wait_for(desk: Desk, ready: Callable[[dict[str, Any]], bool], what: str, scope: Scope = SECONDLY) -> dict[str, Any]:
    """The entry "often", as soon as it is so."""
    often: dict[str, Any] = {}

    def look() -> bool:
        often.update(entries(desk, scope).get("often", {"on_time": 0, "missed": 0, "doubled": 0, "verdict": ""}))
        return ready(often)

    wait_until(look, what)
    return often


def test_a_beat_that_pauses_misses_runs_and_two_double_them(desk: Desk, redis_server: Redis, tmp_path: Path) -> None:
    with beat("first", redis_server, tmp_path):
        often = wait_for(
            desk,
            lambda row: bool(row["verdict"] == "on_time" and row["on_time"]),
            "the schedule is kept",
            RECENT,
        )
        assert (often["words"], often["task"], often["queue"]) == ("every 8 seconds", "shop.tick", "celery")
        assert (often["kwargs"], often["told_by"]) == ('{"api_key": "********"}', "sent")
        assert (often["missed"], often["doubled"], often["verdict"]) == (0, 0, "on_time")
        assert 0 < (often["next_run"] - often["last_run"]).total_seconds() == pytest.approx(EVERY_SECONDS, abs=0.01)
        wait_until(lambda: desk.ask(Schedule(), SECONDLY, wait_seconds=60).totals.get("beats") == 1, "the beat")
        weekdays = entries(desk)["weekdays"]
        assert (weekdays["words"], weekdays["verdict"]) == (
            "Mondays to Fridays at 18:30 Europe/Berlin",
            "never_seen",
        )
        assert (weekdays["next_run"].tz_convert("Europe/Berlin").hour, weekdays["next_run"].minute) == (18, 30)
        load = desk.ask(ScheduledLoad(), SECONDLY, wait_seconds=60).frame
        assert load[load["queue"] == "celery"]["runs"].max() == 3_600 / EVERY_SECONDS

    # Of one missed run a beat that starts soon would make one that is late.
    wait_for(desk, lambda row: bool(row["verdict"] == "overdue" and row["missed"] >= 2), "that nothing comes is seen")
    assert schedule({"entries": desk.ask(Schedule(), SECONDLY)}).to_dict()["tone"] == "bad"

    with beat("again", redis_server, tmp_path):
        resumed = wait_for(desk, lambda row: row["verdict"] == "missed", "it is sent again")
        assert resumed["missed"] >= 1
        assert resumed["doubled"] == 0
        with beat("second", redis_server, tmp_path / "second"):
            doubled = wait_for(desk, lambda row: bool(row["doubled"]), "a second beat is seen")
    kinds = [block["kind"] for block in doubled["runs"]]
    assert kinds[0] == "ran"
    assert {"on_time", "missed", "doubled"} <= set(kinds)
    assert all(block["id"] for block in doubled["runs"] if block["kind"] in ("on_time", "doubled"))
    text = b"".join(csv_chunks(desk.ask(Schedule(), SECONDLY).frame)).decode()
    assert {row["name"] for row in csv.DictReader(io.StringIO(text))} == {"often", "weekdays"}
    assert "s3cret" not in text


def test_entries_stay_when_no_worker_answers_any_more(
    redis_server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_sources.schedule.timetable.EVERY_SECONDS", 0.0)
    env = {"CELERY_BROKER_URL": redis_server.url}
    with watching(env) as desk:
        with celery_worker("tests.beat_app", "w@shop", tmp_path, ["--pool", "solo"], env, ROOT):
            wait_until(lambda: {*entries(desk)} == {"often", "weekdays"}, "the entries")

        def notes() -> str:
            return " ".join(note.text for note in desk.ask(Schedule(), SECONDLY, wait_seconds=60).notes)

        wait_until(lambda: "no worker answers now" in notes(), "that nobody answers is said")
        assert {*entries(desk)} == {"often", "weekdays"}
