"""The store on SQLite and on PostgreSQL: what is written is there, once, and nothing half."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from data_sources import schema
from data_sources.config import Broker, Cluster, Secret
from data_sources.errors import QueryRejected
from data_sources.history.place import Place, SqlitePlace, place
from data_sources.history.task_record import TaskRecord
from data_sources.schema import STATES
from demo.servers import PostgreSQL
from recorder import migrations, names, sqlite_database
from recorder.batch import Batch, Gap, Latest, Sample
from recorder.database import Database, StoreCorrupt, StoreFailed, StoreFull
from recorder.store import Store

NOON_US = 1_800_000_000_000_000  # on a minute
SUCCESS, STARTED = STATES.index("SUCCESS"), STATES.index("STARTED")


@pytest.fixture
def where(history_url: Secret) -> Place:
    return place(history_url, Cluster())


@pytest.fixture
def store(where: Place) -> Iterator[Store]:
    with closing(Store.open(where)) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> SqlitePlace:
    found = place(Secret(f"sqlite://{tmp_path / 'history'}"), Cluster())
    assert isinstance(found, SqlitePlace)
    return found


def succeeded(id: str, finished_us: int = NOON_US) -> TaskRecord:
    return TaskRecord(
        id=id,
        state=SUCCESS,
        state_us=finished_us,
        outcome_us=finished_us,
        name="shop.pay",
        worker="w1@host",
        queue="mail",
        priority=3,
        retries=1,
        sent_us=finished_us - 3_000_000,
        received_us=finished_us - 2_500_000,
        started_us=finished_us - 2_000_000,
        finished_us=finished_us,
        runtime_us=1_900_000,
        root="root-id",
        args="(1,)",
        result="'ok'",
        cut={"args": 5_000},
    )


def started(id: str, at_us: int = NOON_US) -> TaskRecord:
    return TaskRecord(id=id, state=STARTED, state_us=at_us, started_us=at_us, name="shop.pay")


def dirty(store: Store) -> list[tuple[int, int]]:
    return [(level, at) for level, at in store.database.query("SELECT level, at FROM dirty ORDER BY level, at")]


def count(store: Store, table: str = "tasks") -> int:
    return int(store.database.query(f"SELECT count(*) FROM {table}")[0][0])


times = st.none() | st.integers(0, 2**62)
texts = st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=30)
records = st.builds(
    TaskRecord,
    id=st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=40),
    state=st.integers(0, len(STATES) - 1),
    state_us=st.integers(0, 2**62),
    outcome_us=times,
    name=texts,
    worker=texts,
    queue=texts,
    exchange=texts,
    routing_key=texts,
    priority=st.none() | st.integers(-(2**31), 2**31 - 1),
    retries=st.none() | st.integers(0, 2**31 - 1),
    eta_us=times,
    sent_us=times,
    received_us=times,
    started_us=times,
    finished_us=times,
    runtime_us=times,
    root=texts,
    parent=texts,
    group=texts,
    args=texts,
    kwargs=texts,
    result=texts,
    exception=texts,
    traceback=texts,
    cut=st.none() | st.dictionaries(st.sampled_from(["args", "result"]), st.integers(1, 2**40), min_size=1),
)


def test_what_is_no_longer_known_of_a_task_is_forgotten(store: Store) -> None:
    store.write(Batch([structs.replace(started(id), eta_us=NOON_US, result="'ok'") for id in "ab"]))
    changed = [started("a"), structs.replace(started("b"), args="(1,)")]
    store.write(Batch(changed))

    known = store.known(["a", "b"])
    assert (known["a"].eta_us, known["b"]) == (None, changed[1])


@settings(max_examples=25)
@given(st.lists(records, max_size=25, unique_by=lambda record: record.id))
def test_what_is_written_is_known(store: Store, written: list[TaskRecord]) -> None:
    written = [structs.replace(record, id=f"{record.id}{uuid4()}") for record in written]  # of an example of its own
    store.write(Batch(written))

    assert store.known([record.id for record in written]) == {record.id: record for record in written}


def test_a_task_written_again_is_one_row(store: Store) -> None:
    store.write(Batch([started("a"), started("b")]))
    store.write(Batch([succeeded("a")]))
    store.write(Batch([succeeded("a")]))

    assert count(store) == 2
    assert store.known(["a", "nobody"]) == {"a": succeeded("a")}


def test_what_is_written_is_there_for_the_next_recorder(where: Place) -> None:
    with closing(Store.open(where)) as first:
        first.write(Batch([succeeded("a")]))
    with closing(Store.open(where)) as second:
        second.write(Batch([succeeded("b")]))

        assert set(second.known(["a", "b"])) == {"a", "b"}
        assert second.database.query("SELECT count(DISTINCT seq), count(DISTINCT name) FROM tasks") == [(2, 1)]
        assert second.began_us == first.began_us


def test_a_final_task_marks_its_minute_and_its_hour(store: Store) -> None:
    minute, hour = NOON_US // 1_000_000, NOON_US // 3_600_000_000 * 3_600

    store.write(Batch([started("b")]))
    assert dirty(store) == []

    store.write(Batch([succeeded("a")]))
    assert dirty(store) == [(60, minute), (3600, hour)]


def test_a_final_task_that_moves_marks_the_minute_it_left_too(store: Store) -> None:
    store.write(Batch([succeeded("a")]))
    with store.database.transaction():
        store.database.execute("DELETE FROM dirty")

    store.write(Batch([succeeded("a", NOON_US + 120_000_000)]))

    minute = NOON_US // 1_000_000
    assert [at for level, at in dirty(store) if level == 60] == [minute, minute + 120]


def test_what_is_older_than_what_is_kept_is_refused_and_counted(store: Store) -> None:
    store.write(Batch([succeeded("old", NOON_US - 1)]))
    store.keep_from(NOON_US)

    store.write(Batch([succeeded("late", NOON_US - 1), succeeded("old", NOON_US + 5), succeeded("new")]))

    assert store.refused == 2
    assert store.known(["old"]) == {"old": succeeded("old", NOON_US - 1)}  # counted, and its minute is not made anew
    assert set(store.known(["late", "new"])) == {"new"}


def test_a_value_that_no_column_takes_costs_its_own_record_alone(store: Store) -> None:
    poisoned = [structs.replace(succeeded("big"), eta_us=2**70), structs.replace(succeeded("half"), name="\ud800")]

    store.write(Batch([succeeded("a"), *poisoned, succeeded("b")], gaps=[Gap("events", 1, None, "lost")]))

    assert store.refused == 2
    assert set(store.known(["a", "b", "big", "half"])) == {"a", "b"}
    assert store.open_gaps() == [Gap("events", 1, None, "lost")]


def test_a_batch_that_fails_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(answers: object) -> None:
        raise StoreFailed("no")

    batch = Batch([succeeded("a")], [Sample(NOON_US // 1_000_000, "depth", "queue", "mail", 4.0)])
    with monkeypatch.context() as patched:
        patched.setattr(store, "_write_latest", fail)
        with pytest.raises(StoreFailed):
            store.write(batch)

    assert [count(store, table) for table in ("tasks", "texts", "names", "dirty", "samples", "series")] == [0] * 6
    store.write(batch)
    assert store.known(["a"]) == {"a": succeeded("a")}


def test_names_are_bounded_and_what_comes_after_is_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(names.MOST, names.QUEUE, 2)

    store.write(Batch([structs.replace(succeeded(f"id{number}"), queue=f"queue{number}") for number in range(4)]))

    found = store.known([f"id{number}" for number in range(4)])
    assert [found[f"id{number}"].queue for number in range(4)] == ["queue0", "queue1", "(other)", "(other)"]
    assert store.names.others == 2


def test_a_gap_is_opened_and_closed(store: Store) -> None:
    store.write(Batch(gaps=[Gap("events", NOON_US, None, "broker gone"), Gap("queues", NOON_US, None, "broker gone")]))
    store.write(Batch(gaps=[Gap("events", NOON_US, NOON_US + 5, "broker gone", missed=7)]))

    assert store.open_gaps() == [Gap("queues", NOON_US, None, "broker gone")]
    assert store.database.query("SELECT end_us, missed FROM gaps WHERE end_us IS NOT NULL") == [(NOON_US + 5, 7)]


def test_a_failed_attempt_keeps_the_last_good_body(store: Store) -> None:
    store.write(Batch(latest=[Latest("queues", 5, 1, body="[1]")]))
    store.write(Batch(latest=[Latest("queues", None, 2, failure='"gone"')]))

    rows = store.database.query("SELECT kind, measured_us, took_us, failure, body FROM latest")
    assert rows == [("queues", 5, 2, '"gone"', "[1]")]


def test_a_history_of_another_broker_is_refused_by_name(where: Place) -> None:
    with closing(Store.open(where)):
        pass

    with pytest.raises(QueryRejected, match="another broker, of cluster 'default'"):
        Store.open(replace(where, fingerprint="0" * 12))


def test_a_newer_history_is_refused(where: Place) -> None:
    with closing(Store.open(where)) as store, store.database.transaction():
        migrations.write_meta(store.database, {"schema_version": "99"})

    with pytest.raises(QueryRejected, match="schema version '99'"):
        Store.open(where)


def adds(column: str) -> Callable[[Database], None]:
    def add(database: Database) -> None:
        database.execute(f"ALTER TABLE gaps ADD COLUMN {column} INTEGER")

    return add


def half_done(database: Database) -> None:
    adds("one")(database)
    database.execute("NONSENSE")


def test_an_older_history_is_brought_up_to_date(where: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Store.open(where)) as store:
        store.write(Batch([succeeded("a")]))
    now = schema.VERSION
    monkeypatch.setattr(schema, "VERSION", now + 2)
    steps = {now: adds("one"), now + 1: adds("two")}
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    if isinstance(where, SqlitePlace):
        where.path.with_name(f"{where.path.name}.before-v0").touch()

    with closing(Store.open(where)) as store:
        assert migrations.read_meta(store.database)["schema_version"] == str(now + 2)
        assert store.database.query("SELECT one, two FROM gaps") == []
        assert store.known(["a"]) == {"a": succeeded("a")}
    if isinstance(where, SqlitePlace):
        assert [path.name for path in where.path.parent.glob("*.before-v*")] == [f"{where.path.name}.before-v{now}"]
        with closing(sqlite3.connect(f"{where.path}.before-v{now}")) as backup:
            assert backup.execute("SELECT id FROM tasks").fetchall() == [("a",)]


def test_a_migration_that_fails_changes_nothing(where: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Store.open(where)):
        pass
    with monkeypatch.context() as patched:
        patched.setattr(schema, "VERSION", schema.VERSION + 1)
        patched.setattr(migrations, "MIGRATIONS", {schema.VERSION - 1: half_done})
        with pytest.raises(StoreFailed):
            Store.open(where)

    with closing(Store.open(where)) as store, pytest.raises(StoreFailed):
        store.database.query("SELECT one FROM gaps")


# ---- SQLite alone


def test_the_folder_and_every_file_are_the_owners_alone(file: SqlitePlace) -> None:
    with closing(Store.open(file)) as store:
        store.write(Batch([succeeded("a")]))
        files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.path.parent.iterdir()}

    name = file.path.name
    assert files == {name: 0o600, f"{name}-wal": 0o600, f"{name}-shm": 0o600}
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_files_that_others_could_read_are_their_owners_alone_again_and_a_folder_is_warned_of(
    file: SqlitePlace, caplog: pytest.LogCaptureFixture
) -> None:
    """As after `cp` of a backup into a folder that somebody made."""
    with closing(Store.open(file)) as store:
        store.write(Batch([succeeded("a")]))
        files = list(file.path.parent.iterdir())
        for path in files:
            path.chmod(0o644)
        file.path.parent.chmod(0o755)
        assert caplog.messages == []
        with closing(sqlite_database.SqliteDatabase(file.path)):
            modes = {stat.S_IMODE(path.stat().st_mode) for path in files}

    assert (len(files), modes) == (3, {0o600})
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o755
    assert caplog.messages[0] == f"others can look into {file.path.parent} (their rights are 055): chmod 700"
    assert len(caplog.messages) == 4


def test_a_file_that_is_not_ours_to_change_is_told(
    file: SqlitePlace, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.open(file).close()
    file.path.chmod(0o664)

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    Store.open(file).close()
    assert caplog.messages == [f"{file.path} can be used by others, and is not ours to change: chmod 600"]


def test_the_reserve_is_its_owners_alone(file: SqlitePlace) -> None:
    with closing(Store.open(file)) as store:
        assert store.database.fill_reserve()
        reserve = file.path.with_name(f"{file.path.name}.reserve")
        assert stat.S_IMODE(reserve.stat().st_mode) == 0o600


def bad_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"not a database at all")


def half_a_file(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def zeroed_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 4096 // 2 * 4096)
        file.write(bytes(4096))


@pytest.mark.parametrize("damage", [bad_header, half_a_file, zeroed_page])
def test_a_damaged_file_is_set_aside_and_a_fresh_one_says_so(
    file: SqlitePlace, damage: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_database, "CHECK_SECONDS", 60.0)
    assert callable(damage)
    with closing(Store.open(file)) as store:
        store.write(Batch([succeeded(f"{number:030d}") for number in range(2_000)]))
        began_us = store.began_us
    damage(file.path)

    with closing(Store.open(file)) as store:
        store.write(Batch([succeeded("new")]))

        [(source, end_us, reason)] = store.database.query("SELECT source, end_us, reason FROM gaps")
        assert (source, end_us > began_us) == ("recorder", True)
        saved = count(store) - 1
        assert f"{saved:,} tasks were saved" in reason
        assert set(store.known(["new"])) == {"new"}
    assert len(list(file.path.parent.glob("*.corrupt-*Z"))) == 1
    if damage is zeroed_page:
        assert saved > 0


def test_of_damaged_files_the_last_alone_is_kept_and_the_log_says_so(
    file: SqlitePlace, caplog: pytest.LogCaptureFixture
) -> None:
    for damage in (half_a_file, bad_header):
        with closing(Store.open(file)) as store:
            store.write(Batch([succeeded(f"{number:030d}") for number in range(500)]))
        damage(file.path)
    Store.open(file).close()

    (aside,) = file.path.parent.glob("*.corrupt-*Z")
    assert aside.stat().st_size > 0
    with closing(Store.open(file)) as store:
        ((reason,),) = store.database.query("SELECT reason FROM gaps ORDER BY start_us LIMIT 1")
    gone = reason.rpartition(" ")[2]
    assert "was set aside as" in reason
    assert any(gone in told and "of damaged files" in told for told in caplog.messages)


def test_a_file_without_a_byte_is_begun(file: SqlitePlace) -> None:
    file.path.parent.mkdir()
    file.path.touch()

    with closing(Store.open(file)) as store:
        store.write(Batch([succeeded("a")]))
        assert count(store) == 1


def test_damage_found_while_writing_says_so_and_can_be_left_behind(file: SqlitePlace) -> None:
    store = Store.open(file)
    store.write(Batch([succeeded(f"{number:030d}") for number in range(2_000)]))
    store.close()
    store = Store.open(file)
    store.database.query("PRAGMA shrink_memory")  # the start has read it all
    zeroed = file.path.read_bytes()[:4096] + bytes(file.path.stat().st_size - 4096)
    file.path.write_bytes(zeroed)

    with pytest.raises(StoreCorrupt):
        store.write(Batch([succeeded("new")]))

    store.close()
    with closing(Store.anew(file)) as fresh:
        fresh.write(Batch([succeeded("new")]))
        assert count(fresh) == 1


def test_a_file_that_was_removed_is_noticed_and_begun_again(file: SqlitePlace) -> None:
    store = Store.open(file)
    store.write(Batch([succeeded("a")]))
    for path in file.path.parent.iterdir():
        path.unlink()

    with pytest.raises(StoreCorrupt, match="was removed or replaced"):
        store.write(Batch([succeeded("b")]))

    store.close()
    with closing(Store.anew(file)) as fresh:
        fresh.write(Batch([succeeded("b")]))
        assert count(fresh) == 1
        assert fresh.database.query("SELECT reason LIKE 'the file was removed%' FROM gaps") == [(1,)]


def test_a_share_of_other_machines_is_refused(file: SqlitePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_database, "file_system", lambda folder: "nfs4")

    with pytest.raises(StoreFailed, match="a nfs4 share cannot hold it safely"):
        Store.open(file)


def test_a_full_disk_loses_nothing_and_is_written_on_when_there_is_space(small_disk: Path) -> None:
    batches = (
        [succeeded(f"{number:036d}") for number in range(start, start + 200)] for start in range(0, 100_000, 200)
    )
    written = 0
    with closing(Store.open(place(Secret(f"sqlite://{small_disk}"), Cluster()))) as store:

        def fill() -> None:
            nonlocal written
            for records in batches:
                store.write(Batch(records))
                written += len(records)

        with pytest.raises(StoreFull):
            fill()
        assert count(store) == written > 0

        subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
        store.write(Batch(next(batches)))

        assert count(store) == written + 200
        assert store.database.query("PRAGMA quick_check") == [("ok",)]


def test_a_read_only_disk_is_named(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

    with pytest.raises(StoreFailed, match=str(small_disk)):
        Store.open(place(Secret(f"sqlite://{small_disk}"), Cluster()))


def test_a_postgresql_that_was_away_is_written_on(postgresql: PostgreSQL) -> None:
    with closing(Store.open(place(Secret(postgresql.new_database()), Cluster()))) as store:
        store.write(Batch([succeeded("a")]))
        with pytest.raises(StoreFailed):
            store.database.query("SELECT pg_terminate_backend(pg_backend_pid())")

        store.write(Batch([succeeded("a"), succeeded("b")]))

        assert count(store) == 2


def test_each_broker_has_a_history_of_its_own(history_url: Secret) -> None:
    brokers = ["redis://a:6379/0", "redis://a:6379/1", "redis://b:6379/0", "amqp://a:5672//"]
    clusters = [Cluster(broker=Broker.from_url(url)) for url in brokers]
    clusters.append(Cluster(broker=Broker.from_url(brokers[0], transport_options={"global_keyprefix": "x"})))

    assert len({place(history_url, cluster).address for cluster in clusters}) == len(clusters)
    with_password = Cluster(broker=Broker.from_url("redis://me:secret@a:6379/0"))
    assert place(history_url, with_password) == place(history_url, clusters[0])
