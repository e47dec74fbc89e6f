"""The workspace: one writer, private files, and an audit without which nothing is done."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, inspect, text

from data_sources.audit_query import AUDIT_COLUMNS, Audit
from data_sources.config import Secret
from data_sources.errors import QueryRejected, SourceUnreachable
from demo.servers import PostgreSQL
from workspace import audit, notebooks, store
from workspace.audit import Act, entries, record
from workspace.audit_answer import audit_answer
from workspace.store import Occupied, Workspace, workspace

ROOT = Path(__file__).resolve().parents[1]
KNOWN = len(store.MIGRATIONS)
ANY_TEXT = st.text(st.characters(), max_size=50)  # lone surrogates too


def act(**more: object) -> Act:
    given = {
        "who": "ana@example.com",
        "from_address": "10.0.0.7",
        "cluster": "shop",
        "action": "revoke",
        "target": "shop.mail",
        "arguments": {"terminate": True},
        "outcome": "asked",
    }
    return Act(**{**given, **more})  # type: ignore[arg-type]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Secret:
    """A HISTORY_URL of one's own."""
    if request.param == "sqlite":
        return Secret(f"sqlite://{tmp_path}/histories")
    return Secret(request.getfixturevalue("postgresql").new_database())


@pytest.fixture
def opened(url: Secret) -> Iterator[Workspace]:
    one = workspace(url)
    yield one
    one.close()


def test_what_was_recorded_is_there_after_a_restart(url: Secret) -> None:
    first = workspace(url)
    began = datetime.now(UTC) - timedelta(seconds=1)
    number = record(first, act(detail="2 workers"))
    first.close()

    second = workspace(url)
    (entry,) = entries(second)
    second.close()

    assert entry.id == number
    assert began < entry.at < datetime.now(UTC) + timedelta(seconds=1)
    assert (entry.who, entry.from_address, entry.cluster) == ("ana@example.com", "10.0.0.7", "shop")
    assert (entry.action, entry.target, entry.arguments) == ("revoke", "shop.mail", {"terminate": True})
    assert (entry.outcome, entry.detail) == ("asked", "2 workers")


def test_entries_are_chosen_by_cluster_action_outcome_and_time(opened: Workspace) -> None:
    record(opened, act(outcome="asked"))
    record(opened, act(outcome="done"))
    record(opened, act(outcome="done", action="purge"))
    record(opened, act(outcome="done", cluster="other"))
    record(opened, act(outcome="denied", cluster=""))

    chosen = entries(opened, cluster="shop", actions=("revoke", "shutdown"), outcomes=("done", "denied"))

    assert [(one.cluster, one.outcome) for one in chosen] == [("", "denied"), ("shop", "done")]
    assert entries(opened, since=datetime.now(UTC) + timedelta(minutes=1)) == []
    assert len(entries(opened, since=datetime.now(UTC) - timedelta(minutes=1))) == 5


def test_the_audit_is_an_answer_with_its_promised_columns(opened: Workspace) -> None:
    assert dict(audit_answer(opened, Audit(), "shop").frame.dtypes.astype(str)) == AUDIT_COLUMNS
    numbers = [record(opened, act(target=f"task-{n}")) for n in range(3)]

    first = audit_answer(opened, Audit(limit=2), "shop")
    assert first.next == Audit(limit=2, before=numbers[1])
    last = audit_answer(opened, first.next, "shop")

    assert list(first.frame["target"]) + list(last.frame["target"]) == ["task-2", "task-1", "task-0"]
    assert last.next is None
    assert first.frame["arguments"][0] == {"terminate": True}
    assert dict(first.frame.dtypes.astype(str)) == AUDIT_COLUMNS
    assert "hunter2" not in first.origin


class Days:
    """`on` that day by the system's clock, after so many days that were lived through, something is recorded."""

    def __init__(self, url: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url, self.opened = url, workspace(url)
        self.clock = self.lived = 0.0
        monkeypatch.setattr(audit, "now_us", lambda: 1_800_000_000_000_000 + int(self.clock * 86_400e6))
        monkeypatch.setattr(audit, "monotonic", lambda: self.lived * 86_400)

    def on(self, clock: float, lived: float) -> list[str]:
        """What is there then, oldest first."""
        self.clock, self.lived = clock, lived
        record(self.opened, act(target=f"day {clock:g}"))
        return [one.target for one in entries(self.opened)][::-1]

    def restart(self) -> None:
        self.opened.close()
        self.opened = workspace(self.url)


@pytest.fixture
def days(url: Secret, monkeypatch: pytest.MonkeyPatch) -> Iterator[Days]:
    one = Days(url, monkeypatch)
    yield one
    one.opened.close()


def test_entries_go_once_they_are_400_days_old(days: Days) -> None:
    days.on(0, 0)
    assert days.on(2, 2) == ["day 0", "day 2"]
    assert days.on(400, 400) == ["day 0", "day 2", "day 400"]
    assert days.on(401, 401) == ["day 2", "day 400", "day 401"]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_is_set_forward_empties_no_audit(restarts: bool, days: Days) -> None:
    days.on(0, 0)
    told = days.on(300, 300)
    if restarts:
        days.restart()
    for minute in (1, 2):
        told = [*told, f"day {5_000 + minute}"]
        assert days.on(5_000 + minute, 300 + minute / 1_440) == told

    days.restart()
    assert days.on(301, 301) == [*told, "day 301"]
    assert days.on(401, 401) == [*told[1:], "day 301", "day 401"]


def test_what_grew_too_old_while_nothing_ran_goes_within_days(days: Days) -> None:
    days.on(0, 0)
    days.restart()
    assert days.on(500, 0) == ["day 0", "day 500"]
    assert days.on(520, 20) == ["day 500", "day 520"]


def test_the_last_days_and_what_is_too_old_are_found_by_an_index(tmp_path: Path) -> None:
    opened = workspace(Secret(f"sqlite://{tmp_path}"))
    record(opened, act())
    asked: list[tuple[str, object]] = []
    with opened.read() as connection:
        event.listen(connection.engine, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
    entries(opened, cluster="shop", actions=("revoke",), outcomes=("done",), since=datetime.now(UTC))
    record(opened, act())
    with opened.read() as connection:
        plans = [
            str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given).fetchall())  # type: ignore[arg-type]
            for sql, given in asked
            if sql.startswith(("SELECT", "DELETE"))
        ]

    assert [("audit_by_time" in plan, "TEMP B-TREE" in plan) for plan in plans] == [(True, False)] * 2
    opened.close()


def test_entries_are_read_in_pages_newest_first(opened: Workspace) -> None:
    numbers = [record(opened, act(target=f"task-{n}")) for n in range(5)]

    newest = entries(opened, limit=2)
    older = entries(opened, limit=2, before=newest[-1].id)

    assert [one.id for one in newest + older] == numbers[:0:-1]
    assert entries(opened, before=numbers[0]) == []


def test_the_audit_holds_no_secret_and_no_endless_text(opened: Workspace) -> None:
    secrets = {"password": "S3cr3t", "url": "redis://u:S3cr3t@h", "kwargs": {"pin": 4711}}
    record(opened, act(target="x" * 9_000, arguments=secrets, detail="a\0b"))
    many, arguments = ["x" * 400] * 5_000, {"order": {"args": ["é" * 300_000]}, "asked": 7}
    record(opened, act(arguments={"asked": 7, "order": {"id": many, "each": many}}))
    record(opened, act(arguments=arguments))

    long, lists, masked = entries(opened)

    assert long.arguments == {"order": {"args": ["é" * 2_000 + "… of 300,000 characters"]}, "asked": 7}
    few = [*many[:100], "… 4,900 more"]
    assert lists.arguments == {"asked": 7, "order": {"id": few, "each": few}}
    assert masked.arguments == {"password": "********", "url": "redis://***@h", "kwargs": {"pin": "********"}}
    assert len(masked.target) == 2_000
    assert masked.detail == "a\ufffdb"


@settings(max_examples=30)
@given(words=ANY_TEXT, value=st.recursive(st.none() | st.integers() | st.floats() | ANY_TEXT, st.lists))
def test_any_act_can_be_recorded_and_read_back(opened: Workspace, words: str, value: object) -> None:
    number = record(opened, act(who=words, target=words, arguments={words: value}))

    assert entries(opened, limit=1)[0].id == number


def test_a_failed_transaction_leaves_nothing(opened: Workspace) -> None:
    number = record(opened, act())

    def spoil() -> None:
        with opened.write() as connection:
            connection.execute(text("DELETE FROM audit"))
            connection.execute(text("DELETE FROM no_such_table"))

    with pytest.raises(SourceUnreachable):
        spoil()
    assert [one.id for one in entries(opened)] == [number]


def test_a_newer_workspace_is_refused_by_name(url: Secret) -> None:
    first = workspace(url)
    with first.write() as connection:
        connection.execute(text("UPDATE version SET number = 99"))
    first.close()

    with pytest.raises(QueryRejected, match=f"is of version 99, this Celery Notebook knows {KNOWN}"):
        record(workspace(url), act())


def test_an_older_workspace_gets_what_it_lacks_and_keeps_what_it_has(
    url: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = workspace(url)
    number = record(first, act())
    first.close()
    monkeypatch.setattr(
        store, "MIGRATIONS", (*store.MIGRATIONS, lambda connection: connection.execute(text("CREATE TABLE n (i int)")))
    )

    second = workspace(url)
    kept = [one.id for one in entries(second)]
    with second.read() as connection:
        made = connection.scalar(text("SELECT count(*) FROM n")), connection.scalar(text("SELECT number FROM version"))
    second.close()

    assert (kept, made) == ([number], (0, KNOWN + 1))


def test_a_workspace_of_the_first_version_is_given_what_came_since(
    url: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(store, "MIGRATIONS", store.MIGRATIONS[:1])
        first = workspace(url)
        number = record(first, act())
        with first.write() as connection:
            connection.execute(text("DROP INDEX audit_by_time"))
        first.close()

    second = workspace(url)
    assert [one.id for one in entries(second)] == [number]
    assert notebooks.listed(second) == []
    with second.read() as connection:
        assert [index["name"] for index in inspect(connection).get_indexes("audit")] == ["audit_by_time"]
    second.close()


def test_a_migration_that_fails_changes_nothing(url: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    first = workspace(url)
    record(first, act())
    first.close()

    def fail(connection: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as later:
        step = lambda connection: connection.execute(text("CREATE TABLE n (i int)"))  # noqa: E731
        later.setattr(store, "MIGRATIONS", (*store.MIGRATIONS, step, fail))
        with pytest.raises(ZeroDivisionError):
            record(workspace(url), act())

    again = workspace(url)
    assert len(entries(again)) == 1
    with pytest.raises(SourceUnreachable), again.read() as connection:
        connection.execute(text("SELECT * FROM n"))
    again.close()


def test_folder_and_files_are_private(tmp_path: Path) -> None:
    opened = workspace(Secret(f"sqlite://{tmp_path}/new/histories"))
    record(opened, act())

    folder = tmp_path / "new" / "histories"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == dict.fromkeys(
        ("workspace.db", "workspace.db-wal", "workspace.db-shm", "workspace.db.lock"), 0o600
    )
    opened.close()


WRITER = """
import sys
from data_sources.config import Secret
from tests.test_workspace import act
from workspace.audit import record
from workspace.store import workspace
record(workspace(Secret(sys.argv[1])), act(target="theirs"))
print("written", flush=True)
sys.stdin.read()
"""


def test_a_second_dashboard_reads_and_writes_once_the_first_is_gone(tmp_path: Path) -> None:
    address = f"sqlite://{tmp_path}/histories"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as first:
        assert first.stdout
        assert first.stdout.readline() == "written\n"
        ours = workspace(Secret(address))

        assert [one.target for one in entries(ours)] == ["theirs"]
        with pytest.raises(Occupied, match=f"another dashboard, process {first.pid}, writes {tmp_path}"):
            record(ours, act())

        first.kill()
        first.wait()
    record(ours, act(target="ours"))

    assert [one.target for one in entries(ours)] == ["ours", "theirs"]
    ours.close()


def test_an_act_that_cannot_be_written_raises(tmp_path: Path) -> None:
    opened = workspace(Secret(f"sqlite://{tmp_path}"))
    record(opened, act())
    with sqlite3.connect(tmp_path / "workspace.db") as other:
        other.execute("DROP TABLE audit")

    with pytest.raises(SourceUnreachable, match="no such table"):
        record(opened, act())
    opened.close()


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(SourceUnreachable, match=f"{tmp_path}/file/x/workspace.db.lock: (Not a directory|File exists)"):
        record(workspace(Secret(f"sqlite://{tmp_path}/file/x")), act())


def test_replicas_share_one_workspace_on_postgresql(postgresql: PostgreSQL) -> None:
    url = Secret(postgresql.new_database())
    one, other = workspace(url), workspace(url)

    record(one, act(target="one"))
    record(other, act(target="other"))

    assert [entry.target for entry in entries(one)] == ["other", "one"]
    one.close()
    other.close()


def test_a_database_that_is_away_is_unreachable_and_its_password_untold() -> None:
    with pytest.raises(SourceUnreachable) as raised:
        entries(workspace(Secret("postgresql://user:S3cr3t@127.0.0.1:1/notebook")))

    assert "S3cr3t" not in str(raised.value)
    assert "127.0.0.1:1/notebook" in str(raised.value)
