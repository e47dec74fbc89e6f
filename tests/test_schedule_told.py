"""What silent workers have configured is still told, and said to be old; whose runs are not recorded is said too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import data_sources.fetches
from data_sources.answer import Answer
from data_sources.blank import blank_frame
from data_sources.latest import RecorderState
from data_sources.note import Note
from data_sources.poller import Reading
from data_sources.schedule.timetable import Entries, Timetable
from data_sources.schedule.told import Told
from data_sources.schedule_query import Schedule
from data_sources.watch import Watch
from tests.watching import LIVE, unwatched

NOW = datetime(2026, 3, 1, 14, 2, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def reply(worker: str, *entries: str, seconds: float = 60) -> tuple[str, dict[str, Any]]:
    schedule = {name: {"task": f"t.{name}", "schedule": seconds} for name in entries}
    return worker, {"beat_schedule": schedule, "timezone": BERLIN}


def roster(**silent_minutes: float | None) -> list[dict[str, Any]]:
    """Workers, and for how long each has been silent after a further hour."""
    return [
        {"worker": name, "silent_since": None if minutes is None else later(60 - minutes)}
        for name, minutes in silent_minutes.items()
    ]


def later(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def after_an_hour(told: Told, *replies: tuple[str, dict[str, Any]], **silent_minutes: float | None) -> list[Any]:
    """The names of the entries, and the notes."""
    configured, notes = told.hear(replies, roster(**silent_minutes), later(60))
    assert configured.zone == BERLIN
    return [[entry.name for entry in configured.entries], *(note.text for note in notes)]


def two_apps() -> Told:
    told = Told()
    both = [reply("shop", "mail", "report"), reply("bank", "rates")]
    configured, notes = told.hear(both, roster(shop=None, bank=None), NOW)
    assert ([entry.name for entry in configured.entries], notes) == (["mail", "report", "rates"], ())
    return told


def test_when_no_worker_answers_all_stay_as_they_were_told() -> None:
    told = two_apps()
    note = "What workers have configured: as told at 2026-03-01 14:02 UTC; no worker answers now"
    assert after_an_hour(told, shop=600, bank=600) == [["mail", "report", "rates"], note]
    assert told.hear((), (), later(9_000))[1] == (Note(note, "warning"),)


def test_one_silent_worker_takes_no_entry_with_it() -> None:
    answering = reply("shop", "mail", seconds=30)
    told = after_an_hour(two_apps(), answering, shop=None, bank=59)
    assert told == [["mail", "rates"], "rates: as told at 2026-03-01 14:02 UTC; bank does not answer now"]


def test_what_an_answering_worker_tells_stands_for_that_of_a_silent_one() -> None:
    told = Told()
    told.hear([reply("old", "mail", seconds=60)], (), NOW)
    configured, notes = told.hear([reply("new", "mail", seconds=30)], roster(old=5, new=None), later(60))
    assert ([str(entry.form) for entry in configured.entries], notes) == (["interval 30"], ())


def test_who_is_silent_for_long_or_not_on_the_roster_any_more_is_forgotten_while_others_answer() -> None:
    answering = reply("shop", "mail")
    assert after_an_hour(two_apps(), answering, shop=None, bank=61) == [["mail"]]
    assert after_an_hour(two_apps(), answering, shop=None) == [["mail"]]
    told = two_apps()
    after_an_hour(told, answering, shop=None, bank=61)
    assert after_an_hour(told, shop=1, bank=62)[0] == ["mail"]


def test_whose_runs_are_not_recorded_is_said_beside_what_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Reading(RecorderState(1, "h", "1", 1, "", quiet=("mute@shop",)), NOW)
    kept = Answer(blank_frame(Schedule()), Schedule(), measured_at=NOW)
    monkeypatch.setattr(Watch, "recorder", lambda *_: recorder)
    monkeypatch.setattr(Timetable, "read", lambda _: Entries((), None, ()))
    monkeypatch.setattr(data_sources.fetches, "schedule_answer", lambda *_: kept)
    desk = unwatched({})

    notes = desk.ask(Schedule(), LIVE, wait_seconds=60).notes
    desk.stop()

    assert [note.text.partition(":")[0] for note in notes] == ["What mute@shop ran is not recorded"]
