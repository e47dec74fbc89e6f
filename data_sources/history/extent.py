"""From when until when a history was recorded."""

from __future__ import annotations

from sqlalchemy import Connection, select

from data_sources.schema import latest, meta


def began_us(connection: Connection) -> int | None:
    """The first recording."""
    value = connection.execute(select(meta.c.value).where(meta.c.key == "began_us")).scalar()
    return int(value) if value else None


def alive_us(connection: Connection) -> int | None:
    """The recorder's last sign of life: what came after is not known yet."""
    return connection.execute(select(latest.c.measured_us).where(latest.c.kind == "recorder")).scalar()
