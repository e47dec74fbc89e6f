"""The tables of the workspace, the same in SQLite and PostgreSQL. Times end in `_us`: microseconds since 1970."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

metadata = MetaData()

# How many of the workspace's migrations were made. One row.
version = Table("version", metadata, Column("number", Integer, nullable=False))

# Who did what to which cluster. Rows are added and never changed: an outcome heard later is a row of its own.
audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("from_address", Text, nullable=False),
    Column("cluster", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("arguments", Text, nullable=False),  # a JSON object, masked
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
