"""SQL over other cells' answers: what it reads and gives, and that it reads and takes nothing else."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import psutil
import pytest

from data_sources.answer import Answer
from data_sources.derived_query import Derived
from data_sources.errors import QueryRejected, SourceUnreachable
from data_sources.failure import Failure
from data_sources.note import Note
from data_sources.query import PromQL
from data_sources.scope import Range, Scope, Window
from notebooks import needs, run
from notebooks.error import NotebookError
from notebooks.notebook import Ask, Layer, Notebook, Prose, Row, Sql, Threshold
from notebooks.sql import answer as sql
from notebooks.sql.engine import MOST_AT_ONCE, Engine
from notebooks.sql.tables import frame_of, stream_of
from notebooks.variable import Variable
from tests.deadline import within

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1), timedelta(seconds=15))
SECRET = pd.DataFrame({"password": ["hunter2"]})  # what a query would find that looks at Python's variables


def depth(values: Mapping[str, float]) -> Answer:
    """A series a queue, each with its value at every point."""
    times = pd.date_range(WINDOW.start, WINDOW.end, freq=WINDOW.step, unit="ms")
    parts = [pd.DataFrame({"time": times, "queue": name, "value": value}) for name, value in values.items()]
    frame = pd.concat(parts, ignore_index=True).astype({"queue": "category"})
    return Answer(frame, PromQL("depth"), {}, WINDOW, "Prometheus", measured_at=WINDOW.end)


def selected(text: str, chart: str = "table", parameters: sql.Parameters | None = None, /, **answers: Answer) -> Answer:
    tables = [sql.Table(name, answer, Range.live("1h")) for name, answer in answers.items()]
    return sql.sql_answer(Sql("s", "", "", text, chart), tables, parameters or {}, Scope(), WINDOW, 60)


def rows(text: str, parameters: sql.Parameters | None = None, **answers: Answer) -> list[tuple[object, ...]]:
    answer = selected(text, "table", parameters, **answers)
    assert answer.failure is None, answer.failure
    return [*answer.frame.itertuples(index=False, name=None)]


def refused(text: str) -> str:
    """What is said of a text that is not run."""
    failure = selected(text, depth=depth({"mail": 1.0})).failure
    assert failure
    return failure.what


def test_a_cell_is_a_table_of_its_name() -> None:
    text = "SELECT queue, max(value), count(*) FROM depth GROUP BY queue ORDER BY queue"

    assert rows(text, depth=depth({"mail": 3.0, "Größe ' \"": 5.0})) == [("Größe ' \"", 5.0, 241), ("mail", 3.0, 241)]


def test_nan_is_no_number_that_is_larger_than_all() -> None:
    answer = depth({"mail": 3.0})
    answer.frame.loc[0, "value"] = np.nan

    assert rows("SELECT max(value), count(value), count(*) FROM depth", depth=answer) == [(3.0, 240, 241)]


def test_times_come_back_as_times_of_utc() -> None:
    frame = selected("SELECT min(time) AS zoned, min(time)::TIMESTAMP AS plain FROM depth", depth=depth({"a": 1})).frame

    assert [str(kind) for kind in frame.dtypes] == ["datetime64[us, UTC]"] * 2
    assert frame.iloc[0].tolist() == [pd.Timestamp(START)] * 2


def test_every_kind_of_value_comes_back() -> None:
    frame = frame_of(
        stream_of(
            pd.DataFrame(
                {
                    "lists": pd.Series([["a"], None], dtype=object),
                    "mixed": pd.Series([1, {"a": [1]}], dtype=object),
                    "whole": pd.array([2**53 + 1, None], dtype="Int64"),
                    "took": pd.to_timedelta([1500, None], unit="ms"),
                    "known": pd.array([True, None], dtype="boolean"),
                    "nothing": pd.Series([None, None], dtype=object),
                }
            )
        )
    )

    assert frame.dtypes.astype(str).to_dict() == {
        "lists": "object",
        "mixed": "str",
        "whole": "Int64",
        "took": "float64",
        "known": "boolean",
        "nothing": "str",
    }
    assert frame.iloc[0].tolist()[:5] == [["a"], "1", 2**53 + 1, 1.5, True]
    assert frame.iloc[1].isna().tolist() == [True, False, True, True, True, True]


def test_a_plot_is_a_range_result_on_the_grid_of_its_own_times() -> None:
    buckets = "SELECT time_bucket(INTERVAL '5 minutes', time) AS time, queue, max(value) AS value, 1 AS n"

    answer = selected(f"{buckets} FROM depth GROUP BY ALL", "lines", depth=depth({"mail": 3.0, "img": 5.0}))

    assert answer.window == replace(WINDOW, step=timedelta(minutes=5))
    assert answer.frame.dtypes.astype(str).to_dict() == {
        "time": "datetime64[ms, UTC]",
        "queue": "category",
        "value": "float64",
    }
    assert answer.frame["queue"].tolist() == ["img"] * 13 + ["mail"] * 13
    assert answer.frame["time"].is_monotonic_increasing is False
    assert answer.frame["time"][:13].is_monotonic_increasing
    assert [note.text for note in answer.notes] == ["Not drawn, as no texts: n"]


def test_a_plot_without_time_and_value_says_what_there_is() -> None:
    failure = selected("SELECT queue, value AS v FROM depth", "lines", depth=depth({"mail": 3.0})).failure

    assert failure
    assert (failure.what, failure.hint) == (
        "a plot needs a column time and a number value",
        "It has queue, v; or show it as a table",
    )


def test_more_rows_than_are_kept_are_cut_and_it_says_so() -> None:
    answer = selected(f"SELECT * FROM range({sql.MOST_ROWS + 1})")

    assert len(answer.frame) == sql.MOST_ROWS
    assert [note.kind for note in answer.notes] == ["cut"]


def test_a_variable_is_a_value_and_never_language() -> None:
    hostile = "x'; DROP TABLE depth --"
    answers = {"depth": depth({hostile: 1.0, "mail": 2.0})}
    text = "SELECT DISTINCT queue FROM depth WHERE $queue IS NULL OR queue IN $queue ORDER BY 1"

    assert rows(text, {"queue": [hostile]}, **answers) == [(hostile,)]
    assert rows(text, {"queue": None}, **answers) == [("mail",), (hostile,)]


def test_variables_reach_sql_as_names_or_a_text() -> None:
    variables = (Variable("queue", "queue"), Variable("task", "task"), Variable("day", "text", ("",)))

    assert run.parameters(variables, {"queue": ("mail",), "task": (), "day": ("Mon",)}) == {
        "queue": ["mail"],
        "task": None,
        "day": "Mon",
    }


def test_what_is_true_of_a_table_is_true_of_what_was_made_of_it() -> None:
    gap = Note("the recorder was away", "gap")
    broken = Failure("unreachable", "Prometheus", "does not answer", "", START, None)
    stale = replace(depth({"mail": 1.0}), notes=(gap,), failure=broken)
    gone = replace(stale, measured_at=None)

    assert selected("SELECT 1 FROM depth", depth=stale).notes == (gap,)
    assert selected("SELECT 1 FROM depth", depth=stale).stale
    failed = selected("SELECT 1 FROM depth", depth=gone)
    assert failed.failure == replace(broken, what="does not answer (asked by depth)")
    assert not failed.stale


def test_it_is_worked_out_again_when_a_table_is_new_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    ask = sql.ENGINE.ask

    def counted(request: Mapping[str, object], tables: Sequence[bytes]) -> tuple[dict[str, object], bytes]:
        asked.append(request)
        return ask(request, tables)

    monkeypatch.setattr(sql.ENGINE, "ask", counted)
    text, first = "SELECT max(value) AS most FROM depth", depth({"mail": 1.0})
    newer = replace(depth({"mail": 7.0}), measured_at=WINDOW.end + timedelta(seconds=15))

    seen = [selected(text, depth=answer).frame["most"][0] for answer in (first, first, newer, newer)]

    assert seen == [1.0, 1.0, 7.0, 7.0]
    assert len(asked) == 2


ESCAPES = {
    "SELECT * FROM read_csv('/etc/passwd')": "reads read_csv()",
    "SELECT * FROM read_text('/etc/passwd')": "reads read_text()",
    "SELECT * FROM '/etc/passwd'": "does not exist",
    "SELECT * FROM 'x.parquet'": "file system operations are disabled",
    "SELECT * FROM glob('/*')": "reads glob()",
    "SELECT (SELECT content FROM read_blob('/etc/passwd'))": "reads read_blob()",
    "SELECT * FROM query('SELECT * FROM read_csv(''/etc/passwd'')')": "reads query()",
    "SELECT * FROM duckdb_settings()": "reads duckdb_settings()",
    "SELECT * FROM pandas_scan(1)": "reads pandas_scan()",
    "SELECT getenv('HOME')": "getenv does not exist",
    "SELECT * FROM SECRET": "does not exist",
    "SHOW TABLES": "shows what DuckDB knows",
    "COPY (SELECT 1) TO '/tmp/x'": "is no SELECT",
    "ATTACH '/tmp/x.db'": "is no SELECT",
    "INSTALL httpfs": "is no SELECT",
    "LOAD httpfs": "is no SELECT",
    "PRAGMA database_list": "is no SELECT",
    "CALL pragma_version()": "is no SELECT",
    "SET memory_limit = '1TB'": "is no SELECT",
    "CREATE TABLE t (a INT)": "is no SELECT",
    "DROP VIEW depth": "is no SELECT",
    "SELECT 1; SELECT 2": "more than one statement",
    "-- nothing": "holds no SELECT",
    "SELECT $nothing": "no variable; there is none",
    "SELECT\n1 +": "line 2",
}


@pytest.mark.parametrize(("text", "said"), ESCAPES.items(), ids=list(ESCAPES))
def test_it_reads_other_cells_and_nothing_else(text: str, said: str) -> None:
    assert said in refused(text)


GREEDY = (
    "SELECT len(range(1000000000))",  # within one function: DuckDB looks at neither clock nor memory
    "SELECT repeat('x', 3000000000)",
    "SELECT sum(length(repeat('x', 20000000) || range)) FROM range(1000)",
    "SELECT * FROM range(10000000000) ORDER BY random()",
    "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))",
    "SELECT count(*) FROM range(1000000000000)",
    "SELECT sleep_ms(3600000)",
    "WITH RECURSIVE t AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM t) SELECT max(length(s)) FROM t",
)


@pytest.mark.parametrize("text", GREEDY)
def test_time_and_memory_end(text: str) -> None:
    request = {"text": text, "tables": [], "values": {}, "rows": 10, "bytes": 1000, "seconds": 0.5}

    with within(3), pytest.raises(QueryRejected, match=r"takes longer than 0\.5 s|needs more memory than it may have"):
        sql.ENGINE.ask(request)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "(" * 9_000 + "1" + ")" * 9_000,
        "SELECT " + "NOT " * 4_000 + "true",
        "SELECT " + "[" * 4_000 + "]" * 4_000,
        "SELECT " + "(SELECT " * 1_500 + "1" + ")" * 1_500,
        "SELECT 1" + "::INT" * 3_000,
    ],
    ids=["parentheses", "not", "lists", "subqueries", "casts"],
)
def test_a_text_that_is_nested_deeply_is_refused(text: str) -> None:
    with pytest.raises(QueryRejected, match=r"depth|nested"):
        sql.ENGINE.ask({"text": text, "read": True, "seconds": 10})


def test_a_process_that_has_ended_is_forgotten_and_another_is_asked() -> None:
    engine, request = Engine(), {"text": "SELECT 1", "read": True, "seconds": 10}
    engine.ask(request)
    (child,) = processes(engine)
    child.send_signal(signal.SIGKILL)
    # Its first thread is a zombie before the others have ended, and only then can it be waited for.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert engine.ask(request)[0] == {"tables": [], "values": []}
    assert not psutil.pid_exists(child.pid)


def test_no_more_processes_run_at_once_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, goes_on = threading.Semaphore(0), threading.Event()

    class Slow:
        pid, has_ended = 0, False

        def ask(self, *_: object) -> tuple[dict[str, object], bytes]:
            begun.release()
            goes_on.wait(120)
            return {"tables": []}, b""

    monkeypatch.setattr("notebooks.sql.engine.Child", Slow)
    engine = Engine()
    with ThreadPoolExecutor(MOST_AT_ONCE) as others:
        asked = [others.submit(engine.ask, {"seconds": 120}) for _ in range(MOST_AT_ONCE)]
        try:
            assert all(begun.acquire(timeout=120) for _ in asked)
            with pytest.raises(SourceUnreachable, match="busy"):
                engine.ask({"seconds": 0.1})
        finally:
            goes_on.set()
        assert [one.result() for one in asked] == [({"tables": []}, b"")] * MOST_AT_ONCE
    assert engine.ask({"seconds": 120}) == ({"tables": []}, b"")  # there is a turn again
    assert len(engine.idle) == MOST_AT_ONCE


def test_the_process_knows_none_of_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://:hunter2@broker")
    engine = Engine()
    engine.ask({"text": "SELECT 1", "read": True, "seconds": 10})

    (child,) = processes(engine)
    assert "hunter2" not in str(child.environ())
    assert child.cwd() == os.sep


def processes(engine: Engine) -> list[psutil.Process]:
    return [psutil.Process(child.pid) for child in engine.idle]


def notebook(**texts: str) -> Notebook:
    """SQL cells by name, over the one question `depth`."""
    ask = Ask("depth", "", "", (Row((Layer((("source", "promql"), ("q", "up")), "lines"),)),))
    cells = [Sql(name, "", "", text) for name, text in texts.items()]
    return Notebook("", cells=(Prose("words", "…"), ask, *cells, Threshold("small", "", "a", "value", "max", "<", 1)))


def test_a_cell_is_made_of_the_questions_that_its_sql_reads_through_other_sql() -> None:
    whole = notebook(a="SELECT * FROM b, B, (SELECT 1 FROM depth)", b="WITH depth AS (SELECT 1) FROM depth, range(3)")

    assert [cell.name for cell in needs.made_of(whole, "small")] == ["b", "depth", "a", "small"]
    assert [cell.name for cell in needs.questions(whole, "b")] == []


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"a": "FROM nowhere"}, "a reads nowhere, which is no cell with rows; there is depth"),
        ({"a": "FROM words"}, "a reads words, which is no cell with rows; there is depth"),
        ({"a": "FROM information_schema.tables"}, "a reads information_schema.tables, which is no cell"),
        ({"a": "FROM b", "b": "FROM a"}, "a reads b reads a: none of them can be first"),
        ({"a": "FROM a"}, "a reads a: none of them can be first"),
        ({"a": "FORM depth"}, "the SQL of a line 1: syntax error"),
        ({}, "small reads a, which is no cell with rows; there is depth"),
    ],
)
def test_what_cannot_be_made_says_why_and_what_there_is(texts: dict[str, str], said: str) -> None:
    whole = notebook(**texts)

    with pytest.raises(NotebookError) as caught:
        needs.questions(whole, "small")
    assert said in caught.value.message
    failure = run.derived(whole, "small", {}, {}, Scope()).failure
    assert failure
    assert said in failure.what


def test_many_cells_that_read_one_another_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def read(text: str) -> tuple[str, ...]:
        looked_at.append(text)
        return ("depth",) if text == "c30" else (f"c{int(text[1:]) + 1}", f"c{min(int(text[1:]) + 2, 30)}")

    monkeypatch.setattr(needs, "tables_read", read)
    whole = notebook(**{f"c{n}": f"c{n}" for n in range(31)})

    assert len(needs.made_of(whole, "c0")) == 32
    assert len(looked_at) == 31  # and not once for each of the million ways


def test_two_answers_of_one_text_over_other_questions_are_two() -> None:
    one, other = depth({"mail": 1.0}), replace(depth({"mail": 2.0}), query=PromQL("other"))

    assert rows("SELECT max(value) FROM depth", depth=one) == [(1.0,)]
    assert rows("SELECT max(value) FROM depth", depth=other) == [(2.0,)]
    assert Derived("FROM x").to_params() == [("source", "sql"), ("q", "FROM x")]
