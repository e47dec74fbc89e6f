"""A history in a SQLite file. Exactly one connection writes it, and it alone checkpoints.

Two connections that write and checkpoint one WAL can corrupt it in SQLite before 3.51.3 (sqlite.org/wal.html, "The
WAL-Reset Bug"), so whoever opens this holds the history's lease.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from glob import escape
from pathlib import Path
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite as dialect

from data_sources import schema
from data_sources.history.place import what_is_left
from recorder.database import (
    Row,
    StoreCorrupt,
    StoreFailed,
    StoreFull,
    ValueRefused,
    create_statements,
    on_conflict,
    quoted,
)
from recorder.private_file import keep_private, make_private, make_private_folder
from recorder.reserve import Reserve
from recorder.suspicion import Suspicion

BUSY_SECONDS = 5.0
CHECK_SECONDS = 0.5  # of looking for damage at a start: a small file is read whole, a big one begun
SHRINK_PAGES = 1_000  # given back at a time: 4 MB
SPARE = 0.1  # of the pages may be free: new rows take them
SETTINGS = (
    "PRAGMA auto_vacuum = INCREMENTAL",  # before the first table, or it does nothing
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # what is acknowledged survives a power cut too
    "PRAGMA wal_autocheckpoint = 4000",  # 16 MB: the pages that every writing changes are brought home less often
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -32000",
    "PRAGMA temp_store = MEMORY",
)
ERRORS = {
    sqlite3.SQLITE_FULL: StoreFull,
    sqlite3.SQLITE_CORRUPT: StoreCorrupt,
    sqlite3.SQLITE_NOTADB: StoreCorrupt,
    sqlite3.SQLITE_TOOBIG: ValueRefused,
}
# Without an adapter sqlite3 makes an AttributeError for each None, and drops it: ten for a task. This one is no Python.
NONE_IS_NONE: Callable[[None], None] = {None: None}.get
sqlite3.register_adapter(type(None), NONE_IS_NONE)
# What a file system says that other machines share: their locks and shared memory do not hold WAL together.
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs", "afs"}


class SqliteDatabase:
    """Opens `path`, and makes it when it is not there: the folder is for its owner alone, the file whoever made it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reserve = Reserve(path)
        self._suspicion = Suspicion(path)
        with self._translated():
            self._make_file()
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.text_factory = what_is_left  # one that is none must not end the recording
        try:
            with self._translated():
                for setting in SETTINGS:
                    self._connection.execute(setting).fetchall()
                self._look_for_damage()
        except BaseException:
            self._connection.close()
            raise

    def _make_file(self) -> None:
        if (kind := file_system(self.path.parent)) in NETWORK:
            raise StoreFailed(f"{self.path}: a {kind} share cannot hold it safely; use a local disk or PostgreSQL")
        make_private_folder(self.path.parent)
        make_private(self.path)  # what SQLite adds beside it takes its mode; what stands there has its own
        for end in ("-wal", "-shm"):
            keep_private(Path(f"{self.path}{end}"))
        self._inode = self._find_inode()

    def _find_inode(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _look_for_damage(self) -> None:
        deadline = time.monotonic() + CHECK_SECONDS
        self._connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        try:
            found = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
        else:
            if found != ("ok",):
                raise StoreCorrupt(f"{self.path} is damaged")
        finally:
            self._connection.set_progress_handler(None, 0)

    @property
    def is_new(self) -> bool:
        return not self.query("SELECT 1 FROM sqlite_schema LIMIT 1")

    def create(self, tables: Sequence[Table] = schema.metadata.sorted_tables) -> None:
        for statement in create_statements(dialect.dialect(), tables):
            self.execute(statement)

    def back_up(self, version: int) -> None:
        """A copy of the file as it is, `<file>.before-v<version>`, in place of an older one."""
        target = self.path.with_name(f"{self.path.name}.before-v{version}")
        with self._translated():
            make_private(target, os.O_TRUNC)
            with closing(sqlite3.connect(target)) as copy:
                self._connection.backup(copy)
            for old in self.path.parent.glob(f"{escape(self.path.name)}.before-v*"):
                if old != target:
                    old.unlink()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._translated():
            if self._find_inode() != self._inode:  # it would go on writing where nobody reads
                raise StoreCorrupt(f"{self.path} was removed or replaced")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk ends it by itself
                    self._connection.execute("ROLLBACK")
                raise

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with self._translated():
            return self._connection.execute(sql, parameters).fetchall()

    def query_by(self, sql: str, keys: Sequence[str]) -> list[Row]:
        return self.query(sql.format(keys="json_each(?) AS keys"), [json.dumps(keys)])

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        with self._translated():
            return self._connection.execute(sql, parameters).rowcount

    def upsert(self, table: Table, rows: Iterable[Row]) -> None:
        self._insert("INSERT", table, rows)

    def take_over(self, table: Table, rows: Iterable[Row]) -> None:
        """Those of damaged rows that fit."""
        self._insert("INSERT OR IGNORE", table, rows)

    def _insert(self, insert: str, table: Table, rows: Iterable[Row]) -> None:
        """Without the columns that are NULL in all rows: nine of a task's, and to bind them takes 0.5 us an event."""
        columns = list(zip(*rows, strict=True))
        there = [n for n, column in enumerate(columns) if column[0] is not None or column.count(None) < len(column)]
        if there:
            with self._translated():
                values = zip(*(columns[place] for place in there), strict=True)
                self._connection.executemany(insert_statement(insert, table, tuple(there)), values)

    def size_bytes(self) -> int:
        pages, free, size = (
            self.query(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def shrink(self) -> bool:
        pages, free = (self.query(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count"))
        if free <= max(SHRINK_PAGES, pages * SPARE):
            return False
        with self._translated():
            self._connection.executescript(f"PRAGMA incremental_vacuum({SHRINK_PAGES})")  # execute() frees one page
        return True

    def free_reserve(self) -> bool:
        freed = self._reserve.free()
        if freed:
            with suppress(StoreFailed):  # then the WAL begins anew, and has room for what is deleted
                self.query("PRAGMA wal_checkpoint(PASSIVE)")
        return freed

    def fill_reserve(self) -> bool:
        return self._reserve.fill(self.size_bytes())

    def heed_readers(self) -> None:
        self._suspicion.heed()

    def close(self) -> None:
        self._suspicion.end()
        self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            kind = ERRORS.get(getattr(exc, "sqlite_errorcode", 0) & 0xFF, StoreFailed)
            raise kind(f"{self.path}: {exc}") from exc
        except UnicodeDecodeError as exc:  # SQLite quotes what is damaged
            raise StoreCorrupt(f"{self.path} is damaged: {type(exc).__name__}") from exc
        except (OverflowError, UnicodeEncodeError) as exc:
            raise ValueRefused(f"{self.path}: {type(exc).__name__}") from exc
        except OSError as exc:
            raise StoreFailed(f"{self.path}: {exc.strerror}") from exc


@lru_cache(200)
def insert_statement(insert: str, table: Table, places: tuple[int, ...]) -> str:
    """With values for the columns at `places`; the others become NULL."""
    names = [table.columns[place].name for place in places]
    values = ", ".join("?" * len(names))
    return f"{insert} INTO {table.name} ({quoted(names)}) VALUES ({values}) {on_conflict(table)}"


def file_system(folder: Path) -> str:
    """The kind of file system `folder` is, or will be, on; empty where it cannot be told."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return ""
    folder = folder.resolve()
    kinds = {}
    for line in mounts.read_text(errors="replace").splitlines():
        _, point, kind, *_ = line.split(" ")
        kinds[Path(point.encode().decode("unicode_escape"))] = kind
    return next((kinds[part] for part in (folder, *folder.parents) if part in kinds), "")
