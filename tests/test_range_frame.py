"""From a body to a frame: exact to the last bit, whatever the labels say, and nothing but Undecodable for rubbish."""

from __future__ import annotations

import contextlib
import json
import math
import struct
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources import range_frame
from data_sources.range_frame import Undecodable, assemble, empty_frame, read_result

RESPONSES = Path(__file__).parent / "responses" / "prometheus"

Series = dict[str, Any]


def matrix(series: list[Series], **more: Any) -> bytes:
    """As Prometheus writes it: without spaces, and characters beyond ASCII as they are."""
    document = {"status": "success", "data": {"resultType": "matrix", "result": series}, **more}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(frame.astype(object).itertuples(index=False, name=None))


def at(seconds: float) -> pd.Timestamp:
    return pd.Timestamp(round(seconds * 1000), unit="ms", tz="UTC")


def same_bits(left: float, right: float) -> bool:
    return (math.isnan(left) and math.isnan(right)) or struct.pack("d", left) == struct.pack("d", right)


def test_an_empty_answer_has_the_promised_columns_and_types() -> None:
    promised = {"time": "datetime64[ms, UTC]", "queue": "category", "worker": "category", "value": "float64"}
    frame = read_result(matrix([]), labels=("worker", "queue")).frame
    assert dict(frame.dtypes.astype(str)) == promised
    assert frame.empty
    pd.testing.assert_frame_equal(frame, empty_frame(("queue", "worker")))


def test_a_full_answer_has_the_same_types_as_an_empty_one() -> None:
    frame = read_result(matrix([{"metric": {"queue": "mail"}, "values": [[1, "2"]]}]), labels=("worker",)).frame
    empty = empty_frame(("queue", "worker"))
    assert list(frame.dtypes.astype(str)) == list(empty.dtypes.astype(str))
    assert frame["queue"].cat.categories.dtype == empty["queue"].cat.categories.dtype
    assert rows(frame) == [(at(1), "mail", frame["worker"][0], 2.0)]
    assert frame["worker"].isna().all()


def test_series_stay_in_the_servers_order_with_gaps_late_starts_and_single_points() -> None:
    body = matrix(
        [
            {"metric": {"name": "b"}, "values": [[0, "1"], [60, "2"], [180, "3"]]},
            {"metric": {"name": "a"}, "values": [[120.5, "+Inf"], [180.123, "NaN"], [240, "-Inf"]]},
            {"metric": {"name": "c"}, "values": [[60, "1e-07"]]},
        ]
    )
    frame = read_result(body).frame
    assert rows(frame.fillna({"value": -1})) == [
        (at(0), "b", 1.0),
        (at(60), "b", 2.0),
        (at(180), "b", 3.0),
        (at(120.5), "a", math.inf),
        (at(180.123), "a", -1.0),  # NaN has a row: it is an answer
        (at(240), "a", -math.inf),
        (at(60), "c", 1e-07),
    ]


def test_unsorted_and_repeated_times_are_sorted_and_the_last_one_wins() -> None:
    body = matrix(
        [
            {"metric": {"name": "a"}, "values": [[60, "1"], [0, "2"], [60, "3"], [30, "4"], [0, "5"]]},
            {"metric": {"name": "b"}, "values": [[0, "6"], [30, "7"]]},
        ]
    )
    assert rows(read_result(body).frame) == [
        (at(0), "a", 5.0),
        (at(30), "a", 4.0),
        (at(60), "a", 3.0),
        (at(0), "b", 6.0),
        (at(30), "b", 7.0),
    ]


def test_labels_named_time_and_value_give_way_without_taking_anothers_place() -> None:
    labels = {"time": "t", "value": "v", "exported_time": "e"}
    frame = read_result(matrix([{"metric": labels, "values": [[0, "1"]]}])).frame
    assert list(frame.columns) == ["time", "exported_exported_time", "exported_time", "exported_value", "value"]
    assert rows(frame) == [(at(0), "t", "e", "v", 1.0)]


def test_series_that_look_alike_are_not_merged() -> None:
    twins = [{"metric": {"a": "1"}, "values": [[0, str(n)], [60, str(n)]]} for n in range(3)]
    frame = read_result(matrix(twins)).frame
    assert list(frame["value"]) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    "text",
    [
        'say "hi"',
        "back\\slash\\",
        "two\nlines",
        "\U0001f955 \x00 é",
        '"values":[[',
        "]]}",
        '"values":[[1,"2"]]}',
        "",
        "NaN",
    ],
)
def test_label_text_is_kept_exactly(text: str) -> None:
    body = matrix([{"metric": {"name": text, text: "x"}, "values": [[0, "1"]]} for _ in range(2)])
    frame = read_result(body).frame
    assert list(frame["name"]) == [text, text]
    assert list(frame[text]) == ["x", "x"]


def test_warnings_infos_and_partial_answers_are_told() -> None:
    result = read_result(matrix([], warnings=["slow store"], infos=["not a counter"], isPartial=True))
    assert result.warnings == ("slow store", "The answer is partial: a part of the storage did not answer")
    assert result.infos == ("not a counter",)


def test_native_histograms_are_left_out_and_counted() -> None:
    buckets = {"count": "3", "sum": "4", "buckets": [[0, "1", "2", "3"]]}
    body = matrix(
        [
            {"metric": {"name": "a"}, "values": [[0, "1"], [60, "2"]], "histograms": [[120, buckets]]},
            {"metric": {"name": "b"}, "histograms": [[0, buckets], [60, buckets]]},
            {"metric": {"name": "c"}, "values": [[0, "3"]]},
        ]
    )
    result = read_result(body)
    assert rows(result.frame) == [(at(0), "a", 1.0), (at(60), "a", 2.0), (at(0), "c", 3.0)]
    assert result.warnings[0].startswith("3 native histogram samples are not shown")


def test_a_pretty_printed_answer_is_read_too() -> None:
    series = [{"metric": {"a": "1"}, "values": [[0, "1"], [60, "NaN"]]}]
    spaced = json.dumps(json.loads(matrix(series)), indent=2).encode()
    pd.testing.assert_frame_equal(read_result(spaced).frame, read_result(matrix(series)).frame)


@pytest.mark.parametrize(("name", "kind"), [("vector", "vector"), ("scalar", "scalar"), ("string", "string")])
def test_recorded_instant_answers(name: str, kind: str) -> None:
    result = read_result((RESPONSES / f"{name}.json").read_bytes())
    assert result.kind == kind
    expected = {
        "vector": [(at(1767571800), "up", "b", "y\\z", 0.5), (at(1767571800), "up", 'a"b', "x", math.inf)],
        "scalar": [(at(1767571800.5), 2.5)],
        "string": [(at(1767571800), 'a "text"')],
    }
    assert rows(result.frame) == expected[name]


def test_a_recorded_range_answer() -> None:
    frame = read_result((RESPONSES / "matrix.json").read_bytes()).frame
    assert rows(frame.fillna({"value": -1})) == [
        (at(1767571800), 'say "hi"', "C:\\jobs", 0.1),
        (at(1767571860), 'say "hi"', "C:\\jobs", 0.30000000000000004),
        (at(1767571920), 'say "hi"', "C:\\jobs", -1.0),
        (at(1767571860), "two\nlines", "🥕", math.inf),
    ]


quick = settings(max_examples=60)

# Every finite float as Go writes it: strconv.FormatFloat(f, 'f' or 'g', -1, 64), the shortest that reads back.
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(["NaN", "+Inf", "-Inf", "0", "-0", "1e-07", "4.9406564584124654e-324", "1.7976931348623157e+308"]),
    st.from_regex(r"-?[0-9]{1,30}(\.[0-9]{1,40})?(e[+-]?[0-9]{1,2})?", fullmatch=True),
)
moments = st.integers(0, 2 * 10**12).map(lambda ms: ms // 1000 if ms % 1000 == 0 else ms / 1000)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ['"values":[[', "]]}", '"', "\\"]
)
series_lists = st.lists(
    st.fixed_dictionaries(
        {
            "metric": st.dictionaries(st.sampled_from(["__name__", "a", "time", "value"]) | texts, texts, max_size=4),
            "values": st.lists(st.tuples(moments, numbers), min_size=1, max_size=6, unique_by=lambda pair: pair[0]).map(
                lambda pairs: sorted(pairs, key=lambda pair: pair[0])
            ),
        }
    ),
    max_size=6,
)


@quick
@given(series_lists, st.sampled_from([1, 100, range_frame.CHUNK_BYTES]))
def test_every_answer_reads_as_json_and_float_would_read_it(series: list[Series], chunk_bytes: int) -> None:
    body = matrix(series)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(range_frame, "CHUNK_BYTES", chunk_bytes)
        frame = read_result(body).frame
    expected = [
        (round(t * 1000), float(text)) for one in json.loads(body)["data"]["result"] for t, text in one["values"]
    ]
    assert [ms for ms, _ in expected] == list(frame["time"].astype("int64"))
    assert all(same_bits(want, got) for (_, want), got in zip(expected, frame["value"], strict=True))
    lengths = [len(one["values"]) for one in series]
    for name in {name for one in series for name in one["metric"]} - {"time", "value"}:
        if name not in ("exported_time", "exported_value"):
            want = [one["metric"].get(name) for one in series]
            got = [text if isinstance(text, str) else None for text in frame[name]]
            assert got == [text for text, length in zip(want, lengths, strict=True) for _ in range(length)]


@quick
@given(series_lists)
def test_the_fast_way_and_the_slow_way_agree(series: list[Series]) -> None:
    body = matrix(series)
    pd.testing.assert_frame_equal(read_result(body).frame, assemble(json.loads(body), [], ()).frame, check_exact=True)


WHOLE = matrix([{"metric": {"a": "1"}, "values": [[0, "1"], [60, "2"]]}, {"metric": {}, "values": [[0, "1"]]}])


def test_an_answer_cut_anywhere_is_an_error() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(Undecodable):
            read_result(WHOLE[:length])


@pytest.mark.parametrize(
    "body",
    [
        b"<html>502 Bad Gateway</html>",
        b"null",
        b"[]",
        b'{"status":"success"}',
        b'{"data":{"resultType":"matrix","result":[]}}',
        b'{"status":"error","error":"x","data":{"resultType":"matrix","result":[]}}',
        b'{"status":"success","data":null}',
        b'{"status":"success","data":{"resultType":"matrix","result":{}}}',
        b'{"status":"success","data":{"resultType":"streams","result":[]}}',
        b'{"status":"success","data":{"resultType":"scalar","result":[1]}}',
        b'{"status":"success","data":{"resultType":"scalar","result":[[1,"2"]]}}',
        b'{"status":"success","data":{"resultType":"string","result":[1,2]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[1]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[1]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":[],"values":[]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":1},"values":[]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[0]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":7}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"x"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,""]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,null]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2","3"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1e999,"2"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1e18,"2"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[NaN,"2"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[9'
        + b"9" * 5000
        + b',"2"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"histograms":7}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"\\ud800"},"values":[[1,"2"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"\xff"},"values":[[1,"2"]]}]}}',
        b"[" * 200_000,
        b'{"status":"success","data":{"resultType":"matrix","result":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b'{"status":"success","data":{"resultType":"vector","result":[' + b" " * 17 * 2**20 + b"]}}",
    ],
    ids=range(34),
)
def test_rubbish_is_undecodable_and_nothing_else(body: bytes) -> None:
    with pytest.raises(Undecodable):
        read_result(body)


@quick
@given(series_lists, st.data())
def test_a_damaged_answer_is_read_or_undecodable_and_nothing_else(series: list[Series], data: st.DataObject) -> None:
    body = bytearray(matrix(series))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.sampled_from(b'[]{}",:0e-\n \xff'))
    with contextlib.suppress(Undecodable):
        assert list(read_result(bytes(body)).frame.columns[[0, -1]]) == ["time", "value"]
