"""From when until when a history was recorded, and is kept."""

from __future__ import annotations

from sqlalchemy import Connection, select

from data_sources.schema import latest, meta


def began_us(connection: Connection) -> int | None:
    """The first recording."""
    value = connection.execute(select(meta.c.value).where(meta.c.key == "began_us")).scalar()
    return int(value) if value else None


def kept_from_us(connection: Connection) -> int:
    """From when single tasks are kept; 0: since it began."""
    return int(connection.execute(select(meta.c.value).where(meta.c.key == "kept_from_us")).scalar() or 0)


def alive_us(connection: Connection) -> int | None:
    """The recorder's last sign of life: what came after is not known yet."""
    return connection.execute(select(latest.c.measured_us).where(latest.c.kind == "recorder")).scalar()
