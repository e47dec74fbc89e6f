"""Frames as CSV: exact, unknown told from zero, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.csv_text import BATCH_ROWS, csv_chunks

DANGEROUS = re.compile("^[=+\\-@\t\r\n＝＋－＠]")


def to_csv(frame: pd.DataFrame, *, nan_is_data: bool = False) -> str:
    return b"".join(csv_chunks(frame, nan_is_data=nan_is_data)).decode()


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_range_result_is_written_in_full() -> None:
    times = pd.to_datetime(["2026-03-01T10:00:00Z", "2026-03-01T10:00:15Z"]).as_unit("ms")
    frame = pd.DataFrame(
        {
            "time": times.append(times),
            "instance": pd.Categorical(["a:9808", "a:9808", None, None]),
            "name": pd.Categorical(['say "hi", all', 'say "hi", all', "=1+1", "=1+1"]),
            "value": [0.1, math.nan, math.inf, -math.inf],
        }
    )

    assert to_csv(frame, nan_is_data=True) == (
        "time,instance,name,value\n"
        '2026-03-01T10:00:00+00:00,a:9808,"say ""hi"", all",0.1\n'
        '2026-03-01T10:00:15+00:00,a:9808,"say ""hi"", all",NaN\n'
        "2026-03-01T10:00:00+00:00,,'=1+1,+Inf\n"
        "2026-03-01T10:00:15+00:00,,'=1+1,-Inf\n"
    )


def test_what_is_unknown_is_an_empty_field_and_zero_is_zero() -> None:
    frame = pd.DataFrame(
        {
            "text": pd.Series(["mail", None, "0"], dtype="str"),
            "count": pd.array([0, None, 7], dtype="Int64"),
            "ratio": [0.0, math.nan, 0.5],
            "internal": pd.array([False, None, True], dtype="boolean"),
            "seen": pd.to_datetime(["2026-03-01T10:00:00Z", None, "2026-03-01T10:00:01Z"]).as_unit("ms"),
            "wait": pd.to_timedelta([0, None, 1500], unit="ms"),
            "queues": pd.Series([[], None, ["a", "b"]], dtype=object),
        }
    )

    assert to_csv(frame) == (
        "text,count,ratio,internal,seen,wait,queues\n"
        "mail,0,0,false,2026-03-01T10:00:00+00:00,0,[]\n"
        ",,,,,,\n"
        '0,7,0.5,true,2026-03-01T10:00:01+00:00,1.5,"[""a"", ""b""]"\n'
    )


def test_a_nullable_column_tells_nan_from_unknown() -> None:
    column = pd.arrays.FloatingArray(np.array([1.0, math.nan, 3.0]), np.array([False, False, True]))

    assert to_csv(pd.DataFrame({"{}": column, "n": [1, 2, 3]})) == "{},n\n1,1\nNaN,2\n,3\n"


def test_fractions_of_a_second_are_written_where_there_are_any() -> None:
    times = pd.to_datetime(["2026-03-01T10:00:00Z", "2026-03-01T10:00:00.25Z", None], format="ISO8601").as_unit("ms")

    assert to_csv(pd.DataFrame({"t": times, "n": 1})) == (
        "t,n\n2026-03-01T10:00:00+00:00,1\n2026-03-01T10:00:00.250+00:00,1\n,1\n"
    )


def test_times_of_another_zone_and_of_none_come_out_in_utc() -> None:
    frame = pd.DataFrame(
        {
            "paris": pd.to_datetime(["2026-07-01T12:00:00+02:00"]).tz_convert("Europe/Paris"),
            "naive": pd.to_datetime(["2026-07-01T10:00:00"]),
        }
    )

    assert to_csv(frame) == "paris,naive\n2026-07-01T10:00:00+00:00,2026-07-01T10:00:00+00:00\n"


def test_large_whole_numbers_are_written_out() -> None:
    assert to_csv(pd.DataFrame({"bytes": [17179869184.0, -17179869184.0, 1e300], "n": 1})) == (
        "bytes,n\n17179869184,1\n-17179869184,1\n1e+300,1\n"
    )


@pytest.mark.parametrize("start", list("=+-@\t\r\n＝＋－＠"))
def test_a_text_that_a_spreadsheet_would_run_gets_a_quote_before_it(start: str) -> None:
    text = f"{start}HYPERLINK"
    frame = pd.DataFrame({text: [text], "category": pd.Categorical([text]), "mixed": pd.Series([text], dtype=object)})

    assert read(to_csv(frame)) == [["'" + text, "category", "mixed"], ["'" + text] * 3]


def test_a_negative_number_is_no_formula() -> None:
    frame = pd.DataFrame({"a": [-1.5], "b": [-1], "c": pd.Series([-1.5], dtype=object)})

    assert to_csv(frame) == "a,b,c\n-1.5,-1,-1.5\n"


def test_an_empty_frame_is_its_header() -> None:
    assert to_csv(pd.DataFrame({"queue": pd.Series([], dtype="str"), "ready": pd.array([], dtype="Int64")})) == (
        "queue,ready\n"
    )


def test_an_unknown_in_a_single_column_is_still_a_row() -> None:
    assert read(to_csv(pd.DataFrame({"a": pd.Series(["x", None], dtype="str")}))) == [["a"], ["x"], [""]]


def test_columns_of_one_name_stay_apart() -> None:
    assert to_csv(pd.DataFrame([[1, 2]], columns=["a", "a"])) == "a,a\n1,2\n"


def test_what_comes_from_a_worker_is_written_whatever_it_is() -> None:
    cells = [{"a": [1, math.inf]}, "\ud800", b"=x\xff", True, 10**30, math.nan, {1: None}]

    assert read(to_csv(pd.DataFrame({"a": pd.Series(cells, dtype=object), "n": 1}))) == [
        ["a", "n"],
        ['{"a": [1, "+Inf"]}', "1"],
        ["?", "1"],
        ["'=x\N{REPLACEMENT CHARACTER}", "1"],
        ["true", "1"],
        ["1" + "0" * 30, "1"],
        ["", "1"],
        ['{"1": null}', "1"],
    ]


def test_a_long_frame_comes_in_pieces_and_whole() -> None:
    rows = BATCH_ROWS * 2 + 1
    frame = pd.DataFrame({"n": range(rows), "name": pd.Categorical(["a", "=b"]).take(np.arange(rows) % 2)})

    chunks = list(csv_chunks(frame))

    assert len(chunks) == 4
    assert read(b"".join(chunks).decode())[1:] == [[str(n), "'=b" if n % 2 else "a"] for n in range(rows)]


texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["=1", "+", "-1", "@a", "\t", "\r\n", "＝", '"', ","]
)
rows = st.lists(
    st.tuples(texts, texts, st.floats(allow_nan=False), st.integers(-(2**62), 2**62), st.lists(texts, max_size=2)),
    max_size=6,
)


def assert_harmless(cells: Iterable[str], originals: Iterable[str]) -> None:
    for cell, original in zip(cells, originals, strict=True):
        assert not DANGEROUS.match(cell)
        assert cell in (original, f"'{original}")


@given(rows, texts)
def test_whatever_is_exported_reads_back_and_runs_nothing(
    rows: list[tuple[str, str, float, int, list[str]]], name: str
) -> None:
    columns = list(zip(*rows, strict=True)) or [()] * 5
    frame = pd.DataFrame(
        {
            "text": pd.Series(columns[0], dtype="str"),
            "category": pd.Categorical(columns[1]),
            "number": pd.Series(columns[2], dtype="float64"),
            "count": pd.Series(columns[3], dtype="int64"),
            "list": pd.Series(columns[4], dtype=object),
            f"x{name}": "",
            name: "",
        }
    )

    header, *lines = read(to_csv(frame))

    assert_harmless(header, frame.columns)
    assert len(lines) == len(rows)
    for line, (text, category, number, count, items) in zip(lines, rows, strict=True):
        assert_harmless(line[:2], (text, category))
        assert float(line[2]) == number
        assert math.copysign(1, float(line[2])) == math.copysign(1, number)
        assert int(line[3]) == count
        assert json.loads(line[4]) == items
