"""The Schedule's sentence: what is wrong with which entry, and never praise that nobody can back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data_sources.answer import Answer
from data_sources.note import Note
from data_sources.now_frames import row_frame
from data_sources.schedule.answer import COLUMNS, VERDICTS
from data_sources.schedule_query import Schedule
from headlines.headline import Part, Words
from headlines.schedule import schedule


def sentence(answer: Answer) -> tuple[str, str, str]:
    head = schedule({"entries": answer})
    return plain(head.sentence), plain(head.context), head.tone


def plain(words: Words) -> str:
    texts = [
        part if isinstance(part, str) else part.text or ("AT" if part.moment else f"{part.seconds:.0f}")
        for part in words
    ]
    return "".join(texts)


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def told(*known: dict[str, Any], **more: Any) -> Answer:
    empty = dict.fromkeys(COLUMNS)
    frame = row_frame([{**empty, "runs": [], "verdict": "on_time", **row} for row in known], COLUMNS)
    return Answer(frame, Schedule(), measured_at=NOW, **more)


def in_minutes(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_all_on_time_names_what_is_next() -> None:
    known: list[dict[str, Any]] = [
        {"name": "cleanup", "next_run": in_minutes(4), "last_run": in_minutes(-1)},
        {"name": "report", "next_run": in_minutes(400)},
        {"name": "off", "verdict": "disabled", "next_run": None},
    ]
    assert sentence(told(*known)) == (
        "2 entries, all on time; next cleanup in 240",
        "The last run came at AT. ",
        "good",
    )
    assert sentence(told(known[0], totals={"beats": 1}))[1] == "The last run came at AT. 1 beat answers."


def test_an_overdue_entry_is_named_and_a_silent_beat_told() -> None:
    late = {"verdict": "overdue", "overdue_since": in_minutes(-3), "missed": 3}
    one = told({"name": "a", **late}, {"name": "b", "next_run": in_minutes(1)})
    assert sentence(one) == ("a is overdue", "Since AT. ", "bad")
    every = told({"name": "a", **late}, {"name": "b", **late}, {"name": "c", "verdict": "never_seen"})
    assert sentence(every)[0] == "Beat sends nothing: a and b are overdue"
    assert "$ celery -A yourapp beat" in schedule({"entries": every}).help


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("missed", "3 runs of a and b were missed"),
        ("doubled", "3 runs of a and b were doubled"),
        ("late", "3 runs of a and b were late"),
    ],
)
def test_what_went_wrong_within_the_range_is_counted(column: str, expected: str) -> None:
    answer = told(
        {"name": "a", column: 2, "verdict": column}, {"name": "b", column: 1, "verdict": column}, {"name": "c"}
    )
    assert sentence(answer)[0] == expected
    assert sentence(answer)[2] == "bad"
    assert ("Two beats" in sentence(answer)[1]) == (column == "doubled")


def test_what_else_went_wrong_and_when_stands_beside_it() -> None:
    moments = [{"kind": "missed", "due": in_minutes(-9).isoformat(), "at": None}]
    runs = [{"kind": "doubled", "due": None, "at": in_minutes(-1).isoformat()}, *moments]
    answer = told({"name": "a", "missed": 2, "doubled": 1, "late": 4, "runs": runs, "verdict": "missed"})
    assert sentence(answer)[:2] == (
        "2 runs of a were missed",
        "Last at AT. Also 1 doubled and 4 late. Two beats may be running. ",
    )
    assert Part(moment=in_minutes(-9)) in schedule({"entries": answer}).context


def test_runs_that_came_on_time_and_failed_are_told() -> None:
    assert sentence(told({"name": "a", "failed": 3}))[1] == "3 runs failed. "


def test_what_was_never_seen_is_no_praise() -> None:
    unseen = {"name": "a", "verdict": "never_seen", "next_run": in_minutes(60)}
    assert sentence(told(unseen)) == ("1 entry, none seen to run yet; next a in 3600", "", "plain")
    both = told(unseen, {"name": "b"})
    assert sentence(both) == ("2 entries, 1 on time; next a in 3600", "a was not seen to run yet. ", "good")


def test_what_nobody_can_compare_is_no_praise() -> None:
    lost = {"name": "a", "verdict": "unknown", "due": 24}
    assert sentence(told(lost)) == ("1 entry; whether it was kept is not known", "", "plain")
    assert sentence(told(lost, {"name": "b", "verdict": "never_seen"}))[::2] == (
        "2 entries; whether they were kept is not known",
        "plain",
    )
    assert sentence(told(lost, {"name": "b"}))[:2] == ("2 entries, 1 on time", "It is not known of a. ")


def test_nothing_known_nothing_answered_and_nothing_asked_differ() -> None:
    assert sentence(told()) == ("No schedule is known", "", "plain")
    silent = told(notes=(Note("No worker answered", "warning"),))
    assert sentence(silent) == ("No schedule is known", "No worker answered. ", "plain")
    blank = told()
    pending = Answer(blank.frame, Schedule())
    assert sentence(pending) == ("Asking for the schedule", "", "plain")


def test_every_verdict_is_told() -> None:
    for verdict in VERDICTS:
        assert sentence(told({"name": "a", "verdict": verdict, "overdue_since": NOW}))[0]
