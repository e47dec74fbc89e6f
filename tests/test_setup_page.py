"""What the Setup page says: the sentence, the words for states, the settings, and names from outside as they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cells.views import setup as views
from data_sources.answer import Answer
from data_sources.now_frames import row_frame
from data_sources.setup import recording
from data_sources.setup.answer import COLUMNS, told
from data_sources.setup.parts import PARTS
from data_sources.setup_query import Recording, Setup
from headlines.headline import Part, Words
from headlines.setup import setup

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)> [a](javascript:b)"


def answer(*rows: dict[str, Any]) -> Answer:
    return Answer(row_frame(rows, COLUMNS), Setup(), measured_at=NOW)


def text(words: Words) -> str:
    return "".join(one if isinstance(one, str) else one.text or "AT" for one in words)


REDIS = told("redis", "ok", "Redis 7.0.15", address="cache:6379/0", latency_ms=0.4, measured_at=NOW)
DOWN = told("redis", "failing", "refused the connection", address="cache:6379/0", since=NOW, advice="Is it running?")
SILENT = told("prometheus", "failing", "does not answer", address="prom:9090", since=NOW, advice=None)
PENDING = told("prometheus", "pending", address="prom:9090")
NO_PROMETHEUS = told("prometheus", "off", "No address of it is set")
UNSENT = told("sent events", "partly", "None come of shop.mail")
NOBODY = told("workers", "off", "None answers")


@pytest.mark.parametrize(
    ("rows", "sentence", "context", "tone"),
    [
        ([REDIS], "Everything answers, and nothing is off", "", "good"),
        ([REDIS, NO_PROMETHEUS], "Everything configured answers; 1 thing is off", "Prometheus.", "good"),
        (
            [REDIS, UNSENT, NO_PROMETHEUS],
            "Everything configured answers; 2 things are off",
            "Events of sending; Prometheus.",
            "good",
        ),
        ([REDIS, NOBODY], "No worker answers; 1 thing is off", "Workers.", "bad"),
        ([REDIS, PENDING], "1 source has not answered yet", "", "plain"),
        (
            [REDIS, SILENT, NO_PROMETHEUS],
            "Prometheus at prom:9090 fails since AT",
            "Does not answer.",
            "bad",
        ),
        (
            [DOWN, told("workers", "failing", DOWN["what"], since=NOW)],  # of the same cause
            "Redis at cache:6379/0 fails since AT",
            "Refused the connection. Is it running?",
            "bad",
        ),
        (
            [DOWN, SILENT],
            "Redis at cache:6379/0 and Prometheus fail since AT",
            "Refused the connection. Is it running?",
            "bad",
        ),
        (
            [DOWN, SILENT, told("history", "failing", "is not there", since=NOW)],
            "Redis at cache:6379/0 and 2 other sources fail since AT",
            "Refused the connection. Is it running?",
            "bad",
        ),
    ],
)
def test_the_sentence_tells_what_fails_before_what_is_off(
    rows: list[dict[str, Any]], sentence: str, context: str, tone: str
) -> None:
    head = setup({"parts": answer(*rows)})
    assert (text(head.sentence), text(head.context), head.tone) == (sentence, context, tone)


def test_numbers_of_the_sentence_lead_to_their_cells() -> None:
    links = [part.href for part in setup({"parts": answer(REDIS, NO_PROMETHEUS)}).sentence if isinstance(part, Part)]
    assert links == ["#off"]


def test_a_row_has_the_word_of_its_source_and_a_failure_what_to_do() -> None:
    down, rest = answer(DOWN, REDIS), {"rows": answer()}
    failing, fine = views.connected(down.frame, rest).rows

    assert failing[:4] == [
        "Redis",
        [["failing", "bad", PARTS["redis"].gives]],
        "refused the connection. Is it running?",
        "cache:6379/0",
    ]
    assert fine == [
        "Redis",
        [["answers", "good", PARTS["redis"].gives]],
        "Redis 7.0.15",
        "cache:6379/0",
        0.4,
        NOW.timestamp() * 1000,
    ]


def test_what_is_unknown_is_said_as_unknown() -> None:
    row = told("sent events", "unknown", "No task is recorded that could tell")
    [shown] = views.connected(answer(row).frame, {}).rows
    assert shown[1][0][:2] == ["not known", "plain"]
    assert shown[3:] == [None, None, None]


def test_what_is_off_has_its_exact_setting_and_nothing_off_is_said() -> None:
    facts = views.off(answer(NO_PROMETHEUS, UNSENT).frame, {})
    assert [section.title for section in facts.sections] == ["Prometheus", "Events of sending"]
    assert [(fact.label, fact.value) for fact in facts.sections[1].facts] == [
        ("now", "None come of shop.mail"),
        ("would give", "The queue of each task, and how long it waited there"),
        ("set", "app.conf.task_send_sent_event = True"),
        ("how", "In each app that sends tasks: clients, beat, and workers whose tasks send others."),
    ]
    assert views.off(answer().frame, {}).empty[0] == "Nothing is off."


def test_names_from_outside_stay_text() -> None:
    row = told("sent events", "partly", f"None come of {HOSTILE}")
    facts = views.off(answer(row).frame, {})
    assert facts.sections[0].facts[0].value == f"None come of {HOSTILE}"
    assert facts.sections[0].facts[0].kind == "text"


def test_the_history_is_told_with_what_is_not_known() -> None:
    known = {"place": "/data/shop.db", "store": "SQLite", "alone": True, "size_bytes": 4096, "began": NOW}
    row = {**dict.fromkeys(recording.COLUMNS), **known, "kept_from": NOW + timedelta(days=1), "pid": 7, "host": "box"}
    frame = Answer(row_frame([row], recording.COLUMNS), Recording()).frame
    kept, writes = views.history(frame, {}).sections

    told_of = {fact.label: fact.value for fact in (*kept.facts, *writes.facts)}
    assert told_of["at"] == "/data/shop.db"
    assert told_of["takes"] == 4096
    assert told_of["at most"] is None
    assert told_of["single tasks since"] == (NOW + timedelta(days=1)).timestamp() * 1000
    assert told_of["process"] == "7 on box"
    assert told_of["was started"] == "by itself: it goes on when the dashboard ends"
    assert views.history(row_frame([], recording.COLUMNS), {}).empty


@pytest.mark.parametrize("name", PARTS)
def test_each_part_says_what_it_gives_and_how_it_is_turned_on(name: str) -> None:
    part = PARTS[name]
    assert part.label
    assert part.gives
    assert not part.gives.endswith(".")
    assert part.setting
    assert "\n" not in part.setting
