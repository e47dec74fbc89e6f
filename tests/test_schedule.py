"""The schedule's answer over a known past: entries, their own runs, what is unknown, and what is to come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cells.views.schedule import ENTRIES, entries, load
from data_sources.answer import Answer
from data_sources.errors import SourceUnreachable
from data_sources.history.place import SqlitePlace
from data_sources.history.reader import HistoryReader
from data_sources.mask import mask_text
from data_sources.note import Note
from data_sources.now_frames import row_frame
from data_sources.schedule.answer import COLUMNS, schedule_answer
from data_sources.schedule.entry import INFERRED, WORKERS, Entry, defined
from data_sources.schedule.forms import Crontab, Form, Interval, Solar
from data_sources.schedule.load import HOURS, LOAD_COLUMNS, load_answer
from data_sources.schedule.timetable import Entries
from data_sources.schedule_query import Schedule, ScheduledLoad
from data_sources.scope import floor_time
from tests.past import SECOND, START, Past, postgres_past, sqlite_past, window

END = 36_000  # seconds after START; what is asked for ends there
HOUR = window(END - 3_600, END, 60)
MINUTELY = Crontab("*", "*", "*", "*", "*")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    if request.param == "sqlite":
        past = sqlite_past(tmp_path_factory.mktemp("history"))
    else:
        past = postgres_past(request.getfixturevalue("postgresql").new_database())
    yield past
    past.engine.dispose()


@pytest.fixture
def past(database: Past) -> Past:
    database.empty()
    return database


def entry(name: str, form: Form = MINUTELY, task: str | None = None, **known: Any) -> Entry:
    return Entry(name, task or f"t.{name}", form, WORKERS, **known)


def run(seq: int, name: str, sent: float, **known: Any) -> dict[str, Any]:
    """A task sent so many seconds after START, ended a second later."""
    return {"seq": seq, "name": name, "queue": "q", "last": sent + 1, "runtime": 0.5, "sent_us": at_us(sent), **known}


def at_us(seconds: float) -> int:
    return round((START + seconds) * SECOND)


def at(seconds: float) -> pd.Timestamp:
    return pd.Timestamp(START + seconds, unit="s", tz="UTC")


def minutely(name: str, *left_out: int, since: int = END - 1_200, seq: int = 1, **known: Any) -> list[dict[str, Any]]:
    times = range(since, END, 60)
    return [run(seq + k, name, sent + 0.5, **known) for k, sent in enumerate(times) if k not in left_out]


def asked(past: Past, *known: Entry, names: tuple[str, ...] = ()) -> Answer:
    return schedule_answer(past.reader, Schedule(names), Entries(known, None, ()), HOUR)


def rows(answer: Answer) -> dict[str, dict[str, Any]]:
    assert {name: str(kind) for name, kind in answer.frame.dtypes.items()} == dtypes(COLUMNS)
    plain = answer.frame.astype(object).where(answer.frame.notna(), None)
    return {row["name"]: row for row in plain.to_dict("records")}


def dtypes(columns: dict[str, str]) -> dict[str, str]:
    return {name: str(kind) for name, kind in row_frame((), columns).dtypes.items()}


def test_an_entry_is_told_with_its_runs_and_their_counts(past: Past) -> None:
    past.add([*minutely("t.a", 3, state="SUCCESS"), run(50, "t.a", END - 30, state="FAILURE")])
    row = rows(asked(past, entry("a")))["a"]
    assert (row["words"], row["schedule"], row["source"]) == ("every minute", "crontab * * * * * UTC", WORKERS)
    assert (row["on_time"], row["missed"], row["late"], row["doubled"], row["failed"]) == (19, 1, 0, 1, 1)
    assert (row["due"], row["verdict"], row["queue"], row["told_by"], row["runtime"]) == (
        20,
        "missed",
        "q",
        "sent",
        0.5,
    )
    assert row["runs"][3] == {
        "kind": "missed",
        "due": at(END - 1_020).isoformat(),
        "at": None,
        "id": None,
        "state": None,
    }
    assert row["runs"][-1]["id"] == "id-50"
    assert (row["runs"][-1]["kind"], row["runs"][-1]["state"]) == ("doubled", "FAILURE")
    assert row["last_run"] == at(END - 59.5)


def test_the_strip_reaches_beyond_the_range_and_the_counts_do_not(past: Past) -> None:
    past.add(minutely("t.a", since=END - 120 * 60))
    row = rows(asked(past, entry("a")))["a"]
    assert (len(row["runs"]), row["on_time"]) == (60, 60)
    assert row["compared_from"] == at(END - 120 * 60)
    past.empty()
    past.add(minutely("t.a", since=END - 120 * 60)[::2])
    row = rows(asked(past, entry("a", Crontab("*/2", "*", "*", "*", "*"))))["a"]
    assert (len(row["runs"]), row["on_time"]) == (60, 30)


def test_entries_that_call_one_task_are_told_apart_by_their_arguments(past: Past) -> None:
    past.add(minutely("t.sync", args="('north', 1)", kwargs="{'full': True}"))
    past.add(minutely("t.sync", 5, 6, seq=100, args='["south", 1]', kwargs="{}"))
    north = entry("north", task="t.sync", args='["north", 1]', kwargs='{"full": true}')
    south, east = entry("south", task="t.sync", args='["south", 1]'), entry("east", task="t.sync", args='["east", 1]')
    told = rows(asked(past, north, south, east))
    assert {name: (row["missed"], row["doubled"]) for name, row in told.items()} == {
        "north": (0, 0),
        "south": (2, 0),
        "east": (None, None),
    }
    assert told["east"]["verdict"] == "never_seen"


def test_a_hidden_secret_does_not_part_an_entry_from_its_runs(past: Past) -> None:
    """Which in a record has no quotes where it was a number, and in an entry's JSON always."""
    past.add(minutely("t.sync", args="('north',)", kwargs=mask_text("{'pin': 4711, 'key': 'x'}")))
    past.add(minutely("t.sync", 5, seq=100, args="('south',)", kwargs=mask_text("{'pin': 4712, 'key': 'y'}")))
    both = ("north", 4711), ("south", 4712)
    entries = [
        defined(name, {"task": "t.sync", "args": [name], "kwargs": {"pin": pin, "key": "x"}}, MINUTELY, WORKERS)
        for name, pin in both
    ]
    told = rows(asked(past, *entries))
    assert {name: row["missed"] for name, row in told.items()} == {"north": 0, "south": 1}
    assert told["north"]["kwargs"] == '{"pin": "********", "key": "********"}'


def test_entries_that_cannot_be_told_apart_are_not_compared(past: Past) -> None:
    past.add(minutely("t.sync"))
    told = rows(asked(past, entry("a", task="t.sync"), entry("b", task="t.sync")))
    assert {(row["verdict"], row["missed"], row["failed"]) for row in told.values()} == {("unknown", None, None)}


def test_a_task_that_another_task_calls_is_not_beats(past: Past) -> None:
    past.add([*minutely("t.a"), run(90, "t.a", END - 100, parent="id-1", root="id-1")])
    assert rows(asked(past, entry("a")))["a"]["doubled"] == 0


def test_an_entry_that_was_never_seen_has_no_counts(past: Past) -> None:
    past.add(minutely("t.other"))
    row = rows(asked(past, entry("a"), entry("t.other")))["a"]
    assert (row["verdict"], row["missed"], row["due"], row["runs"], row["runtime"]) == (
        "never_seen",
        None,
        None,
        [],
        None,
    )
    assert row["next_run"] is not None


def test_without_any_task_event_nothing_is_said_of_runs(past: Past) -> None:
    answer = asked(past, entry("a"))
    assert rows(answer)["a"]["verdict"] == "unknown"
    assert any(note.kind == "absent" for note in answer.notes)


def test_nothing_is_missed_before_the_first_run_or_while_nothing_was_recorded(past: Past) -> None:
    past.put("gaps", deaf(END - 1_000, END - 700))
    past.add([one for one in minutely("t.a") if not END - 1_000 < one["last"] < END - 700])
    row = rows(asked(past, entry("a")))["a"]
    assert (row["missed"], row["verdict"]) == (0, "on_time")
    assert sum(block["kind"] == "unknown" for block in row["runs"]) == 5
    assert row["runs"][0]["due"] == at(END - 1_200).isoformat()


def test_what_a_silent_worker_may_have_run_is_not_missed_and_what_others_ran_counts(past: Past) -> None:
    past.put("gaps", deaf(END - 1_000, END - 700) | {"source": "senders"})
    past.add([one for one in minutely("t.a") if not END - 900 < one["last"] < END - 700])
    row = rows(asked(past, entry("a")))["a"]
    assert (row["missed"], row["verdict"]) == (0, "on_time")
    assert [block["kind"] for block in row["runs"] if block["due"] >= at(END - 1_000).isoformat()] == [
        *["on_time"] * 1,
        *["unknown"] * 4,
        *["on_time"] * 11,
    ]


def deaf(since: float, until: float | None) -> dict[str, Any]:
    end = None if until is None else at_us(until)
    return {"source": "events", "start_us": at_us(since), "end_us": end, "reason": "x", "missed": None}


def test_of_a_range_in_which_nothing_was_recorded_nothing_is_praised(past: Past) -> None:
    past.put("gaps", deaf(END - 7_200, None))
    past.add(minutely("t.a", since=END - 9_000)[:30])
    row = rows(asked(past, entry("a")))["a"]
    assert (row["verdict"], row["due"], row["on_time"], row["missed"]) == ("unknown", 60, None, None)


def test_what_was_kept_before_nothing_was_recorded_any_more_may_not_be_kept_now(past: Past) -> None:
    past.put("gaps", deaf(END - 600, None))
    past.add(minutely("t.a")[:10])
    row = rows(asked(past, entry("a")))["a"]
    assert (row["verdict"], row["on_time"], row["missed"]) == ("unknown", 10, 0)


def test_where_nothing_was_due_in_the_range_the_time_before_it_tells(past: Past) -> None:
    daily = Crontab("0", "2", "*", "*", "*")
    past.add([run(1, "t.kept", 2 * 3_600 + 1), run(2, "t.begun", END - 30)])
    told = rows(asked(past, entry("kept", daily), entry("begun", Interval(86_400))))
    assert [(told[name]["verdict"], told[name]["due"], told[name]["missed"]) for name in ("kept", "begun")] == [
        ("on_time", 0, 0),
        ("unknown", 0, 0),
    ]


def test_a_disabled_entry_is_due_never_and_misses_nothing(past: Past) -> None:
    past.add(minutely("t.a", *range(10, 20)))
    row = rows(asked(past, entry("a", enabled=False)))["a"]
    assert (row["verdict"], row["missed"], row["next_run"]) == ("disabled", None, None)


def test_the_stores_own_word_stands_where_nothing_was_recorded(past: Past) -> None:
    past.add(minutely("t.b"))
    last, due = datetime(2026, 1, 5, 9, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    known = entry("a", Solar("sunset", 1, 2), last_run_at=last, total_run_count=7, due_at=due)
    row = rows(asked(past, known))["a"]
    assert (row["last_run"], row["next_run"], row["total_run_count"]) == (last, due, 7)


def test_what_is_wrong_stands_first_and_a_name_asks_for_its_entry_alone(past: Past) -> None:
    past.add(minutely("t.a"))
    past.add(minutely("t.b", 4, seq=100))
    past.add(minutely("t.c", *range(15, 20), seq=200))
    known = (entry("a"), entry("b"), entry("c"), entry("d", enabled=False))
    assert list(rows(asked(past, *known))) == ["c", "b", "a", "d"]
    assert rows(asked(past, *known))["c"]["overdue_since"] == at(END - 60)
    assert list(rows(asked(past, *known, names=("b",)))) == ["b"]


def test_where_no_store_tells_a_schedule_is_inferred_and_said_so(past: Past) -> None:
    past.add(minutely("t.regular"))
    past.add([run(100 + k, "t.irregular", END - 1_000 + k * k * 2.0) for k in range(20)])
    past.add(minutely("t.child", seq=200, parent="id-1", root="id-1"))
    answer = asked(past)
    row = rows(answer)["t.regular"]
    assert list(rows(answer)) == ["t.regular"]
    assert (row["schedule"], row["source"], row["verdict"]) == ("interval 60", INFERRED, "on_time")
    assert answer.notes[0].text.startswith("No store tells of entries")


def test_nothing_is_inferred_while_workers_that_could_tell_are_silent(past: Past) -> None:
    past.add(minutely("t.regular"))
    silent = Entries((), None, (), complete=False)
    assert schedule_answer(past.reader, Schedule(), silent, HOUR).frame.empty


def test_among_many_names_those_that_ran_last_are_looked_at(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_sources.schedule.inferred.MOST_NAMES", 2)
    past.add([run(1_000 + k, f"t.old-{k}", END - 9_000) for k in range(3)])
    past.add(minutely("t.regular"))
    answer = asked(past)
    assert list(rows(answer)) == ["t.regular"]
    assert [note.text for note in answer.notes if note.kind == "cut"] == [
        "Looked for among the 2 task names that ran last; there are more"
    ]


def test_a_history_that_cannot_be_read_leaves_the_entries(tmp_path: Path) -> None:
    reader = HistoryReader(SqlitePlace("shop", "0" * 12, tmp_path / "none.db"))
    answer = schedule_answer(reader, Schedule(), Entries((entry("a"),), None, (Note("kept"),)), HOUR)
    row = rows(answer)["a"]
    assert (row["verdict"], row["words"], row["missed"]) == ("unknown", "every minute", None)
    assert [note.text[:33] for note in answer.notes] == ["kept", "How it was kept is not known: His"]
    with pytest.raises(SourceUnreachable), reader.reading():
        pass


def test_many_runs_of_many_entries_are_all_judged(past: Past) -> None:
    known = [entry(f"e{k}") for k in range(60)]
    for k in range(60):
        past.add(minutely(f"t.e{k}", since=END - 100 * 60, seq=1 + 1_000 * k))
    assert asked(past, *known).frame["on_time"].tolist() == [60] * 60


def coming(past: Past, *known: Entry) -> Answer:
    return load_answer(past.reader, ScheduledLoad(), Entries(known, None, ()), HOUR)


def test_the_load_is_runs_times_the_median_runtime_by_hour_and_queue(past: Past) -> None:
    past.add(minutely("t.a"))
    answer = coming(past, entry("a"), entry("b", queue="other"), entry("off", enabled=False))
    frame = answer.frame
    assert answer.measured_at
    this_hour = floor_time(answer.measured_at, timedelta(hours=1))  # in its last minute nothing is due any more
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == dtypes(LOAD_COLUMNS)
    whole = frame[frame["time"] > this_hour]
    assert sorted(whole["queue"].unique()) == ["other", "q"]
    assert whole["runs"].unique().tolist() == [60]
    assert whole[whole["queue"] == "q"]["value"].unique().tolist() == [30.0]
    assert whole[whole["queue"] == "other"]["value"].isna().all()
    assert len(whole) == 2 * (HOURS - 1)
    assert answer.units == {"value": "s"}


def test_what_is_due_at_unknown_times_is_named_and_not_counted_as_nothing(past: Past) -> None:
    past.add(minutely("t.a"))
    answer = coming(past, entry("lamps", Solar("sunset", 1, 2)), entry("never", Interval(20)))
    assert answer.frame[answer.frame["queue"] == "q"].empty
    assert any("lamps" in note.text for note in answer.notes)


def test_the_load_is_drawn_with_a_value_for_each_hour(past: Past) -> None:
    past.add(minutely("t.a"))
    answer = coming(past, entry("a"), entry("b", queue="other"))
    drawn = load(answer.frame, {"rows": answer})
    assert [len(drawn.hours), [queue.queue for queue in drawn.queues]] == [HOURS, ["other", "q"]]
    other, own = drawn.queues
    assert (own.runs[5], own.busy[5], other.runs[5], other.busy[5]) == (60, 30.0, 60, None)
    nothing = coming(past)
    assert load(nothing.frame.iloc[:0], {"rows": nothing}).empty


def test_the_table_shows_what_the_answer_says_and_unknown_as_nothing(past: Past) -> None:
    past.add(minutely("t.a", 3))
    answer = asked(past, entry("a", args="[1]", kwargs='{"b": 2}'), entry("b"), entry("off", enabled=False))
    table = entries(answer.frame, {})
    names = [column.name for column in ENTRIES]
    told = {row[0]["value"]: dict(zip(names, row, strict=True)) for row in table.rows}
    assert (told["a"]["missed"], told["a"]["args"], told["a"]["verdict"]) == (1, '[1] {"b": 2}', "missed")
    assert told["a"]["name"]["href"] == "/schedule?name=a"
    first = answer.frame["runs"][0][0]
    assert told["a"]["runs"][0] == ["on_time", at(END - 1_200).timestamp() * 1000, *told["a"]["runs"][0][2:]]
    assert told["a"]["runs"][0][3:] == [first["id"], "SUCCESS"]
    assert [told["a"]["runs"][3][0], *told["a"]["runs"][3][2:]] == ["missed", None, None, None]
    assert (told["b"]["missed"], told["b"]["args"], told["b"]["runtime"]) == (None, None, None)
    assert [row[0]["value"] for row in table.apart] == ["off"]
    assert "BEAT_DATABASE_URL" in " ".join(entries(answer.frame.iloc[:0], {}).empty)


def test_the_strips_of_many_entries_are_shorter(past: Past) -> None:
    past.add(minutely("t.a", since=END - 120 * 60))
    row = asked(past, entry("a")).frame
    for count, blocks in ((1, 60), (400, 30), (2_000, 10)):
        many = pd.concat([row] * count, ignore_index=True)
        assert {len(one[3]) for one in entries(many, {}).rows} == {blocks}
