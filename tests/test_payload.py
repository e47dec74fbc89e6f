"""Payloads: what the browser gets of an answer, as JSON, with links that ask the same again."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import data_sources.ask
from cells.cell import Cell, Layer, Row, over, row
from cells.page_view import View, frozen, link_params, read
from cells.payload import (
    facts_payload,
    headline_payload,
    made_figure,
    picture_payload,
    plot_payload,
    row_payload,
    table_payload,
)
from cells.views import queues, workers
from cells.views.queue import facts as facts_of_queue
from cells.views.schedule import load as load_picture
from charts.once import Once
from data_sources.answer import Answer
from data_sources.ask import Desk
from data_sources.blank import blank_frame
from data_sources.brokers.queue_depths import depth_rows
from data_sources.failure import Failure
from data_sources.note import Note
from data_sources.now_frames import SOURCE_COLUMNS, depth_frame, source_frame
from data_sources.query import METHODS, SIGNALS, Depths, History, Inspect, PromQL, Query, Signal, Sources, Workers
from data_sources.query import from_fields as query_from_fields
from data_sources.range_frame import tidy_frame
from data_sources.schedule_query import ScheduledLoad
from data_sources.scope import Range, Scope, Window, parse_duration
from demo.servers import free_port
from exports.about import file_link
from headlines.headline import Headline
from headlines.overview import overview
from tests.watching import Clock, unwatched

NOW = Clock.at
SECRET = "S3cr3t"
LIVE = View(Scope("default", Range(span=timedelta(minutes=5))), timedelta(seconds=5), ())
FROZEN = replace(LIVE, scope=replace(LIVE.scope, range=Range(start=NOW - timedelta(hours=2), end=NOW)))
STEP = timedelta(seconds=5)
WINDOW = Window(NOW - timedelta(minutes=5), NOW, STEP)
DEPTH = Signal("depth", "queue")
CELL = Cell(
    "cockpit", "What happened", "Look here.", (row("waiting", DEPTH, "lines", over(Signal("slots"), "limit", "all")),)
)


@pytest.fixture(scope="module", autouse=True)
def desk() -> Iterator[Desk]:
    """A desk at which nothing answers, at a moment that stands still."""
    env = {
        "CELERY_BROKER_URL": f"redis://:{SECRET}@127.0.0.1:{free_port()}/0",
        "PROMETHEUS_URL": f"http://user:{SECRET}@127.0.0.1:{free_port()}",
    }
    desk = unwatched(env)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_sources.ask, "_desk", desk)
        patch.setattr(data_sources.ask, "datetime", Clock)
        yield desk
    desk.stop()


def over_time(values: Sequence[float], label: str = "queue", query: Query = DEPTH) -> Answer:
    """A range answer of one series that ends at the window's end; NaN is Prometheus's own."""
    end = int(NOW.timestamp() * 1000)
    times = np.arange(end - 5000 * (len(values) - 1), end + 1, 5000)
    frame = tidy_frame([{label: "mail"}], [(times, np.array(values, dtype=float))], [label])
    return Answer(frame, query, {"value": ""}, WINDOW, "Redis at host:6379/0", NOW, timedelta(milliseconds=12))


def nothing(query: Query) -> Answer:
    return Answer(blank_frame(query), query)


FAILURE = Failure("unreachable", "Prometheus", "refuses connections", "Is it running?", NOW, NOW + STEP)


def sent(payload: Mapping[str, Any]) -> Any:
    """As the browser parses it: JSON proper, without NaN and Infinity."""
    return json.loads(json.dumps(payload, allow_nan=False))


# --- links that ask the same again ------------------------------------------------------------------------------

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
some = st.lists(names, max_size=3).map(tuple)
inspects = st.builds(Inspect, st.sampled_from([m for m in METHODS if m != "query_task"]), some) | st.builds(
    Inspect, st.just("query_task"), some, st.lists(names, min_size=1, max_size=3).map(tuple)
)
measured = st.sampled_from([(name, by) for name, splits in SIGNALS.items() for by in splits])
queries = st.one_of(
    st.builds(PromQL, names.filter(str.strip)),
    inspects,
    st.builds(Workers, some),
    st.builds(Depths, some),
    st.just(Sources()),
    measured.map(lambda one: Signal(*one)),
    measured.map(lambda one: History(*one)),
)
spans = st.timedeltas(timedelta(seconds=1), timedelta(days=366)).map(lambda span: Range(span=span))
starts = st.integers(10**9, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
stretches = st.builds(
    lambda start, span: Range(start=start, end=start + span),
    starts,
    st.timedeltas(timedelta(milliseconds=1), timedelta(days=366)),
)


@given(query=queries, range=spans | stretches)
def test_a_csv_link_asks_for_the_same_query_and_the_same_window(desk: Desk, query: Query, range: Range) -> None:
    window = desk.window(Scope("default", range))
    href = file_link("csv", replace(nothing(query), window=window), Scope(range=range))
    path, fields = urlsplit(href).path, parse_qs(urlsplit(href).query, strict_parsing=True)
    assert path == "/export.csv"
    assert query_from_fields(fields) == query
    assert fields["cluster"] == ["default"]
    frozen = Range.from_params({name: fields[name][0] for name in ("from", "to")})
    step = parse_duration(fields["step"][0], "step")
    assert frozen.resolve(NOW + timedelta(days=1), step=step) == window


@given(range=spans | stretches)
def test_a_frozen_link_shows_the_same_window_tomorrow(desk: Desk, range: Range) -> None:
    view = replace(LIVE, scope=replace(LIVE.scope, range=range))
    again = read(link_params(frozen(view)), ("default",))
    assert again.notices == ()
    window = desk.window(view.scope)
    assert (again.scope.range.start, again.scope.range.end) == (window.start, window.end)


def test_a_table_of_now_links_to_its_file_without_a_time() -> None:
    link = file_link("csv", nothing(Workers(("a&b@h",))), Scope())
    assert link == "/export.csv?source=workers&worker=a%26b%40h&cluster=default"


def test_a_signal_links_to_what_it_was_resolved_to() -> None:
    text = "sum by (queue) (celery_queue_length)"
    payload = sent(plot_payload(CELL, [[over_time([1], query=PromQL(text)), nothing(Signal("slots"))]], LIVE))
    (file,) = payload["rows"][0]["csv"]
    assert parse_qs(urlsplit(file["href"]).query) == {
        "source": ["promql"],
        "q": [text],
        "cluster": ["default"],
        "from": ["2026-03-01T11:55:30+00:00"],
        "to": ["2026-03-01T12:00:30+00:00"],
        "step": ["5s"],
    }
    assert payload["rows"][0]["code"][0] == text


def test_files_of_a_plot_go_by_the_names_that_its_rows_have_on_the_page() -> None:
    limit = replace(over_time([1]), query=Signal("slots"))
    (row,) = sent(plot_payload(CELL, [[over_time([1]), limit]], LIVE))["rows"]
    assert [file["label"] for file in row["csv"]] == ["waiting", "waiting, all"]

    alone = Cell("depth", "Depth", "", (Row("", (Layer(DEPTH, "lines"),)),))
    (row,) = sent(plot_payload(alone, [[over_time([1])]], LIVE))["rows"]
    assert [file["label"] for file in row["csv"]] == ["depth"]


def test_a_cell_with_a_range_of_its_own_links_to_its_page_and_its_file_is_of_its_own() -> None:
    week = replace(LIVE, scope=replace(LIVE.scope, range=Range.live("7d")), page=LIVE.scope.range)
    of_page = sent(plot_payload(CELL, [[over_time([1]), nothing(Signal("slots"))]], LIVE))
    pinned = sent(plot_payload(CELL, [[over_time([1]), nothing(Signal("slots"))]], week))

    assert pinned["links"] == of_page["links"]
    assert (of_page["own_range"], pinned["own_range"]) == (False, True)
    assert pinned["window_key"] != of_page["window_key"]


def test_links_pin_the_view_and_a_frozen_one_does_not_refresh() -> None:
    links = sent(plot_payload(CELL, [[over_time([1]), nothing(Signal("slots"))]], LIVE))["links"]
    assert links == {
        "live": {"range": "5m", "cluster": "default", "refresh": "5s"},
        "frozen": {
            "from": "2026-03-01T11:55:30+00:00",
            "to": "2026-03-01T12:00:30+00:00",
            "cluster": "default",
            "refresh": "0",
        },
    }


def test_a_frozen_view_has_no_live_link() -> None:
    links = sent(plot_payload(CELL, [[over_time([1]), nothing(Signal("slots"))]], FROZEN))["links"]
    assert links["live"] is None


# --- JSON, whatever comes ---------------------------------------------------------------------------------------

number = st.floats() | st.sampled_from([0.0, -0.0, 1e308, float("nan"), float("inf"), float("-inf")])


@given(st.lists(number, min_size=1, max_size=20))
def test_any_values_are_json(values: list[float]) -> None:
    answer = over_time(values)
    payload = sent(plot_payload(CELL, [[answer, nothing(Signal("slots"))]], LIVE))
    assert json.loads(payload["figure"])["data"]
    shown = queues.queues(depth_frame(depth_rows(["mail"], ready=[np.int64(3)], oldest=values[:1])), {"depth": answer})
    assert sent(table_payload("queues", "t", "l", nothing(Depths()), shown, LIVE))


def test_a_row_tells_where_from_how_old_how_long_and_how_much() -> None:
    answers = [over_time([1, float("nan"), 3]), over_time([4], "worker", Signal("slots"))]
    (told,) = sent(plot_payload(CELL, [answers], LIVE))["rows"]
    assert told["origin"] == ["Redis at host:6379/0"]
    assert told["measured_at"] == NOW.timestamp() * 1000
    assert (told["series"], told["points"], told["took_ms"]) == (2, 4, 24)
    assert (told["label"], told["failures"], told["empty"]) == ("waiting", [], "")


def test_a_row_of_lines_tells_of_how_many_the_largest_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.array([int(NOW.timestamp() * 1000)])
    boxes = [({"container": f"box-{place}"}, (times, np.array([1e9]))) for place in range(60)]
    frame = tidy_frame([labels for labels, _ in boxes], [points for _, points in boxes], ["container"])
    asked = Signal("memory", "container")
    answer = replace(over_time([1], query=asked), frame=frame)

    def notes(kind: str) -> list[str]:
        cell = replace(CELL, rows=(row("memory", asked, kind),))
        payload = sent(plot_payload(cell, [[answer]], LIVE))
        return list(payload["rows"][0]["notes"])

    told = ["The 8 largest of 60 are drawn; the file has all"]
    assert notes("lines") == told
    assert notes("stacked") == []
    monkeypatch.setattr("charts.rows.count_series", None)  # the next viewer's run counts nothing
    assert notes("lines") == told


def test_while_all_is_pending_there_is_no_figure_and_no_file() -> None:
    payload = sent(plot_payload(CELL, [[nothing(DEPTH), nothing(Signal("slots"))]], LIVE))
    assert (payload["pending"], payload["figure"], payload["rows"][0]["csv"]) == (True, None, [])
    assert payload["rows"][0]["measured_at"] is None
    assert (
        sent(table_payload("workers", "t", "l", nothing(Workers()), workers.workers(blank_frame(Workers()), {}), LIVE))[
            "table"
        ]
        is None
    )


def test_a_failure_stands_beside_the_last_good_answer_and_names_the_layer_that_failed() -> None:
    stale = over_time([1, 2]).failed(FAILURE)
    payload = sent(plot_payload(CELL, [[stale, nothing(Signal("slots")).failed(FAILURE)]], LIVE))
    assert payload["figure"]
    at = NOW.timestamp() * 1000
    wrong = {"source": "Prometheus", "what": "refuses connections", "hint": "Is it running?", "since": at}
    assert payload["rows"][0]["failures"] == [
        {**wrong, "label": "waiting", "retry_at": at + 5000, "measured_at": at},
        {**wrong, "label": "waiting, all", "retry_at": at + 5000, "measured_at": None},
    ]


def test_that_the_recorder_is_silent_is_said_shortly_by_each_cell_and_wholly_by_the_page() -> None:
    silence = Failure(
        "unreachable", "Recorder", "process 7 has written nothing since noon", "Its log says why", NOW, NOW
    )
    (told,) = sent(plot_payload(CELL, [[over_time([1, 2]).failed(silence)] * 2], LIVE))["rows"]
    assert {(one["source"], one["what"], one["hint"]) for one in told["failures"]} == {("Recorder", "is silent", "")}
    row = {**dict.fromkeys(SOURCE_COLUMNS), "source": "recorder", "state": "failing", "what": silence.what}
    sources = replace(nothing(Sources()), frame=source_frame([row]), measured_at=NOW)
    (strip,) = sent(headline_payload(lambda _: Headline(()), {}, sources))["sources"]
    assert strip["what"] == silence.what


def test_a_hint_of_the_strip_is_a_sentence_that_the_page_ends() -> None:
    row = {**dict.fromkeys(SOURCE_COLUMNS), "source": "rabbitmq management", "state": "failing", "hint": "Check it."}
    sources = replace(nothing(Sources()), frame=source_frame([row]), measured_at=NOW)
    (strip,) = sent(headline_payload(lambda _: Headline(()), {}, sources))["sources"]
    assert (strip["label"], strip["hint"]) == ("RabbitMQ management", "Check it")


def test_nothing_found_says_so_and_nothing_known_does_not() -> None:
    found_nothing = replace(nothing(DEPTH), window=WINDOW, measured_at=NOW)
    (told,) = sent(plot_payload(CELL, [[found_nothing, found_nothing]], LIVE))["rows"]
    assert told["empty"] == "nothing there in this time"
    failed = found_nothing.failed(FAILURE)
    (told,) = sent(plot_payload(CELL, [[failed, failed]], LIVE))["rows"]
    assert told["empty"] == ""


def test_a_table_that_failed_from_the_start_does_not_teach_how_to_start_a_worker() -> None:
    failed = nothing(Workers()).failed(FAILURE)
    shown = table_payload("workers", "t", "l", failed, workers.workers(failed.frame, {}), LIVE)
    assert shown["table"]["empty"] == ()


def test_facts_and_a_picture_that_failed_do_not_say_that_there_is_nothing() -> None:
    asked, load = (replace(nothing(query), measured_at=NOW) for query in (Depths(("mail",)), ScheduledLoad()))
    for failed in (False, True):
        queue, coming = ({"rows": one.failed(FAILURE) if failed else one} for one in (asked, load))
        facts = facts_payload("facts", "t", "l", queue, facts_of_queue(queue["rows"].frame, queue), LIVE)["facts"]
        picture = picture_payload("load", "t", "l", coming, load_picture(coming["rows"].frame, coming), LIVE)["picture"]
        assert (facts["empty"] == (), picture["empty"] == ()) == (failed, failed)


def test_each_note_is_told_once() -> None:
    noted = replace(over_time([1]), notes=(Note("cut"), Note("cut"), Note("late", "warning")))
    assert row_payload(CELL.rows[0], [noted, noted], LIVE)["notes"] == ["cut", "late"]


def test_the_headline_carries_the_sentence_and_the_state_of_each_source(desk: Desk) -> None:
    answers = {
        "workers": replace(nothing(Workers()), measured_at=NOW, totals={"answered": 0}),
        "queues": replace(nothing(Depths()), measured_at=NOW),
        **{name: replace(nothing(Signal(name)), measured_at=NOW) for name in ("depth", "throughput", "failures")},
    }
    payload = sent(headline_payload(overview, answers, desk.ask(Sources(), LIVE.scope)))
    assert payload["headline"]["sentence"] == ["The broker answers, but no worker does"]
    assert [(one["label"], one["state"]) for one in payload["sources"]] == [
        ("Redis", "pending"),
        ("Workers", "pending"),
        ("Prometheus", "pending"),
        ("Recorder", "pending"),
    ]
    answers["depth"] = nothing(DEPTH)
    assert headline_payload(overview, answers, desk.ask(Sources(), LIVE.scope))["headline"] is None


def test_no_credential_is_in_any_payload(desk: Desk) -> None:
    desk.ask(PromQL("up"), LIVE.scope, wait_seconds=60)
    desk.ask(Inspect("ping"), LIVE.scope, wait_seconds=60)
    for query in (PromQL("up"), Inspect("ping"), Workers(), Depths(), Sources(), DEPTH):
        answer = desk.ask(query, LIVE.scope)
        assert SECRET not in json.dumps(row_payload(CELL.rows[0], [answer, answer], LIVE))
        shown = workers.workers(blank_frame(Workers()), {})
        assert SECRET not in json.dumps(table_payload("t", "t", "l", answer, shown, LIVE))


# --- one figure for all viewers ---------------------------------------------------------------------------------


def drawn(figures: Once[str], answers: list[list[Answer]]) -> str:
    return figures.of(
        CELL, [each for row in answers for each in row], lambda: made_figure(CELL, answers, WINDOW).figure
    )


def test_viewers_of_the_same_answers_share_one_text_and_a_new_answer_makes_a_new_one() -> None:
    figures, answers = Once[str](), [[over_time([1, 2]), replace(nothing(Signal("slots")), measured_at=NOW)]]
    first = drawn(figures, answers)
    assert drawn(figures, answers) is first
    assert drawn(figures, [[replace(answer) for answer in answers[0]]]) is first  # the same frames
    newer = drawn(figures, [[over_time([1, 3]), answers[0][1]]])
    assert newer != first


def test_answers_without_a_row_share_too_however_often_they_are_made_anew() -> None:
    """Where no Prometheus is, each ask makes a blank answer of its own."""
    figures, depth = Once[str](), over_time([1, 2])
    texts = {id(drawn(figures, [[depth, replace(nothing(Signal("slots")), measured_at=NOW)]])) for _ in range(5)}
    assert len(texts) == 1


def test_a_failure_that_changes_nothing_drawn_keeps_the_figure_and_a_gap_redraws_it() -> None:
    figures, answer = Once[str](), over_time([1, 2])
    other = nothing(Signal("slots"))
    first = drawn(figures, [[answer, other]])
    assert drawn(figures, [[answer.failed(FAILURE), other]]) is first
    gap = Note("not sampled", "gap", None, NOW - timedelta(minutes=1))
    assert drawn(figures, [[replace(answer, notes=(gap,)), other]]) != first


def test_figures_are_few_and_go_with_their_answers() -> None:
    figures = Once[str](most=3)
    answers = [over_time([value]) for value in range(20)]
    for answer in answers:
        drawn(figures, [[answer, nothing(Signal("slots"))]])
    assert len(figures._made) == 3
    del answer, answers
    gc.collect()
    assert len(figures._made) == 0


def test_a_frame_in_the_memory_of_one_that_is_gone_is_drawn_anew() -> None:
    figures, other = Once[str](), nothing(Signal("slots"))
    for value in range(50):
        text = drawn(figures, [[over_time([value]), other]])
        assert text == drawn(Once[str](), [[over_time([value]), other]])


# --- what is made once ------------------------------------------------------------------------------------------


def test_nobody_waits_for_what_another_has_made_of_other_frames() -> None:
    made, slow, quick = Once[str](), over_time([1]).frame, over_time([2]).frame
    begun, end = threading.Event(), threading.Event()

    def slowly() -> str:
        begun.set()
        assert end.wait(600)
        return "slow"

    with ThreadPoolExecutor(4) as askers:
        try:
            asked = [askers.submit(made.get, "", [slow], slowly)]
            assert begun.wait(120)
            asked.append(askers.submit(made.get, "", [slow], lambda: "twice"))  # waits for the first
            for _ in range(2):  # made, and then at hand
                assert askers.submit(made.get, "", [quick], lambda: "quick").result(120) == "quick"
            assert not any(one.done() for one in asked)
        finally:
            end.set()
    assert [one.result() for one in asked] == ["slow", "slow"]


def test_what_could_not_be_made_is_tried_by_the_next() -> None:
    made, frame = Once[str](), over_time([1]).frame
    with pytest.raises(ZeroDivisionError):
        made.get("", [frame], lambda: str(1 / 0))
    assert made.get("", [frame], lambda: "made") == "made"


def test_of_what_tells_its_size_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charts.once.MOST_BYTES", 100)
    made, frames = Once[str](bytes_of=len), [over_time([value]).frame for value in range(4)]

    def kept() -> list[str]:
        return [one.made[0] for one in made._made.values()]

    for name, size, frame in zip("abcd", (30, 40, 101, 50), frames, strict=True):
        assert made.get("", [frame], lambda: name * size) == name * size  # noqa: B023
    assert kept() == ["b", "d"]  # what is larger than all the room is given and not kept, and no other goes for it
    made.get("", frames[1:2], lambda: "anew")
    assert kept() == ["d", "b"]  # that which was used last goes last
