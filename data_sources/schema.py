"""The tables of a history, the same in SQLite and PostgreSQL.

A history belongs to one cluster: a SQLite file of its own, or a PostgreSQL schema of its own. The recorder writes it,
everybody else reads. Times end in `_us` (microseconds since 1970, as integers, so that sums are exact) or are `at`
(whole seconds since 1970, the start of a bucket).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

VERSION = 2

# Celery's own names; a place in this list is what a row holds, so new ones go to the end.
STATES = ("PENDING", "RECEIVED", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED", "REJECTED")
FINAL = ("SUCCESS", "FAILURE", "REVOKED", "REJECTED")
UNSUCCESSFUL = (5, 6, 7)  # places in STATES: FAILURE, REVOKED, REJECTED
# Of what there are indexes; literals, or no planner would know them.
IS_LIVE = text("state < 4")  # the states before FINAL
IS_UNSUCCESSFUL = text("state > 4")

KINDS = ("name", "queue", "worker")  # of what is told apart everywhere; a place in this list is `names.kind`

LEVELS = (10, 60, 3600)  # seconds a bucket of the roll-ups
SAMPLE_LEVELS = (10, 60, 600)  # seconds between samples, thinner with age

# How long what is of each level is kept, of both kinds. Minutes outlive this while rows of their time are kept.
KEPT_SECONDS = {10: 86_400, 60: 14 * 86_400, 600: 400 * 86_400, 3600: 400 * 86_400}

MEASURES = ("depth", "unacked", "busy_slots", "slots", "accepted")  # what is sampled
COUNTED = "accepted"  # the measure of which a sample is what was counted since the one before

BIG = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by INTEGER PRIMARY KEY alone

metadata = MetaData()

# schema_version, cluster, fingerprint, began_us (the first recording), kept_from_us (rows before it are purged)
meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

# Names of tasks, queues and workers, once; 0 stands in roll-ups for one that is not known.
names = Table(
    "names",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("text", Text, nullable=False),
    UniqueConstraint("kind", "text"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("seq", BIG, primary_key=True),
    Column("id", Text, nullable=False),
    # When it did last what is known of it: finished, else started, else received, else sent. What lists sort by.
    Column("last_us", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),  # place in STATES
    Column("name", Integer),  # names.id, as queue and worker; NULL: not known
    Column("queue", Integer),
    Column("worker", Integer),
    Column("sent_us", BigInteger),
    Column("received_us", BigInteger),
    Column("started_us", BigInteger),
    Column("finished_us", BigInteger),
    Column("wait_us", BigInteger),
    Column("runtime_us", BigInteger),
    Column("retries", Integer),
    Column("priority", Integer),
    Column("eta_us", BigInteger),
    Column("exchange", Text),
    Column("routing_key", Text),
    Column("root", Text),  # NULL: itself
    Column("parent", Text),
    Column("group", Text),
    Column("state_us", BigInteger, nullable=False),  # of the event that gave the state, and of the one that gave the
    Column("outcome_us", BigInteger),  # outcome: what decides which of two events counts
    Index("tasks_id", "id", unique=True),
    Index("tasks_last", "last_us", "state", "name", "queue", "worker"),
    # The same of one task, for what is rare; and its slowest, which may be quick beside those of others.
    Index("tasks_name", "name", "last_us", "state", "queue", "worker"),
    Index(
        "tasks_runtime",
        "name",
        "runtime_us",
        "last_us",
        "state",
        "queue",
        "worker",
        sqlite_where=text("runtime_us IS NOT NULL"),
        postgresql_where=text("runtime_us IS NOT NULL"),
    ),
    Index(
        "tasks_wait",
        "name",
        "wait_us",
        "last_us",
        "state",
        "queue",
        "worker",
        sqlite_where=text("wait_us IS NOT NULL"),
        postgresql_where=text("wait_us IS NOT NULL"),
    ),
    # Those that have not ended are few, and counted from their rows.
    Index("tasks_live", "last_us", "state", "name", "queue", "worker", sqlite_where=IS_LIVE, postgresql_where=IS_LIVE),
    Index(
        "tasks_unsuccessful",
        "state",
        "last_us",
        "name",
        "queue",
        "worker",
        sqlite_where=IS_UNSUCCESSFUL,
        postgresql_where=IS_UNSUCCESSFUL,
    ),
    Index("tasks_root", "root", sqlite_where=text("root IS NOT NULL"), postgresql_where=text("root IS NOT NULL")),
)

# What is long and read one task at a time: masked and cut; `cut` is a JSON object of the true lengths of what was.
texts = Table(
    "texts",
    metadata,
    Column("seq", BIG, primary_key=True),
    Column("args", Text),
    Column("kwargs", Text),
    Column("result", Text),
    Column("exception", Text),
    Column("traceback", Text),
    Column("cut", Text),
)

# The combinations there are, so that a roll-up's row is short. 0: not known.
cells = Table(
    "cells",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Integer, nullable=False),
    Column("queue", Integer, nullable=False),
    Column("worker", Integer, nullable=False),
    Column("state", SmallInteger, nullable=False),
    UniqueConstraint("name", "queue", "worker", "state"),
)

# Tasks of a final state by when they finished. A bucket is made anew from its rows whenever one of them changed.
rollups = Table(
    "rollups",
    metadata,
    Column("level", SmallInteger, primary_key=True),  # one of LEVELS
    Column("at", BigInteger, primary_key=True),
    Column("cell", Integer, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("waits", Integer, nullable=False),  # how many of them have a known wait
    Column("wait_us", BigInteger, nullable=False),  # their sum
    Column("runtimes", Integer, nullable=False),
    Column("runtime_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The roll-ups' `cell` and `count` once more, a row a bucket: see data_sources/history/bucket_counts.py.
counts = Table(
    "counts",
    metadata,
    Column("level", SmallInteger, primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("cells", LargeBinary, nullable=False),
    Column("counts", LargeBinary, nullable=False),
)

# DDSketches of wait and runtime in seconds, apart from the counts, which are read far more often.
sketches = Table(
    "sketches",
    metadata,
    Column("level", SmallInteger, primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("cell", Integer, primary_key=True),
    Column("wait", LargeBinary),
    Column("runtime", LargeBinary),
    sqlite_with_rowid=False,
)

# Minutes, and hours, whose rows changed since their roll-ups were made: they are read from the rows, or the minutes.
# A minute is marked together with its hour, so an hour without a mark has no minute with one.
dirty = Table(
    "dirty",
    metadata,
    Column("level", SmallInteger, primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
)

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("measure", Text, nullable=False),  # one of MEASURES
    Column("label", Text, nullable=False),  # name, queue, worker; "": the total
    Column("text", Text, nullable=False),
    UniqueConstraint("measure", "label", "text"),
)

# A gauge's value (thinned: the mean), or for `accepted` what was counted over `span` seconds (thinned: sums of both).
samples = Table(
    "samples",
    metadata,
    Column("level", SmallInteger, primary_key=True),  # one of SAMPLE_LEVELS
    Column("at", BigInteger, primary_key=True),
    Column("measure", Text, primary_key=True),  # of all its series
    Column("label", Text, primary_key=True),
    Column("series", LargeBinary, nullable=False),  # arrays, see data_sources/history/sample_rows.py
    Column("values", LargeBinary, nullable=False),
    Column("spans", LargeBinary, nullable=False),
)

# Times of which something is not known, and why. `source`: workers, queues, events (of tasks), senders (some workers
# sent none, others did), or recorder: everything. `missed`: how many task events, estimated; NULL: cannot be told.
gaps = Table(
    "gaps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger),  # NULL: still
    Column("reason", Text, nullable=False),
    Column("missed", Integer),
    Index("gaps_start", "start_us"),
)

# The answers of the moment. `failure` and `body` are JSON; a failed attempt keeps the last good body.
latest = Table(
    "latest",
    metadata,
    Column("kind", Text, primary_key=True),  # workers, queues, recorder, counters
    Column("measured_us", BigInteger),  # of the body; NULL: there was none yet
    Column("took_us", BigInteger, nullable=False),
    Column("failure", Text),
    Column("body", Text),
)
