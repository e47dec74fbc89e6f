"""A damaged SQLite file: set aside whole, and what can be read of it taken over into a fresh one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from data_sources.history_place import Place, SqlitePlace
from recorder.database import StoreFailed

if TYPE_CHECKING:
    from recorder.store import Store

BESIDE = ("", "-wal", "-shm")


def set_aside(place: Place) -> Path:
    """Renames the file and what stands beside it to `<file>.corrupt-<UTC time>`; returns that."""
    if not isinstance(place, SqlitePlace):
        raise StoreFailed(f"{place.address}: the server says its data is damaged")
    target = place.path.with_name(f"{place.path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    for end in BESIDE:
        part = Path(f"{place.path}{end}")
        if part.exists():
            part.rename(f"{target}{end}")
    return target


def salvage(damaged: Path, store: Store) -> None:
    pass
