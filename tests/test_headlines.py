"""The Overview's sentence: the right culprit, and never a claim that nobody can back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.answer import Answer
from data_sources.brokers.queue_depths import depth_rows
from data_sources.failure import Failure
from data_sources.note import Note
from data_sources.now_frames import depth_frame, worker_frame
from data_sources.query import Depths, Signal, Workers
from data_sources.range_frame import tidy_frame
from data_sources.scope import Window, floor_time
from data_sources.workers.worker_rows import COLUMNS
from headlines.growth import growth
from headlines.headline import Part, Words, names
from headlines.overview import overview

NAN = float("nan")
NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
STEP = timedelta(seconds=15)
HOUR = Window(NOW - timedelta(hours=1), NOW, STEP)
REFUSED = Failure("unreachable", "Broker", "redis at db:6379 refuses connections", "Is it running?", NOW, None)

Answers = dict[str, Answer]


def worker(name: str, **said: Any) -> dict[str, object]:
    unknown = dict.fromkeys(COLUMNS)
    known = {"worker": name, "verdict": "working", "active": 1, "concurrency": 4, "queues": ["mail"], "last_seen": NOW}
    return {**unknown, **known, **said}


def gone_silent(name: str, verdict: str = "silent", minutes: int = 5) -> dict[str, object]:
    since = NOW - timedelta(minutes=minutes)
    return worker(name, verdict=verdict, active=None, silent_since=since, last_seen=since, since=since)


def workers(*rows: Mapping[str, object]) -> Answer:
    answered = sum(row["silent_since"] is None for row in rows)
    return Answer(worker_frame(rows), Workers(), measured_at=NOW, totals={"answered": answered})


def over_time(name: str, lines: Mapping[str, Sequence[float | None]], by: str = "", window: Window = HOUR) -> Answer:
    """The last values of the window, a line each; None is a hole."""
    grid = int(window.start.timestamp() * 1000) + 1000 * int(window.step.total_seconds()) * np.arange(window.points)
    points = []
    for line in lines.values():
        known = np.array([value is not None for value in line], dtype=bool)
        values = np.array([value for value in line if value is not None], dtype=float)
        points.append((grid[window.points - len(line) :][known].astype(np.int64), values))
    labels = [{by: text} if by else {} for text in lines]
    frame = tidy_frame(labels, points, [by] if by else [])
    return Answer(frame, Signal(name, by), window=window, measured_at=window.end + timedelta(seconds=3))


def depth(window: Window = HOUR, **lines: Sequence[float | None]) -> Answer:
    return over_time("depth", lines, "queue", window)


def total(name: str, *values: float) -> Answer:
    return over_time(name, {"": values} if values else {})


def answers(**changed: Answer) -> Answers:
    """Two workers, two queues, all in order; but for what is `changed`."""
    queues = depth_frame(depth_rows(["images", "mail"], ready=[1, 2], unacked=[None, None]))
    return {
        "workers": workers(worker("celery@a"), worker("celery@b", active=2)),
        "queues": Answer(queues, Depths(), measured_at=NOW, totals={"ready": 3, "unacked": None}),
        "depth": depth(images=[1] * 241, mail=[2] * 241),
        "throughput": total("throughput", 12.5, 12.5),
        "failures": total("failures", 0.1, 0.1),
        **changed,
    }


def pending(answer: Answer) -> Answer:
    return replace(answer, frame=answer.frame.iloc[:0], measured_at=None, totals={})


def text(words: Words) -> str:
    return "".join(part if isinstance(part, str) else part.text or f"{part.moment:%H:%M}" for part in words)


def told(given: Answers) -> tuple[str, str]:
    headline = overview(given)
    return text(headline.sentence), text(headline.context)


RISING = [10 * minute / 4 for minute in range(241)]  # ten a minute


def test_all_is_well() -> None:
    context = "3 of 8 slots are busy; no queue grows; 0.8% of what ended failed."
    assert told(answers()) == ("2 workers at 12.5 tasks a second, 3 waiting", context)
    assert overview(answers()).tone == "good"


@pytest.mark.parametrize(
    ("ended", "failed", "said"),
    [
        ([10, 10], [0, 0], "nothing failed"),
        ([10, 10], [3, 1], "20% of what ended failed"),
        ([1000, 1000], [0, 0.1], "less than 0.1% of what ended failed"),
        ([10, NAN], [1, 0], "10% of what ended failed"),  # as far as both are known
    ],
)
def test_how_much_failed_is_of_the_whole_time_and_leads_to_those_tasks(
    ended: list[float], failed: list[float], said: str
) -> None:
    context = overview(answers(throughput=total("throughput", *ended), failures=total("failures", *failed))).context
    assert [(part.text, part.href) for part in context if isinstance(part, Part)] == [(said, "/tasks?state=FAILURE")]


@pytest.mark.parametrize(("ended", "failed"), [([], [1]), ([10], []), ([0, 0], [0, 0]), ([NAN, 10], [1, NAN])])
def test_no_share_is_told_of_what_is_not_known(ended: list[float], failed: list[float]) -> None:
    assert "failed" not in told(answers(throughput=total("throughput", *ended), failures=total("failures", *failed)))[1]


def test_what_is_not_known_is_not_said() -> None:
    unknown = answers(
        workers=workers(worker("celery@a", active=None), worker("celery@b")),
        queues=Answer(depth_frame(), Depths(), measured_at=NOW, totals={"ready": None}),
        depth=depth(),
        throughput=total("throughput"),
    )
    assert told(unknown) == ("2 workers", "")


def test_nothing_to_do_is_known_and_not_the_same_as_not_known() -> None:
    idle = answers(
        workers=workers(worker("celery@a", active=0)),
        queues=replace(answers()["queues"], totals={"ready": 0}),
        throughput=total("throughput", 0),
    )
    assert told(idle) == ("1 worker with nothing to do, nothing waits", "0 of 4 slots are busy; no queue grows.")


@pytest.mark.parametrize(
    ("ready", "said"),
    [
        ({"mail": 0}, "nothing waits in the known queue"),
        ({"mail": 3, "images": 4, "celeryev.1": 70}, "7 waiting in the 2 known queues"),
        ({"mail": 3, "images": None}, ""),
        ({}, ""),
    ],
)
def test_where_other_queues_may_be_what_waits_is_said_of_those_that_are_known(
    ready: Mapping[str, int | None], said: str
) -> None:
    frame = depth_frame(depth_rows([*ready], ready=[*ready.values()]))
    given = answers(queues=Answer(frame, Depths(), measured_at=NOW, totals={"ready": None}))
    assert told(given)[0] == ", ".join(filter(None, ("2 workers at 12.5 tasks a second", said)))
    assert ("no known queue grows" in told(given)[1]) is bool(said)


def test_a_worker_too_busy_to_answer_is_one_and_its_slots_are_not_left_out() -> None:
    since = NOW - timedelta(minutes=1)
    busy = worker("solo@c", verdict="busy_not_answering", active=None, concurrency=1, silent_since=since)
    sentence, context = told(answers(workers=workers(worker("celery@a"), busy), throughput=total("throughput")))
    assert sentence == "2 workers, 3 waiting"
    assert context.startswith("1 of 4 slots of those that answer are busy")


def test_the_first_seconds_ask_and_claim_nothing() -> None:
    headline = overview({name: pending(answer) for name, answer in answers().items()})
    assert (text(headline.sentence), headline.tone) == ("Asking the workers", "plain")


@pytest.mark.parametrize(
    ("down", "sentence"),
    [
        ({"queues", "workers"}, "The broker cannot be reached: "),
        ({"queues"}, "Workers answer, but the queues cannot be read: "),
        ({"workers"}, "The broker answers, but workers cannot be asked: "),
    ],
)
def test_a_failing_broker_is_told_from_failing_workers(down: set[str], sentence: str) -> None:
    given = answers()
    for name in down:
        given[name] = given[name].failed(REFUSED)
    expected = (sentence + REFUSED.what, "Since 10:00. Is it running?")
    assert told(given) == expected
    assert overview(given).tone == "bad"


SILENT = Failure("unreachable", "Recorder", "process 7 on vm has written nothing", "Its log says why.", NOW, None)
NO_HISTORY = Failure("unreachable", "History", "a.db is not there", "The recorder makes it", NOW, None)


@pytest.mark.parametrize(
    ("failure", "known", "sentence"),
    [
        (SILENT, True, "Nothing newer than 10:00 is known: the recorder is silent"),
        (SILENT, False, "Nothing is known: the recorder is silent"),
        (NO_HISTORY, True, "Nothing newer than 10:00 is known: the history cannot be read"),
        (NO_HISTORY, False, "Nothing is known: the history cannot be read"),
    ],
)
def test_a_failure_of_our_own_is_not_laid_to_the_broker(failure: Failure, known: bool, sentence: str) -> None:
    given = answers(workers=workers(gone_silent("a")))
    for name in ("queues", "workers"):
        given[name] = (given[name] if known else pending(given[name])).failed(failure)
    assert told(given) == (sentence, "The broker and the workers may be well: the recorder alone asks them.")
    assert overview(given).tone == "bad"


def test_nobody_is_said_to_answer_who_has_not_been_heard_yet() -> None:
    given = answers()
    half = {**given, "workers": pending(given["workers"]), "queues": given["queues"].failed(REFUSED)}
    assert told(half)[0] == f"The queues cannot be read: {REFUSED.what}"
    half = {**given, "workers": given["workers"].failed(REFUSED), "queues": pending(given["queues"])}
    assert told(half)[0] == f"Workers cannot be asked: {REFUSED.what}"


def test_an_outage_began_with_its_first_failure() -> None:
    given = answers()
    earlier = replace(REFUSED, since=NOW - timedelta(minutes=7))
    given |= {"queues": given["queues"].failed(REFUSED), "workers": given["workers"].failed(earlier)}
    assert told(given)[1] == "Since 09:53. Is it running?"


def test_when_nobody_ever_answered_the_settings_that_may_differ_are_named() -> None:
    headline = overview(answers(workers=workers()))
    assert (text(headline.sentence), text(headline.context)) == (
        "The broker answers, but no worker does",
        "3 messages wait.",
    )
    for setting in ("CELERY_CONTROL_EXCHANGE", "global_keyprefix", "accept_content", "CELERY_BROKER_USE_SSL"):
        assert setting in headline.help[0]
    assert "CELERY_ACCEPT_CONTENT" not in headline.help[0]  # workers are asked in JSON whatever it is
    assert "$ celery -A yourapp inspect ping" in headline.help


@pytest.mark.parametrize("known", [[], [gone_silent("a")]])
def test_workers_that_reply_in_pickle_are_told_from_none(known: list[Mapping[str, object]]) -> None:
    note = Note("Answers left out: not JSON but application/x-python-serialize", "unreadable")
    given = answers(workers=replace(workers(*known), notes=(note,)))
    assert told(given) == ("Workers answer, but nothing that can be read", f"{note.text}.")
    assert 'task_serializer = ["json", "pickle"], "json"' in overview(given).help[1]
    others = answers(workers=replace(workers(worker("celery@a")), notes=(note,)))
    assert told(others)[0] == told(answers(workers=workers(worker("celery@a"))))[0]


def test_when_all_fell_silent_the_long_gone_are_not_counted() -> None:
    given = workers(gone_silent("a"), gone_silent("b", minutes=2), gone_silent("c", "gone", 300))
    assert told(answers(workers=given)) == (
        "No worker answers any more",
        "2 workers fell silent; the last answer came 09:58.",
    )
    given = workers(gone_silent("c", "gone", 300))
    assert told(answers(workers=given))[1] == "1 worker fell silent; the last answer came 05:00."


def test_silent_workers_are_named_and_only_those_who_answer_are_counted() -> None:
    given = workers(worker("celery@a"), gone_silent("celery@b"), gone_silent("celery@c", "gone", 300))
    assert told(answers(workers=given)) == (
        "celery@b neither beats nor answers",
        "Since 09:55. 1 other worker answers.",
    )
    given = workers(worker("z"), *[gone_silent(name) for name in "abcde"])
    assert told(answers(workers=given))[0] == "a, b, c and 2 more neither beat nor answer"


def test_a_wedged_worker_is_named_with_the_queue_that_it_leaves_alone() -> None:
    since = NOW - timedelta(minutes=3)
    stuck = worker("mail@b", verdict="wedged", active=0, neglected=["mail"], since=since)
    expected = "1 of 2 workers is wedged: mail@b answers but takes nothing from mail since 09:57"
    assert told(answers(workers=workers(worker("mail@a"), stuck)))[0] == expected


def test_the_queue_that_grows_fastest_is_named_with_its_rate_and_where_it_came_from() -> None:
    given = answers(depth=depth(images=[value / 2 for value in RISING], mail=RISING))
    assert told(given) == ("mail grows by 10 a minute", "600 messages wait there, up from 0 at 09:00.")


@pytest.mark.parametrize(
    ("queues", "reason"),
    [
        ([["mail"], ["mail"]], ""),
        ([["mail"], ["images"]], ": 1 of 2 workers does not consume it"),
        ([["mail"], ["images"], ["images"]], ": 2 of 3 workers do not consume it"),
        ([["images"], []], ": none of 2 workers consumes it"),
        ([["images"]], ": the only worker does not consume it"),
        ([["mail"], None], ""),
        ([["images"], ["mail"], None], ": 1 of 2 workers does not consume it"),
        ([["images"], None], ""),
        ([None, None], ""),
    ],
)
def test_workers_are_blamed_only_for_what_they_said(queues: list[list[str] | None], reason: str) -> None:
    rows = [worker(f"celery@{place}", queues=consumed) for place, consumed in enumerate(queues)]
    given = answers(workers=workers(*rows), depth=depth(mail=RISING))
    assert told(given)[0] == f"mail grows by 10 a minute{reason}"


def test_who_consumed_a_queue_that_grows_and_fell_silent_is_named_where_nobody_is_left() -> None:
    lost, other = {**gone_silent("mail@b"), "queues": ["mail"]}, worker("images@a", queues=["images"])
    given = answers(workers=workers(lost, other), depth=depth(mail=RISING))
    assert told(given)[0] == "mail grows by 10 a minute: mail@b, who alone consumed it, fell silent"

    both = answers(workers=workers(lost, {**lost, "worker": "mail@c"}, other), depth=depth(mail=RISING))
    assert told(both)[0] == "mail grows by 10 a minute: mail@b and mail@c, who consumed it, fell silent"
    for left in ({"queues": ["mail"]}, {"queues": None}, {"queues": None, "may_consume": ["mail", "images"]}):
        given = answers(workers=workers(lost, worker("mail@a", **left)), depth=depth(mail=RISING))
        assert told(given)[0] == "mail grows by 10 a minute"
    other = worker("images@a", queues=None, may_consume=["images", "bulk"])
    given = answers(workers=workers(lost, other), depth=depth(mail=RISING))
    assert told(given)[0] == "mail grows by 10 a minute: mail@b, who alone consumed it, fell silent"


NOT_GROWING: dict[str, list[float | None]] = {
    "flat": [1000.0] * 241,
    "sinking": [*reversed(RISING)],
    "slower than noise": [value / 3 for value in RISING],
    "one spike": [*[0.0] * 240, 1000.0],
    "a burst being worked off": [*[0.0] * 215, *[2000.0 - 50 * place for place in range(26)]],
    "a burst that was worked off": [*[0.0] * 18, *[150.0, 120.0, 90.0, 60.0, 30.0, 0.0]],
    "ended five minutes ago": [*RISING[:221], *[None] * 20],
    "one sample": [5.0],
    "half a minute": [0.0, 100.0, 200.0],
    "not a number": [NAN] * 241,
}


@pytest.mark.parametrize("line", NOT_GROWING.values(), ids=NOT_GROWING.keys())
def test_a_queue_that_does_not_grow_is_not_named(line: list[float | None]) -> None:
    assert "grows by" not in told(answers(depth=depth(mail=line)))[0]


def test_a_queue_with_holes_still_grows() -> None:
    holes: list[float | None] = [None if place % 3 == 0 else value for place, value in enumerate(RISING)]
    assert told(answers(depth=depth(mail=holes)))[0] == "mail grows by 10 a minute"


def test_a_queue_grows_whatever_range_is_looked_at() -> None:
    month = Window(floor_time(NOW, STEP) - timedelta(days=30), NOW, timedelta(minutes=30))
    line = [300.0 * place for place in range(month.points)]
    assert told(answers(depth=depth(month, mail=line)))[0] == "mail grows by 10 a minute"


@pytest.mark.parametrize(
    "dated",
    [
        lambda answer: replace(answer, measured_at=NOW + timedelta(days=1)),  # a frozen link
        lambda answer: answer.failed(replace(REFUSED, source="Prometheus")),  # the last good answer, an hour old
    ],
)
def test_what_was_is_not_told_as_what_is(dated: Callable[[Answer], Answer]) -> None:
    then = {"depth": depth(mail=RISING), "throughput": total("throughput", 1), "failures": total("failures", 1)}
    given = answers(**{name: dated(answer) for name, answer in then.items()})
    assert told(given) == ("2 workers, 3 waiting", "3 of 8 slots are busy.")


def test_many_failures_are_a_share_of_what_ends() -> None:
    given = answers(throughput=total("throughput", 2, 4), failures=total("failures", 0, 1))
    assert told(given) == ("25% of the tasks that end now fail", "1 a second.")


@pytest.mark.parametrize("failures", [[], [NAN], [10, *[NAN] * 5], [0.01]])
def test_few_or_unknown_failures_are_not_many(failures: list[float]) -> None:
    assert told(answers(failures=total("failures", *failures)))[0].startswith("2 workers at")


lines = st.lists(st.none() | st.floats(width=32) | st.floats(0, 1e5), max_size=60)


@given(lines, st.floats(5, 1e4), st.data())
def test_a_steady_rise_is_found_with_its_slope_whatever_is_missing(
    other: list[float | None], per_minute: float, data: st.DataObject
) -> None:
    present = data.draw(st.sets(st.integers(200, 240), min_size=20))
    line = [place / 4 * per_minute if place in present | {239, 240} else None for place in range(241)]
    found = growth(depth(other=other, mail=line))
    assert found
    assert {"mail": pytest.approx(per_minute, rel=1e-3)}.items() <= {one.queue: one.per_minute for one in found}.items()


@settings(max_examples=40)
@given(lines, lines, lines)
def test_whatever_is_read_there_is_a_headline(
    one: list[float | None], two: list[float | None], three: list[float | None]
) -> None:
    given = answers(
        depth=depth(mail=one, images=two),
        throughput=over_time("throughput", {"": two}),
        failures=over_time("failures", {"": three}),
    )
    headline = overview(given)
    assert headline.to_dict()["sentence"]
    assert "nan" not in text(headline.sentence) + text(headline.context)


def test_names_are_listed_as_people_do() -> None:
    assert [text(names([*"abcde"][:count])) for count in range(6)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
        "a, b, c and 1 more",
        "a, b, c and 2 more",
    ]


def test_a_part_tells_the_browser_zero_seconds_and_not_what_it_is_not() -> None:
    assert Part(seconds=0.0).to_dict() == {"text": "", "seconds": 0.0}
    assert Part("mail", code=True, href="#queues").to_dict() == {"text": "mail", "code": True, "href": "#queues"}
    assert Part(moment=NOW).to_dict() == {"text": "", "moment": NOW.timestamp() * 1000}
