"""The tables of the workspace, the same in SQLite and PostgreSQL. Times end in `_us`: microseconds since 1970."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()

# How many of the workspace's migrations were made. One row.
version = Table("version", metadata, Column("number", Integer, nullable=False))

# Who did what to which cluster. Rows are added and never changed, until they are old (workspace/audit.py): an outcome
# heard later is a row of its own.
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
audit_by_time = Index("audit_by_time", audit.c.at_us)


def kept(name: str, *columns: Column[object]) -> Table:
    """A table of what people keep: its id cannot be guessed, and what is deleted can be had back for a while.

    `bytes` is the size of the row's own text or body, which stands last: to add sizes up, no body is read.
    """
    return Table(
        name,
        metadata,
        Column("id", Text, primary_key=True),
        Column("title", Text, nullable=False),
        Column("changed_us", BigInteger, nullable=False),
        Column("deleted_us", BigInteger),
        Column("deleted_by", Text),
        Column("bytes", BigInteger, nullable=False),
        *columns,
    )


# A notebook, as its newest revision is; `bytes` is of all its revisions together.
notebooks = kept(
    "notebooks",
    Column("made_us", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("cells", Integer, nullable=False),
    Column("thresholds", Integer, nullable=False),
)

revisions = Table(
    "revisions",
    metadata,
    Column("notebook", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("author", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
)

# What somebody is writing and has not saved; of which notebook (or empty) and from which of its revisions on.
drafts = kept(
    "drafts",
    Column("owner", Text, nullable=False),
    Column("notebook", Text, nullable=False),
    Column("based_on", Integer, nullable=False),
    Column("text", Text, nullable=False),
)
drafts_by_owner = Index("drafts_by_owner", drafts.c.owner, drafts.c.changed_us)

# Sealed answers of a page (see data_sources/sealed/file.py) and `link`, the page's address with its parameters.
snapshots = kept(
    "snapshots",
    Column("made_by", Text, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("link", Text, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
