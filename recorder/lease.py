"""Who may write a history: one process at a time. The system gives a lease back when its holder ends in any way."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from data_sources.history.place import Place, PostgresPlace
from recorder.database import StoreFailed


class Lease(Protocol):
    def acquire(self) -> bool:
        """Whether it is ours now; does not wait. Raises StoreFailed when it cannot be asked for."""

    def is_held(self) -> bool:
        """Whether anybody has it; takes it from nobody. Raises StoreFailed."""

    def is_ours(self) -> bool:
        """Whether it still is, after `acquire` said so; one that was lost is taken again if nobody else has it."""

    def holder(self) -> str:
        """Who has it, for people: `process 123`."""

    def release(self) -> None:
        """Gives it back, and lets go of what looking takes."""


def lease_of(place: Place) -> Lease:
    if isinstance(place, PostgresPlace):
        from recorder.postgres_lease import PostgresLease  # its driver takes long to import, and a file needs none

        return PostgresLease(place)
    return FileLease(place.path)


class FileLease:
    """`flock` on `<file>.lock`, which holds the pid."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._file: int | None = None

    def acquire(self) -> bool:
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file
        return True

    def is_held(self) -> bool:
        if not self._path.exists():
            return False
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def is_ours(self) -> bool:
        """Of a file that was removed or replaced others can have the lease as well."""
        if self._file is None:
            return False
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        return False

    def holder(self) -> str:
        with suppress(OSError):
            if pid := self._path.read_text(errors="replace").strip():
                return f"process {pid:.20}"
        return "another process"

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StoreFailed(f"{self._path}: {exc.strerror}") from exc
