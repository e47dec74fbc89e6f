"""Samples of one moment, packed: in a row, from an older history, and out of a damaged one."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources import schema
from data_sources.config import Cluster, Secret
from data_sources.history.place import place
from data_sources.history.sample_rows import packed, unpacked
from recorder import migrations
from recorder.batch import Batch, Sample
from recorder.database import Row
from recorder.salvage import of_known_series
from recorder.store import Store

numbers = st.one_of(st.integers(0, 2**33).map(float), st.floats(allow_nan=False))


@given(
    st.dictionaries(
        st.integers(1, 2**32 - 1), st.tuples(numbers, st.one_of(st.just(10.0), st.floats(0, 1e6))), min_size=1
    )
)
def test_what_is_packed_comes_back_to_the_last_bit(samples: dict[int, tuple[float, float]]) -> None:
    assert unpacked(*packed(samples)) == samples


def test_counts_of_a_moment_take_four_bytes_each_and_one_span() -> None:
    assert [len(array) for array in packed({1: (0.0, 10.0), 2: (7.0, 10.0)})] == [8, 8, 8]
    assert [len(array) for array in packed({1: (0.5, 10.0), 2: (7.0, 9.0)})] == [8, 16, 16]


def test_a_round_that_is_written_twice_keeps_what_the_second_does_not_know(history_url: Secret) -> None:
    with closing(Store.open(place(history_url, Cluster()))) as store:
        for depths in ({"mail": 1.0, "images": 2.0}, {"mail": 3.0}):
            store.write(Batch(samples=[Sample(600, "depth", "queue", name, depth) for name, depth in depths.items()]))
        assert sampled(store) == {
            ("depth", "mail"): [(10, 600, 3.0, 10.0)],
            ("depth", "images"): [(10, 600, 2.0, 10.0)],
        }


def test_samples_of_a_row_each_are_packed_when_the_history_is_opened(history_url: Secret) -> None:
    where = place(history_url, Cluster())
    rows = [
        *((10, at, 1, at / 10, 10.0) for at in range(0, 90_000, 10)),
        *((level, at, 2, 4.0, 8.5) for level in (10, 60, 600) for at in (1_200, 6_000)),
    ]
    with closing(Store.open(where)) as store, store.database.transaction():
        store.database.upsert(schema.series, [(1, "depth", "queue", "mail"), (2, "accepted", "", "")])
        store.database.execute("DROP TABLE samples")
        store.database.execute(
            "CREATE TABLE samples (level SMALLINT, at BIGINT, series INTEGER, value DOUBLE PRECISION,"
            " span DOUBLE PRECISION, PRIMARY KEY (level, at, series))"
        )
        for row in rows:
            store.database.execute("INSERT INTO samples VALUES (?, ?, ?, ?, ?)", row)
        migrations.write_meta(store.database, {"schema_version": "1"})

    with closing(Store.open(where)) as store:
        assert migrations.read_meta(store.database)["schema_version"] == str(schema.VERSION)
        assert sampled(store) == {
            ("depth", "mail"): sorted((level, at, value, span) for level, at, id, value, span in rows if id == 1),
            ("accepted", ""): sorted((level, at, value, span) for level, at, id, value, span in rows if id == 2),
        }


@pytest.mark.parametrize("damage", [(b"123", b"", b""), (b"1234", b"12", b"12345678"), (None, b"", b"")])
def test_of_a_damaged_history_only_samples_of_known_series_are_taken_over(damage: tuple[bytes, ...]) -> None:
    key = (10, 600, "depth", "queue")
    rows: list[Row] = [
        (*key, *damage),
        (*key, *packed({1: (5.0, 10.0), 2: (6.0, 10.0)})),
        (*key, *packed({2: (1.0, 1.0)})),
    ]

    assert list(of_known_series(rows, {1, 3})) == [(*key, *packed({1: (5.0, 10.0)}))]


def sampled(store: Store) -> dict[tuple[str, str], list[tuple[int, int, float, float]]]:
    """Level, time, value and span of all samples, by measure and text."""
    texts: dict[int, str] = dict(store.database.query("SELECT id, text FROM series"))
    found: dict[tuple[str, str], list[tuple[int, int, float, float]]] = {}
    for level, at, measure, _, *arrays in store.database.query("SELECT * FROM samples ORDER BY level, at"):
        for id, sample in unpacked(*arrays).items():
            found.setdefault((measure, texts[id]), []).append((level, at, *sample))
    return found
